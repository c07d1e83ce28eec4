//! The journal does not grow for ever.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::world::{Act, World, numbered, secs};
use millstream_events::caps;
use millstream_log::{Log, ReadError, ReadLimit};
use millstream_types::Position;
use serde_json::{Value, json};

/// How much of the journal can be read, in records and bytes.
async fn extent(world: &World) -> (u64, u64) {
    let shard = world.engine.control().state().event_journal.unwrap();
    let limit = ReadLimit { records: 10_000, bytes: 64 << 20 };
    let (mut from, mut records, mut bytes) = (Position(0), 0, 0);
    loop {
        match world.log.read(shard, from, limit).await {
            Err(ReadError::Trimmed { earliest }) => from = earliest,
            Err(error) => panic!("{error}"),
            Ok(chunk) if chunk.batches.is_empty() => return (records, bytes),
            Ok(chunk) => {
                for (position, record) in chunk.batches.iter().flat_map(millstream_log::StoredBatch::records)
                {
                    if position >= from {
                        records += 1;
                        bytes += record.len() as u64;
                        from = position.next();
                    }
                }
            }
        }
    }
}

fn large(number: u64) -> Value {
    json!({ "n": number, "text": "x".repeat(1_000_000) })
}

#[tokio::test(start_paused = true)]
async fn what_is_done_with_is_forgotten() {
    let world = World::new().await;
    world.function("f").await;
    for number in 0..100 {
        world.accept("f", large(number)).await.unwrap();
        secs(1).await;
    }
    let (_, bytes) = extent(&world).await;
    assert!(bytes < 2 * caps::TRIM_BYTES + 2 * caps::MARK_BYTES, "{bytes}");
    for number in 0..8_000 {
        world.accept("f", numbered(number)).await.unwrap();
    }
    secs(10).await;
    let (records, _) = extent(&world).await;
    assert!(records < 2 * caps::TRIM_RECORDS, "{records}");
}

#[tokio::test(start_paused = true)]
async fn an_old_event_does_not_keep_the_rest() {
    let world = World::with_workers(2).await;
    world.function("f").await;
    world.function("stuck").await;
    let stuck = |event: &Value| event.get("stuck").is_some();
    world.rule(move |event| if stuck(event) { Act::Throttle } else { Act::Succeed });
    world.accept("stuck", json!({ "stuck": 1 })).await.unwrap();
    world.accept("stuck", json!({ "stuck": 2 })).await.unwrap();
    for number in 0..300 {
        world.accept("f", large(number)).await.unwrap();
        secs(1).await;
    }
    let (_, bytes) = extent(&world).await;
    let most = caps::GARBAGE_BYTES + 2 * caps::TRIM_BYTES;
    assert!(bytes < most, "{bytes} of 300,000,000 are left, which should be below {most}");
    assert_eq!(world.waiting(), 2);
    // They are still there, as they were.
    let world = world.kill().await;
    world.rule(|_| Act::Succeed);
    secs(600).await;
    let mut seen: Vec<Value> =
        world.calls().into_iter().filter(|call| stuck(&call.event)).map(|call| call.event).collect();
    seen.sort_by_key(ToString::to_string);
    assert_eq!(seen, [json!({ "stuck": 1 }), json!({ "stuck": 2 })]);
    assert_eq!(world.waiting(), 0);
}
