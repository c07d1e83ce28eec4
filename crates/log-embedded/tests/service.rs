//! The log as its users have it: with its threads, from many tasks, over crashes.

use millstream_host::disk::{Fault, SimDisk};
use millstream_log::{AppendError, Batch, Log, ReadLimit, Refused, RetentionClass};
use millstream_log_embedded::{EmbeddedLog, OpenError, Options};
use millstream_types::{LogShard, Position, Timestamp};
use std::sync::Arc;
use std::time::Duration;

const SHARD: LogShard = LogShard(1);
const MAX_WAIT: Duration = Duration::from_secs(30);

fn options(disk: &SimDisk) -> Options {
    Options { wal_file_bytes: 64 << 10, admission_bytes: 64 << 10, ..Options::new(Arc::new(disk.clone())) }
}

fn open(options: &Options) -> Arc<EmbeddedLog> {
    Arc::new(EmbeddedLog::open(options).expect("the log opens").0)
}

async fn with_shard(options: &Options) -> Arc<EmbeddedLog> {
    let log = open(options);
    log.create(SHARD, RetentionClass::Hours(24)).await.expect("the shard is made");
    log
}

fn batch(record: &[u8]) -> (LogShard, Batch) {
    (SHARD, Batch::single(Timestamp::ZERO, record))
}

async fn append(log: &EmbeddedLog, record: &[u8]) -> Result<Position, AppendError> {
    let ticket = log.append(vec![batch(record)], MAX_WAIT).await?;
    Ok(ticket.durable().await?[0].first)
}

async fn records(log: &EmbeddedLog) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut next = Position::ZERO;
    loop {
        let limit = ReadLimit { records: 10, bytes: 10_000 };
        let chunk = log.read(SHARD, next, limit).await.expect("the shard can be read");
        let Some(last) = chunk.batches.last() else { return found };
        next = last.end();
        found.extend(
            chunk.batches.iter().flat_map(|stored| stored.batch.records()).map(|record| record.to_vec()),
        );
    }
}

/// Tasks append until the power goes; what each was told is kept, with everything in the order of its task.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_tasks_were_told_is_there_after_power_cuts() {
    let mut stops = 0;
    for seed in 0..30 {
        let disk = SimDisk::new(seed);
        let options = Options { memory_tail_bytes: 4_096, idle_mark: Duration::ZERO, ..options(&disk) };
        let log = with_shard(&options).await;
        disk.fail(if seed % 2 == 0 { Fault::Sync } else { Fault::Write }, 20 + seed);
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..8_u32 {
            let log = Arc::clone(&log);
            tasks.spawn(async move {
                let mut told = Vec::new();
                for call in 0..100_u32 {
                    let mut record = vec![b'.'; 700];
                    record[..4].copy_from_slice(&task.to_le_bytes());
                    record[4..8].copy_from_slice(&call.to_le_bytes());
                    match append(&log, &record).await {
                        Ok(position) => told.push((position, record)),
                        Err(AppendError::Unknown(_) | AppendError::Refused(Refused::Stopped(_))) => break,
                        Err(error) => panic!("{error}"),
                    }
                }
                told
            });
        }
        let told = tasks.join_all().await;
        // The fault may also strike the file that is being prewritten, which is made again.
        stops += u32::from(log.stopped().is_some());
        disk.crash();
        drop(log);
        let log = open(&options);
        let found = records(&log).await;
        for (position, record) in told.into_iter().flatten() {
            let at = usize::try_from(position.0).expect("small");
            assert_eq!(found.get(at), Some(&record), "seed {seed}: acknowledged at {position}");
        }
        for task in 0..8_u32 {
            let calls = found.iter().filter(|record| record[..4] == task.to_le_bytes());
            let calls: Vec<_> = calls.map(|record| record[4..8].to_vec()).collect();
            let expected: Vec<_> =
                (0_u32..).take(calls.len()).map(|call| call.to_le_bytes().to_vec()).collect();
            assert_eq!(calls, expected, "seed {seed}: task {task} is there once and in order");
        }
    }
    assert!(stops > 10, "{stops} of 30 runs met a fault");
}

#[tokio::test]
async fn calls_share_groups() {
    let disk = SimDisk::new(1);
    let log = with_shard(&Options { admission_bytes: 1 << 20, ..options(&disk) }).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..500 {
        let log = Arc::clone(&log);
        tasks.spawn(async move { append(&log, b"x").await });
    }
    assert!(tasks.join_all().await.iter().all(Result::is_ok));
    let stats = log.stats();
    assert_eq!((stats.calls, stats.shards), (501, 1));
    assert!(stats.groups < stats.calls && stats.groups == stats.syncs, "{stats:?}");
    assert!(
        stats.bytes >= 4_096 * stats.groups && stats.wal_bytes >= stats.bytes && stats.memory_tail_bytes > 0
    );
}

#[tokio::test]
async fn a_call_above_the_limit_is_refused_as_such() {
    let disk = SimDisk::new(1);
    let log = with_shard(&options(&disk)).await;
    let refused = log.append(vec![batch(&vec![0; 64 << 10])], MAX_WAIT).await.expect_err("too large");
    assert!(matches!(refused, Refused::TooLarge { bytes, limit } if bytes > limit), "{refused}");
    let largest = vec![7; (56 << 10) - 100];
    assert_eq!(append(&log, &largest).await, Ok(Position(0)), "as large as a file takes");
    assert_eq!(records(&log).await, [largest]);
}

/// A disk whose writes wait until they are let go.
mod slow {
    use millstream_host::disk::{Disk, DiskFile, DiskLock, OpenMode, SimDisk};
    use std::io;
    use std::sync::{Arc, RwLock};

    #[derive(Debug)]
    pub(super) struct SlowDisk {
        pub(super) disk: SimDisk,
        /// A write or sync waits while somebody holds this for writing.
        pub(super) gate: Arc<RwLock<()>>,
    }

    #[derive(Debug)]
    struct SlowFile {
        file: Arc<dyn DiskFile>,
        gate: Arc<RwLock<()>>,
    }

    impl Disk for SlowDisk {
        fn describe(&self) -> String {
            self.disk.describe()
        }
        fn create_dir_all(&self, directory: &str) -> io::Result<()> {
            self.disk.create_dir_all(directory)
        }
        fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
            Ok(Arc::new(SlowFile { file: self.disk.open(name, mode)?, gate: Arc::clone(&self.gate) }))
        }
        fn list(&self, directory: &str) -> io::Result<Vec<String>> {
            self.disk.list(directory)
        }
        fn rename(&self, from: &str, to: &str) -> io::Result<()> {
            self.disk.rename(from, to)
        }
        fn remove(&self, name: &str) -> io::Result<()> {
            self.disk.remove(name)
        }
        fn sync_dir(&self, directory: &str) -> io::Result<()> {
            self.disk.sync_dir(directory)
        }
        fn try_lock(&self, name: &str) -> io::Result<Option<Box<dyn DiskLock>>> {
            self.disk.try_lock(name)
        }
    }

    impl DiskFile for SlowFile {
        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
            self.file.read_at(offset, buffer)
        }
        fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
            let _open = self.gate.read().expect("nobody panics with it");
            self.file.write_at(offset, bytes)
        }
        fn sync_data(&self) -> io::Result<()> {
            let _open = self.gate.read().expect("nobody panics with it");
            self.file.sync_data()
        }
        fn len(&self) -> io::Result<u64> {
            self.file.len()
        }
        fn set_len(&self, len: u64) -> io::Result<()> {
            self.file.set_len(len)
        }
        fn punch_hole(&self, offset: u64, len: u64) -> io::Result<()> {
            self.file.punch_hole(offset, len)
        }
    }
}

#[tokio::test]
async fn a_slow_disk_pushes_back_and_then_everything_is_done() {
    let gate = Arc::new(std::sync::RwLock::new(()));
    let disk = slow::SlowDisk { disk: SimDisk::new(1), gate: Arc::clone(&gate) };
    let options =
        Options { wal_file_bytes: 64 << 10, admission_bytes: 64 << 10, ..Options::new(Arc::new(disk)) };
    let log = with_shard(&options).await;
    let mut tickets = Vec::new();
    let refused = {
        let _shut = gate.write().expect("nobody panics with it");
        loop {
            let append = log.append(vec![batch(&[1; 10_000])], Duration::ZERO);
            match futures_now(append) {
                Ok(ticket) => tickets.push(ticket),
                Err(refused) => break refused,
            }
        }
    };
    assert_eq!(refused, Refused::Full);
    assert_eq!(tickets.len(), 6, "as many as there is room for");
    for (ticket, expected) in tickets.into_iter().zip(0..) {
        assert_eq!(ticket.durable().await.expect("durable")[0].first, Position(expected));
    }
    assert!(append(&log, b"again").await.is_ok(), "there is room again");
}

/// The result of a future that does not wait.
fn futures_now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

#[tokio::test]
async fn dropping_the_log_finishes_what_was_queued_and_frees_the_directory() {
    let disk = SimDisk::new(1);
    let options = options(&disk);
    let log = with_shard(&options).await;
    let mut tickets = Vec::new();
    for number in 0..20_u8 {
        tickets.push(log.append(vec![batch(&[number])], MAX_WAIT).await.expect("admitted"));
    }
    drop(log);
    for ticket in tickets {
        ticket.durable().await.expect("durable");
    }
    let expected: Vec<_> = (0..20_u8).map(|number| vec![number]).collect();
    assert_eq!(records(&open(&options)).await, expected);
}

#[tokio::test]
async fn a_quiet_log_marks_its_newest_group() {
    let disk = SimDisk::new(1);
    let options = Options { idle_mark: Duration::from_millis(1), ..options(&disk) };
    let log = with_shard(&options).await;
    append(&log, b"last").await.expect("durable");
    let groups = log.stats().groups;
    // Level-triggered: it comes when the writer finds nothing to do, however long that takes here.
    while log.stats().groups == groups {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(log.stats().calls, 2, "a mark is no call");
    log.close().await;
    drop(log);
    // With a witness, rot in the newest record is seen.
    let name = "wal/0000000001.wal";
    let contents = disk.contents(name).expect("the file is there");
    let at = contents.windows(4).position(|window| window == b"last").expect("the record is on the disk");
    disk.flip_bit(name, at as u64, 0).expect("the file is that long");
    let error = EmbeddedLog::open(&options).map(drop).expect_err("damaged");
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
}

#[tokio::test]
async fn ten_thousand_idle_shards_cost_no_disk() {
    const SHARDS: u64 = 10_000;
    let disk = SimDisk::new(1);
    let options = Options {
        wal_file_bytes: 1 << 20,
        admission_bytes: 64 << 20,
        ..Options::new(Arc::new(disk.clone()))
    };
    let log = open(&options);
    let mut tasks = tokio::task::JoinSet::new();
    for shard in 0..SHARDS {
        let log = Arc::clone(&log);
        tasks.spawn(async move { log.create(LogShard(shard), RetentionClass::Hours(24)).await });
    }
    assert!(tasks.join_all().await.iter().all(Result::is_ok));
    log.close().await;
    let bytes = log.stats().bytes;
    assert!(bytes < SHARDS * 4_096 / 4, "{bytes}: a group takes many creations");
    drop(log);
    let (log, report) = EmbeddedLog::open(&options).expect("the log opens");
    assert_eq!((report.shards, log.stats().shards), (SHARDS, SHARDS));
    assert!(log.stats().bytes <= 4_096, "opening writes one mark at most");
}
