//! Queues as tables and as JSON.

use super::types::{Attributes, Description, Record, Summary};
use crate::commands::connection::Connection;
use crate::commands::stream::reference::StreamRef;
use crate::commands::table;
use anyhow::Result;
use serde_json::{Value, json};

pub(super) fn one(connection: &Connection, queue: &Description) -> Result<()> {
    table::print(connection.output, &to_json(queue), || {
        let source = queue.stream_configuration_list.first();
        let from = source.and_then(|source| source.starting_position.as_ref());
        let from = from.map(|from| match from.timestamp {
            Some(at) => format!("{}, {at}", from.r#type),
            None => from.r#type.clone(),
        });
        table::facts([
            ("Name", queue.queue_name.clone()),
            ("ARN", queue.queue_arn.clone()),
            ("Status", queue.queue_status.clone()),
            ("Stream", source.map(|source| source.stream_arn.clone()).unwrap_or_default()),
            ("Began with", from.unwrap_or_default()),
            ("Visibility", visibility(queue.queue_attributes.as_ref())),
            ("Dead letters", dead_letters(queue.queue_attributes.as_ref())),
            ("Created", queue.queue_creation_timestamp.to_string()),
        ])
    })
}

fn visibility(attributes: Option<&Attributes>) -> String {
    let seconds = attributes.and_then(|attributes| attributes.visibility_timeout_seconds);
    seconds
        .map(|seconds| format!("hidden for {} once received", table::count(seconds, "second")))
        .unwrap_or_default()
}

fn dead_letters(attributes: Option<&Attributes>) -> String {
    let configuration = attributes.and_then(|attributes| attributes.dead_letter_configuration.as_ref());
    match configuration.map(|of| (of.target_type.as_str(), of.max_receive_count)) {
        None => String::new(),
        Some((_, Some(most))) => format!("after {}", table::count(most, "receive")),
        Some((_, None)) => "never".to_owned(),
    }
}

pub(super) fn to_json(queue: &Description) -> Value {
    let attributes = queue.queue_attributes.as_ref().map(|of| {
        json!({
            "VisibilityTimeoutSeconds": of.visibility_timeout_seconds,
            "DeadLetterConfiguration": of.dead_letter_configuration.as_ref().map(|of| {
                json!({ "TargetType": of.target_type, "MaxReceiveCount": of.max_receive_count })
            }),
        })
    });
    let sources = queue.stream_configuration_list.iter().map(|source| {
        let from = source.starting_position.as_ref();
        json!({
            "StreamARN": source.stream_arn,
            "StartingPosition": from.map(|from| {
                json!({ "Type": from.r#type, "Timestamp": from.timestamp.map(|at| at.to_string()) })
            }),
        })
    });
    json!({
        "QueueName": queue.queue_name,
        "QueueARN": queue.queue_arn,
        "QueueStatus": queue.queue_status,
        "QueueCreationTimestamp": queue.queue_creation_timestamp.to_string(),
        "StreamConfigurationList": sources.collect::<Vec<_>>(),
        "QueueAttributes": attributes,
    })
}

pub(super) fn summary_to_json(queue: &Summary) -> Value {
    json!({
        "QueueName": queue.queue_name,
        "QueueARN": queue.queue_arn,
        "QueueStatus": queue.queue_status,
        "QueueCreationTimestamp": queue.queue_creation_timestamp.to_string(),
        "Streams": queue.streams.iter().map(|stream| &stream.stream_arn).collect::<Vec<_>>(),
    })
}

pub(super) fn render(queues: &[Summary]) -> String {
    let mut table = table::Table::new(["queue", "stream", "status", "created"]);
    for queue in queues {
        let streams =
            queue.streams.iter().map(|stream| StreamRef::Arn(stream.stream_arn.clone()).to_string());
        let streams = streams.collect::<Vec<_>>().join(", ");
        let created = queue.queue_creation_timestamp.to_string();
        table.row([queue.queue_name.clone(), streams, queue.queue_status.clone(), created]);
    }
    table.render()
}

pub(super) fn record_to_json(record: &Record) -> Value {
    json!({
        "ReceiptHandle": record.receipt_handle,
        "RecordId": record.id,
        "PartitionKey": record.partition_key,
        "Data": record.data,
        "ApproximateArrivalTimestamp": record.approximate_arrival_timestamp.to_string(),
        "FirstReceiveTimestamp": record.first_receive_timestamp.to_string(),
        "ReceiveCount": record.receive_count,
    })
}

/// One record a row, its data last as it is the longest.
pub(super) fn records(records: &[(Record, Vec<u8>)]) -> String {
    let mut table = table::Table::new(["receives", "arrived", "key", "receipt handle", "data"]);
    for (record, data) in records {
        let data = match std::str::from_utf8(data) {
            Ok(text) => text.trim_end().replace(['\n', '\t'], " "),
            Err(_) => format!("({} that are no text)", table::count(data.len() as u64, "byte")),
        };
        table.row([
            record.receive_count.to_string(),
            record.approximate_arrival_timestamp.to_string(),
            record.partition_key.clone().unwrap_or_default(),
            record.receipt_handle.clone(),
            data,
        ]);
    }
    table.render()
}
