//! Where things are: the sources, cargo, and the target folder that the running lab was built into.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use crate::{LabError, wait::environment};

/// The checkout that this lab was built from, and the build that it belongs to.
#[derive(Debug, Clone)]
pub struct Workspace {
    root: PathBuf,
    profile_folder: PathBuf,
}

impl Workspace {
    /// Finds the workspace of the running program.
    ///
    /// # Errors
    /// [`LabError::File`] when the program cannot tell where it is.
    pub fn find() -> Result<Self, LabError> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.ancestors().nth(2).unwrap_or(here).to_path_buf();
        let program = std::env::current_exe().map_err(|source| LabError::File {
            path: PathBuf::from("the running program"),
            what: "cannot be found: start the lab with `cargo lab`",
            source,
        })?;
        // A test's program lies one folder deeper than a binary: <target>/<profile>/deps/<test>.
        let folder = program.parent().unwrap_or(Path::new("."));
        let profile_folder = match folder.file_name() {
            Some(name) if name == "deps" => folder.parent().unwrap_or(folder),
            _ => folder,
        };
        Ok(Self { root, profile_folder: profile_folder.to_path_buf() })
    }

    /// A file of the checkout.
    pub fn file(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// The root of the checkout.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The target folder that the running program was built into.
    pub fn target(&self) -> &Path {
        self.profile_folder.parent().unwrap_or(&self.profile_folder)
    }

    /// A binary beside the running program.
    pub fn binary(&self, name: &str) -> PathBuf {
        self.profile_folder.join(name)
    }

    /// The name of the profile that the running program was built with.
    pub fn profile(&self) -> String {
        match self.profile_folder.file_name().map(|name| name.to_string_lossy()) {
            Some(name) if name != "debug" => name.into_owned(),
            _ => "dev".to_owned(),
        }
    }

    /// The cargo that started the lab, else the one in PATH.
    pub fn cargo(&self) -> OsString {
        environment("CARGO").unwrap_or_else(|| OsString::from("cargo"))
    }

    /// The whole text of a file of the checkout, or of any file when the path is absolute.
    ///
    /// # Errors
    /// [`LabError::File`].
    pub fn read(&self, path: &Path) -> Result<String, LabError> {
        let path = self.root.join(path);
        std::fs::read_to_string(&path).map_err(|source| LabError::File { path, what: "cannot be read", source })
    }
}
