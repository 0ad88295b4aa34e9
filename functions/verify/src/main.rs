//! The `verify` Lambda function.

#[tokio::main]
async fn main() -> Result<(), holdfast_runtime::Error> {
    holdfast_runtime::run(holdfast_verify::Context::from_env, holdfast_runtime::decode, holdfast_verify::handle).await
}
