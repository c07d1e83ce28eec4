//! The few things done to files that `millstream_host::fs` does not offer.
#![expect(
    clippy::disallowed_methods,
    reason = "renaming a directory into place and listing one are not in host::fs"
)]

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

/// The paths in a directory, in no order.
pub(crate) fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path())).collect()
}

/// Copy `content` into a new file; an existing one is an error.
pub(crate) fn create_from(path: &Path, mode: u32, content: &mut impl Read) -> io::Result<u64> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    let size = io::copy(content, &mut file)?;
    // The mode above went through the umask; a function's user must be able to read its code.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    Ok(size)
}

pub(crate) fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}
