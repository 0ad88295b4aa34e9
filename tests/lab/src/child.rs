//! Child processes that never outlive the lab.

use std::{ffi::OsStr, process::Stdio};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
};

use crate::{LabError, progress::Progress};

/// A process with all its descendants in a process group of their own, killed when this is dropped.
#[derive(Debug)]
pub struct Group {
    child: Child,
    group: Option<Pid>,
}

impl Group {
    /// Starts a command in a process group of its own.
    ///
    /// # Errors
    /// [`LabError::Spawn`] with `mend`.
    pub fn spawn(command: &mut Command, mend: &'static str) -> Result<Self, LabError> {
        let program = name(command.as_std().get_program());
        let child = command.process_group(0).kill_on_drop(true).spawn().map_err(|source| LabError::Spawn {
            program,
            mend,
            source,
        })?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        Ok(Self { child, group })
    }

    /// How the process ended, if it has.
    pub fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().ok().flatten()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // A group that is already gone is what we want.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

/// Runs a command to its end and shows its last line as it works.
///
/// # Errors
/// [`LabError::Spawn`], or [`LabError::Failed`] with the last line that looks like an error.
pub async fn run(command: &mut Command, progress: &Progress, mend: &'static str) -> Result<(), LabError> {
    let program = name(command.as_std().get_program());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut group = Group::spawn(command, mend)?;
    let (out, err) = (group.child.stdout.take(), group.child.stderr.take());
    let (out, err, status) = tokio::join!(lines(out, progress), lines(err, progress), group.child.wait());
    let status = status.map_err(|source| LabError::Spawn { program: program.clone(), mend, source })?;
    if status.success() {
        return Ok(());
    }
    let all = [out, err].concat();
    let said = all.iter().find(|line| line.to_lowercase().starts_with("error")).or(all.last()).cloned();
    Err(LabError::Failed { program, status, said: said.unwrap_or_else(|| "it said nothing".to_owned()), mend })
}

async fn lines(stream: Option<impl AsyncRead + Unpin>, progress: &Progress) -> Vec<String> {
    let Some(stream) = stream else { return Vec::new() };
    let mut reader = BufReader::new(stream).lines();
    let mut seen = Vec::new();
    while let Ok(Some(line)) = reader.next_line().await {
        let line = line.trim().to_owned();
        if !line.is_empty() {
            progress.detail(&line);
            seen.push(line);
        }
    }
    seen
}

fn name(program: &OsStr) -> String {
    program.to_string_lossy().into_owned()
}
