//! How an invocation ended, and the payloads with which AWS reports what is not a response.

use crate::caps;
use crate::spec::FunctionError;
use bytes::Bytes;
use nix::sys::signal::Signal;

/// How a worker ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Code(i32),
    Signal(i32),
    /// Its program could not be executed.
    NotExecutable {
        program: String,
        why: String,
    },
    /// A custom runtime without a program.
    NoBootstrap,
    /// Its sandbox could not be set up.
    NoSandbox {
        step: String,
        why: String,
    },
    /// It did what WebAssembly does not allow.
    Trap(String),
    /// We ended it, or lost it.
    Ended,
}

/// How an invocation ended.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Response(Bytes),
    /// The function reported this error.
    Error(Bytes),
    /// Its start reported this error: there is no runtime that could take an invocation.
    InitError(Bytes),
    TooLarge,
    /// A response that was handed on as it came.
    Streamed,
    /// As that, but cut at the limit.
    StreamTooLarge,
    /// As that, but it broke off and its process did not end.
    Truncated,
    TimedOut,
    Exited(Exit),
    OutOfMemory,
}

/// An outcome in the words that the caller gets.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub payload: Bytes,
    pub error: Option<FunctionError>,
    /// The status of the REPORT line.
    pub status: Option<String>,
    /// Error message and type for the log.
    pub log: Option<(String, &'static str)>,
}

impl Outcome {
    /// Whether the worker may take another invocation.
    pub(crate) fn leaves_worker_usable(&self) -> bool {
        matches!(self, Self::Response(_) | Self::Streamed | Self::Error(_) | Self::TooLarge)
    }

    pub(crate) fn tell(self, request_id: &str, timeout_secs: u32) -> Told {
        let error = Some(FunctionError::Unhandled);
        let (kind, what) = match self {
            Self::Response(payload) => return Told { payload, error: None, status: None, log: None },
            Self::Streamed => {
                return Told { payload: Bytes::new(), error: None, status: None, log: None };
            }
            Self::Error(payload) | Self::InitError(payload) => {
                return Told { payload, error, status: None, log: None };
            }
            Self::TooLarge | Self::StreamTooLarge => {
                let streamed = matches!(self, Self::StreamTooLarge);
                let limit = if streamed { caps::MAX_STREAM_BYTES } else { caps::MAX_PAYLOAD_BYTES };
                let payload = too_large(limit);
                return Told { payload, error, status: Some(error_status(TOO_LARGE)), log: None };
            }
            Self::TimedOut => {
                let text =
                    format!("RequestId: {request_id} Error: Task timed out after {timeout_secs}.00 seconds");
                let payload = error_payload("Sandbox.Timedout", &text);
                return Told { payload, error, status: Some("timeout".to_owned()), log: None };
            }
            Self::Truncated => {
                ("Runtime.TruncatedResponse", "The response broke off before its end".to_owned())
            }
            Self::OutOfMemory => {
                ("Runtime.ExitError", "Runtime exited with error: signal: killed".to_owned())
            }
            Self::Exited(exit) => exit.words(),
        };
        let message = format!("RequestId: {request_id} Error: {what}");
        let payload = error_payload(kind, &message);
        Told { payload, error, status: Some(error_status(kind)), log: Some((message, kind)) }
    }
}

impl Exit {
    fn words(self) -> (&'static str, String) {
        const EXIT: &str = "Runtime.ExitError";
        match self {
            Self::Code(0) => (EXIT, "Runtime exited without providing a reason".to_owned()),
            Self::Code(code) => (EXIT, format!("Runtime exited with error: exit status {code}")),
            Self::Signal(signal) => {
                (EXIT, format!("Runtime exited with error: signal: {}", signal_words(signal)))
            }
            Self::NotExecutable { program, why } => {
                ("Runtime.InvalidEntrypoint", format!("fork/exec {program}: {why}"))
            }
            Self::NoBootstrap => (
                "Runtime.InvalidEntrypoint",
                "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]".to_owned(),
            ),
            Self::Trap(why) => (EXIT, format!("Runtime exited with error: {why}")),
            Self::NoSandbox { step, why } => (EXIT, format!("the sandbox could not {step}: {why}")),
            Self::Ended => (EXIT, "Runtime exited with error: signal: killed".to_owned()),
        }
    }
}

/// The names that Go gives to signals, which are the ones AWS shows.
fn signal_words(signal: i32) -> String {
    let words = match Signal::try_from(signal) {
        Ok(Signal::SIGKILL) => "killed",
        Ok(Signal::SIGSEGV) => "segmentation fault",
        Ok(Signal::SIGABRT) => "aborted",
        Ok(Signal::SIGTERM) => "terminated",
        Ok(Signal::SIGBUS) => "bus error",
        Ok(Signal::SIGFPE) => "floating point exception",
        Ok(Signal::SIGILL) => "illegal instruction",
        Ok(Signal::SIGTRAP) => "trace/breakpoint trap",
        Ok(Signal::SIGPIPE) => "broken pipe",
        Ok(Signal::SIGINT) => "interrupt",
        Ok(Signal::SIGHUP) => "hangup",
        Ok(Signal::SIGQUIT) => "quit",
        Ok(Signal::SIGALRM) => "alarm clock",
        _ => return format!("signal {signal}"),
    };
    words.to_owned()
}

/// Whether a function's answer is an error in the form that Lambda's runtimes give it. Where nothing else tells errors from
/// results, as with the Runtime Interface Emulator, this does: an object with an error's type and message, and nothing that
/// no runtime adds to them.
pub fn is_error(answer: &[u8]) -> bool {
    const KNOWN: [&str; 8] =
        ["errorMessage", "errorType", "stackTrace", "trace", "requestId", "cause", "cause_by", "is_handled"];
    let Ok(serde_json::Value::Object(members)) = serde_json::from_slice(answer) else { return false };
    let is_text = |name: &str| members.get(name).is_some_and(serde_json::Value::is_string);
    is_text("errorMessage") && is_text("errorType") && members.keys().all(|key| KNOWN.contains(&key.as_str()))
}

const TOO_LARGE: &str = "Function.ResponseSizeTooLarge";

fn too_large(limit: usize) -> Bytes {
    let text = format!("Response payload size exceeded maximum allowed payload size ({limit} bytes).");
    error_payload(TOO_LARGE, &text)
}

fn error_status(kind: &str) -> String {
    format!("error\tError Type: {kind}")
}

fn error_payload(kind: &str, message: &str) -> Bytes {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Payload<'a> {
        error_type: &'a str,
        error_message: &'a str,
    }
    serde_json::to_vec(&Payload { error_type: kind, error_message: message }).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::{Exit, Outcome};

    #[test]
    fn an_error_is_told_by_its_form() {
        for error in [
            r#"{"errorMessage":"m","errorType":"E"}"#,
            r#"{"errorMessage":"m","errorType":"E","requestId":"1","stackTrace":[]}"#,
            r#"{"errorType":"E","errorMessage":"m","trace":["E: m"]}"#,
        ] {
            assert!(super::is_error(error.as_bytes()), "{error}");
        }
        for result in [
            "",
            "null",
            r#"{"errorMessage":"m"}"#,
            r#"{"errorMessage":"m","errorType":"E","orders":3}"#,
            r#"{"errorMessage":1,"errorType":"E"}"#,
            r#"["errorMessage","errorType"]"#,
        ] {
            assert!(!super::is_error(result.as_bytes()), "{result}");
        }
    }

    fn told(outcome: Outcome) -> String {
        String::from_utf8(outcome.tell("ID", 3).payload.to_vec()).unwrap()
    }

    #[test]
    fn failures_are_told_in_the_words_of_aws() {
        assert_eq!(
            told(Outcome::TimedOut),
            r#"{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: ID Error: Task timed out after 3.00 seconds"}"#
        );
        assert_eq!(
            told(Outcome::Exited(Exit::Code(0))),
            r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited without providing a reason"}"#
        );
        assert_eq!(
            told(Outcome::Exited(Exit::Code(127))),
            r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited with error: exit status 127"}"#
        );
        assert_eq!(
            told(Outcome::Exited(Exit::Signal(11))),
            r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: Runtime exited with error: signal: segmentation fault"}"#
        );
        assert_eq!(
            told(Outcome::TooLarge),
            r#"{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes)."}"#
        );
        assert!(told(Outcome::StreamTooLarge).ends_with(r#"payload size (209715200 bytes)."}"#));
        assert_eq!(told(Outcome::Streamed), "");
        assert!(told(Outcome::Truncated).starts_with(
            r#"{"errorType":"Runtime.TruncatedResponse","errorMessage":"RequestId: ID Error: "#
        ));
    }
}
