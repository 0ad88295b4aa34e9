//! `cargo lab bench`: how near route changes come to the speed that AWS allows, and repairs of NICs to that of a Prism Central.
//!
//! How soon routes follow a recovery job that nobody watched is measured in a whole lab ([`reaction`]).
//!
//! Routes are changed by the code of `swap-route` on simulated EC2 with AWS's token buckets, refilled once a second, and 30 ms a call; the
//! journal is in memory, at 30 ms a call too. Planning is measured by `holdfast-bench`, built for release, which knows no AWS. NICs
//! are repaired by the code of `restore-nic` in a process of its own; its notes are in memory, at 30 ms each.

mod apply;
mod nics;
mod reaction;
mod watched;
mod worlds;

use crate::Workspace;
use crate::error::BoxError;
use serde_json::{Value, json};
use std::process::Stdio;

pub use nics::worker;

/// One measured figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// What was measured.
    pub name: &'static str,
    /// What it came to.
    pub value: f64,
    /// In what.
    pub unit: &'static str,
    /// The least that AWS's limits allow, or what it is compared with; none where there is no such thing.
    pub floor: Option<f64>,
    /// Calls to AWS or to a Prism Central, by what they do.
    pub calls: Calls,
    /// How often it was measured; the figure is the worst.
    pub runs: u32,
}

/// Calls that one run made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calls {
    /// All of them.
    pub all: usize,
    /// Those that change something.
    pub mutating: usize,
    /// Those that were refused for being too many.
    pub throttled: usize,
}

impl Figure {
    /// One line of JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let ratio = self.floor.filter(|floor| *floor > 0.0).map(|floor| round(self.value / floor));
        json!({
            "name": self.name,
            "value": round(self.value),
            "unit": self.unit,
            "floor": self.floor,
            "ratio": ratio,
            "calls": { "all": self.calls.all, "mutating": self.calls.mutating, "throttled": self.calls.throttled },
            "runs": self.runs,
        })
    }
}

fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// What is measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Round trips, prefix lists and static routes.
    Routes,
    /// From the end of a recovery job to the last route, and what that costs.
    Reaction,
    /// Addresses of 1,000 hosts, and finding a wave among 5,000 VMs.
    Nics,
    /// Planning and checking of large maps.
    Planning,
}

/// Measures one part, or everything; `tell` gets each figure as one line of JSON when it is there.
///
/// # Errors
/// What could not be measured.
pub async fn run(only: Option<Part>, tell: impl Fn(&Value)) -> Result<(), BoxError> {
    let wanted = |part| only.is_none_or(|only| only == part);
    if wanted(Part::Routes) {
        tell(&apply::round_trips().await?.json());
        tell(&apply::prefix_list().await?.json());
        tell(&apply::static_routes().await?.json());
    }
    if wanted(Part::Reaction) {
        reaction::figures(|figure| tell(&figure.json())).await?;
    }
    if wanted(Part::Nics) {
        nics::figures(|figure| tell(&figure.json())).await?;
    }
    if wanted(Part::Planning) {
        for line in planning().await?.lines() {
            tell(&serde_json::from_str(line)?);
        }
    }
    Ok(())
}

/// Runs the measurements of planning, built for release.
async fn planning() -> Result<String, BoxError> {
    let workspace = Workspace::find()?;
    let output = tokio::process::Command::new(workspace.cargo())
        .args(["run", "--quiet", "--release", "--package", "holdfast-bench"])
        .arg("--target-dir")
        .arg(workspace.target())
        .current_dir(workspace.root())
        .stderr(Stdio::inherit())
        .output()
        .await?;
    if !output.status.success() {
        return Err(format!("holdfast-bench ended with {}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
