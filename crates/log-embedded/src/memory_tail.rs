use crate::shard::Shard;
use millstream_types::Position;
use std::collections::VecDeque;
use std::sync::Arc;

/// Which batches are kept in memory: the newest of all shards together, up to a budget of bytes. The batches
/// themselves hang on their shards; this is the order in which they leave.
#[derive(Debug)]
pub(crate) struct MemoryTail {
    budget: u64,
    /// Bytes of `order`. Batches that were trimmed meanwhile still count until they come to the front, which keeps the
    /// order itself within the budget.
    ordered: u64,
    order: VecDeque<Held>,
}

/// What one group brought to one shard: the batches that end here or before.
#[derive(Debug)]
struct Held {
    shard: Arc<Shard>,
    upto: Position,
    cost: u64,
}

impl MemoryTail {
    pub(crate) fn new(budget: u64) -> Self {
        Self { budget, ordered: 0, order: VecDeque::new() }
    }

    /// The shard has its newest batches, up to this position; `cost` is what they count for.
    pub(crate) fn hold(&mut self, shard: &Arc<Shard>, upto: Position, cost: u64) {
        self.ordered += cost;
        self.order.push_back(Held { shard: Arc::clone(shard), upto, cost });
    }

    /// Let go of the oldest batches until the rest is within the budget. Returns the bytes freed.
    pub(crate) fn evict(&mut self) -> u64 {
        let mut freed = 0;
        while self.ordered > self.budget {
            let Some(held) = self.order.pop_front() else { break };
            self.ordered -= held.cost;
            freed += held.shard.evict(held.upto);
        }
        freed
    }
}
