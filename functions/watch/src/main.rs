//! The `watch` Lambda function.

use holdfast_watch::{Called, called};

#[tokio::main]
async fn main() -> Result<(), holdfast_runtime::Error> {
    holdfast_runtime::run(holdfast_watch::Context::from_env, Called::decode, called).await
}
