//! The Lambda function `swap-route`.

use holdfast_swap_route::{Context, handle};

#[tokio::main]
async fn main() -> Result<(), holdfast_runtime::Error> {
    holdfast_runtime::run(Context::new, holdfast_runtime::decode, handle).await
}
