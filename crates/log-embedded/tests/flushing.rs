//! The log with its threads on a real disk, flushing all the time: readers at every place while batches move from
//! memory to the WAL to segments, and WAL files are written anew under their feet.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use millstream_log::{Batch, BatchBuilder, Log, ReadError, ReadLimit, RetentionClass};
use millstream_log_embedded::{EmbeddedLog, Options};
use millstream_types::{LogShard, Position, Timestamp};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const SHARDS: u64 = 8;
const CALLS: u64 = 400;
const WAIT: Duration = Duration::from_secs(30);

fn options(directory: &Path) -> Options {
    Options {
        wal_file_bytes: 256 << 10,
        flush_bytes: 512 << 10,
        replay_bytes: 2 << 20,
        memory_tail_bytes: 256 << 10,
        ..Options::in_directory(directory).unwrap()
    }
}

/// A record says which one it is.
fn batch(shard: u64, call: u64) -> Batch {
    let mut builder = BatchBuilder::default();
    for record in 0..3 {
        builder.push(format!("{shard}/{}/{}", call * 3 + record, "x".repeat(900)).as_bytes());
    }
    builder.finish(Timestamp::from_millis(call))
}

/// Read a shard from its earliest position to the tail. Returns how many records there were.
async fn check(log: &EmbeddedLog, shard: u64) -> u64 {
    let limit = ReadLimit { records: 500, bytes: 100_000 };
    let (mut next, mut seen) = (Position::ZERO, 0);
    loop {
        let chunk = match log.read(LogShard(shard), next, limit).await {
            Err(ReadError::Trimmed { earliest }) => {
                assert!(earliest > next);
                next = earliest;
                continue;
            }
            other => other.unwrap(),
        };
        let Some(last) = chunk.batches.last() else {
            assert!(next >= chunk.tail);
            return seen;
        };
        let end = last.end();
        for (position, record) in chunk.batches.iter().flat_map(millstream_log::StoredBatch::records) {
            if position >= next {
                assert!(record.starts_with(format!("{shard}/{position}/").as_bytes()));
                seen += 1;
            }
        }
        next = end;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_find_every_record_wherever_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let (log, _) = EmbeddedLog::open(&options(directory.path())).unwrap();
    let log = Arc::new(log);
    for shard in 0..SHARDS {
        log.create(LogShard(shard), RetentionClass::Hours(24 * (1 + u32::try_from(shard).unwrap() % 3)))
            .await
            .unwrap();
    }
    let writing = Arc::new(AtomicU64::new(SHARDS));
    let mut tasks = Vec::new();
    for shard in 0..SHARDS {
        let (log, writing) = (Arc::clone(&log), Arc::clone(&writing));
        tasks.push(tokio::spawn(async move {
            for call in 0..CALLS {
                let batches = vec![(LogShard(shard), batch(shard, call))];
                log.append(batches, WAIT).await.unwrap().durable().await.unwrap();
                if call % 100 == 99 && shard % 2 == 0 {
                    log.trim(LogShard(shard), Position(call)).await.unwrap();
                }
            }
            writing.fetch_sub(1, Ordering::SeqCst);
        }));
    }
    for reader in 0..4 {
        let (log, writing) = (Arc::clone(&log), Arc::clone(&writing));
        tasks.push(tokio::spawn(async move {
            let mut round = reader;
            while writing.load(Ordering::SeqCst) > 0 {
                check(&log, round % SHARDS).await;
                // Reads of memory wait for nothing, and the writers need a turn too.
                tokio::task::yield_now().await;
                let time = Timestamp::from_millis(round % CALLS);
                log.seek_time(LogShard(round % SHARDS), time).await.unwrap();
                round += 1;
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let stats = log.stats();
    assert!(stats.flushes > 3 && stats.failed_reads == 0, "{stats:?}");
    log.close().await;
    drop(log);
    let (log, report) = EmbeddedLog::open(&options(directory.path())).unwrap();
    assert!(report.segments > 0 && report.replayed_bytes <= 2 << 20, "{report:?}");
    for shard in 0..SHARDS {
        let trimmed = if shard % 2 == 0 { CALLS - 1 } else { 0 };
        assert_eq!(check(&log, shard).await, 3 * CALLS - trimmed, "shard {shard}");
    }
}

#[tokio::test]
async fn the_contract_holds_while_everything_is_flushed() {
    let directories = std::sync::Mutex::new(Vec::new());
    millstream_log::contract::all(async || {
        let directory = tempfile::tempdir().unwrap();
        let options = Options {
            wal_file_bytes: 64 << 10,
            flush_bytes: 64 << 10,
            replay_bytes: 1 << 20,
            flush_after: Duration::from_millis(1),
            idle_mark: Duration::from_millis(1),
            memory_tail_bytes: 0,
            ..Options::in_directory(directory.path()).unwrap()
        };
        directories.lock().unwrap().push(directory);
        Arc::new(EmbeddedLog::open(&options).unwrap().0) as Arc<dyn Log>
    })
    .await;
}
