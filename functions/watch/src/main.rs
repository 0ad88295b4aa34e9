//! The `watch` Lambda function.

#[tokio::main]
async fn main() -> Result<(), holdfast_runtime::Error> {
    holdfast_runtime::run(holdfast_watch::Context::from_env, holdfast_watch::handle).await
}
