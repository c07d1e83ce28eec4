//! Whole files and directories, for what is not the log: function code, configuration, temporary places.
#![expect(clippy::disallowed_methods, reason = "this is where files are touched")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    fs::read(path)
}

pub fn read_to_string(path: &Path) -> io::Result<String> {
    fs::read_to_string(path)
}

/// Open a file to read it piece by piece.
pub fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Make a file to write to; one that is there is an error.
pub fn create_new(path: &Path) -> io::Result<File> {
    File::create_new(path)
}

/// Open a file that is there to write to it.
pub fn open_for_writing(path: &Path) -> io::Result<File> {
    File::options().write(true).open(path)
}

pub fn create_dir_all(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// Make one directory; an error if it is there or its parent is not.
pub fn create_dir(path: &Path) -> io::Result<()> {
    fs::create_dir(path)
}

/// Remove one directory; an error unless it is empty. Those of the kernel's file systems go with their files.
pub fn remove_dir(path: &Path) -> io::Result<()> {
    fs::remove_dir(path)
}

/// The names in a directory, sorted.
pub fn list(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        // One that is not UTF-8 is none of ours.
        names.extend(entry?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// Room for what this process may still write to the file system of a path, in bytes.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let found = nix::sys::statvfs::statvfs(path)?;
    Ok(found.blocks_available().saturating_mul(found.fragment_size()))
}

/// Who may do what with a file: the nine bits of its mode.
pub fn mode(path: &Path) -> io::Result<u32> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o777)
}

/// Let nobody but its owner into a directory.
pub fn make_private(directory: &Path) -> io::Result<()> {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))
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
    // A bare name is in the current directory.
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
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

/// What changes when a file does, and who may read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    /// The length.
    pub bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    /// The permission bits.
    pub mode: u32,
}

/// The stamp of a file; `None` if it is not there.
pub fn stamp(path: &Path) -> io::Result<Option<Stamp>> {
    match fs::metadata(path) {
        Ok(is) => Ok(Some(Stamp {
            inode: is.ino(),
            bytes: is.size(),
            modified: (is.mtime(), is.mtime_nsec()),
            changed: (is.ctime(), is.ctime_nsec()),
            mode: is.mode() & 0o7777,
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whoever holds it is alone with what the file stands for, until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Wait for the lock of a file, which is made if it is not there.
pub fn lock(path: &Path) -> io::Result<Lock> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    file.lock()?;
    Ok(Lock { _file: file })
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
