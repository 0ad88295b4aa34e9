//! The `restore-nic` function.

use holdfast_restore_nic::{Context, handle};

#[tokio::main]
async fn main() -> Result<(), holdfast_runtime::Error> {
    holdfast_runtime::run(Context::from_env, holdfast_runtime::decode, handle).await
}
