//! Warm throughput: what an on-demand stream is scaled for, a shard for each MiB a second.

use crate::Kinesis;
use millstream_api_kinesis as api;
use millstream_control::{Stream, StreamMode};

/// The model allows nothing below 0.
pub(crate) fn mibps(asked: i32) -> u32 {
    u32::try_from(asked).unwrap_or(0)
}

pub(crate) fn shape(target: Option<u32>, open: u32) -> api::WarmThroughputObject {
    api::WarmThroughputObject {
        target_mi_bps: target.and_then(|target| i32::try_from(target).ok()),
        current_mi_bps: i32::try_from(open).ok(),
        ..Default::default()
    }
}

/// Only on-demand streams of accounts with a throughput commitment show it.
pub(crate) fn of(service: &Kinesis, stream: &Stream) -> Option<api::WarmThroughputObject> {
    let shown = stream.mode == StreamMode::OnDemand
        && service.control().state().is_committed(&stream.name, service.engine.now());
    let open = u32::try_from(stream.open_shards().count()).unwrap_or(u32::MAX);
    shown.then(|| shape(stream.warm_mibps, open))
}
