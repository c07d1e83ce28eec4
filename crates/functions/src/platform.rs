//! What Lambda itself says of workers and invocations, in the format that a function's log has.
//!
//! In JSON these are the platform events of the Lambda Telemetry API, as recorded from AWS in log groups; the system log level
//! says which of them are kept (Developer Guide, "Log-level filtering", has the level of each).

use crate::launcher::Initialization;
use crate::report::{self, Report, init_runtime, runtime_version_arn};
use crate::spec::{FunctionSpec, JsonLogs, SystemLevel};
use millstream_types::Timestamp;
use serde::Serialize;
use std::time::Duration;

/// An event of the platform.
#[derive(Serialize)]
struct Event<R> {
    time: String,
    #[serde(rename = "type")]
    kind: &'static str,
    record: R,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InitStart<'a> {
    initialization_type: &'static str,
    phase: &'static str,
    runtime_version: String,
    runtime_version_arn: String,
    function_name: &'a str,
    function_version: &'a str,
    instance_id: &'a str,
    instance_max_memory: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InitRuntimeDone {
    initialization_type: &'static str,
    phase: &'static str,
    status: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InitReport {
    initialization_type: &'static str,
    phase: &'static str,
    status: &'static str,
    metrics: Metrics,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Start<'a> {
    request_id: &'a str,
    function_arn: &'a str,
    version: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Done<'a> {
    request_id: &'a str,
    metrics: Metrics,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracing: Option<Tracing<'a>>,
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_type: Option<&'a str>,
}

#[derive(Default, Serialize)]
struct Metrics {
    #[serde(rename = "durationMs")]
    duration: f64,
    #[serde(rename = "billedDurationMs", skip_serializing_if = "Option::is_none")]
    billed: Option<u64>,
    #[serde(rename = "memorySizeMB", skip_serializing_if = "Option::is_none")]
    memory: Option<u32>,
    #[serde(rename = "maxMemoryUsedMB", skip_serializing_if = "Option::is_none")]
    max_memory: Option<u32>,
    #[serde(rename = "initDurationMs", skip_serializing_if = "Option::is_none")]
    init: Option<f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tracing<'a> {
    span_id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    value: &'a str,
}

/// A worker is made; the first of its log stream.
pub(crate) fn init_start(
    spec: &FunctionSpec,
    initialization: Initialization,
    log_stream: &str,
    at: Timestamp,
) -> Option<String> {
    let Some(json) = &spec.json_logs else { return Some(report::init_start(spec.runtime, &spec.arn)) };
    let (version, partition, region) = init_runtime(spec.runtime, &spec.arn);
    let record = InitStart {
        initialization_type: initialization.name(),
        phase: "init",
        runtime_version: version,
        runtime_version_arn: runtime_version_arn(partition, region, &spec.runtime.to_string()),
        function_name: &spec.name,
        function_version: &spec.version,
        instance_id: log_stream,
        instance_max_memory: u64::from(spec.memory_mb) << 20,
    };
    said(json, SystemLevel::Info, "platform.initStart", record, at)
}

/// How the start of a worker ended.
pub(crate) struct Phase<'a> {
    pub(crate) spec: &'a FunctionSpec,
    pub(crate) initialization: Initialization,
    pub(crate) took: Duration,
    /// `success`, `error`, or `timeout` of one that is tried again with the invocation.
    pub(crate) status: &'static str,
}

/// What is said at the end of a start. As text that is nothing but for one that took too long: the REPORT line of the
/// invocation has the rest.
pub(crate) fn init_done(ended: &Phase<'_>, at: Timestamp) -> Vec<String> {
    let Phase { spec, initialization, took, status } = *ended;
    let Some(json) = &spec.json_logs else {
        return (status == "timeout").then(|| report::init_timed_out(took)).into_iter().collect();
    };
    let (initialization_type, phase) = (initialization.name(), "init");
    let runtime_done = InitRuntimeDone { initialization_type, phase, status };
    let metrics = Metrics { duration: millis(took), ..Metrics::default() };
    let whole = InitReport { initialization_type, phase, status, metrics };
    let (runtime_level, level) = match (status, initialization) {
        ("success", Initialization::OnDemand) => (SystemLevel::Debug, SystemLevel::Debug),
        ("success", Initialization::Provisioned) => (SystemLevel::Debug, SystemLevel::Info),
        _ => (SystemLevel::Warn, SystemLevel::Warn),
    };
    let said = [
        said(json, runtime_level, "platform.initRuntimeDone", runtime_done, at),
        said(json, level, "platform.initReport", whole, at),
    ];
    said.into_iter().flatten().collect()
}

pub(crate) fn start(spec: &FunctionSpec, request_id: &str, at: Timestamp) -> Option<String> {
    let Some(json) = &spec.json_logs else { return Some(report::start(request_id, &spec.version)) };
    let record = Start { request_id, function_arn: spec.function_arn(), version: &spec.version };
    said(json, SystemLevel::Info, "platform.start", record, at)
}

/// How an invocation ended.
pub(crate) struct Ended<'a> {
    pub(crate) report: Report<'a>,
    /// Message and type of what is not the function's own error.
    pub(crate) failure: Option<(&'a str, &'a str)>,
    pub(crate) timed_out: bool,
    /// The function reported an error.
    pub(crate) failed: bool,
}

/// All that is said at an invocation's end.
pub(crate) fn ended(spec: &FunctionSpec, ended: &Ended<'_>, at: Timestamp) -> Vec<String> {
    let report = &ended.report;
    let Some(json) = &spec.json_logs else {
        let timed_out = ended.timed_out.then(|| report::timed_out(at, report.request_id, spec.timeout_secs));
        let failed = ended.failure.map(|(message, kind)| report::failed(message, kind));
        let rest = [report::end(report.request_id), report.line()];
        return timed_out.into_iter().chain(failed).chain(rest).collect();
    };
    let kind = report.status.and_then(|status| status.split_once("Error Type: ")).map(|(_, kind)| kind);
    let (status, level) = match (report.status, ended.failed) {
        (Some("timeout"), _) => ("timeout", SystemLevel::Warn),
        (Some(_), _) => ("error", SystemLevel::Warn),
        (None, true) => ("failure", SystemLevel::Warn),
        (None, false) => ("success", SystemLevel::Info),
    };
    let duration = millis(report.duration);
    let tracing = || {
        let (_, span_id) = report.trace.and_then(report::sampled)?;
        Some(Tracing { span_id, kind: "X-Amzn-Trace-Id", value: report.trace? })
    };
    let request_id = report.request_id;
    let done = |metrics| Done { request_id, metrics, tracing: tracing(), status, error_type: kind };
    let runtime_done = done(Metrics { duration, ..Metrics::default() });
    let whole = done(Metrics {
        duration,
        billed: Some(report.billed_millis()),
        memory: Some(report.memory_mb),
        max_memory: Some(report.max_memory_mb),
        init: report.init.map(millis),
    });
    // What went well is of interest to who looks closely.
    let quiet = if level == SystemLevel::Info { SystemLevel::Debug } else { level };
    let said = [
        said(json, quiet, "platform.runtimeDone", runtime_done, at),
        said(json, level, "platform.report", whole, at),
    ];
    said.into_iter().flatten().collect()
}

/// As a line, if the function's log takes events of this level.
fn said<R: Serialize>(
    logs: &JsonLogs,
    level: SystemLevel,
    kind: &'static str,
    record: R,
    at: Timestamp,
) -> Option<String> {
    if level < logs.system {
        return None;
    }
    let mut line = serde_json::to_string(&Event { time: at.to_string(), kind, record }).unwrap_or_default();
    line.push('\n');
    Some(line)
}

/// To the microsecond.
#[expect(clippy::cast_precision_loss, reason = "no invocation takes that long")]
fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1_000.0
}
