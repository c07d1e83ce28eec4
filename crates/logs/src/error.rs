//! The one place where what went wrong becomes what AWS says.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::filter::BadFilter;
use crate::store::StoreError;
use millstream_api_logs::{Error, ErrorCode};
use millstream_shapes::{DecodeError, Violations};

/// An error for the client, and for the log what the client must not see.
#[derive(Clone, Debug)]
pub struct Failure {
    pub error: Error,
    pub internal: Option<String>,
}

impl Failure {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { error: Error::new(code, message), internal: None }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidParameterException, message)
    }

    pub(crate) fn no_group() -> Self {
        StoreError::NoGroup.into()
    }

    pub(crate) fn bad_token() -> Self {
        Self::invalid("The specified nextToken is invalid.")
    }

    /// Refuse what is asked for and not built.
    pub(crate) fn unless_built<const N: usize>(asked: [(bool, &str); N]) -> Result<(), Self> {
        match asked.iter().find(|(asked, _)| *asked) {
            None => Ok(()),
            Some((_, what)) => {
                Err(Self::invalid(format!("{what} is not supported by this version of Millstream.")))
            }
        }
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self { error: error.into(), internal: None }
    }
}

impl From<Violations> for Failure {
    fn from(violations: Violations) -> Self {
        Self { error: violations.into(), internal: None }
    }
}

impl From<BadFilter> for Failure {
    fn from(error: BadFilter) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let unavailable = |message: &str| Self {
            internal: Some(error.to_string()),
            ..Self::new(ErrorCode::ServiceUnavailableException, message)
        };
        match &error {
            StoreError::GroupExists => {
                Self::new(ErrorCode::ResourceAlreadyExistsException, "The specified log group already exists")
            }
            StoreError::StreamExists => Self::new(
                ErrorCode::ResourceAlreadyExistsException,
                "The specified log stream already exists",
            ),
            StoreError::NoGroup => {
                Self::new(ErrorCode::ResourceNotFoundException, "The specified log group does not exist.")
            }
            StoreError::NoStream => {
                Self::new(ErrorCode::ResourceNotFoundException, "The specified log stream does not exist.")
            }
            StoreError::TooMany { what, limit } => Self::new(
                ErrorCode::LimitExceededException,
                format!("Resource limit exceeded: there are {limit} {what}."),
            ),
            StoreError::Busy => Self::new(ErrorCode::ThrottlingException, "Rate exceeded"),
            StoreError::NoRoom => {
                unavailable("The server's disk has no room for logs. Nothing of this request was stored.")
            }
            StoreError::Io(_) => unavailable(
                "The server could not write or read its logs. The request may have been done or not.",
            ),
            StoreError::Closed => unavailable("The server is shutting down."),
        }
    }
}
