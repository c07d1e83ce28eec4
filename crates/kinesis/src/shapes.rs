//! The control plane's things in the API's shapes.

use millstream_api_kinesis as api;
use millstream_control::{
    Commitment, Consumer, ConsumerStatus, Distribution, Shard, ShardMetric, Stream, StreamMode, StreamStatus,
};
use millstream_types::{SequenceNumber, ShardId, Timestamp};
use std::collections::BTreeSet;

pub(crate) fn stream_status(status: StreamStatus) -> api::StreamStatus {
    match status {
        StreamStatus::Creating => api::StreamStatus::Creating,
        StreamStatus::Active => api::StreamStatus::Active,
        StreamStatus::Updating => api::StreamStatus::Updating,
        StreamStatus::Deleting => api::StreamStatus::Deleting,
    }
}

pub(crate) fn mode_details(stream: &Stream) -> api::StreamModeDetails {
    let stream_mode = match stream.mode {
        StreamMode::Provisioned => api::StreamMode::Provisioned,
        StreamMode::OnDemand => api::StreamMode::OnDemand,
    };
    api::StreamModeDetails { stream_mode, ..Default::default() }
}

pub(crate) fn distribution(strategy: &api::RecordDistributionStrategy) -> Distribution {
    match strategy {
        api::RecordDistributionStrategy::Auto => Distribution::Auto,
        api::RecordDistributionStrategy::UserPartitionKey | api::RecordDistributionStrategy::Unknown(_) => {
            Distribution::UserPartitionKey
        }
    }
}

/// Only on-demand streams show it.
pub(crate) fn distribution_strategy(stream: &Stream) -> Option<api::RecordDistributionStrategy> {
    let strategy = match stream.distribution {
        Distribution::UserPartitionKey => api::RecordDistributionStrategy::UserPartitionKey,
        Distribution::Auto => api::RecordDistributionStrategy::Auto,
    };
    (stream.mode == StreamMode::OnDemand).then_some(strategy)
}

pub(crate) fn monitoring(stream: &Stream) -> Vec<api::EnhancedMetrics> {
    let metrics = metric_names(&stream.monitoring);
    vec![api::EnhancedMetrics { shard_level_metrics: Some(metrics), ..Default::default() }]
}

pub(crate) fn metric_names(metrics: &BTreeSet<ShardMetric>) -> Vec<api::MetricsName> {
    let name = |metric: &ShardMetric| match metric {
        ShardMetric::IncomingBytes => api::MetricsName::IncomingBytes,
        ShardMetric::IncomingRecords => api::MetricsName::IncomingRecords,
        ShardMetric::OutgoingBytes => api::MetricsName::OutgoingBytes,
        ShardMetric::OutgoingRecords => api::MetricsName::OutgoingRecords,
        ShardMetric::WriteProvisionedThroughputExceeded => {
            api::MetricsName::WriteProvisionedThroughputExceeded
        }
        ShardMetric::ReadProvisionedThroughputExceeded => api::MetricsName::ReadProvisionedThroughputExceeded,
        ShardMetric::IteratorAgeMilliseconds => api::MetricsName::IteratorAgeMilliseconds,
    };
    metrics.iter().map(name).collect()
}

/// An account's throughput commitment: running, about to end, over, or never begun.
pub(crate) fn commitment(
    commitment: Option<Commitment>,
    now: Timestamp,
) -> api::MinimumThroughputBillingCommitmentOutput {
    use api::MinimumThroughputBillingCommitmentOutputStatus as Status;
    let running = commitment.is_some_and(|commitment| commitment.is_active(now));
    let ends = commitment.and_then(|commitment| commitment.ends);
    api::MinimumThroughputBillingCommitmentOutput {
        status: match (running, ends) {
            (false, _) => Status::Disabled,
            (true, None) => Status::Enabled,
            (true, Some(_)) => Status::EnabledUntilEarliestAllowedEnd,
        },
        started_at: commitment.map(|commitment| commitment.started),
        ended_at: ends.filter(|_| !running),
        earliest_allowed_end_at: commitment.filter(|_| running).map(|running| running.earliest_end()),
        ..Default::default()
    }
}

pub(crate) fn encryption_type(stream: &Stream) -> api::EncryptionType {
    if stream.encryption.is_some() { api::EncryptionType::Kms } else { api::EncryptionType::None }
}

pub(crate) fn shard(shard: &Shard) -> api::Shard {
    let ending = shard.closed_at.map(|end| SequenceNumber::of_record(shard.id, end).to_string());
    api::Shard {
        shard_id: shard.id.to_string(),
        parent_shard_id: shard.parent.map(|id| id.to_string()),
        adjacent_parent_shard_id: shard.adjacent_parent.map(|id| id.to_string()),
        hash_key_range: hash_key_range(shard),
        sequence_number_range: api::SequenceNumberRange {
            starting_sequence_number: SequenceNumber::start_of(shard.id).to_string(),
            ending_sequence_number: ending,
            ..Default::default()
        },
        ..Default::default()
    }
}

fn hash_key_range(shard: &Shard) -> api::HashKeyRange {
    api::HashKeyRange {
        starting_hash_key: shard.range.start.to_string(),
        ending_hash_key: shard.range.end.to_string(),
        ..Default::default()
    }
}

/// The shards that came out of `parent`.
pub(crate) fn child_shards(stream: &Stream, parent: ShardId) -> Vec<api::ChildShard> {
    stream
        .shards
        .iter()
        .filter(|shard| shard.parents().any(|id| id == parent))
        .map(|shard| api::ChildShard {
            shard_id: shard.id.to_string(),
            parent_shards: shard.parents().map(|id| id.to_string()).collect(),
            hash_key_range: hash_key_range(shard),
            ..Default::default()
        })
        .collect()
}

pub(crate) fn consumer_status(status: ConsumerStatus) -> api::ConsumerStatus {
    match status {
        ConsumerStatus::Creating => api::ConsumerStatus::Creating,
        ConsumerStatus::Active => api::ConsumerStatus::Active,
        ConsumerStatus::Deleting => api::ConsumerStatus::Deleting,
    }
}

pub(crate) fn consumer(consumer: Consumer) -> api::Consumer {
    api::Consumer {
        consumer_name: consumer.name,
        consumer_arn: consumer.arn,
        consumer_status: consumer_status(consumer.status),
        consumer_creation_timestamp: consumer.created,
        ..Default::default()
    }
}
