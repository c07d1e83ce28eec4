use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// A URL of a function, or of one of its aliases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionUrl {
    /// What names it among all: lower-case letters and digits.
    pub id: String,
    pub settings: UrlSettings,
    pub created: Timestamp,
    pub modified: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UrlSettings {
    pub auth: UrlAuth,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<UrlCors>,
    /// `None` is `Buffered`; what was not given is not shown either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<UrlMode>,
}

/// How a function's result goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UrlMode {
    /// Whole, once the function is done.
    Buffered,
    /// As the function writes it.
    ResponseStream,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UrlAuth {
    /// Whoever the resource policy lets in, and that may be everybody.
    None,
    /// Requests are signed.
    Iam,
}

impl UrlAuth {
    /// As APIs and policies write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Iam => "AWS_IAM",
        }
    }
}

/// What pages of other origins may do. What is `None` was not given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UrlCors {
    pub credentials: Option<bool>,
    pub headers: Option<Vec<String>>,
    pub methods: Option<Vec<String>>,
    pub origins: Option<Vec<String>>,
    pub expose: Option<Vec<String>>,
    pub max_age_secs: Option<u32>,
}
