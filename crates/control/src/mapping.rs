use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

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
}
