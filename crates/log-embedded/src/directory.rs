use crate::error::OpenError;
use crate::wal::files::{self, DIRECTORY};
use crate::wal::group::VERSION;
use crate::wal::recover::io_error;
use millstream_host::disk::{Disk, DiskLock, OpenMode};
use std::io;
use std::sync::Arc;

const FORMAT: &str = "FORMAT";
const LOCK: &str = "LOCK";
/// What FORMAT says before the version's number.
const TITLE: &str = "millstream data directory, format ";

/// Take the directory for this process alone, and see that its format is ours. A new directory becomes one of ours.
pub(crate) fn take(disk: &Arc<dyn Disk>) -> Result<Arc<dyn DiskLock>, OpenError> {
    disk.create_dir_all(DIRECTORY).map_err(io_error(&**disk, "making the WAL's directory"))?;
    let lock = disk.try_lock(LOCK).map_err(io_error(&**disk, "locking the data directory"))?;
    let lock = lock.ok_or_else(|| OpenError::Locked { directory: disk.describe() })?;
    if let Some(text) = read(&**disk).map_err(io_error(&**disk, "reading FORMAT"))? {
        check(&**disk, &text)?;
        // The process before may have died between giving the name and making it durable.
        disk.sync_dir("").map_err(io_error(&**disk, "syncing the data directory"))?;
    } else {
        let names = disk.list(DIRECTORY).map_err(io_error(&**disk, "listing the WAL"))?;
        if names.iter().any(|name| files::number(name).is_some()) {
            return Err(OpenError::NoFormat { directory: disk.describe() });
        }
        write(&**disk).map_err(io_error(&**disk, "writing FORMAT"))?;
    }
    Ok(Arc::from(lock))
}

fn check(disk: &dyn Disk, text: &str) -> Result<(), OpenError> {
    let found = text.lines().next().unwrap_or_default();
    let found = found.strip_prefix(TITLE).unwrap_or(found);
    if found == VERSION.to_string() {
        return Ok(());
    }
    let found = found.chars().take(40).filter(|c| !c.is_control()).collect();
    Err(OpenError::Format { directory: disk.describe(), found, supported: VERSION })
}

fn read(disk: &dyn Disk) -> io::Result<Option<String>> {
    let file = match disk.open(FORMAT, OpenMode::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    // Nobody's FORMAT is longer than this, and what is longer is not ours.
    let length = usize::try_from(file.len()?).unwrap_or(usize::MAX).min(256);
    let mut bytes = vec![0; length];
    file.read_exact_at(0, &mut bytes)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Under its name only when it is whole, and before any other file is there.
fn write(disk: &dyn Disk) -> io::Result<()> {
    const TEMPORARY: &str = "FORMAT.tmp";
    match disk.remove(TEMPORARY) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let file = disk.open(TEMPORARY, OpenMode::CreateNew)?;
    file.write_all_at(0, &[TITLE.as_bytes(), VERSION.to_string().as_bytes(), b"\n"])?;
    file.sync_data()?;
    disk.rename(TEMPORARY, FORMAT)?;
    disk.sync_dir("")
}
