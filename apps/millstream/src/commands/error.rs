//! Calls that failed, in words that say what to do.

use super::connection::{LOCAL_ENDPOINT, Target};
use super::table::plain;
use aws_sdk_kinesis::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use std::error::Error;
use std::fmt;
use std::io;

/// The services that commands use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Kinesis,
    Lambda,
    Logs,
}

impl Service {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kinesis => "Kinesis",
            Self::Lambda => "Lambda",
            // So SDKs and their settings name it.
            Self::Logs => "CloudWatch Logs",
        }
    }
}

/// What kind of failure it is: it decides what helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nobody answered at that address.
    Unreachable,
    /// No answer in time: the call may have been done or not.
    Timeout,
    /// Too much at once; later it may go.
    Throttled,
    /// The service failed.
    Failing,
    /// There are no credentials, or they are not good.
    Credentials,
    Denied,
    NotFound,
    /// The server does not have this operation.
    Unsupported,
    /// The request is wrong, or what it names is in the wrong state.
    Refused,
}

const UNTRUSTED: &str =
    "The server's certificate is not trusted: --ca-bundle FILE names one to trust (or AWS_CA_BUNDLE)";

/// A call that failed.
#[derive(Clone, Debug)]
pub(crate) struct CallError {
    doing: String,
    pub(crate) kind: Kind,
    pub(crate) code: Option<String>,
    pub(crate) message: String,
    hint: Option<String>,
}

impl CallError {
    pub(crate) fn new<E, R>(doing: String, error: &SdkError<E, R>, service: Service, target: &Target) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
        R: fmt::Debug,
    {
        let code = error.code().map(str::to_owned);
        let kind = kind_of(error, code.as_deref());
        let message = match (&code, error.message()) {
            (Some(_), Some(message)) => message.to_owned(),
            (Some(_), None) => String::new(),
            (None, _) => reason(error),
        };
        let untrusted = kind == Kind::Unreachable && message.contains("certificate");
        let hint = if untrusted { Some(UNTRUSTED.to_owned()) } else { hint(kind, service, target) };
        Self { doing, kind, code, message, hint }
    }

    /// An answer that says something else than the operation does.
    pub(crate) fn unreadable(doing: &str, error: &serde_json::Error) -> Self {
        let message = format!("the answer cannot be read: {error}");
        Self { doing: doing.to_owned(), kind: Kind::Failing, code: None, message, hint: None }
    }

    /// Whether the same call may go through later.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self.kind, Kind::Unreachable | Kind::Timeout | Kind::Throttled | Kind::Failing)
    }

    /// Put another hint in place of the one that goes by the kind of failure.
    #[must_use]
    pub(crate) fn with_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: ", self.doing)?;
        match (&self.code, self.message.as_str()) {
            (Some(code), "") => f.write_str(code)?,
            (Some(code), message) => write!(f, "{code}: {}", plain(message))?,
            (None, message) => f.write_str(&plain(message))?,
        }
        match &self.hint {
            Some(hint) => write!(f, "\n  {hint}"),
            None => Ok(()),
        }
    }
}

impl Error for CallError {}

fn kind_of<E, R>(error: &SdkError<E, R>, code: Option<&str>) -> Kind
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::TimeoutError(_) => Kind::Timeout,
        SdkError::DispatchFailure(failure) if failure.is_timeout() => Kind::Timeout,
        SdkError::DispatchFailure(failure) if failure.is_io() => Kind::Unreachable,
        // What keeps a request from being signed.
        SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => Kind::Credentials,
        SdkError::ServiceError(_) => kind_of_code(code.unwrap_or_default()),
        // An answer that broke off, or is none.
        _ => Kind::Failing,
    }
}

fn kind_of_code(code: &str) -> Kind {
    match code {
        "ProvisionedThroughputExceededException"
        | "ThrottlingException"
        | "TooManyRequestsException"
        | "KMSThrottlingException"
        | "RequestLimitExceeded"
        | "SlowDown" => Kind::Throttled,
        "InternalFailure" | "InternalFailureException" | "ServiceException" | "ServiceUnavailable" => {
            Kind::Failing
        }
        "AccessDeniedException" | "AccessDenied" => Kind::Denied,
        "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "IncompleteSignatureException"
        | "MissingAuthenticationTokenException"
        | "ExpiredTokenException"
        | "InvalidClientTokenId" => Kind::Credentials,
        "ResourceNotFoundException" => Kind::NotFound,
        "UnknownOperationException" | "UnsupportedOperationException" | "NotImplemented" => Kind::Unsupported,
        _ => Kind::Refused,
    }
}

/// Why nobody answered: the last cause, which is the system's own word.
fn reason<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
    R: fmt::Debug,
{
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    let mut last = None;
    while let Some(error) = cause {
        if let Some(system) = error.downcast_ref::<io::Error>() {
            return system.to_string();
        }
        last = Some(error.to_string());
        cause = error.source();
    }
    last.unwrap_or_else(|| DisplayErrorContext(error).to_string())
}

fn hint(kind: Kind, service: Service, target: &Target) -> Option<String> {
    let server = match target {
        Target::Aws => "AWS".to_owned(),
        Target::Server(url) => url.clone(),
    };
    Some(match kind {
        Kind::Unreachable if server == LOCAL_ENDPOINT => format!(
            "No server answers at {server}. Start one with `millstream serve`, or name another with --endpoint-url URL \
             (--aws for AWS)"
        ),
        Kind::Unreachable => {
            format!("No server answers at {server}. Is it running, and is the address the right one?")
        }
        Kind::Timeout => format!("{server} did not answer in time"),
        Kind::Throttled => "It was tried several times. Try again later, or with less at once".to_owned(),
        Kind::Credentials if target.is_aws() => {
            "Credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, from \
             --profile, or from the machine's role; for a profile with SSO, run\n  \
             eval \"$(aws configure export-credentials --format env)\" first"
                .to_owned()
        }
        Kind::Credentials => format!(
            "{server} wants credentials that it knows: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a \
             --profile"
        ),
        Kind::Denied => {
            "These credentials may not do that: the message says which action on what is missing in \
             their policy"
                .to_owned()
        }
        Kind::Unsupported => format!("{server} does not have this operation of {}", service.name()),
        Kind::Failing | Kind::NotFound | Kind::Refused => return None,
    })
}

/// The name that was probably meant: at most a third of its letters are other ones.
pub(crate) fn closest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance =
        |name: &'a str| (strsim::damerau_levenshtein(&wanted.to_lowercase(), &name.to_lowercase()), name);
    let (distance, name) = names.into_iter().map(distance).min()?;
    (distance <= wanted.chars().count().div_ceil(3)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_the_name() {
        let names = ["signups", "offers", "orders"];
        for (wanted, expected) in [
            ("signup", Some("signups")),
            ("ordres", Some("orders")),
            ("SIGNUPS", Some("signups")),
            ("clicks", None),
            ("x", None),
        ] {
            assert_eq!(closest(wanted, names), expected, "{wanted}");
        }
        assert_eq!(closest("a", []), None);
    }

    #[test]
    fn an_error_says_what_was_done_what_happened_and_what_helps() {
        let error = CallError {
            doing: "list the streams".to_owned(),
            kind: Kind::Unreachable,
            code: None,
            message: "Connection refused".to_owned(),
            hint: hint(Kind::Unreachable, Service::Kinesis, &Target::Server(LOCAL_ENDPOINT.to_owned())),
        };
        let text = error.to_string();
        assert!(text.starts_with("cannot list the streams: Connection refused\n"), "{text}");
        assert!(text.contains("millstream serve") && text.contains("--endpoint-url"), "{text}");
        assert!(error.is_passing());
        let refused =
            CallError { code: Some("ValidationException".into()), kind: Kind::Refused, hint: None, ..error };
        assert_eq!(refused.to_string(), "cannot list the streams: ValidationException: Connection refused");
        assert!(!refused.is_passing());
    }
}
