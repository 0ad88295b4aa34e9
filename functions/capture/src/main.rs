//! The `capture` Lambda function.

#[tokio::main]
async fn main() -> Result<(), holdfast_runtime::Error> {
    holdfast_runtime::run(holdfast_capture::Context::from_env, holdfast_runtime::decode, holdfast_capture::handle).await
}
