//! Whole files and directories, for what is not the log: function code, configuration, temporary places.
#![expect(clippy::disallowed_methods, reason = "this is where files are touched")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    fs::read(path)
}

pub fn read_to_string(path: &Path) -> io::Result<String> {
    fs::read_to_string(path)
}

pub fn create_dir_all(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// Who may do what with a file: the nine bits of its mode.
pub fn mode(path: &Path) -> io::Result<u32> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o777)
}

/// Remove a directory and all in it; nothing to remove is no error.
pub fn remove_dir_all(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Remove a file; nothing to remove is no error.
pub fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Write a whole file that is not needed after a power cut.
pub fn write(path: &Path, contents: &[u8]) -> io::Result<()> {
    fs::write(path, contents)
}

/// Write a whole file that must be there, complete, after a power cut: temporary name, sync, rename, sync the directory.
pub fn write_durable(path: &Path, contents: &[u8]) -> io::Result<()> {
    replace(path, contents, OpenOptions::new().write(true).create_new(true))
}

/// As [`write_durable`], a file that only its owner may read, also while it is being written.
pub fn write_private(path: &Path, contents: &[u8]) -> io::Result<()> {
    replace(path, contents, OpenOptions::new().write(true).create_new(true).mode(0o600))
}

fn replace(path: &Path, contents: &[u8], options: &OpenOptions) -> io::Result<()> {
    let directory = path.parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let temporary = path.with_extension(format!("tmp-{:016x}", crate::entropy::u64()));
    let written = options.open(&temporary).and_then(|mut file| {
        file.write_all(contents)?;
        file.sync_all()
    });
    match written.and_then(|()| fs::rename(&temporary, path)) {
        Ok(()) => sync_dir(directory),
        Err(error) => {
            // The first error is the one that says why; a left-over temporary file harms nobody.
            drop(fs::remove_file(&temporary));
            Err(error)
        }
    }
}

/// Make the names in a directory durable.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// A new directory of its own below `parent`.
pub fn create_unique_dir(parent: &Path, prefix: &str) -> io::Result<PathBuf> {
    fs::create_dir_all(parent)?;
    loop {
        let path = parent.join(format!("{prefix}{:016x}", crate::entropy::u64()));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}
