//! An event on its way.

use millstream_control::{EventInvokeConfig, Function};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// What never changes of an event, but for its payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Event {
    /// Counted up; never that of another event of which anything is left in the journal.
    pub(crate) id: u64,
    /// The same at each attempt.
    pub(crate) request: String,
    /// The function's key: see `Home::key`.
    pub(crate) function: String,
    /// The function's own ARN.
    pub(crate) arn: String,
    /// As the caller named it: a version or an alias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) qualifier: Option<String>,
    pub(crate) accepted: Timestamp,
    /// `X-Amzn-Trace-Id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trace: Option<String>,
}

impl Event {
    /// The qualifier that settings are found by.
    pub(crate) fn qualifier(&self) -> &str {
        self.qualifier.as_deref().unwrap_or(Function::LATEST)
    }

    /// What is set for it.
    pub(crate) fn config<'a>(&self, function: &'a Function) -> Option<&'a EventInvokeConfig> {
        function.event_invoke.get(self.qualifier())
    }
}

/// How it ended, as AWS names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Condition {
    Success,
    RetriesExhausted,
    EventAgeExceeded,
    ZeroReservedConcurrency,
}

impl Condition {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::RetriesExhausted => "RetriesExhausted",
            Self::EventAgeExceeded => "EventAgeExceeded",
            Self::ZeroReservedConcurrency => "ZeroReservedConcurrency",
        }
    }
}

/// What an attempt came to, for the record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    /// 200 if the function ran, failed or not; else that of the error for which it did not.
    pub(crate) status: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    /// What Lambda calls the function's error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// The end of an event, until all are told who are to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Outcome {
    pub(crate) condition: Condition,
    pub(crate) at: Timestamp,
    /// Invocations.
    pub(crate) count: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) answer: Option<Answer>,
    pub(crate) to: Vec<Address>,
}

/// Who is to be told, by ARN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Address {
    /// With the invocation record.
    Destination(String),
    /// With the event itself.
    DeadLetters(String),
}

impl Address {
    pub(crate) fn arn(&self) -> &str {
        match self {
            Self::Destination(arn) | Self::DeadLetters(arn) => arn,
        }
    }
}

/// What has become of an event so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Times that the function failed with it.
    pub(crate) failed: u32,
    /// Times since then that it could not be given to the function. Not kept over a restart: then it is tried at once.
    pub(crate) not_run: u32,
    /// The status of the error for which it was not, the last time.
    pub(crate) refused: Option<u16>,
    /// Times that not all were told who are to be.
    pub(crate) not_told: u32,
    pub(crate) outcome: Option<Outcome>,
}
