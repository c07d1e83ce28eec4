use super::{NO_LIMIT, append, batch, create, texts, time};
use crate::{Log, ReadError};
use millstream_types::{LogShard, Position};
use std::future::Future;
use std::sync::Arc;

const A: LogShard = LogShard(1);
const GONE: LogShard = LogShard(2);
const IDLE: LogShard = LogShard(3);

/// What was acknowledged is there after every reopening. `open` gives the log on the same storage each time; the one
/// before is gone by then, closed the first time and merely dropped the second.
///
/// # Panics
/// If the log breaks the contract.
pub async fn durable<F, Fut>(open: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = Arc<dyn Log>>,
{
    let log = open().await;
    for shard in [A, GONE, IDLE] {
        create(&*log, shard).await;
    }
    append(&*log, A, batch(10, &["0", "1", "2"])).await;
    append(&*log, GONE, batch(10, &["gone"])).await;
    append(&*log, A, batch(20, &["3"])).await;
    log.trim(A, Position(1)).await.expect("trimmed");
    log.drop_shard(GONE).await.expect("dropped");
    log.close().await;
    drop(log);

    let log = open().await;
    check(&*log, &["1", "2", "3"]).await;
    assert_eq!(
        append(&*log, A, batch(5, &["4"])).await.timestamp,
        time(20),
        "time does not fall across openings"
    );
    drop(log);

    let log = open().await;
    check(&*log, &["1", "2", "3", "4"]).await;
    assert_eq!(append(&*log, A, batch(30, &["5"])).await.first, Position(5));
    check(&*log, &["1", "2", "3", "4", "5"]).await;
    log.close().await;
}

async fn check(log: &dyn Log, expected: &[&str]) {
    assert_eq!(texts(log, A, 1).await, expected);
    let trimmed = log.read(A, Position(0), NO_LIMIT).await;
    assert_eq!(trimmed.expect_err("trimmed stays trimmed"), ReadError::Trimmed { earliest: Position(1) });
    assert_eq!(log.tail(A).expect("the shard exists").current(), Position(1 + expected.len() as u64));
    assert_eq!(log.seek_time(A, time(11)).await, Ok(Position(3)));
    assert!(texts(log, IDLE, 0).await.is_empty(), "an empty shard stays");
    let gone = log.read(GONE, Position(0), NO_LIMIT).await;
    assert_eq!(gone.expect_err("dropped stays dropped"), ReadError::NoSuchShard(GONE));
}
