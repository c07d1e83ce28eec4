//! What EnableEnhancedMonitoring and DisableEnhancedMonitoring share.

use crate::error::{self, Failure};
use crate::{Kinesis, shapes};
use millstream_api_kinesis::{self as api, MetricsName};
use millstream_control::{ChangeMonitoring, ShardMetric, Stream};
use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Enable,
    Disable,
}

pub(crate) async fn change(
    service: &Kinesis,
    stream: &Stream,
    names: &[MetricsName],
    change: Change,
) -> Result<api::EnhancedMonitoringOutput, Failure> {
    let meant: BTreeSet<ShardMetric> = names.iter().flat_map(metrics).copied().collect();
    let (enable, disable) = match change {
        Change::Enable => (meant, BTreeSet::new()),
        Change::Disable => (BTreeSet::new(), meant),
    };
    let command = ChangeMonitoring { stream: stream.name.clone(), enable, disable };
    let changed = service.control().submit(command).await;
    let (before, after) = changed.map_err(|error| error::control(error, &service.home.account))?;
    Ok(api::EnhancedMonitoringOutput {
        stream_name: Some(stream.own_name().to_owned()),
        current_shard_level_metrics: Some(shapes::metric_names(&before)),
        desired_shard_level_metrics: Some(shapes::metric_names(&after)),
        stream_arn: Some(stream.arn.clone()),
        ..Default::default()
    })
}

/// Those that a name of the API means. The model's check has refused other names.
fn metrics(name: &MetricsName) -> &'static [ShardMetric] {
    match name {
        MetricsName::IncomingBytes => &[ShardMetric::IncomingBytes],
        MetricsName::IncomingRecords => &[ShardMetric::IncomingRecords],
        MetricsName::OutgoingBytes => &[ShardMetric::OutgoingBytes],
        MetricsName::OutgoingRecords => &[ShardMetric::OutgoingRecords],
        MetricsName::WriteProvisionedThroughputExceeded => &[ShardMetric::WriteProvisionedThroughputExceeded],
        MetricsName::ReadProvisionedThroughputExceeded => &[ShardMetric::ReadProvisionedThroughputExceeded],
        MetricsName::IteratorAgeMilliseconds => &[ShardMetric::IteratorAgeMilliseconds],
        MetricsName::All => &ShardMetric::ALL,
        MetricsName::Unknown(_) => &[],
    }
}
