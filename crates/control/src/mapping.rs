use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MappingState {
    Creating,
    Enabling,
    Enabled,
    Disabling,
    Disabled,
    Updating,
    Deleting,
}

impl MappingState {
    /// As the API writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Creating => "Creating",
            Self::Enabling => "Enabling",
            Self::Enabled => "Enabled",
            Self::Disabling => "Disabling",
            Self::Disabled => "Disabled",
            Self::Updating => "Updating",
            Self::Deleting => "Deleting",
        }
    }

    /// Settled: no work of the mapping's own is waiting.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Enabled | Self::Disabled)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub stream: String,
    pub stream_arn: String,
    /// Set for enhanced fan-out: the mapping reads as this consumer.
    pub consumer_arn: Option<String>,
}

impl Source {
    /// The ARN the user gave.
    pub fn arn(&self) -> &str {
        self.consumer_arn.as_deref().unwrap_or(&self.stream_arn)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartingPosition {
    TrimHorizon,
    Latest,
    AtTimestamp(Timestamp),
}

/// What a user can change on a mapping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MappingSettings {
    pub function: String,
    pub function_arn: String,
    pub batch_size: u32,
    pub window_secs: u32,
    pub enabled: bool,
    #[serde(default, skip_serializing_if = "DeliverySettings::is_default")]
    pub delivery: DeliverySettings,
}

/// Which records a mapping delivers, how, and what becomes of those that fail. The default is that of Lambda: all of them,
/// one batch of a shard at a time, again and again until they are processed or expired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeliverySettings {
    /// How many batches of a shard may be under way: 1 to 10.
    pub parallelization: u32,
    /// How often a batch that failed is tried again; without a number, as long as its records are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u32>,
    /// How old a record may be, in seconds, before it is given up; without a number, as old as the stream keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age_secs: Option<u32>,
    /// Split a batch that failed in two.
    pub bisect: bool,
    /// The function says which records it did not process.
    pub report_failures: bool,
    /// The length of the windows over which a function keeps a state; 0 is none.
    pub tumbling_secs: u32,
    /// Patterns of which a record must match one; none lets all pass.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<String>,
    /// The ARN of what is told of records that are given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<String>,
    /// Asked for the metrics of `EventCount`.
    pub count_events: bool,
}

impl Default for DeliverySettings {
    fn default() -> Self {
        Self {
            parallelization: 1,
            max_retries: None,
            max_age_secs: None,
            bisect: false,
            report_failures: false,
            tumbling_secs: 0,
            filters: Vec::new(),
            on_failure: None,
            count_events: false,
        }
    }
}

impl DeliverySettings {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    pub uuid: String,
    pub arn: String,
    pub source: Source,
    pub starting: StartingPosition,
    pub settings: MappingSettings,
    pub state: MappingState,
    pub modified: Timestamp,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// What came of the last batch, in the words of the API; nothing until there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_result: Option<String>,
}
