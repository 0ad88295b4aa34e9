//! `cargo lab`, `cargo lab serve` and `cargo lab bench`.

use std::time::Duration;
use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use holdfast_lab::{Lab, LabError, LabOptions, Progress, Source, bench, story};
use tokio::signal::unix::{SignalKind, signal};

/// Runs the reference story on emulated AWS, Nutanix and guests: no account, no network, no container.
#[derive(Debug, Parser)]
#[command(name = "cargo lab", bin_name = "cargo lab")]
struct Arguments {
    #[command(subcommand)]
    mode: Option<Mode>,
    /// Start from this world file instead of the story's (tests/lab/worlds/story.yaml); then nothing is run.
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "empty")]
    world: Option<PathBuf>,
    /// Publish this network map instead of the story's (infra/network-map.example.yaml).
    #[arg(long, global = true, value_name = "FILE")]
    map: Option<PathBuf>,
    /// Start from nothing: no VPC, no Prism Central, no network map; then nothing is run.
    #[arg(long, global = true)]
    empty: bool,
    /// Give the wave this many machines, Windows and Linux in turn.
    #[arg(long, global = true, value_name = "N", conflicts_with = "empty")]
    hosts: Option<usize>,
    /// Once all is up, print one line of JSON on stdout with every address a client needs.
    #[arg(long, global = true)]
    json: bool,
    /// Use the function binaries as they are, without asking cargo.
    #[arg(long, global = true)]
    no_build: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
enum Mode {
    /// Keep everything running until Ctrl-C, for the AWS CLI and other clients.
    Serve,
    /// Measure how near route changes come to the speed that AWS allows, repairs of NICs to that of a Prism Central, and how soon routes follow a recovery job that
    /// nobody watched: one JSON object a line.
    /// Takes some twenty minutes.
    Bench {
        /// Measure only this part.
        part: Option<bench::Part>,
    },
    /// The process that `bench` measures: takes what to repair from stdin.
    #[command(hide = true)]
    BenchNics,
}

impl Arguments {
    fn serves(&self) -> bool {
        self.mode == Some(Mode::Serve) || self.empty || self.world.is_some() || self.map.is_some()
    }

    fn options(&self, progress: &Progress) -> LabOptions {
        let world = match (&self.world, self.empty) {
            (_, true) => Source::Empty,
            (Some(file), false) => Source::File(file.clone()),
            (None, false) => Source::Story,
        };
        let map = match (&self.map, &world) {
            (Some(file), _) => Source::File(file.clone()),
            (None, Source::Story) => Source::Story,
            // The story's map names ids that another world does not have.
            (None, _) => Source::Empty,
        };
        LabOptions {
            world,
            map,
            hosts: self.hosts,
            watches: self.serves(),
            build: !self.no_build,
            progress: progress.clone(),
            ..LabOptions::default()
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let progress = Progress::on_stderr();
    // Whichever ends first, the other is dropped, and with it every process that it started.
    let ended = tokio::select! {
        ended = run(&arguments, &progress) => ended,
        stopped = asked_to_stop() => Err(stopped),
    };
    progress.clear();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(LabError::Stopped(_)) if arguments.serves() => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab: {}", error.line());
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments, progress: &Progress) -> Result<(), LabError> {
    if let Some(Mode::Bench { part }) = arguments.mode {
        return bench::run(part, |figure| progress.line(&figure.to_string())).await.map_err(LabError::Bench);
    }
    if arguments.mode == Some(Mode::BenchNics) {
        return bench::worker().await.map_err(LabError::Bench);
    }
    let lab = Lab::start(arguments.options(progress)).await?;
    if arguments.json {
        progress.line(&lab.describe().to_string());
    }
    if arguments.serves() {
        progress.clear();
        if !arguments.json {
            progress.line(&lab.greeting());
        }
        return Err(lab.until_the_emulator_ends().await);
    }
    let told = tokio::select! {
        told = story::tell(&lab, progress) => match told {
            Ok(told) => told,
            // A call may notice that the emulator is gone before its end is seen; then its end is what to tell.
            Err(error) => {
                let ended = tokio::time::timeout(Duration::from_secs(2), lab.until_the_emulator_ends()).await;
                return Err(ended.unwrap_or(error));
            }
        },
        ended = lab.until_the_emulator_ends() => return Err(ended),
    };
    progress.line(&told.timeline.table());
    progress.line(&told.report);
    Ok(())
}

async fn asked_to_stop() -> LabError {
    let listen = |kind| signal(kind).ok();
    let (mut interrupt, mut terminate, mut hangup) =
        (listen(SignalKind::interrupt()), listen(SignalKind::terminate()), listen(SignalKind::hangup()));
    tokio::select! {
        Some(_) = next(&mut interrupt) => LabError::Stopped("Ctrl-C"),
        Some(_) = next(&mut terminate) => LabError::Stopped("SIGTERM"),
        Some(_) = next(&mut hangup) => LabError::Stopped("SIGHUP"),
    }
}

async fn next(signal: &mut Option<tokio::signal::unix::Signal>) -> Option<()> {
    match signal {
        Some(signal) => signal.recv().await,
        None => std::future::pending().await,
    }
}
