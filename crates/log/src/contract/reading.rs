use super::{CLASS, NO_LIMIT, append, batch, create, read, texts, time};
use crate::{AppendError, Log, ReadError, ReadLimit, Refused};
use millstream_types::{LogShard, Position};
use std::sync::Arc;

const A: LogShard = LogShard(1);
const B: LogShard = LogShard(2);
const NOWHERE: LogShard = LogShard(77);

pub(super) async fn reads_hold_to_their_limits(log: &dyn Log) {
    create(log, A).await;
    assert!(read(log, A, 0, NO_LIMIT).await.batches.is_empty(), "a new shard is empty");
    for text in ["0", "1", "2", "3", "4"] {
        append(log, A, batch(1, &[text])).await;
    }
    let count = async |records, bytes| read(log, A, 1, ReadLimit { records, bytes }).await.batches.len();
    assert_eq!(count(2, usize::MAX).await, 2);
    assert_eq!(count(0, 0).await, 1, "at least one batch, however small the limit");
    assert_eq!(count(usize::MAX, 1).await, 1);
    // A record of one byte is five in a body.
    assert_eq!(count(usize::MAX, 10).await, 2);
    assert_eq!(count(usize::MAX, usize::MAX).await, 4);
    assert!(read(log, A, 5, NO_LIMIT).await.batches.is_empty(), "nothing at the tail");
    let beyond = read(log, A, u64::MAX, NO_LIMIT).await;
    assert!(beyond.batches.is_empty(), "nothing beyond it, and no error");
    assert_eq!((beyond.tail, beyond.newest), (Position(5), Some(time(1))));
    let nowhere = log.read(NOWHERE, Position(0), NO_LIMIT).await;
    assert_eq!(nowhere.expect_err("no such shard"), ReadError::NoSuchShard(NOWHERE));
}

pub(super) async fn a_read_inside_a_batch_returns_the_whole_batch(log: &dyn Log) {
    create(log, A).await;
    append(log, A, batch(1, &["0", "1", "2"])).await;
    append(log, A, batch(1, &["3"])).await;
    let chunk = read(log, A, 2, NO_LIMIT).await;
    let firsts: Vec<_> = chunk.batches.iter().map(|stored| (stored.first.0, stored.batch.count)).collect();
    assert_eq!(firsts, [(0, 3), (3, 1)]);
    assert_eq!(texts(log, A, 2).await, ["2", "3"]);
}

pub(super) async fn the_tail_is_followed(log: Arc<dyn Log>) {
    create(&*log, A).await;
    let mut tail = log.tail(A).expect("the shard exists");
    assert_eq!(tail.current(), Position(0));
    let follower = tokio::spawn(async move {
        let first = tail.beyond(Position(0)).await;
        let second = tail.beyond(Position(2)).await;
        (first, second)
    });
    append(&*log, A, batch(1, &["0", "1"])).await;
    assert_eq!(log.tail(A).expect("the shard exists").current(), Position(2));
    append(&*log, A, batch(1, &["2"])).await;
    let (first, second) = follower.await.expect("the follower does not panic");
    assert!(first >= Some(Position(2)), "{first:?}");
    assert_eq!(second, Some(Position(3)));
    assert!(log.tail(NOWHERE).is_err());
}

pub(super) async fn time_finds_its_position(log: &dyn Log) {
    create(log, A).await;
    let seek = async |millis| log.seek_time(A, time(millis)).await.expect("the shard exists").0;
    assert_eq!(seek(0).await, 0, "an empty shard's tail");
    append(log, A, batch(10, &["0", "1"])).await;
    append(log, A, batch(20, &["2"])).await;
    append(log, A, batch(20, &["3"])).await;
    append(log, A, batch(30, &["4"])).await;
    for (millis, position) in [(0, 0), (10, 0), (11, 2), (20, 2), (21, 4), (30, 4), (31, 5)] {
        assert_eq!(seek(millis).await, position, "at {millis}");
    }
    log.trim(A, Position(3)).await.expect("trimmed");
    assert_eq!(seek(0).await, 3, "never below what can be read");
    let nowhere = log.seek_time(NOWHERE, time(0)).await;
    assert_eq!(nowhere, Err(ReadError::NoSuchShard(NOWHERE)));
}

pub(super) async fn trimmed_records_are_gone(log: &dyn Log) {
    create(log, A).await;
    append(log, A, batch(1, &["0", "1", "2"])).await;
    append(log, A, batch(1, &["3"])).await;
    log.trim(A, Position(2)).await.expect("trimmed");
    let trimmed = log.read(A, Position(1), NO_LIMIT).await.expect_err("trimmed");
    assert_eq!(trimmed, ReadError::Trimmed { earliest: Position(2) });
    assert_eq!(texts(log, A, 2).await, ["2", "3"]);
    log.trim(A, Position(1)).await.expect("a trim backwards is no error");
    assert!(log.read(A, Position(1), NO_LIMIT).await.is_err(), "and brings nothing back");
    log.trim(A, Position(99)).await.expect("a trim beyond the tail stops at the tail");
    assert!(log.read(A, Position(3), NO_LIMIT).await.is_err());
    let chunk = read(log, A, 4, NO_LIMIT).await;
    assert_eq!((chunk.batches.len(), chunk.tail), (0, Position(4)));
    assert_eq!(append(log, A, batch(1, &["4"])).await.first, Position(4), "positions go on");
    assert_eq!(texts(log, A, 4).await, ["4"]);
    let nowhere = log.trim(NOWHERE, Position(1)).await;
    assert_eq!(nowhere, Err(AppendError::Refused(Refused::NoSuchShard(NOWHERE))));
}

pub(super) async fn a_dropped_shard_is_gone(log: &dyn Log) {
    create(log, A).await;
    create(log, B).await;
    append(log, A, batch(1, &["a"])).await;
    append(log, B, batch(1, &["b"])).await;
    let mut tail = log.tail(A).expect("the shard exists");
    log.drop_shard(A).await.expect("dropped");
    assert_eq!(tail.beyond(Position(1)).await, None, "followers see the end");
    let read = log.read(A, Position(0), NO_LIMIT).await;
    assert_eq!(read.expect_err("gone"), ReadError::NoSuchShard(A));
    assert!(log.tail(A).is_err());
    log.drop_shard(A).await.expect("dropping what is not there is no error");
    assert_eq!(texts(log, B, 0).await, ["b"], "others stay");
}

pub(super) async fn many_idle_shards_are_no_burden(log: Arc<dyn Log>) {
    const SHARDS: u64 = 1_000;
    // All at once: a log that groups its writes needs few of them.
    let mut tasks = tokio::task::JoinSet::new();
    for shard in 0..SHARDS {
        let log = Arc::clone(&log);
        tasks.spawn(async move { log.create(LogShard(shard), CLASS).await });
    }
    while let Some(created) = tasks.join_next().await {
        created.expect("no task panics").expect("a shard can be made");
    }
    append(&*log, LogShard(SHARDS - 1), batch(1, &["last"])).await;
    assert_eq!(texts(&*log, LogShard(SHARDS - 1), 0).await, ["last"]);
    assert!(texts(&*log, LogShard(SHARDS / 2), 0).await.is_empty());
}
