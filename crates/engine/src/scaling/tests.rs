//! The decisions over simulated histories of load, and the scaler over a stream that is really put to.

use super::*;
use millstream_types::{HashKey, HashRange, ShardId};
use std::collections::BTreeMap;

/// Points of load, each a hash key with what it brings in a period, in thousandths of a shard.
type Points = Vec<(HashKey, u64)>;

/// A stream whose reshards are done at once.
struct Model {
    settings: ScalingSettings,
    shards: BTreeMap<u128, (ShardId, HashRange, History, Sketch)>,
    next: u64,
    changes: usize,
}

impl Model {
    fn new() -> Self {
        let settings = ScalingSettings { merge_periods: 40, max_shards: 500, ..ScalingSettings::default() };
        let mut model = Self { settings, shards: BTreeMap::new(), next: 0, changes: 0 };
        for range in HashRange::tile(4) {
            model.open(range);
        }
        model
    }

    fn open(&mut self, range: HashRange) {
        let shard = (ShardId(self.next), range, History::default(), Sketch::new(range));
        self.next += 1;
        assert!(self.shards.insert(range.start.0, shard).is_none());
    }

    fn close(&mut self, id: ShardId) -> HashRange {
        let (start, range) = self
            .shards
            .iter()
            .find_map(|(start, (found, range, ..))| (*found == id).then_some((*start, *range)))
            .unwrap();
        self.shards.remove(&start);
        range
    }

    fn load_of(range: HashRange, points: &Points) -> u64 {
        points.iter().filter(|(key, _)| range.contains(*key)).map(|(_, load)| load).sum()
    }

    /// Whether anything changed.
    fn period(&mut self, points: &Points) -> bool {
        let settings = self.settings;
        for (_, range, history, sketch) in self.shards.values_mut() {
            sketch.fade();
            for (key, load) in points.iter().filter(|(key, _)| range.contains(*key)) {
                sketch.add(*key, *load);
            }
            history.observe(Self::load_of(*range, points), &settings);
        }
        let mut seen: Vec<Seen<'_>> = self
            .shards
            .values_mut()
            .map(|(id, _, history, sketch)| Seen { id: *id, history, sketch: Some(sketch) })
            .collect();
        let decision = decide(&settings, &mut seen);
        let changed = !decision.is_nothing();
        self.changes += usize::from(changed);
        for split in decision.splits {
            let HashRange { start, end } = self.close(split.shard);
            assert!(start < split.at && split.at <= end, "{split:?}");
            self.open(HashRange { start, end: HashKey(split.at.0 - 1) });
            self.open(HashRange { start: split.at, end });
        }
        for merge in decision.merges {
            let (low, high) = (self.close(merge.low), self.close(merge.high));
            self.open(HashRange { start: low.start, end: high.end });
        }
        self.check();
        changed
    }

    fn check(&self) {
        let mut next = Some(0);
        for (_, range, ..) in self.shards.values() {
            assert_eq!(Some(range.start.0), next, "the ranges tile");
            assert!(range.start <= range.end);
            next = range.end.0.checked_add(1);
        }
        assert_eq!(next, None);
        assert!((4..=500).contains(&self.shards.len()), "{}", self.shards.len());
    }

    fn periods(&mut self, count: usize, points: &Points) {
        for _ in 0..count {
            self.period(points);
        }
    }

    /// The load of the busiest shard.
    fn busiest(&self, points: &Points) -> u64 {
        self.shards.values().map(|(_, range, ..)| Self::load_of(*range, points)).max().unwrap()
    }
}

/// `load` thousandths of a shard in all, over `count` keys.
fn even(load: u64, count: u64) -> Points {
    let step = u128::MAX / u128::from(count);
    (0..count).map(|key| (HashKey(u128::from(key) * step + step / 2), load / count)).collect()
}

fn random(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed;
    move |end| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

/// Any load: some keys with anything from nothing to four shards' worth.
fn any(random: &mut impl FnMut(u64) -> u64) -> Points {
    let count = 1 + random(100);
    let heaviest = 1 + random(2_000);
    (0..count)
        .map(|_| {
            let key = u128::from(random(u64::MAX)) << 64 | u128::from(random(u64::MAX));
            (HashKey(key >> random(100)), random(heaviest) / (1 + random(20)))
        })
        .collect()
}

#[test]
fn constant_load_comes_to_rest_whatever_it_is() {
    for seed in 0..40 {
        let mut random = random(seed);
        let points = any(&mut random);
        let mut model = Model::new();
        // Enough for every split, and for every merge of what was split on the way.
        model.periods(1_500, &points);
        let at_rest = model.changes;
        model.periods(400, &points);
        assert_eq!(model.changes, at_rest, "seed {seed}: it goes on and on");
    }
}

#[test]
fn constant_load_is_never_undone() {
    for load in [500, 3_000, 3_900, 10_000, 50_000] {
        let points = even(load, 4_000);
        let mut model = Model::new();
        model.periods(60, &points);
        let grown = model.shards.len();
        model.periods(300, &points);
        assert_eq!(model.shards.len(), grown, "{load}: split and merged again");
    }
}

#[test]
fn load_that_doubles_is_met_within_three_times_the_wait() {
    let mut load = 2_000;
    let mut model = Model::new();
    for _ in 0..6 {
        let points = even(load, 5_000);
        let mut periods = 0;
        while model.busiest(&points) >= model.settings.split_permille {
            model.period(&points);
            periods += 1;
            assert!(periods <= 3 * model.settings.split_periods, "{load}: {}", model.shards.len());
        }
        load *= 2;
    }
    assert!(model.shards.len() >= 64, "{}", model.shards.len());
}

#[test]
fn a_spike_changes_nothing() {
    let (calm, spike) = (even(1_000, 1_000), even(20_000, 1_000));
    let mut model = Model::new();
    for _ in 0..20 {
        model.periods(model.settings.split_periods as usize - 1, &spike);
        model.period(&calm);
    }
    assert_eq!(model.changes, 0);
}

#[test]
fn load_that_is_gone_lets_shards_go_slowly_and_never_below_four() {
    let mut model = Model::new();
    model.periods(100, &even(30_000, 4_000));
    let mut before = model.shards.len();
    assert!(before >= 32, "{before}");
    let nothing = Points::new();
    let mut waited = 0;
    for _ in 0..500 {
        waited += 1;
        if model.period(&nothing) {
            let now = model.shards.len();
            assert!(now < before && now * 2 >= before, "{before} became {now}");
            assert!(waited >= model.settings.merge_periods, "after {waited} periods");
            (before, waited) = (now, 0);
        }
    }
    assert_eq!(model.shards.len(), 4);
}

#[test]
fn a_hot_key_gets_a_shard_of_its_own() {
    for seed in 0..40 {
        let mut random = random(seed);
        let hot = HashKey(u128::from(random(u64::MAX)) << 64 | u128::from(random(u64::MAX)));
        let mut points = even(1_200, 500);
        points.push((hot, 900));
        let mut model = Model::new();
        model.periods(60, &points);
        let (_, range, ..) = model.shards.values().find(|(_, range, ..)| range.contains(hot)).unwrap();
        let beside = Model::load_of(*range, &points) - 900;
        assert!(range.start == range.end || beside < 20, "seed {seed}: {beside} beside it");
        let others = model.shards.values().filter(|(_, range, ..)| !range.contains(hot));
        let busiest = others.map(|(_, range, ..)| Model::load_of(*range, &points)).max().unwrap();
        assert!(busiest < model.settings.split_permille);
        assert!(model.shards.len() <= 8, "{}", model.shards.len());
    }
}

#[test]
fn a_stream_has_at_most_as_many_shards_as_it_may() {
    let mut model = Model::new();
    model.settings.max_shards = 10;
    model.periods(100, &even(1_000_000, 4_000));
    assert_eq!(model.shards.len(), 10);
}
