//! The limits by name, with AWS's values.

use millstream_api_kinesis::Operation;
use std::collections::BTreeMap;

/// Limits that are not on calls of one operation: name and AWS's value (Developer Guide, "Quotas and limits").
const NAMED: [(&str, u64); 14] = [
    (SHARD_WRITE_BYTES, 1 << 20),
    (SHARD_WRITE_RECORDS, 1_000),
    (SHARD_READ_BYTES, 2 << 20),
    (SHARD_READ_CALLS, 5),
    (CONSUMER_READ_BYTES, 2 << 20),
    (CREATING_STREAMS, 5),
    (ON_DEMAND_STREAMS, 50),
    (SHARDS, 20_000),
    (CREATING_CONSUMERS, 5),
    (SHARD_COUNT_UPDATES, 10),
    (MODE_UPDATES, 2),
    (ENCRYPTION_STARTS, 25),
    (ENCRYPTION_STOPS, 25),
    (CALLS_OF_OTHERS, 5),
];

pub(crate) const SHARD_WRITE_BYTES: &str = "shard-write-bytes";
pub(crate) const SHARD_WRITE_RECORDS: &str = "shard-write-records";
pub(crate) const SHARD_READ_BYTES: &str = "shard-read-bytes";
pub(crate) const SHARD_READ_CALLS: &str = "shard-read-calls";
pub(crate) const CONSUMER_READ_BYTES: &str = "consumer-read-bytes";
pub(crate) const CREATING_STREAMS: &str = "creating-streams";
pub(crate) const ON_DEMAND_STREAMS: &str = "on-demand-streams";
pub(crate) const SHARDS: &str = "shards";
pub(crate) const CREATING_CONSUMERS: &str = "creating-consumers";
pub(crate) const SHARD_COUNT_UPDATES: &str = "shard-count-updates";
/// API reference, StartStreamEncryption, StopStreamEncryption; Developer Guide, "Quotas and limits".
pub(crate) const MODE_UPDATES: &str = "mode-updates";
pub(crate) const ENCRYPTION_STARTS: &str = "encryption-starts";
pub(crate) const ENCRYPTION_STOPS: &str = "encryption-stops";
/// Operations of the control plane that have no number of their own.
pub(crate) const CALLS_OF_OTHERS: &str = "control-calls";

/// Of what the calls of an operation are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Account,
    Stream,
    Shard,
    ConsumerAndShard,
}

/// What calls of an operation are counted by, and how many AWS lets pass in a second. `None` for those of the data plane,
/// which have limits of other kinds. The numbers are those of the API reference; where it has none, those of the Developer
/// Guide.
pub(crate) fn calls(operation: Operation) -> Option<(Scope, Option<u64>)> {
    use Operation as Op;
    Some(match operation {
        Op::PutRecord
        | Op::PutRecords
        | Op::GetRecords
        | Op::ReceiveQueueRecords
        | Op::AcknowledgeQueueRecords
        | Op::UpdateQueueRecordsVisibility
        | Op::ReceiveDeadLetterQueueRecords
        | Op::AcknowledgeDeadLetterQueueRecords
        | Op::RestoreDeadLetterQueueRecords
        | Op::UpdateDeadLetterQueueRecordsVisibility => return None,
        Op::DescribeLimits => (Scope::Account, Some(1)),
        Op::DescribeStream | Op::UpdateShardCount => (Scope::Account, Some(10)),
        Op::DescribeStreamSummary => (Scope::Account, Some(20)),
        Op::AddTagsToStream
        | Op::CreateStream
        | Op::DeleteStream
        | Op::ListStreams
        | Op::ListTagsForStream
        | Op::MergeShards
        | Op::RegisterStreamConsumer
        | Op::RemoveTagsFromStream
        | Op::SplitShard => (Scope::Account, Some(5)),
        Op::ListShards => (Scope::Stream, Some(1_000)),
        Op::DescribeStreamConsumer => (Scope::Stream, Some(20)),
        Op::DeregisterStreamConsumer
        | Op::ListStreamConsumers
        | Op::IncreaseStreamRetentionPeriod
        | Op::DecreaseStreamRetentionPeriod
        | Op::StartStreamEncryption
        | Op::StopStreamEncryption
        | Op::EnableEnhancedMonitoring
        | Op::DisableEnhancedMonitoring
        | Op::UpdateStreamMode => (Scope::Stream, Some(5)),
        Op::GetShardIterator => (Scope::Shard, Some(5)),
        Op::SubscribeToShard => (Scope::ConsumerAndShard, Some(5)),
        _ => (Scope::Account, None),
    })
}

/// Which limits are enforced, and at which values. Counts and rates only: the sizes of requests are always limited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitSettings {
    values: BTreeMap<&'static str, u64>,
}

/// No rate is higher, so that nothing overflows.
const MOST: u64 = 1 << 40;

impl LimitSettings {
    pub fn none() -> Self {
        Self::default()
    }

    /// All that AWS has.
    pub fn aws() -> Self {
        Self { values: known().collect() }
    }

    /// Set one limit, or lift it.
    ///
    /// # Errors
    /// In words for whoever wrote the settings: there is no such limit, or it cannot be so.
    pub fn set(&mut self, name: &str, value: Option<u64>) -> Result<(), String> {
        let Some((name, _)) = known().find(|(known, _)| *known == name) else {
            let names: Vec<&str> = NAMED.iter().map(|(name, _)| *name).collect();
            return Err(format!(
                "{name:?} is no limit: there are {}, and operations of the control plane such as DescribeStream",
                names.join(", ")
            ));
        };
        match value {
            None => drop(self.values.remove(name)),
            Some(value) if (1..=MOST).contains(&value) => drop(self.values.insert(name, value)),
            Some(_) => return Err(format!("the limit {name} must be from 1 to {MOST}, or none")),
        }
        Ok(())
    }

    pub fn get(&self, name: &str) -> Option<u64> {
        self.values.get(name).copied()
    }

    /// Calls of an operation in a second.
    pub(crate) fn calls(&self, operation: Operation) -> Option<(Scope, u64)> {
        let (scope, own) = calls(operation)?;
        let name = if own.is_some() { operation.name() } else { CALLS_OF_OTHERS };
        Some((scope, self.get(name)?))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

/// The names of all limits, with AWS's values.
pub(crate) fn known() -> impl Iterator<Item = (&'static str, u64)> {
    let by_operation = Operation::ALL.iter().filter_map(|operation| {
        let (_, own) = calls(*operation)?;
        Some((operation.name(), own?))
    });
    NAMED.into_iter().chain(by_operation)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is documented is what there is.
    #[test]
    fn the_page_lists_each_limit_with_awss_value() {
        let page = include_str!("../../../../docs/limits.md");
        for (name, value) in known() {
            let value = match value {
                mib if mib >= 1 << 20 => format!("{} MiB", mib >> 20),
                number if number >= 1_000 => format!("{},{:03}", number / 1_000, number % 1_000),
                number => number.to_string(),
            };
            let row = page.lines().find(|line| line.starts_with('|') && line.contains(&format!("`{name}`")));
            let row = row.unwrap_or_else(|| panic!("docs/limits.md has no row for {name}"));
            let cell = row.split('|').nth(2).unwrap().trim();
            assert_eq!(cell, value, "{name}");
        }
    }
}
