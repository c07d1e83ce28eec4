//! Log groups, streams and events on the disk.
//!
//! A group is a directory of segments: files that entries are appended to, all streams of the group together, in the order in
//! which they come. A closed segment is never written again, and goes as a whole when its events are too old or the space is
//! wanted. One thread writes; it alone changes anything. Readers look at what it has written.
//!
//! What functions print is no acknowledged data: it is written soon after, and not synced. What a client asks for
//! ([`Store::put`] and the like) is synced before it is told so. When the disk is full, or nearly, what functions print is
//! dropped and counted: neither invocations nor the log of records may suffer from it.
//!
//! Invariant: this module knows no AWS error and no text of one.

mod group;
mod job;
mod live;
mod open;
mod read;
mod record;
mod segment;
mod state;
mod sweep;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use live::{LiveQuery, LiveSession};
pub(crate) use read::{Event, Page, Place, Query, Streams};

use crate::caps;
use group::Group;
use job::{Ask, Job, Queue};
use live::Lives;
use millstream_host::clock::Clock;
use millstream_host::{fs, threads};
use millstream_types::Timestamp;
use state::State;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use tempfile::TempDir;
use tokio::sync::{Semaphore, oneshot};

/// How a store is set up.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Where it keeps everything; `None` makes a temporary directory that goes with the store.
    pub directory: Option<PathBuf>,
    /// What all groups, and each of them, may take, in bytes: the oldest events go first.
    pub total_bytes: u64,
    pub group_bytes: u64,
    /// How long the events of a group are kept that has no retention policy of its own; `None`: as long as there is room.
    pub retention_days: Option<u32>,
    /// Nothing more is kept when the disk has less room than this, in bytes.
    pub disk_reserve_bytes: u64,
    /// At this size a segment is closed, in bytes.
    pub segment_bytes: u64,
    pub clock: Arc<dyn Clock>,
}

impl StoreOptions {
    pub fn new(directory: Option<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        Self {
            directory,
            total_bytes: caps::DEFAULT_TOTAL_BYTES,
            group_bytes: caps::DEFAULT_GROUP_BYTES,
            retention_days: None,
            disk_reserve_bytes: caps::DISK_RESERVE_BYTES,
            segment_bytes: caps::SEGMENT_BYTES,
            clock,
        }
    }
}

/// Why something could not be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("there is a log group of this name already")]
    GroupExists,
    #[error("there is no such log group")]
    NoGroup,
    #[error("there is a log stream of this name already")]
    StreamExists,
    #[error("there is no such log stream")]
    NoStream,
    #[error("there are {limit} {what} already")]
    TooMany { what: &'static str, limit: usize },
    /// Nothing was done.
    #[error("too much waits to be written")]
    Busy,
    /// Nothing was done.
    #[error("the disk has no room")]
    NoRoom,
    /// It may have been done or not.
    #[error("{0}")]
    Io(String),
    #[error("the store is closed")]
    Closed,
}

/// What the store holds and has lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    pub groups: u64,
    pub bytes: u64,
    /// Lines since the start that could not be kept: too many at once, no room on the disk, or too many groups.
    pub dropped_lines: u64,
    /// Whether nothing is kept now because the disk is nearly full.
    pub disk_full: bool,
}

/// A log group, to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupInfo {
    pub(crate) key: String,
    pub(crate) created: Timestamp,
    pub(crate) retention_days: Option<u32>,
    pub(crate) bytes: u64,
}

/// A log stream, to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StreamInfo {
    pub(crate) name: Arc<str>,
    pub(crate) created: Timestamp,
    /// Times of its events: the first and the last. `None` if it has none.
    pub(crate) events: Option<(Timestamp, Timestamp)>,
    pub(crate) ingested: Option<Timestamp>,
}

/// Keeps what functions print. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    shared: Arc<Shared>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

#[derive(Debug)]
struct Shared {
    options: StoreOptions,
    directory: PathBuf,
    /// Until the store is closed.
    temporary: Mutex<Option<TempDir>>,
    state: Mutex<State>,
    queue: Queue,
    lives: Lives,
    readers: Semaphore,
    dropped: AtomicU64,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn drop_lines(&self, lines: u64) {
        self.dropped.fetch_add(lines, Ordering::Relaxed);
    }
}

impl Store {
    /// Open what is in the directory, and start the thread that writes. Blocks.
    pub fn open(mut options: StoreOptions) -> io::Result<Self> {
        let temporary = match options.directory {
            Some(_) => None,
            None => Some(tempfile::Builder::new().prefix("millstream-logs-").tempdir()?),
        };
        let directory = match (&options.directory, &temporary) {
            (Some(directory), _) => directory.clone(),
            (None, Some(temporary)) => temporary.path().to_owned(),
            (None, None) => return Err(io::ErrorKind::InvalidInput.into()),
        };
        fs::create_dir_all(&directory)?;
        // What functions print is not for other users of the machine.
        fs::make_private(&directory)?;
        // Eight at least, or half of a group would go at once.
        options.segment_bytes = options.segment_bytes.min(options.group_bytes / 8).max(1);
        let state = open::state(&directory, options.clock.now())?;
        let shared = Arc::new(Shared {
            options,
            directory,
            temporary: Mutex::new(temporary),
            state: Mutex::new(state),
            queue: Queue::default(),
            lives: Lives::default(),
            readers: Semaphore::new(caps::READERS),
            dropped: AtomicU64::new(0),
        });
        let writing = writer::Writer::new(shared.clone());
        let thread = threads::spawn("function-logs", move || writing.run())?;
        Ok(Self { shared, thread: Arc::new(Mutex::new(Some(thread))) })
    }

    /// A line that a function printed. Never waits; what cannot be kept is counted.
    pub(crate) fn line(&self, key: String, stream: &str, at: Timestamp, text: String) {
        let line = job::Line { key, stream: stream.to_owned(), at, text };
        if self.shared.queue.push(Job::Line(line)).is_err() {
            self.shared.drop_lines(1);
        }
    }

    /// Add events, each with its time, to a stream that is there.
    pub(crate) async fn put(
        &self,
        key: String,
        stream: String,
        events: Vec<(Timestamp, String)>,
    ) -> Result<(), StoreError> {
        let (done, answer) = oneshot::channel();
        self.ask(Job::Put(job::Put { key, stream, events, done }), answer).await
    }

    pub(crate) async fn create_group(
        &self,
        key: String,
        tags: BTreeMap<String, String>,
    ) -> Result<(), StoreError> {
        self.command(key, Ask::CreateGroup { tags }).await
    }

    pub(crate) async fn delete_group(&self, key: String) -> Result<(), StoreError> {
        self.command(key, Ask::DeleteGroup).await
    }

    pub(crate) async fn set_retention(&self, key: String, days: Option<u32>) -> Result<(), StoreError> {
        self.command(key, Ask::SetRetention { days }).await
    }

    pub(crate) async fn create_stream(&self, key: String, name: String) -> Result<(), StoreError> {
        self.command(key, Ask::CreateStream { name }).await
    }

    pub(crate) async fn delete_stream(&self, key: String, name: String) -> Result<(), StoreError> {
        self.command(key, Ask::DeleteStream { name }).await
    }

    async fn command(&self, key: String, what: Ask) -> Result<(), StoreError> {
        let (done, answer) = oneshot::channel();
        self.ask(Job::Ask { key, what, done }, answer).await
    }

    async fn ask(
        &self,
        job: Job,
        answer: oneshot::Receiver<Result<(), StoreError>>,
    ) -> Result<(), StoreError> {
        self.shared.queue.push(job)?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Wait until what was said before is there to be read; not for ever, if the disk hangs.
    pub(crate) async fn catch_up(&self) {
        let (done, answer) = oneshot::channel();
        if self.shared.queue.push(Job::Barrier(done)).is_ok() {
            // Whether it came or not: what is there is read.
            drop(tokio::time::timeout(caps::BARRIER, answer).await);
        }
    }

    /// The groups that `wanted` takes, in the order of their keys.
    pub(crate) fn groups(&self, wanted: impl Fn(&str) -> bool) -> Vec<GroupInfo> {
        let state = self.shared.state();
        state.groups.values().filter(|group| wanted(group.key())).map(Group::info).collect()
    }

    pub(crate) fn has_group(&self, key: &str) -> bool {
        self.shared.state().groups.contains_key(key)
    }

    /// The tags that a group was made with.
    pub(crate) fn tags(&self, key: &str) -> Option<BTreeMap<String, String>> {
        self.shared.state().groups.get(key).map(|group| group.meta.tags.clone())
    }

    /// The streams of a group, by name.
    pub(crate) fn streams(&self, key: &str) -> Result<Vec<StreamInfo>, StoreError> {
        self.shared.state().groups.get(key).map(Group::stream_infos).ok_or(StoreError::NoGroup)
    }

    /// A page of events. Reads files, and waits for its turn to.
    pub(crate) async fn read(&self, query: Query) -> Result<Page, StoreError> {
        let _turn = self.shared.readers.acquire().await.map_err(|_closed| StoreError::Closed)?;
        let shared = self.shared.clone();
        let reading = tokio::task::spawn_blocking(move || read::page(&shared, &query));
        reading.await.map_err(|error| StoreError::Io(error.to_string()))?
    }

    /// Follow what comes from now on. `None` if too many do already; `home` is whose session it is.
    pub(crate) fn live(&self, home: String, query: LiveQuery) -> Option<LiveSession> {
        live::open(self.shared.clone(), home, query)
    }

    pub fn stats(&self) -> StoreStats {
        let state = self.shared.state();
        StoreStats {
            groups: state.groups.len() as u64,
            bytes: state.bytes(),
            dropped_lines: self.shared.dropped.load(Ordering::Relaxed),
            disk_full: state.disk_full,
        }
    }

    /// Write what is queued and stop. Blocks.
    pub fn close(&self) {
        self.shared.queue.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes functions' logs has panicked");
        }
        let temporary = self.shared.temporary.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(error)) = temporary.map(TempDir::close) {
            tracing::warn!(%error, "the temporary directory of functions' logs could not be removed");
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // The last one but for the thread's own.
        if Arc::strong_count(&self.thread) == 1 {
            self.shared.queue.close();
        }
    }
}
