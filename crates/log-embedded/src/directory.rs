use crate::error::OpenError;
use crate::names;
use crate::wal::recover::io_error;
use crate::{checkpoint, segment, wal};
use millstream_host::disk::{Disk, DiskLock, OpenMode};
use std::io;
use std::sync::Arc;

/// The format of a data directory that this program makes.
pub(crate) const FORMAT_VERSION: u16 = 2;

/// The oldest one that it reads. A directory of format 1 is all WAL; it becomes one of ours when it is opened.
const OLDEST: u16 = 1;

pub(crate) const FORMAT: &str = "FORMAT";
const LOCK: &str = "LOCK";
/// What FORMAT says before the version's number.
const TITLE: &str = "millstream data directory, format ";

const DIRECTORIES: [&str; 3] = [wal::files::DIRECTORY, segment::DIRECTORY, checkpoint::DIRECTORY];

/// Take the directory for this process alone, and see that its format is ours. A new directory becomes one of ours.
pub(crate) fn take(disk: &Arc<dyn Disk>) -> Result<Arc<dyn DiskLock>, OpenError> {
    let lock = lock(disk)?;
    for directory in DIRECTORIES {
        disk.create_dir_all(directory)
            .map_err(io_error(&**disk, format!("making the directory {directory}")))?;
    }
    if let Some(found) = format(disk)? {
        // The process before may have died between giving the name and making it durable.
        disk.sync_dir("").map_err(io_error(&**disk, "syncing the data directory"))?;
        if found < FORMAT_VERSION {
            tracing::info!(from = found, to = FORMAT_VERSION, "the data directory gets the current format");
            write(&**disk).map_err(io_error(&**disk, "writing FORMAT"))?;
        }
        return Ok(lock);
    }
    for directory in DIRECTORIES {
        let names = disk.list(directory).map_err(io_error(&**disk, format!("listing {directory}")))?;
        let ours =
            |name: &String| [".wal", ".seg", ".ckp"].iter().any(|kind| names::number(name, kind).is_some());
        if names.iter().any(ours) {
            return Err(OpenError::NoFormat { directory: disk.describe() });
        }
    }
    write(&**disk).map_err(io_error(&**disk, "writing FORMAT"))?;
    Ok(lock)
}

/// Take the directory for this process alone.
pub(crate) fn lock(disk: &Arc<dyn Disk>) -> Result<Arc<dyn DiskLock>, OpenError> {
    let lock = disk.try_lock(LOCK).map_err(io_error(&**disk, "locking the data directory"))?;
    lock.map(Arc::from).ok_or_else(|| OpenError::Locked { directory: disk.describe() })
}

/// The format that the directory says it has; `None` if it says nothing.
///
/// # Errors
/// If it is one that this program does not read.
pub(crate) fn format(disk: &Arc<dyn Disk>) -> Result<Option<u16>, OpenError> {
    let Some(text) = read(&**disk).map_err(io_error(&**disk, "reading FORMAT"))? else { return Ok(None) };
    let found = text.lines().next().unwrap_or_default();
    let found = found.strip_prefix(TITLE).unwrap_or(found);
    match found.parse::<u16>() {
        Ok(version) if (OLDEST..=FORMAT_VERSION).contains(&version) && version.to_string() == found => {
            Ok(Some(version))
        }
        Ok(_) | Err(_) => {
            let found = found.chars().take(40).filter(|c| !c.is_control()).collect();
            Err(OpenError::Format { directory: disk.describe(), found, supported: FORMAT_VERSION })
        }
    }
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
pub(crate) fn write(disk: &dyn Disk) -> io::Result<()> {
    const TEMPORARY: &str = "FORMAT.tmp";
    names::remove_if_there(disk, TEMPORARY)?;
    let file = disk.open(TEMPORARY, OpenMode::CreateNew)?;
    file.write_all_at(0, &[TITLE.as_bytes(), FORMAT_VERSION.to_string().as_bytes(), b"\n"])?;
    file.sync_data()?;
    disk.rename(TEMPORARY, FORMAT)?;
    disk.sync_dir("")
}
