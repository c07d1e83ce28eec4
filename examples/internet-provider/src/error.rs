use std::net::SocketAddr;

use aws_sdk_kinesis::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use crate::config::ConfigError;

/// Why the application could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is out of its bounds.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The service refused a call, or could not be reached.
    #[error("{doing}: {answer}")]
    Service {
        /// What the call was to do, for example `create the stream signups`.
        doing: String,
        /// The service's code and message, or what happened to the connection.
        answer: String,
        /// The service's code, if it answered.
        code: Option<String>,
    },
    /// Something did not reach the state that it was to reach.
    #[error("{what} is still {state} after {seconds} s")]
    Stuck {
        /// What was waited for.
        what: String,
        /// The last state that was seen.
        state: String,
        /// How long it was waited for, in seconds.
        seconds: u64,
    },
    /// Something that the set-up makes is not there.
    #[error("{what} does not exist: run without --no-setup to create it")]
    NotDeployed {
        /// What is missing.
        what: String,
    },
    /// An answer lacks a part that the service's model promises.
    #[error("{doing}: the answer has no {part}")]
    Incomplete {
        /// What the call was to do.
        doing: String,
        /// The missing part.
        part: &'static str,
    },
    /// The archive of the function or the layer could not be built.
    #[error("cannot build the archive of the {of}")]
    Archive {
        /// `function` or `layer`.
        of: &'static str,
        /// What the archive library says.
        source: zip::result::ZipError,
    },
    /// The page's address could not be listened on.
    #[error("cannot serve the page on {address}: choose another address with --bind")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The page's server stopped.
    #[error("the page's server stopped")]
    Serve {
        /// What the system says.
        source: std::io::Error,
    },
}

impl Error {
    /// Describes a failed call: the service's own code and message where there is one.
    pub(crate) fn service<E, R>(doing: impl Into<String>, error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug,
    {
        let code = error.code().map(str::to_owned);
        let answer = match (&code, error.message()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.clone(),
            (None, _) => DisplayErrorContext(error).to_string(),
        };
        Self::Service { doing: doing.into(), answer, code }
    }

    /// Whether the service answered with this error code.
    pub(crate) fn has_code(&self, wanted: &str) -> bool {
        matches!(self, Self::Service { code: Some(code), .. } if code == wanted)
    }
}
