//! Splits, merges and retention as pure state changes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use millstream_control::{
    ActivateStream, ChangeRetention, CloseShards, ControlCommand, CreateStream, DeleteStream, FinishReshard,
    MergeShards, Refusal, RemoveShards, RemoveStream, ReshardRefusal, RetentionChange, ScaleStream, Shard,
    SplitShard, State, Stream, StreamMode, StreamStatus, UpdateShardCount,
};
use millstream_types::{HashKey, HashRange, Position, ShardId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

const HOUR: u64 = 3_600_000;

/// `SplitMix64`: every choice comes from the seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

struct World {
    state: State,
    now: Timestamp,
}

impl World {
    fn new(shards: u32) -> Self {
        Self::with_mode(shards, StreamMode::Provisioned)
    }

    fn with_mode(shards: u32, mode: StreamMode) -> Self {
        let mut world = Self { state: State::default(), now: Timestamp::from_millis(1_700_000_000_000) };
        let create = CreateStream {
            name: "s".into(),
            arn: "arn".into(),
            shards,
            mode,
            max_record_kib: 1_024,
            tags: BTreeMap::new(),
        };
        world.apply(&create).unwrap();
        world.apply(&ActivateStream { name: "s".into() }).unwrap();
        world
    }

    /// A refused command must change nothing.
    fn apply<C: ControlCommand>(&mut self, command: &C) -> Result<C::Outcome, Refusal> {
        let before = self.state.clone();
        let outcome = command.apply(&mut self.state, self.now);
        if outcome.is_err() {
            assert_eq!(self.state, before);
        }
        outcome
    }

    fn stream(&self) -> &Stream {
        self.state.stream("s").unwrap()
    }

    fn open(&self) -> Vec<Shard> {
        let mut open: Vec<Shard> = self.stream().open_shards().cloned().collect();
        open.sort_by_key(|shard| shard.range.start);
        open
    }

    fn split(&mut self, shard: u64, key: u128) -> Result<(), Refusal> {
        self.apply(&SplitShard { stream: "s".into(), shard: ShardId(shard), key: HashKey(key) })
    }

    fn merge(&mut self, shard: u64, adjacent: u64) -> Result<(), Refusal> {
        let (shard, adjacent) = (ShardId(shard), ShardId(adjacent));
        self.apply(&MergeShards { stream: "s".into(), shard, adjacent })
    }

    fn update(&mut self, target: u32) -> Result<u32, Refusal> {
        self.apply(&UpdateShardCount { stream: "s".into(), target, per_day: None })
    }

    fn close(&mut self, durable: u64) -> usize {
        let parents = self.stream().reshard.as_ref().unwrap().parents.len();
        let durable = vec![Position(durable); parents];
        self.apply(&CloseShards { stream: "s".into(), durable }).unwrap();
        parents
    }

    /// Take the reshard to its end, every parent ending at `end`.
    fn finish(&mut self, end: u64) {
        let ends = vec![Position(end); self.close(end)];
        self.apply(&FinishReshard { stream: "s".into(), ends }).unwrap();
        assert_eq!(self.stream().status, StreamStatus::Active);
    }

    fn change_retention(&mut self, hours: u32, change: RetentionChange) -> Result<(), Refusal> {
        let now = self.now;
        self.apply(&ChangeRetention { name: "s".into(), hours, change, now })
    }

    fn remove_expired(&mut self) {
        let closed_by = self.stream().oldest_kept(self.now);
        let expired = |shard: &&Shard| !shard.is_open_after(closed_by);
        let shards = self.stream().shards.iter().filter(expired).map(|shard| shard.id).collect();
        self.apply(&RemoveShards { stream: "s".into(), shards, closed_by }).unwrap();
    }

    /// Every key belongs to exactly one shard, now and at every time that is kept; the family tree is sound.
    fn check(&self) {
        let stream = self.stream();
        tiles(stream.open_shards(), "open");
        let oldest = stream.oldest_kept(self.now);
        let moments = stream.shards.iter().flat_map(|shard| [shard.opened, shard.closed]).flatten();
        let around = moments.flat_map(|at| [at.minus_millis(1), at, at.plus_millis(1)]);
        let times: BTreeSet<_> = around.chain([oldest, self.now, stream.last_resharded()]).collect();
        for at in times.range(oldest..) {
            tiles(stream.shards.iter().filter(|shard| shard.was_open_at(*at)), &format!("at {at}"));
        }
        let then = stream.shards.iter().filter(|shard| shard.was_open_at(stream.last_resharded()));
        assert!(then.eq(stream.open_shards()));
        for pair in stream.shards.windows(2) {
            assert!(pair[0].id < pair[1].id && pair[0].log < pair[1].log);
        }
        for shard in &stream.shards {
            assert_eq!(stream.shard(shard.id), Some(shard));
            assert_eq!(shard.is_open(), shard.closed.is_none());
            let is_child = |child: &&Shard| child.parents().any(|id| id == shard.id);
            let children: Vec<_> = stream.shards.iter().filter(is_child).collect();
            assert_eq!(shard.is_open(), children.is_empty(), "{shard:?}");
            for child in children {
                assert!(child.id > shard.id && shard.closed <= child.opened);
                let merged = child.adjacent_parent.is_some();
                let (inner, outer) = if merged { (shard, child) } else { (child, shard) };
                assert!(outer.range.contains(inner.range.start) && outer.range.contains(inner.range.end));
            }
        }
    }
}

fn tiles<'a>(shards: impl Iterator<Item = &'a Shard>, what: &str) {
    let mut ranges: Vec<HashRange> = shards.map(|shard| shard.range).collect();
    ranges.sort_by_key(|range| range.start);
    assert_eq!(ranges.first().unwrap().start, HashKey(0), "{what}");
    assert_eq!(ranges.last().unwrap().end, HashKey(u128::MAX), "{what}");
    for pair in ranges.windows(2) {
        assert_eq!(pair[0].end.0 + 1, pair[1].start.0, "{what}");
    }
}

/// A random reshard; refusals are part of the game.
fn reshard(world: &mut World, random: &mut Random) {
    let open = world.open();
    let place = usize::try_from(random.below(open.len() as u64)).unwrap();
    let end = random.below(3);
    let begun = match random.below(3) {
        0 => {
            let range = open[place].range;
            let width = (range.end.0 - range.start.0).max(1);
            let wide = u128::from(random.next()) << 64 | u128::from(random.next());
            // Narrow shards come about by cuts near an end.
            let offset = if random.below(8) == 0 { wide % 4 } else { wide % width };
            world.split(open[place].id.0, range.start.0.saturating_add(offset)).is_ok()
        }
        1 => open.get(place + 1).is_some_and(|high| world.merge(open[place].id.0, high.id.0).is_ok()),
        _ => {
            let count = open.len() as u64;
            let target = u32::try_from(count.div_ceil(2) + random.below(count + count / 2 + 1)).unwrap();
            let begun = world.update(target).is_ok() && u64::from(target) != count;
            if begun {
                world.finish(end);
                let ranges: Vec<_> = world.open().iter().map(|shard| shard.range).collect();
                assert_eq!(ranges, HashRange::tile(target));
            }
            return;
        }
    };
    if begun {
        world.finish(end);
    }
}

#[test]
fn shards_tile_the_hash_keys_at_every_time() {
    for seed in 0..4 {
        let mut random = Random(seed);
        let mut world = World::new(u32::try_from(random.below(5) + 1).unwrap());
        for _ in 0..40 {
            if world.open().len() > 40 {
                let half = u32::try_from(world.open().len().div_ceil(2)).unwrap();
                world.update(half).unwrap();
                world.finish(0);
            }
            let hours = 24 + u32::try_from(random.below(48)).unwrap();
            match random.below(10) {
                0 => world.remove_expired(),
                1 => drop(world.change_retention(hours, RetentionChange::Increase)),
                2 => drop(world.change_retention(hours, RetentionChange::Decrease)),
                _ => reshard(&mut world, &mut random),
            }
            world.check();
            // Now and then the clock stands still. (That it goes back is `FinishReshard`'s own affair: see below.)
            world.now = match random.below(6) {
                0 => world.now,
                _ => world.now.plus_millis(random.below(6 * HOUR)),
            };
            world.check();
        }
    }
}

#[test]
fn a_clock_that_goes_back_makes_no_gap() {
    let mut world = World::new(1);
    world.now = world.now.plus_millis(HOUR);
    world.split(0, u128::MAX / 2).unwrap();
    world.finish(0);
    world.now = world.now.minus_millis(2 * HOUR);
    world.merge(1, 2).unwrap();
    world.finish(0);
    world.check();
    let shards = &world.stream().shards;
    assert!(shards[1].opened < shards[3].opened);
}

#[test]
fn a_split_gives_the_halves_and_a_merge_takes_them_back() {
    let mut world = World::new(2);
    world.split(1, u128::MAX - 9).unwrap();
    let count = world.state.shard_count();
    assert_eq!((world.stream().status, world.stream().shards.len(), count), (StreamStatus::Updating, 2, 4));
    world.finish(7);
    let shards = &world.stream().shards;
    assert_eq!(shards[1].closed_at, Some(Position(7)));
    assert_eq!((shards[2].parent, shards[3].parent), (Some(ShardId(1)), Some(ShardId(1))));
    assert_eq!((shards[2].range.end.0, shards[3].range.start.0), (u128::MAX - 10, u128::MAX - 9));
    world.merge(2, 3).unwrap();
    world.finish(0);
    let child = &world.stream().shards[4];
    assert_eq!((child.parent, child.adjacent_parent), (Some(ShardId(2)), Some(ShardId(3))));
    assert_eq!(child.range, world.stream().shards[1].range);
    world.check();
}

#[test]
fn steps_on_the_way_are_born_closed() {
    let mut world = World::new(3);
    assert_eq!(world.update(4), Ok(3));
    world.finish(5);
    world.check();
    let steps: Vec<_> =
        world.stream().shards.iter().filter(|shard| shard.closed_at == Some(Position(0))).collect();
    assert_eq!(steps.len(), 4, "four of the six pieces are merged again");
    assert!(steps.iter().all(|shard| shard.opened == shard.closed));
}

fn no<T: std::fmt::Debug>(result: Result<T, Refusal>) -> ReshardRefusal {
    match result {
        Err(Refusal::Reshard(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let mut world = World::new(2);
    let half = world.stream().shards[0].range.end.0;
    for key in [0, 1, half, half + 1, u128::MAX] {
        assert!(matches!(no(world.split(0, key)), ReshardRefusal::NoCut { .. }), "{key}");
    }
    assert!(matches!(no(world.split(9, 5)), ReshardRefusal::NoSuchShard { shard: ShardId(9), .. }));
    for pair in [(1, 0), (0, 0), (1, 1)] {
        assert!(matches!(no(world.merge(pair.0, pair.1)), ReshardRefusal::NotAdjacent { .. }), "{pair:?}");
    }
    for target in [0, 5] {
        assert!(matches!(no(world.update(target)), ReshardRefusal::TooFar { open: 2, .. }), "{target}");
    }
    assert!(matches!(no(world.update(10_001)), ReshardRefusal::TooManyShards { .. }));
    assert_eq!(world.update(2), Ok(2));
    assert_eq!(world.stream().status, StreamStatus::Active, "as many as before is nothing to do");

    let mut world = World::with_mode(1, StreamMode::OnDemand);
    assert!(matches!(no(world.update(2)), ReshardRefusal::OnDemand(_)));
    assert!(matches!(no(world.split(0, 5)), ReshardRefusal::OnDemand(_)));
    assert!(matches!(no(world.merge(0, 1)), ReshardRefusal::OnDemand(_)));
}

#[test]
fn a_reshard_goes_its_way_in_order() {
    let mut world = World::new(2);
    world.merge(0, 1).unwrap();
    let busy = world.split(0, 5);
    assert!(matches!(busy, Err(Refusal::StreamBusy { status: StreamStatus::Updating, .. })));
    let early = FinishReshard { stream: "s".into(), ends: vec![Position(0); 2] };
    assert!(matches!(no(world.apply(&early)), ReshardRefusal::NotUnderWay(_)));
    world.close(3);
    let one = FinishReshard { stream: "s".into(), ends: vec![Position(3)] };
    assert!(matches!(no(world.apply(&one)), ReshardRefusal::NotUnderWay(_)), "of two parents");
    world.apply(&FinishReshard { stream: "s".into(), ends: vec![Position(3), Position(4)] }).unwrap();
    assert!(matches!(no(world.split(0, 5)), ReshardRefusal::AlreadyClosed { shard: ShardId(0), .. }));
    assert!(matches!(no(world.merge(0, 1)), ReshardRefusal::AlreadyClosed { .. }));
    let open = RemoveShards { stream: "s".into(), shards: vec![ShardId(2)], closed_by: world.now };
    assert!(matches!(no(world.apply(&open)), ReshardRefusal::NotExpired { shard: ShardId(2), .. }));
}

#[test]
fn a_stream_can_be_deleted_while_it_is_resharded() {
    let mut world = World::new(1);
    world.split(0, 5).unwrap();
    world.close(0);
    world.apply(&DeleteStream { name: "s".into(), enforce_consumer_deletion: false }).unwrap();
    assert!(world.stream().closing().is_none(), "nobody waits for it any more");
    let finish = world.apply(&FinishReshard { stream: "s".into(), ends: vec![Position(0)] });
    assert!(matches!(no(finish), ReshardRefusal::NotUnderWay(_)));
    world.apply(&RemoveStream { name: "s".into() }).unwrap();
    assert!(world.state.streams.is_empty());
}

#[test]
fn retention_that_is_raised_brings_nothing_back() {
    use RetentionChange::{Decrease, Increase};
    let mut world = World::new(1);
    world.change_retention(24, Increase).unwrap();
    world.change_retention(48, Increase).unwrap();
    let refused = world.change_retention(47, Increase);
    assert!(matches!(refused, Err(Refusal::RetentionShorter { existing: 48, .. })));
    let refused = world.change_retention(49, Decrease);
    assert!(matches!(refused, Err(Refusal::RetentionLonger { existing: 48, .. })));
    world.now = world.now.plus_millis(100 * HOUR);
    world.change_retention(24, Decrease).unwrap();
    let gone = world.now.minus_millis(24 * HOUR);
    assert_eq!(world.stream().oldest_kept(world.now), gone);
    world.change_retention(8_760, Increase).unwrap();
    assert_eq!(world.stream().oldest_kept(world.now), gone);
    world.now = world.now.plus_millis(10 * HOUR);
    assert_eq!(world.stream().oldest_kept(world.now), gone);
    world.split(0, 5).unwrap();
    assert!(matches!(world.change_retention(8_760, Increase), Err(Refusal::StreamBusy { .. })));
}

#[test]
fn a_snapshot_holds_a_reshard_under_way() {
    let mut world = World::new(3);
    world.split(0, 77).unwrap();
    world.finish(4);
    world.now = world.now.plus_millis(HOUR);
    world.change_retention(30, RetentionChange::Increase).unwrap();
    world.update(8).unwrap();
    for closing in [false, true] {
        if closing {
            world.close(1);
        }
        let (mut lines, mut bytes) = (world.state.snapshot_lines(), Vec::new());
        while lines.write_next(&mut bytes).unwrap() {}
        assert_eq!(State::from_snapshot(&bytes).unwrap(), world.state);
    }
}

fn on_demand() -> World {
    World::with_mode(4, StreamMode::OnDemand)
}

fn scale(world: &mut World, splits: &[(u64, u128)], merges: &[(u64, u64)]) -> Result<(), Refusal> {
    let splits = splits.iter().map(|(shard, key)| (ShardId(*shard), HashKey(*key))).collect();
    let merges = merges.iter().map(|(low, high)| (ShardId(*low), ShardId(*high))).collect();
    world.apply(&ScaleStream { stream: "s".into(), splits, merges })
}

#[test]
fn an_on_demand_stream_is_scaled_in_one_go() {
    let mut world = on_demand();
    // Down to a shard for a single key.
    scale(&mut world, &[(0, 1), (3, u128::MAX)], &[(1, 2)]).unwrap();
    assert_eq!(world.stream().reshard.as_ref().unwrap().parents.len(), 4);
    world.finish(3);
    world.check();
    let ranges: Vec<_> = world.open().iter().map(|shard| (shard.range.start.0, shard.range.end.0)).collect();
    let quarter = 1 << 126;
    assert_eq!(
        ranges,
        [
            (0, 0),
            (1, quarter - 1),
            (quarter, 3 * quarter - 1),
            (3 * quarter, u128::MAX - 1),
            (u128::MAX, u128::MAX)
        ]
    );
}

#[test]
fn what_cannot_be_scaled_is_refused() {
    let refused =
        |world: &mut World, splits: &[(u64, u128)], merges: &[(u64, u64)]| match scale(world, splits, merges)
            .unwrap_err()
        {
            Refusal::Reshard(refusal) => refusal,
            other => panic!("{other}"),
        };
    let mut world = on_demand();
    let quarter = 1 << 126;
    assert!(matches!(refused(&mut world, &[(0, 0)], &[]), ReshardRefusal::NoCut { .. }));
    assert!(matches!(refused(&mut world, &[(0, quarter)], &[]), ReshardRefusal::NoCut { .. }));
    assert!(matches!(refused(&mut world, &[(9, 1)], &[]), ReshardRefusal::NoSuchShard { .. }));
    assert!(matches!(refused(&mut world, &[(0, 1)], &[(0, 1)]), ReshardRefusal::AlreadyClosed { .. }));
    assert!(matches!(refused(&mut world, &[], &[(0, 2)]), ReshardRefusal::NotAdjacent { .. }));
    assert!(matches!(refused(&mut world, &[], &[]), ReshardRefusal::NotUnderWay(_)));
    scale(&mut world, &[(0, 1)], &[]).unwrap();
    assert!(matches!(scale(&mut world, &[(1, quarter + 1)], &[]), Err(Refusal::StreamBusy { .. })));
    world.finish(0);
    assert!(matches!(refused(&mut world, &[(0, 1)], &[]), ReshardRefusal::AlreadyClosed { .. }));
    let mut provisioned = World::new(4);
    assert!(matches!(refused(&mut provisioned, &[(0, 1)], &[]), ReshardRefusal::NotOnDemand(_)));
}

#[test]
fn updates_of_the_shard_count_are_counted_over_a_day_where_that_is_asked_for() {
    let mut world = World::new(2);
    let update = |world: &mut World, target, per_day| {
        let begun = world.apply(&UpdateShardCount { stream: "s".into(), target, per_day });
        if begun.is_ok() && world.stream().reshard.is_some() {
            world.finish(0);
        }
        begun
    };
    for use_of_many in 0..10 {
        world.now = world.now.plus_millis(HOUR);
        update(&mut world, 2 + use_of_many % 2, Some(10)).unwrap();
    }
    let refused = Refusal::from(ReshardRefusal::TooOften { stream: "s".into(), limit: 10 });
    assert_eq!(update(&mut world, 4, Some(10)), Err(refused.clone()));
    assert!(update(&mut world, 4, None).is_ok(), "nobody counts");
    // The first of them is a day ago.
    world.now = world.now.plus_millis(15 * HOUR - 1);
    assert_eq!(update(&mut world, 3, Some(10)), Err(refused.clone()));
    world.now = world.now.plus_millis(1);
    assert!(update(&mut world, 3, Some(10)).is_ok());
    assert_eq!(update(&mut world, 4, Some(10)), Err(refused));
    assert_eq!(world.stream().count_updates.len(), 10);
}
