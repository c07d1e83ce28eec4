//! The file itself: read whole, written whole, by one at a time, for its owner's eyes alone.

use crate::caps;
use crate::document::{Document, FORMAT};
use crate::edit::EditError;
use millstream_host::fs::{self, Stamp};
use std::io;
use std::path::{Path, PathBuf};

/// Where the credentials are kept.
#[derive(Clone, Debug)]
pub struct CredentialsFile {
    path: PathBuf,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} has mode {mode:o}: others can read the secrets in it. `chmod 600` it", path.display())]
    Mode { path: PathBuf, mode: u32 },
    #[error("{} is not a credentials file: {why}", path.display())]
    Form { path: PathBuf, why: String },
    #[error(transparent)]
    Edit(#[from] EditError),
}

impl CredentialsFile {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where a data directory has it.
    pub fn of_data_directory(directory: &Path) -> Self {
        Self::new(directory.join("credentials.json"))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What changes when the file does; `None` if there is none.
    pub(crate) fn stamp(&self) -> Result<Option<Stamp>, FileError> {
        fs::stamp(&self.path).map_err(|error| self.io(error))
    }

    /// What it says; `None` if there is none.
    pub fn read(&self) -> Result<Option<Document>, FileError> {
        let Some(stamp) = self.stamp()? else { return Ok(None) };
        if stamp.mode & 0o077 != 0 {
            return Err(FileError::Mode { path: self.path.clone(), mode: stamp.mode & 0o777 });
        }
        if stamp.bytes > caps::FILE_BYTES {
            return Err(self.form(format!("it has more than {} bytes", caps::FILE_BYTES)));
        }
        let bytes = fs::read(&self.path).map_err(|error| self.io(error))?;
        // The parser's own words name a place, and never show a value.
        let document: Document = serde_json::from_slice(&bytes).map_err(|error| {
            self.form(format!(
                "line {}, column {}: {:?} error",
                error.line(),
                error.column(),
                error.classify()
            ))
        })?;
        if document.format != FORMAT {
            return Err(self.form(format!("format {} is not known to this version", document.format)));
        }
        Ok(Some(document))
    }

    /// Change it. Others who change it at the same time wait. Its directory is made if there is none.
    pub fn edit<T>(
        &self,
        change: impl FnOnce(&mut Document) -> Result<T, EditError>,
    ) -> Result<T, FileError> {
        if let Some(directory) = self.path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            fs::create_dir_all(directory).map_err(|error| self.io(error))?;
        }
        let _alone = fs::lock(&self.path.with_extension("lock")).map_err(|error| self.io(error))?;
        let mut document = self.read()?.unwrap_or_default();
        let outcome = change(&mut document)?;
        let mut text = serde_json::to_vec_pretty(&document).map_err(|error| self.form(error.to_string()))?;
        text.push(b'\n');
        fs::write_private(&self.path, &text).map_err(|error| self.io(error))?;
        Ok(outcome)
    }

    fn io(&self, source: io::Error) -> FileError {
        FileError::Io { path: self.path.clone(), source }
    }

    fn form(&self, why: String) -> FileError {
        FileError::Form { path: self.path.clone(), why }
    }
}
