//! The private Python environment of the emulator, under the target folder.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use tokio::process::Command;

use crate::{LabError, child, progress::Progress, workspace::Workspace};

/// Names under which a Python may be found, the likeliest first.
const CANDIDATES: [&str; 6] = ["python3", "python3.13", "python3.12", "python3.11", "python3.10", "python"];
/// The pinned packages have wheels for these.
const WANTED: &str = "import sys, venv, ensurepip; sys.exit(0 if (3, 10) <= sys.version_info[:2] <= (3, 13) else 'it is ' + sys.version.split()[0])";
const MEND: &str =
    "look at the line above; the packages come from PyPI, so a network or a PyPI mirror (PIP_INDEX_URL) is needed once";

/// Returns the interpreter of a virtual environment that holds exactly what the requirements file pins.
///
/// # Errors
/// [`LabError::NoPython`], or what pip said.
pub async fn environment(workspace: &Workspace, requirements: &str, progress: &Progress) -> Result<PathBuf, LabError> {
    let wanted = workspace.read(Path::new(requirements))?;
    let folder = workspace.target().join("lab").join("python");
    let (python, stamp) = (folder.join("bin").join("python"), folder.join("holdfast-requirements.txt"));
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) && works(&python).await.is_ok() {
        return Ok(python);
    }
    // Labs that share the target folder wait here for the first of them.
    let _lock = lock(&folder).await?;
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) && works(&python).await.is_ok() {
        return Ok(python);
    }
    progress.step("installing the AWS emulator into a private Python environment (once)");
    let base = find().await?;
    let mut venv = Command::new(&base);
    venv.args(["-m", "venv", "--clear"]).arg(&folder);
    child::run(&mut venv, progress, "on Debian or Ubuntu, `apt install python3-venv`").await?;
    let mut pip = Command::new(&python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-input",
        "--require-hashes",
        "--requirement",
    ]);
    pip.arg(workspace.file(requirements)).env_remove("PYTHONPATH");
    child::run(&mut pip, progress, MEND).await?;
    std::fs::write(&stamp, wanted).map_err(|source| LabError::File {
        path: stamp,
        what: "cannot be written",
        source,
    })?;
    Ok(python)
}

/// Holds the environment's lock until the returned file is closed.
async fn lock(folder: &Path) -> Result<File, LabError> {
    let path = folder.with_extension("lock");
    let locked = path.clone();
    let locking = tokio::task::spawn_blocking(move || {
        if let Some(parent) = locked.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let file = File::create(&locked)?;
        file.lock().map(|()| file)
    });
    let file = locking.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    file.map_err(|source| LabError::File { path, what: "cannot be locked: make the target folder writable", source })
}

async fn find() -> Result<PathBuf, LabError> {
    let mut tried = Vec::new();
    for candidate in CANDIDATES {
        match works(Path::new(candidate)).await {
            Ok(()) => return Ok(PathBuf::from(candidate)),
            Err(why) => tried.push(format!("{candidate}: {why}")),
        }
    }
    Err(LabError::NoPython { tried: tried.join(", ") })
}

async fn works(python: &Path) -> Result<(), String> {
    let output = Command::new(python).args(["-c", WANTED]).kill_on_drop(true).output().await;
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).trim().lines().last().unwrap_or("no answer").to_owned();
            Err(said)
        }
        Err(_) => Err("not there".to_owned()),
    }
}
