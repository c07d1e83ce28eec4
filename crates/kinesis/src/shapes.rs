//! The control plane's things in the API's shapes.

use millstream_api_kinesis as api;
use millstream_control::{Consumer, ConsumerStatus, Shard, Stream, StreamMode, StreamStatus};
use millstream_types::{SequenceNumber, ShardId};

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

pub(crate) fn monitoring() -> Vec<api::EnhancedMetrics> {
    vec![api::EnhancedMetrics { shard_level_metrics: Some(Vec::new()), ..Default::default() }]
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
