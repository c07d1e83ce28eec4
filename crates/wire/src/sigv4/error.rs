use std::fmt;

/// Which of AWS's errors it is. The services name them alike: `InvalidSignatureException` and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureFault {
    /// `MissingAuthenticationTokenException`
    Missing,
    /// `IncompleteSignatureException`
    Incomplete,
    /// `InvalidSignatureException`
    Invalid,
    /// `UnrecognizedClientException`
    Unrecognized,
}

/// Why a request is not taken for its signer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureError {
    pub fault: SignatureFault,
    pub message: String,
}

impl SignatureError {
    pub fn missing() -> Self {
        Self { fault: SignatureFault::Missing, message: "Missing Authentication Token".into() }
    }

    pub fn incomplete(message: impl Into<String>) -> Self {
        Self { fault: SignatureFault::Incomplete, message: message.into() }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self { fault: SignatureFault::Invalid, message: message.into() }
    }

    /// An access key or a session token that nobody has.
    pub fn unrecognized() -> Self {
        let message = "The security token included in the request is invalid.";
        Self { fault: SignatureFault::Unrecognized, message: message.into() }
    }

    pub fn mismatch() -> Self {
        Self::invalid(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access \
             Key and signing method. Consult the service documentation for details.",
        )
    }
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SignatureError {}
