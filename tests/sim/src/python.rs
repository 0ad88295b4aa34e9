//! Finds a Python for the private environments of the official clients and of the AWS emulator.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Names under which a Python may be found, the likeliest first.
const CANDIDATES: [&str; 7] =
    ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10", "python"];
/// The oldest minor version of Python 3 that the pinned packages run on.
const OLDEST: u32 = 10;
/// The latest minor version that every pinned package has a wheel for. A later one is taken when there is no other: pip then says which package it cannot install.
const LATEST_WITH_WHEELS: u32 = 14;
/// Tells the version of a Python that can make an environment.
const ASK: &str = "import sys, venv, ensurepip; print(*sys.version_info[:2])";

/// No suitable Python.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no Python 3.10 or later with the `venv` module was found (tried {tried}): install one and put it in PATH")]
pub struct NoPython {
    /// The commands that were tried, with what each said.
    tried: String,
}

/// Returns a Python 3.10 or later of `PATH` that can make an environment.
///
/// # Errors
/// [`NoPython`].
pub fn find() -> Result<PathBuf, NoPython> {
    let (mut tried, mut later) = (Vec::new(), None);
    for candidate in CANDIDATES {
        match version(Path::new(candidate)) {
            Ok((3, OLDEST..=LATEST_WITH_WHEELS)) => return Ok(PathBuf::from(candidate)),
            Ok(found) if found > (3, LATEST_WITH_WHEELS) => later = later.or(Some(candidate)),
            Ok((major, minor)) => tried.push(format!("{candidate}: it is {major}.{minor}")),
            Err(why) => tried.push(format!("{candidate}: {why}")),
        }
    }
    later.map(PathBuf::from).ok_or_else(|| NoPython { tried: tried.join(", ") })
}

/// The version of an interpreter that can make an environment.
///
/// # Errors
/// What it said instead.
pub fn version(python: &Path) -> Result<(u32, u32), String> {
    let output = Command::new(python).args(["-c", ASK]).output().map_err(|_| "not there".to_owned())?;
    let last = |text: &[u8]| String::from_utf8_lossy(text).trim().lines().last().unwrap_or("no answer").to_owned();
    if !output.status.success() {
        return Err(last(&output.stderr));
    }
    let said = last(&output.stdout);
    let parts = said.split_once(' ').map(|(major, minor)| (major.parse(), minor.parse()));
    match parts {
        Some((Ok(major), Ok(minor))) => Ok((major, minor)),
        _ => Err(said),
    }
}
