use crate::{EventInvokeConfig, FunctionUrl, Provisioned, Published, ResourcePolicy};
use millstream_types::{Timestamp, name_of_key};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A stored zip: where it is and what it measures. Or where the function runs, if it does not run here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// Its key in the code store.
    pub key: String,
    /// SHA-256 in base64, as `CodeSha256` shows it.
    pub sha256: String,
    /// Bytes of the zip.
    pub size: u64,
    /// What the API calls the image's URI: the function runs there. The key is then a digest of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_uri: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerUse {
    pub arn: String,
    pub key: String,
    pub size: u64,
}

/// What a user sets on a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionSettings {
    pub description: String,
    pub role: String,
    pub runtime: String,
    pub handler: String,
    pub timeout_secs: u32,
    pub memory_mb: u32,
    pub ephemeral_mb: u32,
    pub environment: BTreeMap<String, String>,
    /// In the order given: later layers win in `/opt`.
    pub layers: Vec<LayerUse>,
    pub tracing_mode: String,
    /// ARN of the queue or topic that gets events which could not be processed; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub dead_letter: String,
    #[serde(default, skip_serializing_if = "LoggingSettings::is_default")]
    pub logging: LoggingSettings,
}

/// How a function's log is kept. The default is AWS's: text, in a group of the function's own name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoggingSettings {
    /// Set where the format is JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<LogLevels>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// What is kept of a log in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogLevels {
    pub application: String,
    pub system: String,
}

impl LoggingSettings {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FunctionStatus {
    /// Made, its code not yet unpacked.
    Pending,
    Active,
    Failed {
        code: String,
        reason: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdateStatus {
    Successful,
    /// The next code or settings wait in `Function::next`; invocations still use the old.
    InProgress,
    Failed {
        code: String,
        reason: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// Its key: see `Home::key`. [`Function::own_name`] is what its owner called it.
    pub name: String,
    pub arn: String,
    pub code: Code,
    pub settings: FunctionSettings,
    pub architectures: Vec<String>,
    pub tags: BTreeMap<String, String>,
    pub revision_id: String,
    pub modified: Timestamp,
    pub status: FunctionStatus,
    pub update: UpdateStatus,
    /// What the update in progress will put in place.
    pub next: Option<Box<(Code, FunctionSettings)>>,
    #[serde(default, skip_serializing_if = "Published::is_empty")]
    pub published: Published,
    /// Invocations that may run at once, all versions together; `None` for as many as there is room for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved_concurrency: Option<u32>,
    /// How asynchronous invocations are treated, by `$LATEST`, version or alias; those that are not here as Lambda has it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub event_invoke: BTreeMap<String, EventInvokeConfig>,
    /// By version or alias; the function's own under the empty name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub policies: BTreeMap<String, Arc<ResourcePolicy>>,
    /// By alias; the function's own under the empty name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub urls: BTreeMap<String, Arc<FunctionUrl>>,
    /// Workers that are kept ready, by version or alias.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub provisioned: BTreeMap<String, Provisioned>,
}

impl Function {
    pub fn own_name(&self) -> &str {
        name_of_key(&self.name)
    }

    /// The code and settings that the API shows: those of an update in progress, if there is one.
    pub fn shown(&self) -> (&Code, &FunctionSettings) {
        self.next.as_ref().map_or((&self.code, &self.settings), |next| (&next.0, &next.1))
    }
}
