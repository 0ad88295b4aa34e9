//! `cargo lab bench`: how near route changes come to the speed that AWS allows, and repairs of NICs to that of a Prism Central.
//!
//! Routes are changed by the code of `swap-route` on simulated EC2 with AWS's token buckets, refilled once a second, and 30 ms a call; the
//! journal is in memory, at 30 ms a call too. Planning is measured by `holdfast-bench`, built for release, which knows no AWS. NICs
//! are repaired by the code of `restore-nic` in a process of its own; its notes are in memory, at 30 ms each.

mod apply;
mod nics;
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

/// Measures everything; `tell` gets each figure as one line of JSON when it is there.
///
/// # Errors
/// What could not be measured.
pub async fn run(tell: impl Fn(&Value)) -> Result<(), BoxError> {
    tell(&apply::round_trips().await?.json());
    tell(&apply::prefix_list().await?.json());
    tell(&apply::static_routes().await?.json());
    nics::figures(|figure| tell(&figure.json())).await?;
    for line in planning().await?.lines() {
        tell(&serde_json::from_str(line)?);
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
