//! How the shards of a stream become others: splits in two and merges of two, as Kinesis knows them.

use crate::{ReshardRefusal, Shard, Stream, StreamMode};
use millstream_types::{HashKey, HashRange, LogShard, Position, ShardId};
use serde::{Deserialize, Serialize};

/// A reshard under way. It goes through three states, and a crash leaves it in one of them:
///
/// 1. Asked for: the log shards of the new shards are being made. Appends go to the parents.
/// 2. Closing (`closing` is set): nothing that is appended to a parent from now on is acknowledged before it is known
///    where the parent ends.
/// 3. Done: the stream has its new shards, and this is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reshard {
    /// The open shards that will be closed.
    pub parents: Vec<ShardId>,
    /// The new shards, parents before children. One that is only a step on the way is born closed, and empty.
    pub shards: Vec<Shard>,
    /// Once they are closing: for each parent the position before which all records are its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closing: Option<Vec<Position>>,
}

impl Reshard {
    pub fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// The position before which all records of a closing shard are its own. `None` if the shard stays open.
    pub fn closing_at(&self, shard: ShardId) -> Option<Position> {
        let place = self.parents.iter().position(|parent| *parent == shard)?;
        self.closing.as_ref()?.get(place).copied()
    }
}

/// Splits and merges of a stream's open shards.
#[derive(Debug)]
pub(crate) struct Planner {
    parents: Vec<ShardId>,
    shards: Vec<Shard>,
    next: ShardId,
    next_log: u64,
}

/// A shard to go on from: one of the stream's, or a new one.
#[derive(Clone, Copy, Debug)]
struct Piece {
    id: ShardId,
    range: HashRange,
}

impl Planner {
    /// `last_log` is the last number given to a log shard.
    pub(crate) fn new(stream: &Stream, last_log: u64) -> Self {
        let next = ShardId(stream.newest_shard().map_or(0, |newest| newest.0 + 1));
        Self { parents: Vec::new(), shards: Vec::new(), next, next_log: last_log + 1 }
    }

    /// Split a shard at `key`, where the second half begins.
    pub(crate) fn split(&mut self, shard: &Shard, key: HashKey) {
        self.cut(Piece { id: shard.id, range: shard.range }, key);
    }

    /// Merge two shards, the second of which begins where the first ends.
    pub(crate) fn merge(&mut self, low: &Shard, high: &Shard) {
        let [low, high] = [low, high].map(|shard| Piece { id: shard.id, range: shard.range });
        self.join(low, high);
    }

    /// Make the open shards into `tiles`, which fill the hash key space in order, as the open shards do.
    pub(crate) fn retile(&mut self, open: &[Shard], tiles: &[HashRange]) {
        let mut cuts = tiles.iter().map(|tile| tile.start).peekable();
        let mut pieces = Vec::new();
        for shard in open {
            let mut within = Vec::new();
            while let Some(cut) = cuts.next_if(|cut| *cut <= shard.range.end) {
                if cut > shard.range.start {
                    within.push(cut);
                }
            }
            self.shatter(Piece { id: shard.id, range: shard.range }, &within, &mut pieces);
        }
        let mut pieces = pieces.into_iter().peekable();
        for tile in tiles {
            let mut parts = Vec::new();
            while let Some(piece) = pieces.next_if(|piece| piece.range.end <= tile.end) {
                parts.push(piece);
            }
            self.unite(parts);
        }
    }

    pub(crate) fn finish(self) -> Reshard {
        Reshard { parents: self.parents, shards: self.shards, closing: None }
    }

    /// Split at all of `cuts`, in as few rounds as can be: a reader follows every round.
    fn shatter(&mut self, piece: Piece, cuts: &[HashKey], pieces: &mut Vec<Piece>) {
        let middle = cuts.len() / 2;
        let Some(key) = cuts.get(middle) else {
            pieces.push(piece);
            return;
        };
        let (low, high) = self.cut(piece, *key);
        self.shatter(low, &cuts[..middle], pieces);
        self.shatter(high, &cuts[middle + 1..], pieces);
    }

    /// Merge neighbours until one is left, in as few rounds as can be.
    fn unite(&mut self, mut parts: Vec<Piece>) {
        while parts.len() > 1 {
            parts = parts
                .chunks(2)
                .map(|pair| match pair {
                    [low, high] => self.join(*low, *high),
                    rest => rest[0],
                })
                .collect();
        }
    }

    fn cut(&mut self, piece: Piece, key: HashKey) -> (Piece, Piece) {
        self.close(piece.id);
        let HashRange { start, end } = piece.range;
        let low = self.open(HashRange { start, end: HashKey(key.0.saturating_sub(1)) }, piece.id, None);
        (low, self.open(HashRange { start: key, end }, piece.id, None))
    }

    fn join(&mut self, low: Piece, high: Piece) -> Piece {
        self.close(low.id);
        self.close(high.id);
        self.open(HashRange { start: low.range.start, end: high.range.end }, low.id, Some(high.id))
    }

    fn open(&mut self, range: HashRange, parent: ShardId, adjacent_parent: Option<ShardId>) -> Piece {
        let (id, log) = (self.next, LogShard(self.next_log));
        self.next = ShardId(id.0 + 1);
        self.next_log += 1;
        self.shards.push(Shard {
            id,
            log,
            range,
            parent: Some(parent),
            adjacent_parent,
            closed_at: None,
            opened: None,
            closed: None,
        });
        Piece { id, range }
    }

    /// One of the stream's will be closed; a new one is born closed.
    fn close(&mut self, id: ShardId) {
        match self.shards.binary_search_by_key(&id, |shard| shard.id) {
            Ok(place) => self.shards[place].closed_at = Some(Position::ZERO),
            Err(_) => self.parents.push(id),
        }
    }
}

/// Refuses a stream that manages its shards by itself.
pub(crate) fn check_provisioned(stream: &Stream) -> Result<(), ReshardRefusal> {
    match stream.mode {
        StreamMode::Provisioned => Ok(()),
        StreamMode::OnDemand => Err(ReshardRefusal::OnDemand(stream.name.clone())),
    }
}

/// A shard of the stream, open or closed.
pub(crate) fn known_shard(stream: &Stream, id: ShardId) -> Result<&Shard, ReshardRefusal> {
    let none = || ReshardRefusal::NoSuchShard { stream: stream.name.clone(), shard: id };
    stream.shard(id).ok_or_else(none)
}

/// Refuses a shard that was split or merged before.
pub(crate) fn check_open(stream: &Stream, shard: &Shard) -> Result<(), ReshardRefusal> {
    if shard.is_open() {
        return Ok(());
    }
    Err(ReshardRefusal::AlreadyClosed { stream: stream.name.clone(), shard: shard.id })
}
