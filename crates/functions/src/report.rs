//! The lines that Lambda itself writes into a function's log, as recorded from AWS.

use crate::runtimes::Runtime;
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
    /// The value of `X-Amzn-Trace-Id`.
    pub trace: Option<&'a str>,
}

/// `INIT_START Runtime Version: python:3.12.v1\tRuntime Version ARN: …`, the first line of a new log stream.
pub(crate) fn init_start(runtime: Runtime, function_arn: &str) -> String {
    let (version, partition, region) = init_runtime(runtime, function_arn);
    let arn = runtime_version_arn(partition, region, &runtime.to_string());
    format!("INIT_START Runtime Version: {version}\tRuntime Version ARN: {arn}\n")
}

/// The version of a runtime (`python:3.12.v1`), and the partition and region of a function.
pub(crate) fn init_runtime(runtime: Runtime, function_arn: &str) -> (String, &str, &str) {
    let name = runtime.to_string();
    // The language, and what comes after it.
    let version = name.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(name.len());
    let (language, version) = name.split_at(version);
    let version = version.trim_start_matches('.');
    let mut fields = function_arn.split(':').skip(1);
    let (partition, region) = (fields.next().unwrap_or("aws"), fields.nth(1).unwrap_or_default());
    (format!("{language}:{version}.v1"), partition, region)
}

/// AWS names a build of a runtime by a digest. Ours stands for the host's own runtime of that name, and is the same
/// always: FNV-1a of the name from four starting points.
pub fn runtime_version_arn(partition: &str, region: &str, runtime: &str) -> String {
    let mut digest = String::with_capacity(64);
    for start in 0..4_u64 {
        let hash = runtime.bytes().fold(0xcbf2_9ce4_8422_2325 ^ start, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        write!(digest, "{hash:016x}").expect("writing to a String cannot fail");
    }
    format!("arn:{partition}:lambda:{region}::runtime:{digest}")
}

pub(crate) fn start(request_id: &str, version: &str) -> String {
    format!("START RequestId: {request_id} Version: {version}\n")
}

pub(crate) fn end(request_id: &str) -> String {
    format!("END RequestId: {request_id}\n")
}

impl Report<'_> {
    pub(crate) fn billed_millis(&self) -> u64 {
        u64::try_from(self.duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }

    pub(crate) fn line(&self) -> String {
        let Self { request_id, duration, memory_mb, max_memory_mb, init, status, trace } = self;
        let (shown, billed) = (millis(*duration), self.billed_millis());
        let mut line = format!(
            "REPORT RequestId: {request_id}\tDuration: {shown} ms\tBilled Duration: {billed} ms\t\
             Memory Size: {memory_mb} MB\tMax Memory Used: {max_memory_mb} MB\t"
        );
        let written = init.iter().try_for_each(|init| write!(line, "Init Duration: {} ms\t", millis(*init)));
        let written =
            written.and_then(|()| status.iter().try_for_each(|status| write!(line, "Status: {status}\t")));
        let written = written.and_then(|()| {
            let traced = trace.and_then(sampled);
            traced.iter().try_for_each(|(root, segment)| {
                write!(line, "\nXRAY TraceId: {root}\tSegmentId: {segment}\tSampled: true\t")
            })
        });
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

/// The trace and the segment of a tracing header (`Root=1-…;Parent=…;Sampled=1`), if the trace is kept.
pub(crate) fn sampled(trace: &str) -> Option<(&str, &str)> {
    let field =
        |name: &str| trace.split(';').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
    (field("Sampled") == Some("1")).then(|| field("Root").zip(field("Parent"))).flatten()
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
            trace: None,
        };
        assert_eq!(
            report.line(),
            "REPORT RequestId: ID\tDuration: 1.23 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\t\
             Max Memory Used: 36 MB\tInit Duration: 90.10 ms\t\n"
        );
        let timeout = Report { init: None, status: Some("timeout"), ..report };
        assert!(timeout.line().ends_with("Max Memory Used: 36 MB\tStatus: timeout\t\n"));
    }

    #[test]
    fn a_trace_that_is_kept_is_named() {
        let with = |trace| {
            let none = Duration::ZERO;
            let (memory_mb, max_memory_mb) = (128, 1);
            Report {
                request_id: "ID",
                duration: none,
                memory_mb,
                max_memory_mb,
                init: None,
                status: None,
                trace,
            }
            .line()
        };
        let kept = with(Some(
            "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=1:a:0",
        ));
        assert!(
            kept.ends_with(
                "1 MB\t\nXRAY TraceId: 1-5759e988-bd862e3fe1be46a994272793\tSegmentId: 53995c3f42cd8ad8\tSampled: true\t\n"
            ),
            "{kept}"
        );
        for none in [None, Some("Root=1-2-3;Parent=4;Sampled=0"), Some("Root=1-2-3"), Some("x")] {
            assert!(!with(none).contains("XRAY"), "{none:?}");
        }
    }

    #[test]
    fn a_new_stream_begins_with_the_runtime() {
        let line = |name: &str| {
            let arn = "arn:aws:lambda:eu-west-1:111122223333:function:f";
            super::init_start(name.parse().unwrap(), arn)
        };
        let python = line("python3.12");
        assert!(python.starts_with("INIT_START Runtime Version: python:3.12.v1\tRuntime Version ARN: arn:aws:lambda:eu-west-1::runtime:"), "{python}");
        assert!(line("nodejs20.x").starts_with("INIT_START Runtime Version: nodejs:20.x.v1\t"));
        assert!(line("provided.al2023").starts_with("INIT_START Runtime Version: provided:al2023.v1\t"));
    }
}
