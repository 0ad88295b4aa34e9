//! `holdfast-sim`: runs one simulation until it is interrupted, and prints where it listens as one line of JSON.

use std::{error::Error, path::PathBuf, process::ExitCode};

use clap::Parser;
use holdfast_sim::{Options, Sim, World};

/// Simulates AWS networking, Run Command, Nutanix Prism Central and Nutanix Move on loopback.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// World file (YAML) to start from; without one the world is empty.
    #[arg(long, value_name = "FILE")]
    world: Option<PathBuf>,
    /// Base URL of the emulator for all other AWS services.
    #[arg(long, value_name = "URL")]
    ministack: Option<String>,
    /// DynamoDB table whose calls of all Regions go to one, as a strongly consistent table; may be given several times.
    #[arg(long, value_name = "TABLE", requires = "strong_region")]
    strong_table: Vec<String>,
    /// The Region that keeps the strong tables.
    #[arg(long, value_name = "REGION", default_value = "")]
    strong_region: String,
    /// Port of the AWS endpoint; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Port of the control server; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    control_port: u16,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("holdfast-sim: {error}");
            let mut cause = error.source();
            while let Some(source) = cause {
                eprintln!("  {source}");
                cause = source.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let world = match &arguments.world {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            World::from_yaml(&text)?
        }
        None => World::empty(),
    };
    let Arguments { ministack, port, control_port, strong_table, strong_region, .. } = arguments;
    let options = Options {
        ministack,
        strong_tables: strong_table,
        strong_region,
        front_port: port,
        control_port,
        ..Options::default()
    };
    let sim = Sim::start(world, options).await?;
    let places = serde_json::json!({
        "aws_endpoint": sim.aws_endpoint(),
        "control": sim.control_url(),
        "prism_centrals": sim.prism_centrals(),
        "move": sim.moves(),
    });
    println!("{places}");
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminated.recv() => {}
    }
    Ok(())
}
