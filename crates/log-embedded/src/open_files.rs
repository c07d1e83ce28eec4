use crate::caps;
use lru::LruCache;
use millstream_host::disk::{Disk, DiskFile, OpenMode};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Numbered files open for reading, the most recently used ones: there are thousands, and fewer file handles.
#[derive(Debug)]
pub(crate) struct OpenFiles {
    disk: Arc<dyn Disk>,
    name: fn(u32) -> String,
    open: Mutex<LruCache<u32, Arc<dyn DiskFile>>>,
}

impl OpenFiles {
    pub(crate) fn new(disk: Arc<dyn Disk>, name: fn(u32) -> String) -> Self {
        Self { disk, name, open: Mutex::new(LruCache::new(caps::OPEN_FILES)) }
    }

    pub(crate) fn get(&self, number: u32) -> io::Result<Arc<dyn DiskFile>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.get(&number) {
            return Ok(Arc::clone(file));
        }
        let file = self.disk.open(&(self.name)(number), OpenMode::Read)?;
        open.put(number, Arc::clone(&file));
        Ok(file)
    }

    /// The file is gone, or about to be.
    pub(crate) fn forget(&self, number: u32) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).pop(&number);
    }
}
