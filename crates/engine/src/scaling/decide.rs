//! When shards of an on-demand stream are split and merged. Pure: what was seen goes in, what to do comes out.

use crate::scaling::{Cut, ScalingSettings, Sketch};
use millstream_types::{HashKey, ShardId};

/// Thousandths of what a shard takes.
pub(crate) type Permille = u64;

/// Parts in which the long memory of a shard goes by.
const SLOTS: usize = 8;

/// What is remembered of a shard.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct History {
    /// Periods on end with more load than a shard should have.
    hot: u32,
    /// Periods that it was seen, since it could first be merged.
    age: u32,
    latest: Permille,
    /// The highest load of each part of the last `merge_periods` and a little more.
    peaks: [Permille; SLOTS],
}

impl History {
    /// Take note of the load of one more period.
    pub(crate) fn observe(&mut self, load: Permille, settings: &ScalingSettings) {
        self.latest = load;
        self.hot = if load >= settings.split_permille { self.hot.saturating_add(1) } else { 0 };
        // One slot is always under way, so the others alone must cover the time.
        let length = settings.merge_periods.div_ceil(7).max(1);
        let slot = &mut self.peaks[(self.age / length) as usize % SLOTS];
        *slot = if self.age.is_multiple_of(length) { load } else { load.max(*slot) };
        self.age = self.age.saturating_add(1);
    }

    /// The highest load in the time after which shards are merged. `None` before it has been seen for so long.
    fn peak(&self, settings: &ScalingSettings) -> Option<Permille> {
        (self.age >= settings.merge_periods).then(|| self.peaks.iter().copied().max().unwrap_or(0))
    }

    /// Wait for another such time before the shard is merged.
    fn begin_again(&mut self) {
        (self.age, self.peaks) = (0, [0; SLOTS]);
    }
}

/// An open shard, as it is seen at the end of a period.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) id: ShardId,
    pub(crate) history: &'a mut History,
    /// Where its load is. Nothing if it had none.
    pub(crate) sketch: Option<&'a Sketch>,
}

/// What is to be done to a stream, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) splits: Vec<Split>,
    pub(crate) merges: Vec<Merge>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Split {
    pub(crate) shard: ShardId,
    pub(crate) load: Permille,
    /// The second half begins here.
    pub(crate) at: HashKey,
    /// It is done for this key alone.
    pub(crate) hot_key: Option<HashKey>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Merge {
    pub(crate) low: ShardId,
    pub(crate) high: ShardId,
    /// More than they had together in all that time.
    pub(crate) load: Permille,
}

impl Decision {
    pub(crate) fn is_nothing(&self) -> bool {
        self.splits.is_empty() && self.merges.is_empty()
    }
}

/// Decide on a stream whose open shards are `shards`, in order of their ranges.
///
/// A shard is split when it has been above `split_permille` for `split_periods` on end. Neighbours are merged when the
/// highest loads of each in `merge_periods` come to less than `merge_permille` together: that is so far below the other
/// that no load does both. A merge makes all shards of the stream wait as long again, so a stream at most halves in that
/// time, while it doubles within `split_periods`.
pub(crate) fn decide(settings: &ScalingSettings, shards: &mut [Seen<'_>]) -> Decision {
    let splits = splits(settings, shards);
    if !splits.is_empty() {
        return Decision { splits, merges: Vec::new() };
    }
    let merges = merges(settings, shards);
    if !merges.is_empty() {
        for shard in shards {
            shard.history.begin_again();
        }
    }
    Decision { splits, merges }
}

fn splits(settings: &ScalingSettings, shards: &[Seen<'_>]) -> Vec<Split> {
    let room = (settings.max_shards as usize).saturating_sub(shards.len());
    let mut hot: Vec<&Seen<'_>> =
        shards.iter().filter(|shard| shard.history.hot >= settings.split_periods).collect();
    hot.sort_by_key(|shard| std::cmp::Reverse(shard.history.latest));
    let split = |shard: &&Seen<'_>| {
        let cut = shard.sketch?.cut()?;
        let hot_key = match cut {
            Cut::Even(_) => None,
            Cut::Isolate { hot, .. } => Some(hot),
        };
        Some(Split { shard: shard.id, load: shard.history.latest, at: cut.at(), hot_key })
    };
    hot.iter().filter_map(split).take(room).collect()
}

fn merges(settings: &ScalingSettings, shards: &[Seen<'_>]) -> Vec<Merge> {
    let mut spare = shards.len().saturating_sub(settings.min_shards as usize);
    let mut merges = Vec::new();
    let mut rest = shards;
    while let [low, high, beyond @ ..] = rest {
        rest = &rest[1..];
        let together = low.history.peak(settings).zip(high.history.peak(settings));
        let Some(load) = together.map(|(low, high)| low + high) else { continue };
        if spare > 0 && load < settings.merge_permille {
            merges.push(Merge { low: low.id, high: high.id, load });
            spare -= 1;
            rest = beyond;
        }
    }
    merges
}
