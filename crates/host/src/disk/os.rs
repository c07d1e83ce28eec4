#![expect(clippy::disallowed_methods, reason = "this is where the disk is touched")]

use super::{Disk, DiskFile, DiskLock, OpenMode};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, IoSlice};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory of the operating system.
#[derive(Clone, Debug)]
pub struct OsDisk {
    root: PathBuf,
}

impl OsDisk {
    /// The directory is made if it must be, durably; one that is there is made durable, for whoever made it may have
    /// died before that. Directories and files below it, and itself if it is new, are for their owner alone.
    pub fn open(root: impl Into<PathBuf>) -> io::Result<Self> {
        Self::open_syncing(root.into(), &mut sync_path)
    }

    fn open_syncing(root: PathBuf, sync: &mut dyn FnMut(&Path) -> io::Result<()>) -> io::Result<Self> {
        if root.is_dir() {
            sync_name(&root, sync)?;
        } else {
            if let Some(parent) = parent(&root) {
                create_dir_all_durable(parent, OTHERS, sync)?;
            }
            create_dir_all_durable(&root, PRIVATE_DIRECTORY, sync)?;
        }
        Ok(Self { root })
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.root.clone() } else { self.root.join(name) }
    }
}

/// Records and the environment variables of functions are in these files: they are for their owner alone.
const PRIVATE_FILE: u32 = 0o600;
const PRIVATE_DIRECTORY: u32 = 0o700;
/// Directories above the root are what the umask makes of this.
const OTHERS: u32 = 0o777;

/// `None` if it is the current directory.
fn parent(path: &Path) -> Option<&Path> {
    path.parent().filter(|parent| !parent.as_os_str().is_empty())
}

fn sync_path(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Make the name of a directory that was there before durable.
fn sync_name(path: &Path, sync: &mut dyn FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    // What is meant is the directory, not a link to it.
    let path = fs::canonicalize(path)?;
    match path.parent().map(sync) {
        // One who may not list the directory above did not make this one.
        Some(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Some(synced) => synced,
        None => Ok(()),
    }
}

/// A new directory is durable when the one above it is synced.
fn create_dir_all_durable(
    path: &Path,
    mode: u32,
    sync: &mut dyn FnMut(&Path) -> io::Result<()>,
) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = parent(path);
    if let Some(parent) = parent {
        create_dir_all_durable(parent, mode, sync)?;
    }
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        other => other?,
    }
    sync(parent.unwrap_or_else(|| Path::new(".")))
}

impl Disk for OsDisk {
    fn describe(&self) -> String {
        self.root.display().to_string()
    }

    fn create_dir_all(&self, directory: &str) -> io::Result<()> {
        create_dir_all_durable(&self.path(directory), PRIVATE_DIRECTORY, &mut sync_path)
    }

    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).mode(PRIVATE_FILE);
        match mode {
            OpenMode::Read => {}
            OpenMode::ReadWrite => {
                options.write(true);
            }
            OpenMode::CreateNew => {
                options.write(true).create_new(true);
            }
        }
        Ok(Arc::new(OsFile(options.open(self.path(name))?)))
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path(directory))? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn sync_dir(&self, directory: &str) -> io::Result<()> {
        sync_path(&self.path(directory))
    }

    fn try_lock(&self, name: &str) -> io::Result<Option<Box<dyn DiskLock>>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(PRIVATE_FILE);
        let file = options.open(self.path(name))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(OsLock { _file: file }))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[derive(Debug)]
struct OsLock {
    /// The lock is the kernel's, on this descriptor.
    _file: File,
}

impl DiskLock for OsLock {}

#[derive(Debug)]
struct OsFile(File);

impl DiskFile for OsFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        FileExt::read_at(&self.0, buffer, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        FileExt::write_at(&self.0, bytes, offset)
    }

    fn write_vectored_at(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        // What one call takes at most (limits.h).
        const IOV_MAX: usize = 1024;
        let offset = i64::try_from(offset).map_err(io::Error::other)?;
        let parts = &parts[..parts.len().min(IOV_MAX)];
        Ok(nix::sys::uio::pwritev(&self.0, parts, offset)?)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    #[cfg(target_os = "linux")]
    fn punch_hole(&self, offset: u64, len: u64) -> io::Result<()> {
        use nix::fcntl::{FallocateFlags, fallocate};
        let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        let number = |number: u64| i64::try_from(number).map_err(io::Error::other);
        Ok(fallocate(&self.0, flags, number(offset)?, number(len)?)?)
    }

    #[cfg(target_os = "linux")]
    fn uncache(&self, offset: u64, len: u64) {
        use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
        if let (Ok(offset), Ok(len)) = (i64::try_from(offset), i64::try_from(len)) {
            // A hint: that it was not taken changes nothing.
            let advice = PosixFadviseAdvice::POSIX_FADV_DONTNEED;
            posix_fadvise(&self.0, offset, len, advice).unwrap_or_default();
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn punch_hole(&self, _offset: u64, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opening_syncs_the_directory_above_the_root_whether_the_root_is_new_or_not() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let home = fs::canonicalize(home.path()).expect("it is there");
        let root = home.join("new/data");
        let synced = || {
            let mut synced = Vec::new();
            let mut sync = |path: &Path| {
                synced.push(path.to_owned());
                Ok(())
            };
            OsDisk::open_syncing(root.clone(), &mut sync).expect("opened");
            synced
        };
        assert_eq!(synced(), [home.clone(), home.join("new")]);
        assert_eq!(synced(), [home.join("new")], "its maker may have died before the sync");
    }

    #[test]
    fn an_error_of_that_sync_is_an_error_unless_the_directory_is_not_ours_to_list() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let open = |kind: io::ErrorKind| {
            OsDisk::open_syncing(root.path().to_owned(), &mut |_: &Path| Err(kind.into())).map(drop)
        };
        assert!(open(io::ErrorKind::PermissionDenied).is_ok());
        assert_eq!(open(io::ErrorKind::Other).expect_err("not durable").kind(), io::ErrorKind::Other);
    }
}
