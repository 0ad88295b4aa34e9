//! The private Python environment of the emulator, under the target folder.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use holdfast_sim::python;
use tokio::process::Command;

use crate::{LabError, child, progress::Progress, workspace::Workspace};

const MEND: &str = "the packages come from PyPI once, so a network or a mirror (PIP_INDEX_URL) is needed, and a Python that they have wheels for: 3.10 to 3.14";

/// Returns the interpreter of a virtual environment that holds exactly what the requirements file pins.
///
/// # Errors
/// [`LabError::NoPython`], or what pip said.
pub async fn environment(workspace: &Workspace, requirements: &str, progress: &Progress) -> Result<PathBuf, LabError> {
    let wanted = workspace.read(Path::new(requirements))?;
    let folder = workspace.target().join("lab").join("python");
    let (python, stamp) = (folder.join("bin").join("python"), folder.join("holdfast-requirements.txt"));
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) && works(&python).await {
        return Ok(python);
    }
    // Labs that share the target folder wait here for the first of them.
    let _lock = lock(&folder).await?;
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) && works(&python).await {
        return Ok(python);
    }
    progress.step("installing the AWS emulator into a private Python environment (once)");
    let base = python::find().map_err(LabError::NoPython)?;
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

/// Asks off the threads of the runtime, as every lab does it: to start a Python takes its time.
async fn works(python: &Path) -> bool {
    let python = python.to_path_buf();
    tokio::task::spawn_blocking(move || python::version(&python).is_ok()).await.unwrap_or(false)
}
