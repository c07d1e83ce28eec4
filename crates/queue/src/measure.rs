//! What is measured of a queue: what it did since it was opened, and what it holds now.

use crate::actor::{Actor, View};
use millstream_engine::{PageLimit, Start};
use millstream_types::{Position, ShardId, Timestamp};

/// What a queue did since it was opened, and made durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Deliveries, each of them.
    pub received: u64,
    pub acknowledged: u64,
    /// Records that became dead letters.
    pub died: u64,
    pub dead_received: u64,
    pub dead_acknowledged: u64,
    pub restored: u64,
    /// Records that were received and not acknowledged until their stream forgot them.
    pub expired: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Self) {
        self.received += other.received;
        self.acknowledged += other.acknowledged;
        self.died += other.died;
        self.dead_received += other.dead_received;
        self.dead_acknowledged += other.dead_acknowledged;
        self.restored += other.restored;
        self.expired += other.expired;
    }
}

/// A queue at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    pub counts: Counts,
    /// Records that the next receive may return, those never received among them.
    pub visible: u64,
    /// Records that a receiver has.
    pub in_flight: u64,
    pub dead_visible: u64,
    /// Dead letters that a receiver has, and records that were received for the last time.
    pub dead_in_flight: u64,
    /// Since when the oldest record that is neither acknowledged nor a dead letter is in the stream.
    pub oldest: Option<Timestamp>,
}

impl Actor {
    /// A shard that cannot be read now is left out.
    pub(crate) async fn measure(&self, view: &View) -> Measured {
        let now = self.engine.now();
        let mut measured = Measured { counts: self.counts, ..Measured::default() };
        for (dead, visible_at) in self.state.times() {
            let of = match (dead, visible_at <= now) {
                (false, true) => &mut measured.visible,
                (false, false) => &mut measured.in_flight,
                (true, true) => &mut measured.dead_visible,
                (true, false) => &mut measured.dead_in_flight,
            };
            *of += 1;
        }
        for shard in &view.stream.shards {
            let Some((waiting, oldest)) = self.behind(view, shard.id).await else { continue };
            measured.visible += waiting;
            measured.oldest = [measured.oldest, oldest].into_iter().flatten().min();
        }
        measured
    }

    /// How many records of a shard nobody has received, and when the oldest that is not acknowledged arrived.
    async fn behind(&self, view: &View, shard: ShardId) -> Option<(u64, Option<Timestamp>)> {
        let shard = view.stream.shard(shard)?;
        let lane = self.state.lanes.get(&shard.id)?;
        let tail = self.engine.log().tail(shard.log).ok()?.current();
        let end = shard.closed_at.map_or(tail, |end| end.min(tail));
        let mut living = lane.outstanding.iter().filter(|(_, delivery)| !delivery.dead);
        let oldest = living.next().map(|(position, _)| *position);
        if oldest.is_none() && lane.next >= end {
            return Some((0, None));
        }
        let first = self.engine.position(&view.stream, shard, Start::TrimHorizon).await.ok()?;
        let next = lane.next.max(first);
        let from = oldest.map_or(next, |oldest| oldest.max(first));
        let arrived = if from < end { self.arrival(view, shard.id, from).await } else { None };
        Some((end.0.saturating_sub(next.0), arrived))
    }

    async fn arrival(&self, view: &View, shard: ShardId, from: Position) -> Option<Timestamp> {
        let shard = view.stream.shard(shard)?;
        let one = PageLimit { records: 1, bytes: 1 };
        let page = self.engine.read(&view.stream, shard, from, one).await.ok()?;
        page.records.first().map(|record| record.arrival)
    }
}
