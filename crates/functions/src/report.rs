//! The lines that Lambda itself writes into a function's log, as recorded from AWS.

use millstream_types::Timestamp;
use std::fmt::Write;
use std::time::Duration;

/// What a REPORT line says.
#[derive(Clone, Debug)]
pub(crate) struct Report<'a> {
    pub request_id: &'a str,
    pub duration: Duration,
    pub memory_mb: u32,
    pub max_memory_mb: u32,
    /// Of a cold start.
    pub init: Option<Duration>,
    /// `timeout`, or `error` with its type.
    pub status: Option<&'a str>,
}

pub(crate) fn start(request_id: &str, version: &str) -> String {
    format!("START RequestId: {request_id} Version: {version}\n")
}

pub(crate) fn end(request_id: &str) -> String {
    format!("END RequestId: {request_id}\n")
}

impl Report<'_> {
    pub(crate) fn line(&self) -> String {
        let Self { request_id, duration, memory_mb, max_memory_mb, init, status } = self;
        let (shown, billed) = (millis(*duration), duration.as_nanos().div_ceil(1_000_000));
        let mut line = format!(
            "REPORT RequestId: {request_id}\tDuration: {shown} ms\tBilled Duration: {billed} ms\t\
             Memory Size: {memory_mb} MB\tMax Memory Used: {max_memory_mb} MB\t"
        );
        let written = init.iter().try_for_each(|init| write!(line, "Init Duration: {} ms\t", millis(*init)));
        let written =
            written.and_then(|()| status.iter().try_for_each(|status| write!(line, "Status: {status}\t")));
        written.expect("writing to a String cannot fail");
        line.push('\n');
        line
    }
}

/// A start that did not finish in time and is tried again with the invocation.
pub(crate) fn init_timed_out(after: Duration) -> String {
    format!("INIT_REPORT Init Duration: {} ms\tPhase: init\tStatus: timeout\n", millis(after))
}

pub(crate) fn timed_out(at: Timestamp, request_id: &str, timeout_secs: u32) -> String {
    format!("{at} {request_id} Task timed out after {timeout_secs}.00 seconds\n\n")
}

pub(crate) fn failed(message: &str, kind: &str) -> String {
    format!("{message}\n{kind}\n")
}

fn millis(duration: Duration) -> String {
    format!("{:.2}", duration.as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::Report;
    use std::time::Duration;

    #[test]
    fn a_report_is_written_as_aws_does() {
        let report = Report {
            request_id: "ID",
            duration: Duration::from_micros(1_230),
            memory_mb: 128,
            max_memory_mb: 36,
            init: Some(Duration::from_micros(90_100)),
            status: None,
        };
        assert_eq!(
            report.line(),
            "REPORT RequestId: ID\tDuration: 1.23 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\t\
             Max Memory Used: 36 MB\tInit Duration: 90.10 ms\t\n"
        );
        let timeout = Report { init: None, status: Some("timeout"), ..report };
        assert!(timeout.line().ends_with("Max Memory Used: 36 MB\tStatus: timeout\t\n"));
    }
}
