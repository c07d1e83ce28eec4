use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// How asynchronous invocations of a function, a version or an alias are treated. What is not set is as Lambda has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventInvokeConfig {
    /// 0 to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u32>,
    /// 60 to 21,600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_secs: Option<u32>,
    /// ARNs of who is told of what became of an event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_success: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<String>,
    pub modified: Timestamp,
}

impl EventInvokeConfig {
    /// Lambda's defaults (Developer Guide, "How Lambda handles errors and retries with asynchronous invocation").
    pub const RETRIES: u32 = 2;
    pub const AGE_SECS: u32 = 21_600;
}
