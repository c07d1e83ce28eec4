//! How a stream that distributes by itself (`AUTO`) spreads records: in turn, over its open shards.

use millstream_control::Stream;

/// So many records of a call at least go to one shard together: a batch in the log has a header, and a large stream should
/// not have one for each record.
const TOGETHER: usize = 8;

/// The shards that a call of so many records is spread over.
pub(crate) fn shards(stream: &Stream, records: usize) -> usize {
    records.div_ceil(together(stream.open_shards().count(), records))
}

fn together(open: usize, records: usize) -> usize {
    records.div_ceil(open.max(1)).max(TOGETHER)
}

/// Where the records of one call go.
#[derive(Debug)]
pub(crate) struct Spread {
    /// The places of the open shards among the stream's.
    open: Vec<usize>,
    turn: usize,
    together: usize,
}

impl Spread {
    pub(crate) fn new(stream: &Stream, records: usize, turn: usize) -> Self {
        let places = stream.shards.iter().enumerate().filter(|(_, shard)| shard.is_open());
        let open: Vec<usize> = places.map(|(place, _)| place).collect();
        Self { turn, together: together(open.len(), records), open }
    }

    /// The place of the shard that takes a call's record, counted from 0.
    pub(crate) fn place(&self, record: usize) -> Option<usize> {
        let turn = self.turn.wrapping_add(record / self.together);
        self.open.get(turn.checked_rem(self.open.len())?).copied()
    }
}
