use super::reference::{self, StreamRef};
use crate::commands::connection::{Connection, Output};
use crate::commands::{consumer, shard, table};
use anyhow::Result;
use aws_sdk_kinesis::types::{
    EncryptionType, EnhancedMetrics, MetricsName, RecordDistributionStrategy, StreamDescriptionSummary,
};
use clap::Args;
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct DescribeArguments {
    /// Name or ARN of the stream
    #[arg(value_name = "STREAM")]
    stream: StreamRef,
}

pub(super) async fn run(connection: &Connection, arguments: &DescribeArguments) -> Result<ExitCode> {
    let stream = &arguments.stream;
    let summary = reference::find(connection, stream).await?;
    let shards = reference::shards(connection, stream, None).await?;
    let consumers = consumer::all(connection, &summary.stream_arn).await?;
    let tags = tags(connection, &summary.stream_arn).await?;
    let mut json = to_json(&summary);
    json["Shards"] = shards.iter().map(shard::to_json).collect();
    json["Consumers"] = consumers.iter().map(consumer::to_json).collect();
    json["Tags"] = tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
    if connection.output == Output::Json {
        table::print(connection.output, &json, String::new)?;
        return Ok(ExitCode::SUCCESS);
    }
    let tags: Vec<_> = tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    crate::terminal::say(format_args!(
        "{}\n\n{}",
        render(&summary, &tags.join(", ")),
        shard::render(&shards)
    ));
    if !consumers.is_empty() {
        crate::terminal::say(format_args!("\n{}", consumer::render(&consumers)));
    }
    Ok(ExitCode::SUCCESS)
}

/// Tags of whatever has an ARN, in the order of their keys.
pub(super) async fn tags(connection: &Connection, arn: &str) -> Result<Vec<(String, String)>> {
    let call = connection.kinesis.list_tags_for_resource().resource_arn(arn);
    let answer = call.send().await.map_err(|error| connection.kinesis_failed("list the tags", &error))?;
    let mut tags: Vec<_> = answer
        .tags
        .unwrap_or_default()
        .into_iter()
        .map(|tag| (tag.key, tag.value.unwrap_or_default()))
        .collect();
    tags.sort();
    Ok(tags)
}

fn mode(summary: &StreamDescriptionSummary) -> &str {
    summary.stream_mode_details.as_ref().map_or("", |details| details.stream_mode.as_str())
}

/// Metrics that are kept of each shard.
fn metrics(summary: &StreamDescriptionSummary) -> Vec<&str> {
    let metrics = summary.enhanced_monitoring.iter().flat_map(EnhancedMetrics::shard_level_metrics);
    metrics.map(MetricsName::as_str).collect()
}

fn strategy(summary: &StreamDescriptionSummary) -> Option<&str> {
    summary.record_distribution_strategy.as_ref().map(RecordDistributionStrategy::as_str)
}

fn to_json(summary: &StreamDescriptionSummary) -> Value {
    json!({
        "StreamName": summary.stream_name,
        "StreamARN": summary.stream_arn,
        "StreamId": summary.stream_id,
        "StreamStatus": summary.stream_status.as_str(),
        "StreamMode": mode(summary),
        "StreamCreationTimestamp": table::time(summary.stream_creation_timestamp),
        "RetentionPeriodHours": summary.retention_period_hours,
        "OpenShardCount": summary.open_shard_count,
        "ConsumerCount": summary.consumer_count,
        "MaxRecordSizeInKiB": summary.max_record_size_in_kib,
        "EncryptionType": summary.encryption_type.as_ref().map(EncryptionType::as_str),
        "KeyId": summary.key_id,
        "EnhancedMonitoring": metrics(summary),
        "WarmThroughputTargetMiBps": summary.warm_throughput.as_ref().and_then(|warm| warm.target_mibps),
        "RecordDistributionStrategy": strategy(summary),
    })
}

fn render(summary: &StreamDescriptionSummary, tags: &str) -> String {
    let encryption = summary.encryption_type.as_ref().map(|kind| kind.as_str().to_owned());
    let record_size = summary.max_record_size_in_kib.map(|kib| format!("{kib} KiB"));
    table::facts([
        ("Name", summary.stream_name.clone()),
        ("ARN", summary.stream_arn.clone()),
        ("Status", summary.stream_status.as_str().to_owned()),
        ("Mode", mode(summary).to_owned()),
        ("Created", table::time(summary.stream_creation_timestamp)),
        ("Retention", format!("{} hours", summary.retention_period_hours)),
        ("Open shards", summary.open_shard_count.to_string()),
        ("Consumers", summary.consumer_count.unwrap_or_default().to_string()),
        ("Largest record", record_size.unwrap_or_default()),
        ("Shard metrics", metrics(summary).join(", ")),
        ("Distribution", strategy(summary).unwrap_or_default().to_owned()),
        ("Encryption", encryption.unwrap_or_default()),
        ("Tags", tags.to_owned()),
    ])
}
