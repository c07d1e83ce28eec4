use crate::Shared;
use crate::caps;
use crate::directory;
use crate::error::OpenError;
use crate::flush::Worker;
use crate::flusher::Flusher;
use crate::open;
use crate::options::Options;
use crate::queue::{Command, Work};
use crate::segment::table::Segments;
use crate::shard::{Change, Sought};
use crate::stats::{Counters, Stats};
use crate::wal::files::{self, Maker};
use crate::wal::pool::TakenIn;
use crate::wal::recover::{self, RecoveryReport, io_error};
use crate::wal::spares::Spares;
use crate::wal::thread::{self, Ended};
use crate::wal::writer::Writer;
use async_trait::async_trait;
use millstream_host::disk::DiskLock;
use millstream_host::{Clock, SystemClock};
use millstream_log::{
    AppendError, Batch, Chunk, Log, ReadError, ReadLimit, Refused, RetentionClass, TailWatch, Ticket, ticket,
};
use millstream_types::{LogShard, Position, Timestamp};
use std::io;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// The log of one data directory. Dropping it finishes what is queued and lets go of the directory.
#[derive(Debug)]
pub struct EmbeddedLog {
    shared: Arc<Shared>,
    /// Reads of the disk that may start now.
    pub(crate) reads: Arc<Semaphore>,
    /// Whether reads of the disk are made where they are asked for.
    inline: bool,
    ended: watch::Receiver<bool>,
    signal: Mutex<std::sync::mpsc::Receiver<()>>,
    /// The writer has it too, so that the directory is free when both are gone.
    _lock: Arc<dyn DiskLock>,
}

/// The log without its threads.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) shared: Arc<Shared>,
    pub(crate) writer: Writer,
    pub(crate) lock: Arc<dyn DiskLock>,
}

impl Core {
    /// Take the directory, replay it, and mark what was found as durable. `background` makes files and flushes on
    /// threads.
    pub(crate) fn open(
        options: &Options,
        background: bool,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, RecoveryReport), OpenError> {
        options.check()?;
        let disk = &options.disk;
        let lock = directory::take(disk)?;
        let (checkpoint, next_checkpoint) = open::load_checkpoint(disk)?;
        let checkpoint = checkpoint.as_ref();
        let found = recover::recover(disk, checkpoint, options.wal_file_bytes, options.recycled_files())?;
        let segments = Segments::default();
        let next_segment =
            open::restore_segments(disk, checkpoint, &found.discarded, &found.shards, &segments)?;
        // Of a crash between a checkpoint and the files' recycling.
        let mut wal_bytes = found.bytes;
        for number in &found.needless {
            let taken = found.pool.take_in(&**disk, &files::name(*number), *number);
            let TakenIn { bytes, kept } = taken.map_err(io_error(&**disk, "recycling a WAL file"))?;
            wal_bytes += if kept { bytes } else { 0 };
        }
        let mut report = found.report;
        report.segments = segments.usage().segments;
        let shared = Arc::new(Shared::new(options, segments, clock));
        let known = found.shards.values().map(|tracked| Change::Created(Arc::clone(&tracked.shard)));
        shared.shards.apply(known.collect());
        Counters::add(&shared.counters.wal_bytes, wal_bytes);
        Counters::add(&shared.counters.written, report.replayed_bytes);
        let pool = found.pool;
        let maker = Maker {
            disk: Arc::clone(disk),
            pool: Arc::clone(&pool),
            bytes: options.wal_file_bytes,
            next: found.next_file,
        };
        let worker = Worker {
            shared: Arc::clone(&shared),
            disk: Arc::clone(disk),
            pool,
            abort: Arc::default(),
            next_segment,
            next_checkpoint,
            oldest_wal: found.oldest_file,
            orphans: Vec::new(),
            no_holes: false,
        };
        let (spares, flusher) = if background {
            let threads = || -> io::Result<_> {
                Ok((Spares::background(found.spares, maker)?, Flusher::background(worker)?))
            };
            let (spares, flusher) = threads().map_err(io_error(&**disk, "starting a thread"))?;
            // A new directory's first file is small.
            if found.end.file.len < options.wal_file_bytes {
                spares.prepare();
            }
            (spares, flusher)
        } else {
            (Spares::inline(found.spares, maker), Flusher::Inline(Box::new(worker)))
        };
        let mut writer = Writer::new(Arc::clone(&shared), options, spares, flusher, found.end, found.shards);
        writer.mark();
        Ok((Self { shared, writer, lock }, report))
    }
}

impl EmbeddedLog {
    /// Open a data directory and start the log. Blocks while the WAL is read (and, for a new directory, its first file
    /// is written): in a runtime, call it on a thread that may wait.
    ///
    /// # Errors
    /// See [`OpenError`]; every text says what to do.
    pub fn open(options: &Options) -> Result<(Self, RecoveryReport), OpenError> {
        let (Core { shared, writer, lock }, report) = Core::open(options, true, SystemClock::shared())?;
        let ended = thread::start(writer, Arc::clone(&shared), options.idle_mark, Arc::clone(&lock))
            .map_err(io_error(&*options.disk, "starting a thread"))?;
        Ok((Self::assemble(shared, lock, ended, false), report))
    }

    pub(crate) fn assemble(
        shared: Arc<Shared>,
        lock: Arc<dyn DiskLock>,
        Ended { flag, signal }: Ended,
        inline: bool,
    ) -> Self {
        let reads = Arc::new(Semaphore::new(caps::CONCURRENT_READS));
        Self { shared, reads, inline, ended: flag, signal: Mutex::new(signal), _lock: lock }
    }

    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Queue work when there is room for it. `max_wait` of `None` waits as long as it takes.
    async fn submit(&self, work: Work, max_wait: Option<Duration>) -> Result<Ticket, Refused> {
        let (bytes, limit) = (work.encoded_len(), self.shared.call_bytes);
        if bytes > limit {
            return Err(Refused::TooLarge { bytes, limit });
        }
        let cost = u32::try_from(work.cost()).expect("the limit is far below 4 GiB");
        let acquire = Arc::clone(&self.shared.admission).acquire_many_owned(cost);
        let acquired = match max_wait {
            None => Some(acquire.await),
            // A timer only for those who find no room at once.
            Some(max_wait) => match Arc::clone(&self.shared.admission).try_acquire_many_owned(cost) {
                Ok(permit) => Some(Ok(permit)),
                Err(_) if max_wait.is_zero() => None,
                Err(_) => tokio::time::timeout(max_wait, acquire).await.ok(),
            },
        };
        if let Some(refused) = self.shared.refusal() {
            return Err(refused);
        }
        // The semaphore is closed with the queue, which was asked above.
        let permit = acquired.ok_or(Refused::Full)?.map_err(|_closed| Refused::Closed)?;
        let (completion, ticket) = ticket();
        let command = Command { work, completion, permit: Some(permit) };
        self.shared.queue.push(command).map_err(|_command| Refused::Closed)?;
        Ok(ticket)
    }

    async fn control(&self, work: Work) -> Result<(), AppendError> {
        let ticket = self.submit(work, None).await?;
        ticket.durable().await.map(drop)
    }

    /// Do what may wait for the disk where waiting is allowed.
    async fn on_disk<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Shared) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        if self.inline {
            return read(&self.shared);
        }
        let permit = Arc::clone(&self.reads).acquire_owned().await;
        let permit = permit.map_err(|error| ReadError::Io(error.to_string()))?;
        let shared = Arc::clone(&self.shared);
        let done = tokio::task::spawn_blocking(move || {
            // Until the read is done: it goes on when its caller is gone.
            let _permit = permit;
            read(&shared)
        });
        done.await.map_err(|error| ReadError::Io(error.to_string()))?
    }
}

#[async_trait]
impl Log for EmbeddedLog {
    async fn append(&self, batches: Vec<(LogShard, Batch)>, max_wait: Duration) -> Result<Ticket, Refused> {
        if let Some(refused) = self.shared.refusal() {
            return Err(refused);
        }
        if let Some(missing) = self.shared.shards.missing(batches.iter().map(|(shard, _)| *shard)) {
            return Err(Refused::NoSuchShard(missing));
        }
        self.submit(Work::Append(batches), Some(max_wait)).await
    }

    async fn read(&self, shard: LogShard, from: Position, limit: ReadLimit) -> Result<Chunk, ReadError> {
        let limit = ReadLimit { bytes: limit.bytes.min(caps::READ_BYTES), ..limit };
        let plan = self.shared.shards.get(shard)?.plan(from, limit)?;
        if plan.is_in_memory() {
            return Ok(plan.into_chunk());
        }
        self.on_disk(move |shared| shared.read(shard, from, limit)).await
    }

    fn tail(&self, shard: LogShard) -> Result<TailWatch, ReadError> {
        self.shared.shards.get(shard)?.tail()
    }

    async fn seek_time(&self, shard: LogShard, at: Timestamp) -> Result<Position, ReadError> {
        if let Sought::At(position) = self.shared.shards.get(shard)?.seek_time(at)? {
            return Ok(position);
        }
        self.on_disk(move |shared| shared.seek_time(shard, at)).await
    }

    async fn create(&self, shard: LogShard, class: RetentionClass) -> Result<(), AppendError> {
        if let Some(refused) = self.shared.refusal() {
            return Err(refused.into());
        }
        // One that readers see is durable.
        if self.shared.shards.get(shard).is_ok() {
            return Ok(());
        }
        self.control(Work::Create(shard, class)).await
    }

    async fn trim(&self, shard: LogShard, before: Position) -> Result<(), AppendError> {
        self.control(Work::Trim(shard, before)).await
    }

    async fn drop_shard(&self, shard: LogShard) -> Result<(), AppendError> {
        self.control(Work::Drop(shard)).await
    }

    fn stopped(&self) -> Option<String> {
        self.shared.failstop.reason().map(str::to_owned)
    }

    async fn close(&self) {
        self.shared.close();
        let mut ended = self.ended.clone();
        // An error says that the thread is gone, which is what is waited for.
        if ended.wait_for(|ended| *ended).await.is_err() {
            tracing::debug!("the WAL's writer was gone before it was closed");
        }
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        self.shared.close();
        let signal = self.signal.get_mut().unwrap_or_else(PoisonError::into_inner);
        if signal.recv_timeout(Duration::from_secs(caps::DROP_SECONDS)) == Err(RecvTimeoutError::Timeout) {
            tracing::error!("the WAL's writer did not end in time; the disk may be stuck");
        }
    }
}
