//! The suite that every log passes.
//!
//! [`all`] wants a fresh, empty log for each case; [`durable`] wants the same storage again and again and is for logs
//! that keep their data. A case panics with what it saw.

mod appending;
mod durable;
mod reading;

pub use durable::durable;

use crate::{Appended, Batch, BatchBuilder, Chunk, Log, ReadLimit, RetentionClass};
use bytes::Bytes;
use millstream_types::{LogShard, Position, Timestamp};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// Long enough for a log that works, however slow its machine.
const MAX_WAIT: Duration = Duration::from_secs(30);
const NO_LIMIT: ReadLimit = ReadLimit { records: usize::MAX, bytes: usize::MAX };
const CLASS: RetentionClass = RetentionClass::Hours(24);

/// Every case that needs no second opening. `open` gives a new, empty log each time.
///
/// # Panics
/// If the log breaks the contract.
pub async fn all<F, Fut>(open: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = Arc<dyn Log>>,
{
    appending::positions_are_dense_and_ordered(&*open().await).await;
    appending::one_call_touches_many_shards(&*open().await).await;
    appending::concurrent_calls_never_overlap(open().await).await;
    appending::timestamps_never_fall(&*open().await).await;
    appending::a_call_is_all_or_nothing(&*open().await).await;
    appending::an_empty_call_and_an_empty_batch_leave_nothing(&*open().await).await;
    appending::a_dropped_ticket_changes_nothing(&*open().await).await;
    appending::creating_twice_keeps_the_records(&*open().await).await;
    appending::a_closed_log_takes_nothing_and_still_reads(&*open().await).await;
    reading::reads_hold_to_their_limits(&*open().await).await;
    reading::a_read_inside_a_batch_returns_the_whole_batch(&*open().await).await;
    reading::the_tail_is_followed(open().await).await;
    reading::time_finds_its_position(&*open().await).await;
    reading::trimmed_records_are_gone(&*open().await).await;
    reading::a_dropped_shard_is_gone(&*open().await).await;
    reading::many_idle_shards_are_no_burden(open().await).await;
}

fn time(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn batch(millis: u64, records: &[&str]) -> Batch {
    let mut builder = BatchBuilder::default();
    for record in records {
        builder.push(record.as_bytes());
    }
    builder.finish(time(millis))
}

async fn create(log: &dyn Log, shard: LogShard) {
    log.create(shard, CLASS).await.expect("a shard can be made");
}

/// Append one batch and wait until it is durable.
async fn append(log: &dyn Log, shard: LogShard, batch: Batch) -> Appended {
    let ticket = log.append(vec![(shard, batch)], MAX_WAIT).await.expect("the append is admitted");
    let appended = ticket.durable().await.expect("the append becomes durable");
    assert_eq!(appended.len(), 1, "one Appended per batch");
    appended[0]
}

async fn read(log: &dyn Log, shard: LogShard, from: u64, limit: ReadLimit) -> Chunk {
    log.read(shard, Position(from), limit).await.expect("the shard can be read")
}

/// All records from a position on, however many reads that takes. Checks what every read must keep to.
async fn records(log: &dyn Log, shard: LogShard, from: u64) -> Vec<(u64, Bytes)> {
    let mut found = Vec::new();
    let mut next = Position(from);
    loop {
        let chunk = read(log, shard, next.0, NO_LIMIT).await;
        let Some(last) = chunk.batches.last() else {
            assert!(next >= chunk.tail, "{shard}: nothing at {next}, below the tail {}", chunk.tail);
            return found;
        };
        let end = last.end();
        assert!(end <= chunk.tail, "{shard}: records up to {end}, above the tail {}", chunk.tail);
        for stored in &chunk.batches {
            assert!(stored.batch.is_intact(), "{shard}: a damaged batch at {}", stored.first);
            let inside = stored.records().filter(|(position, _)| *position >= next);
            found.extend(inside.map(|(position, record)| (position.0, record)));
        }
        next = end;
    }
}

/// The records as text, after a check that their positions are dense from `from` on.
async fn texts(log: &dyn Log, shard: LogShard, from: u64) -> Vec<String> {
    let records = records(log, shard, from).await;
    for ((position, _), expected) in records.iter().zip(from..) {
        assert_eq!(*position, expected, "{shard}: positions are dense");
    }
    records.iter().map(|(_, record)| String::from_utf8_lossy(record).into_owned()).collect()
}
