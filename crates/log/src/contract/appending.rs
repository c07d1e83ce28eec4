use super::{CLASS, MAX_WAIT, NO_LIMIT, append, batch, create, read, texts, time};
use crate::{AppendError, Appended, Log, Outcome, Refused};
use millstream_types::{LogShard, Position};
use std::sync::Arc;

const A: LogShard = LogShard(1);
const B: LogShard = LogShard(2);
const NOWHERE: LogShard = LogShard(77);

pub(super) async fn positions_are_dense_and_ordered(log: &dyn Log) {
    create(log, A).await;
    let first = append(log, A, batch(1, &["a", "b"])).await;
    assert_eq!(first, Appended { shard: A, first: Position(0), timestamp: time(1) });
    // Two calls without an await of durability between them keep their order.
    let second = log.append(vec![(A, batch(2, &["c"]))], MAX_WAIT).await.expect("admitted");
    let third = log.append(vec![(A, batch(3, &["d", "", "f"]))], MAX_WAIT).await.expect("admitted");
    let (second, third) = (second.durable().await, third.durable().await);
    assert_eq!(second.expect("durable")[0].first, Position(2));
    assert_eq!(third.expect("durable")[0].first, Position(3));
    assert_eq!(texts(log, A, 0).await, ["a", "b", "c", "d", "", "f"]);
    assert_eq!(texts(log, A, 4).await, ["", "f"]);
}

pub(super) async fn one_call_touches_many_shards(log: &dyn Log) {
    create(log, A).await;
    create(log, B).await;
    let call = vec![(A, batch(1, &["a0"])), (B, batch(1, &["b0", "b1"])), (A, batch(1, &["a1"]))];
    let ticket = log.append(call, MAX_WAIT).await.expect("admitted");
    let appended = ticket.durable().await.expect("durable");
    let places: Vec<_> = appended.iter().map(|appended| (appended.shard, appended.first.0)).collect();
    assert_eq!(places, [(A, 0), (B, 0), (A, 1)], "one Appended per batch, in order");
    assert_eq!(texts(log, A, 0).await, ["a0", "a1"]);
    assert_eq!(texts(log, B, 0).await, ["b0", "b1"]);
}

pub(super) async fn concurrent_calls_never_overlap(log: Arc<dyn Log>) {
    create(&*log, A).await;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..16 {
        let log = Arc::clone(&log);
        tasks.spawn(async move {
            let mut places = Vec::new();
            for call in 0..16 {
                let text = format!("{task}:{call}");
                places.push((append(&*log, A, batch(1, &[&text])).await.first.0, text));
            }
            places
        });
    }
    let mut expected = Vec::new();
    while let Some(places) = tasks.join_next().await {
        let places = places.expect("no task panics");
        assert!(places.is_sorted(), "one caller's calls keep their order");
        expected.extend(places);
    }
    expected.sort();
    let expected: Vec<_> = expected.into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts(&*log, A, 0).await, expected);
}

pub(super) async fn timestamps_never_fall(log: &dyn Log) {
    create(log, A).await;
    create(log, B).await;
    assert_eq!(append(log, A, batch(100, &["a"])).await.timestamp, time(100));
    assert_eq!(append(log, A, batch(50, &["b"])).await.timestamp, time(100), "raised to the one before");
    assert_eq!(append(log, B, batch(50, &["c"])).await.timestamp, time(50), "another shard has its own");
    let chunk = read(log, A, 0, NO_LIMIT).await;
    let stored: Vec<_> = chunk.batches.iter().map(|stored| stored.batch.timestamp).collect();
    assert_eq!(stored, [time(100), time(100)]);
    assert_eq!(chunk.newest, Some(time(100)));
}

pub(super) async fn a_call_is_all_or_nothing(log: &dyn Log) {
    create(log, A).await;
    let call = vec![(A, batch(1, &["lost"])), (NOWHERE, batch(1, &["lost"]))];
    let error = match log.append(call, MAX_WAIT).await {
        Ok(ticket) => ticket.durable().await.expect_err("a shard of the call does not exist"),
        Err(refused) => refused.into(),
    };
    assert_eq!(error, AppendError::Refused(Refused::NoSuchShard(NOWHERE)));
    assert_eq!(error.outcome(), Outcome::NotDone);
    assert_eq!(append(log, A, batch(1, &["kept"])).await.first, Position(0));
    assert_eq!(texts(log, A, 0).await, ["kept"]);
}

pub(super) async fn an_empty_call_and_an_empty_batch_leave_nothing(log: &dyn Log) {
    create(log, A).await;
    let ticket = log.append(Vec::new(), MAX_WAIT).await.expect("admitted");
    assert_eq!(ticket.durable().await.expect("durable"), []);
    append(log, A, batch(1, &["a"])).await;
    assert_eq!(append(log, A, batch(9, &[])).await.first, Position(1));
    assert_eq!(append(log, A, batch(2, &["b"])).await.timestamp, time(2), "the empty batch left no time");
    assert_eq!(texts(log, A, 0).await, ["a", "b"]);
}

pub(super) async fn a_dropped_ticket_changes_nothing(log: &dyn Log) {
    create(log, A).await;
    drop(log.append(vec![(A, batch(1, &["a"]))], MAX_WAIT).await.expect("admitted"));
    append(log, A, batch(1, &["b"])).await;
    assert_eq!(texts(log, A, 0).await, ["a", "b"]);
}

pub(super) async fn creating_twice_keeps_the_records(log: &dyn Log) {
    create(log, A).await;
    append(log, A, batch(1, &["a"])).await;
    create(log, A).await;
    assert_eq!(append(log, A, batch(1, &["b"])).await.first, Position(1));
    assert_eq!(texts(log, A, 0).await, ["a", "b"]);
}

pub(super) async fn a_closed_log_takes_nothing_and_still_reads(log: &dyn Log) {
    create(log, A).await;
    let queued = log.append(vec![(A, batch(1, &["a"]))], MAX_WAIT).await.expect("admitted");
    log.close().await;
    queued.durable().await.expect("what was queued is finished");
    let refused = log.append(vec![(A, batch(1, &["b"]))], MAX_WAIT).await.expect_err("closed");
    assert_eq!(refused, Refused::Closed);
    assert_eq!(log.create(B, CLASS).await, Err(Refused::Closed.into()));
    assert_eq!(log.trim(A, Position(1)).await, Err(Refused::Closed.into()));
    assert_eq!(log.drop_shard(A).await, Err(Refused::Closed.into()));
    log.close().await;
    assert_eq!(texts(log, A, 0).await, ["a"]);
    assert_eq!(log.stopped(), None, "closed is not stopped");
}
