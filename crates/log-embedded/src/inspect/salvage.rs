//! What is left of each shard, when all that can be read is put together.

use super::report::{Gone, Loss};
use super::segments::SegmentScan;
use super::wal::Seen;
use crate::caps;
use millstream_log::RetentionClass;
use millstream_types::{LogShard, Position, Timestamp};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Where records are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    Segment(u32),
    Wal,
}

/// Records of one shard that are in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) origin: Origin,
    pub(crate) first: Position,
    pub(crate) end: Position,
}

impl Piece {
    pub(crate) fn records(&self) -> u64 {
        self.end.0 - self.first.0
    }
}

/// A shard as a repair leaves it: every position from `earliest` to `next` is in one of the pieces.
#[derive(Clone, Debug)]
pub(crate) struct Salvaged {
    pub(crate) class: RetentionClass,
    pub(crate) earliest: Position,
    pub(crate) next: Position,
    pub(crate) newest: Option<Timestamp>,
    pub(crate) pieces: Vec<Piece>,
    /// Whether there was a hole, which `earliest` is behind now.
    pub(crate) is_cut: bool,
}

/// Positions given out by a shard of which nothing is left are not given again: nobody has come this far.
const AFRESH: Position = Position(1 << 40);

/// Put together what segments and WAL have of every shard. `lost` if no checkpoint says what there was.
pub(crate) fn salvage(
    seen: &BTreeMap<LogShard, Seen>,
    segments: &[SegmentScan],
    lost: bool,
) -> (BTreeMap<LogShard, Salvaged>, Vec<Loss>) {
    let mut pieces: BTreeMap<LogShard, Vec<Piece>> = BTreeMap::new();
    let mut newest: BTreeMap<LogShard, Timestamp> = BTreeMap::new();
    let mut classes: BTreeMap<LogShard, RetentionClass> = BTreeMap::new();
    let mut claims: BTreeMap<LogShard, (Position, Position)> = BTreeMap::new();
    for segment in segments {
        for (shard, first, end) in &segment.claims {
            let claim = claims.entry(*shard).or_insert((*first, *end));
            *claim = (claim.0.min(*first), claim.1.max(*end));
            pieces.entry(*shard).or_default();
        }
        for span in &segment.spans {
            let origin = Origin::Segment(segment.number);
            pieces.entry(span.shard).or_default().push(Piece { origin, first: span.first, end: span.end });
            let at = newest.entry(span.shard).or_default();
            *at = (*at).max(span.newest);
            if let Some(class) = segment.class {
                classes.insert(span.shard, class);
            }
        }
    }
    for (shard, seen) in seen {
        pieces.entry(*shard).or_default().extend(in_wal(seen));
    }
    let mut salvaged = BTreeMap::new();
    let mut losses = Vec::new();
    for (shard, pieces) in pieces {
        let found = seen.get(&shard).cloned().unwrap_or_default();
        let usable = found.known || lost;
        if found.dropped || !usable {
            continue;
        }
        let newest = found.newest.max(newest.get(&shard).copied());
        let class = found.class.or_else(|| classes.get(&shard).copied()).unwrap_or(RetentionClass::Forever);
        salvaged.insert(
            shard,
            one((shard, lost), &found, claims.get(&shard), pieces, (class, newest), &mut losses),
        );
    }
    (salvaged, losses)
}

/// Batches that follow each other are one piece.
fn in_wal(seen: &Seen) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for batch in &seen.batches {
        match pieces.last_mut().filter(|piece| piece.end == batch.first) {
            Some(piece) => piece.end = batch.end(),
            None => pieces.push(Piece { origin: Origin::Wal, first: batch.first, end: batch.end() }),
        }
    }
    pieces
}

fn one(
    (shard, lost): (LogShard, bool),
    found: &Seen,
    claim: Option<&(Position, Position)>,
    mut all: Vec<Piece>,
    (class, newest): (RetentionClass, Option<Timestamp>),
    losses: &mut Vec<Loss>,
) -> Salvaged {
    all.sort_unstable_by_key(|piece| (piece.first, Reverse(piece.end), piece.origin));
    let ends = all.iter().map(|piece| piece.end).chain(claim.map(|claim| claim.1)).max().unwrap_or_default();
    // Without a checkpoint, records before the first that is there were trimmed, for all that is known.
    let begins = all.first().map(|piece| piece.first).into_iter().chain(claim.map(|claim| claim.0));
    let begins = begins.min().unwrap_or_default();
    let base = if found.known { found.earliest } else { found.earliest.max(begins) };
    // A flush may have brought more to segments than can be replayed now.
    let next = if lost { found.next.max(ends) } else { found.next };
    let (mut earliest, mut is_cut) = (base, false);
    let mut at = base;
    let mut used: Vec<Piece> = Vec::new();
    let mut rest = all.into_iter().filter(|piece| piece.end > base).peekable();
    let mut give_up = |first, end, why| losses.push(Loss { shard, first, end, why });
    while at < next {
        // The one that goes on the farthest.
        let mut best: Option<Piece> = None;
        while let Some(piece) = rest.next_if(|piece| piece.first <= at) {
            if piece.end > at && best.is_none_or(|best| best.end < piece.end) {
                best = Some(piece);
            }
        }
        if let Some(best) = best {
            used.push(Piece { first: at, ..best });
            at = best.end;
            continue;
        }
        let resumes = rest.peek().map_or(next, |piece| piece.first).min(next);
        if at > earliest {
            give_up(earliest, at, Gone::BeforeAHole);
        }
        give_up(at, resumes, Gone::Unreadable);
        used.clear();
        (at, earliest, is_cut) = (resumes, resumes, true);
    }
    Salvaged { class, earliest, next: next.max(base), newest, pieces: used, is_cut }
}

/// Without a checkpoint, nothing tells whether a shard that has no records was there. An empty one that nobody asks for
/// harms nobody; one that is missing makes its stream unusable. Numbers are given one after the other, so those after
/// the highest that was found may have been given too.
pub(crate) fn revive(shards: &mut BTreeMap<LogShard, Salvaged>, seen: &BTreeMap<LogShard, Seen>) {
    let last = shards.keys().last().map_or(0, |shard| shard.0.saturating_add(caps::REVIVED_BEYOND));
    for shard in (0..=last.min(caps::REVIVED_SHARDS)).map(LogShard) {
        let is_dropped = seen.get(&shard).is_some_and(|seen| seen.dropped);
        if !is_dropped {
            shards.entry(shard).or_insert_with(|| Salvaged {
                class: RetentionClass::Forever,
                earliest: AFRESH,
                next: AFRESH,
                newest: None,
                pieces: Vec::new(),
                is_cut: false,
            });
        }
    }
}
