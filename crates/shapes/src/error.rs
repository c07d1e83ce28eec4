use crate::{DecodeError, Violations};
use std::fmt;

/// The names a service's errors go by on the wire. Implemented by each generated `ErrorCode`.
pub trait ErrorName: Copy + fmt::Debug {
    /// What a body that does not parse is called.
    const SERIALIZATION: Self;
    /// What a broken constraint is called.
    const VALIDATION: Self;
    /// What a request for no known operation is called.
    const UNKNOWN_OPERATION: Self;
    /// What a failure of our own is called.
    const INTERNAL: Self;

    fn name(self) -> &'static str;

    /// The HTTP status.
    fn status(self) -> u16;

    /// The member that carries the text: `message`, or `Message` where the model says so.
    fn message_member(self) -> &'static str;

    /// Whether the service, not the caller, is at fault.
    fn fault(self) -> bool;

    /// Whether the service's model names this error; the others come from the framework in front of every service.
    fn modelled(self) -> bool;
}

/// An error as a client will see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError<C> {
    pub code: C,
    pub message: String,
    /// Further members of the body, such as `Reason`.
    pub extra: Vec<(&'static str, String)>,
}

impl<C> ApiError<C> {
    pub fn new(code: C, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), extra: Vec::new() }
    }

    /// With one more member in the body.
    #[must_use]
    pub fn with(mut self, member: &'static str, text: impl Into<String>) -> Self {
        self.extra.push((member, text.into()));
        self
    }
}

impl<C: ErrorName> fmt::Display for ApiError<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.message)
    }
}

impl<C: ErrorName> std::error::Error for ApiError<C> {}

impl<C: ErrorName> From<DecodeError> for ApiError<C> {
    fn from(error: DecodeError) -> Self {
        Self::new(C::SERIALIZATION, error.message)
    }
}

impl<C: ErrorName> From<Violations> for ApiError<C> {
    fn from(violations: Violations) -> Self {
        Self::new(C::VALIDATION, violations.to_string())
    }
}
