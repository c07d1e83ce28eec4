use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// What is set for an account in a region. One of which nothing was ever set is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commitment: Option<Commitment>,
}

/// AWS's minimum throughput billing commitment. Nobody pays here; what it unlocks is warm throughput.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commitment {
    pub started: Timestamp,
    /// When it ended, or will end.
    pub ends: Option<Timestamp>,
}

impl Commitment {
    /// It lasts a day at least (API reference, `MinimumThroughputBillingCommitmentInput`).
    const LEAST_MILLIS: u64 = 24 * 3_600_000;

    pub fn earliest_end(&self) -> Timestamp {
        self.started.plus_millis(Self::LEAST_MILLIS)
    }

    pub fn is_active(&self, now: Timestamp) -> bool {
        self.ends.is_none_or(|ends| now < ends)
    }
}
