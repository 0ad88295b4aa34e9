//! The real Lambda binaries: built by the cargo that runs the lab, zipped as Lambda wants them.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use tokio::{process::Command, sync::OnceCell};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::{LabError, child, progress::Progress, workspace::Workspace};

const MEND: &str = "run `cargo build --workspace --bins` to see the whole error";

/// The binaries are built once in the life of this process: cargo replaces them while it builds, and another lab may be packing them.
static BUILT: OnceCell<()> = OnceCell::const_new();

/// Packing is work of a core for seconds, and done once for each build of a function.
static PACKING: Mutex<()> = Mutex::new(());

/// Builds every binary of the workspace into the target folder of the running lab.
///
/// The whole workspace and not the functions alone: cargo then unifies the same features as in a test run, and finds
/// every dependency already built.
///
/// # Errors
/// [`LabError::Spawn`] or [`LabError::Failed`] of cargo.
pub async fn build(workspace: &Workspace, progress: &Progress) -> Result<(), LabError> {
    BUILT.get_or_try_init(|| build_now(workspace, progress)).await.copied()
}

async fn build_now(workspace: &Workspace, progress: &Progress) -> Result<(), LabError> {
    progress.step("building the functions");
    let mut cargo = Command::new(workspace.cargo());
    cargo.args(["build", "--workspace", "--bins", "--profile", &workspace.profile()]);
    cargo.arg("--target-dir").arg(workspace.target()).current_dir(workspace.root());
    child::run(&mut cargo, progress, MEND).await
}

/// What the code archive of a function holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The binary, as SAM and cargo-lambda pack it.
    Packed,
    /// A script that becomes the binary where cargo built it: the same program, and no hundreds of megabytes to upload and unpack for every lab. For
    /// labs that no build goes on beside.
    Linked,
}

/// Zips a function as Lambda wants it, its code as `bootstrap`; the binary is packed once per build of it.
///
/// # Errors
/// [`LabError::File`].
pub fn package(workspace: &Workspace, name: &str, code: Code) -> Result<PathBuf, LabError> {
    // Labs of one process that start together wait for the first of them, and find its archive.
    let _packing = PACKING.lock().unwrap_or_else(PoisonError::into_inner);
    let binary = workspace.binary(name);
    let folder = workspace.target().join("lab").join("functions").join(workspace.profile());
    let archive = folder.join(match code {
        Code::Packed => format!("{name}.zip"),
        Code::Linked => format!("{name}.linked.zip"),
    });
    if code == Code::Packed && is_newer(&archive, &binary) {
        return Ok(archive);
    }
    let partial = folder.join(format!("{name}.{}.partial", uuid::Uuid::new_v4()));
    let written = || -> std::io::Result<()> {
        std::fs::create_dir_all(&folder)?;
        let bytes = match code {
            Code::Packed => std::fs::read(&binary)?,
            Code::Linked => {
                let path = binary.to_string_lossy().replace('\'', r"'\''");
                format!("#!/bin/sh\nexec '{path}' \"$@\"\n").into_bytes()
            }
        };
        let mut zip = ZipWriter::new(File::create(&partial)?);
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(1))
            .unix_permissions(0o755);
        zip.start_file("bootstrap", options)?;
        zip.write_all(&bytes)?;
        zip.finish()?;
        std::fs::rename(&partial, &archive)
    };
    written().map_err(|source| LabError::File { path: binary.clone(), what: "cannot be packed for Lambda", source })?;
    Ok(archive)
}

fn is_newer(archive: &Path, binary: &Path) -> bool {
    let changed = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
    match (changed(archive), changed(binary)) {
        (Some(archive), Some(binary)) => archive > binary,
        _ => false,
    }
}
