//! The official Python clients that judge the simulators: a private virtual environment with pinned versions.
//!
//! `tests/sim/clients/requirements.txt` names every package with its version and hashes. The environment is made once
//! for each state of that file, below the workspace's target directory, under a lock.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use sha2::{Digest, Sha256};

/// Why there is no environment.
#[derive(Debug, thiserror::Error)]
pub enum ClientsError {
    /// A file could not be read or written.
    #[error("cannot use `{path}`")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no Python to make it with.
    #[error(transparent)]
    Python(#[from] crate::python::NoPython),
    /// A command did not run or failed.
    #[error("`{command}` failed: {reason}")]
    Command {
        /// The command.
        command: String,
        /// The end of what it said.
        reason: String,
    },
}

/// Returns the Python interpreter of an environment that has the packages of `requirements.txt`, making it if need be.
///
/// `target` is the directory for build results, such as `CARGO_TARGET_TMPDIR`.
///
/// # Errors
/// Python 3.10 or later missing, a package that cannot be had, or a directory that cannot be written.
pub fn python(target: &Path) -> Result<PathBuf, ClientsError> {
    let requirements = folder().join("requirements.txt");
    let home = home(target, &requirements)?;
    let interpreter = home.join("bin/python");
    once(target, &home, || {
        run(Command::new(crate::python::find()?).args(["-m", "venv", "--clear"]).arg(&home))?;
        run(install(&interpreter).arg("-r").arg(&requirements))
    })?;
    Ok(interpreter)
}

/// Returns the directory with other versions of some packages, named by another file of [`folder`], installing them if
/// need be.
fn others(target: &Path, interpreter: &Path, requirements: &str) -> Result<PathBuf, ClientsError> {
    let requirements = folder().join(requirements);
    let home = home(target, &requirements)?;
    once(target, &home, || {
        run(install(interpreter).arg("--upgrade").arg("--target").arg(&home).arg("-r").arg(&requirements))
    })?;
    Ok(home)
}

fn install(interpreter: &Path) -> Command {
    let mut command = Command::new(interpreter);
    let quietly = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps"];
    command.args(["-m", "pip", "install"]).args(quietly);
    command
}

/// Where the packages of this state of a requirements file are kept.
fn home(target: &Path, requirements: &Path) -> Result<PathBuf, ClientsError> {
    let text = fs::read(requirements).map_err(failed(requirements))?;
    let digest: String = Sha256::digest(&text).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    Ok(target.join(format!("clients-{digest}")))
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> ClientsError + use<> {
    let path = path.to_owned();
    move |source| ClientsError::File { path, source }
}

/// Makes a directory, under a lock, unless it was made completely before.
fn once(target: &Path, home: &Path, make: impl FnOnce() -> Result<Output, ClientsError>) -> Result<(), ClientsError> {
    fs::create_dir_all(target).map_err(failed(target))?;
    let lock_path = target.join("clients.lock");
    let lock = File::create(&lock_path).map_err(failed(&lock_path))?;
    lock.lock().map_err(failed(&lock_path))?;
    let complete = home.join("complete");
    if !complete.exists() {
        make()?;
        fs::write(&complete, "").map_err(failed(&complete))?;
    }
    Ok(())
}

/// The folder of the Python scripts and of `requirements.txt`.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

/// Runs a script of [`folder`] in the environment, with its arguments, to its end.
///
/// # Errors
/// No environment, or the script failed: then with all that it said.
pub fn judge(target: &Path, script: &str, arguments: &[&str]) -> Result<String, ClientsError> {
    judge_with(target, None, script, arguments)
}

/// The same with the versions of some packages that another requirements file of [`folder`] names.
///
/// # Errors
/// As [`judge`].
pub fn judge_with(
    target: &Path,
    requirements: Option<&str>,
    script: &str,
    arguments: &[&str],
) -> Result<String, ClientsError> {
    let interpreter = python(target)?;
    let mut command = Command::new(&interpreter);
    if let Some(requirements) = requirements {
        command.env("PYTHONPATH", others(target, &interpreter, requirements)?);
    }
    // Neither the settings nor the credentials of the person at this machine may reach a judge.
    command.arg(folder().join(script)).args(arguments).env("PYTHONDONTWRITEBYTECODE", "1").env_remove("AWS_PROFILE");
    command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    let output = run(&mut command)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn run(command: &mut Command) -> Result<Output, ClientsError> {
    let shown = format!("{} {}", command.get_program().to_string_lossy(), joined(command));
    let output = command
        .output()
        .map_err(|error| ClientsError::Command { command: shown.clone(), reason: error.to_string() })?;
    if output.status.success() {
        return Ok(output);
    }
    let said = [output.stdout, output.stderr].concat();
    Err(ClientsError::Command { command: shown, reason: String::from_utf8_lossy(&said).into_owned() })
}

fn joined(command: &Command) -> String {
    command.get_args().map(|argument| argument.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
