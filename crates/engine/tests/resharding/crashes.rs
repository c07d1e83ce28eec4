//! A crash at each point of a reshard.

use crate::world::{HALF, World};
use millstream_control::{CloseShards, StreamStatus, UpdateShardCount};
use millstream_log::{Log, RetentionClass};
use millstream_types::{Position, ShardId};

#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
enum Point {
    /// The command is durable.
    Asked,
    /// Some of the new log shards are made.
    Making,
    Made,
    /// Shards are closing, and somebody waits to put a record.
    Closing,
}

async fn go_to(world: &World, point: Point) {
    let stream = world.stream();
    let reshard = stream.reshard.as_ref().unwrap();
    let made = match point {
        Point::Asked => 0,
        Point::Making => 1,
        Point::Made | Point::Closing => reshard.shards.len(),
    };
    for shard in &reshard.shards[..made] {
        world.log.create(shard.log, RetentionClass::Hours(24)).await.unwrap();
    }
    if point == Point::Closing {
        let tail = |id: &ShardId| world.log.tail(stream.shard(*id).unwrap().log).unwrap().current();
        let durable: Vec<Position> = reshard.parents.iter().map(tail).collect();
        world.submit(CloseShards { stream: "s".into(), durable }).await;
        let append = tokio::time::timeout(std::time::Duration::ZERO, world.put("unknown", 0));
        assert!(append.await.is_err());
    }
}

#[tokio::test]
async fn what_was_begun_is_finished_after_the_restart() {
    for point in [Point::Asked, Point::Making, Point::Made, Point::Closing] {
        let mut world = World::new(3).await;
        for number in 0..9_u64 {
            world.put(&number.to_string(), HALF / 4 * u128::from(number % 8)).await;
        }
        world.stop_lifecycle();
        world.submit(UpdateShardCount { stream: "s".into(), target: 4, per_day: None }).await;
        go_to(&world, point).await;
        let mut world = world.crash().await;
        assert_eq!(world.stream().status, StreamStatus::Updating, "{point:?}");
        world.run_lifecycle();
        world.until_active().await;
        let stream = world.stream();
        assert_eq!(stream.open_shards().count(), 4, "{point:?}");
        assert!(stream.reshard.is_none());
        world.put("after", 0).await;
        let mut keys: Vec<String> =
            world.walk().await.into_iter().map(|record| record.partition_key).collect();
        keys.sort();
        assert_eq!(keys, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "after"], "{point:?}");
        // And it is finished for good.
        let world = world.crash().await;
        assert_eq!(world.stream(), stream, "{point:?}");
        assert_eq!(world.walk().await.len(), 10);
    }
}

#[tokio::test]
async fn a_stream_that_is_deleted_meanwhile_leaves_no_log_shards() {
    for point in [Point::Asked, Point::Making, Point::Made, Point::Closing] {
        let mut world = World::new(1).await;
        world.stop_lifecycle();
        world.split(0, HALF).await;
        go_to(&world, point).await;
        let stream = world.stream();
        let delete = millstream_control::DeleteStream { name: "s".into(), enforce_consumer_deletion: false };
        world.submit(delete).await;
        let mut world = world.crash().await;
        world.run_lifecycle();
        world.until("deleted", |state| state.streams.is_empty()).await;
        for shard in stream.shards.iter().chain(&stream.reshard.as_ref().unwrap().shards) {
            assert!(world.log.tail(shard.log).is_err(), "{point:?}: {shard:?}");
        }
    }
}
