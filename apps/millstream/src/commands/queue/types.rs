//! What the operations on queues answer, as far as commands show it.

use millstream_types::Timestamp;
use serde::{Deserialize, Deserializer};

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Described {
    pub(super) queue_description: Description,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Description {
    pub(super) queue_name: String,
    #[serde(rename = "QueueARN")]
    pub(super) queue_arn: String,
    pub(super) queue_status: String,
    #[serde(deserialize_with = "time")]
    pub(super) queue_creation_timestamp: Timestamp,
    pub(super) stream_configuration_list: Vec<Source>,
    pub(super) queue_attributes: Option<Attributes>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Source {
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: String,
    pub(super) starting_position: Option<StartingPosition>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StartingPosition {
    pub(super) r#type: String,
    #[serde(default, deserialize_with = "some_time")]
    pub(super) timestamp: Option<Timestamp>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Attributes {
    pub(super) visibility_timeout_seconds: Option<u64>,
    pub(super) dead_letter_configuration: Option<DeadLetters>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeadLetters {
    pub(super) target_type: String,
    pub(super) max_receive_count: Option<u64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Page {
    pub(super) queue_summaries: Vec<Summary>,
    pub(super) next_token: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Summary {
    pub(super) queue_name: String,
    #[serde(rename = "QueueARN")]
    pub(super) queue_arn: String,
    pub(super) queue_status: String,
    #[serde(deserialize_with = "time")]
    pub(super) queue_creation_timestamp: Timestamp,
    pub(super) streams: Vec<StreamIdentifier>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct StreamIdentifier {
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Received {
    pub(super) queue_records: Vec<Record>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Record {
    pub(super) receipt_handle: String,
    #[serde(rename = "RecordId")]
    pub(super) id: String,
    pub(super) partition_key: Option<String>,
    /// Base64.
    pub(super) data: String,
    #[serde(deserialize_with = "time")]
    pub(super) approximate_arrival_timestamp: Timestamp,
    #[serde(deserialize_with = "time")]
    pub(super) first_receive_timestamp: Timestamp,
    pub(super) receive_count: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Settled {
    pub(super) successful: Vec<Done>,
    pub(super) failed: Vec<Failed>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Done {
    pub(super) receipt_handle: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Failed {
    pub(super) receipt_handle: String,
    pub(super) error_code: String,
    pub(super) error_message: Option<String>,
}

/// JSON 1.1 writes times as seconds since 1970 with a fraction.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast of a float saturates, and times before 1970 are shown as 1970"
    )]
    Ok(Timestamp::from_millis((seconds * 1_000.0).round() as u64))
}

fn some_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    time(deserializer).map(Some)
}
