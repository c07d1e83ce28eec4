//! Where the lines go that functions print.

use crate::caps;
use millstream_types::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

/// One event of a function's log, without its end of line: a line that the function printed, or what Lambda says, which may be
/// several lines.
#[derive(Clone, Copy, Debug)]
pub struct LogLine<'a> {
    /// The function's name.
    pub function: &'a str,
    /// The ARN by which it was invoked.
    pub function_arn: &'a str,
    pub log_group: &'a str,
    pub log_stream: &'a str,
    /// `None` for what is printed outside an invocation.
    pub request_id: Option<&'a str>,
    pub at: Timestamp,
    pub text: &'a [u8],
}

/// Takes the log lines of all functions. Called from the tasks that read workers' output, so it must be quick.
pub trait LogSink: Debug + Send + Sync {
    fn line(&self, line: LogLine<'_>);
}

/// Writes every line as a `tracing` event with target `function`: what a function prints at `info`, what Lambda says of
/// each invocation (START, END, REPORT) at `debug`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TracingSink;

impl LogSink for TracingSink {
    fn line(&self, line: LogLine<'_>) {
        let LogLine { function, request_id, .. } = line;
        let text = readable(&String::from_utf8_lossy(line.text));
        if is_platforms(&text, request_id) {
            tracing::debug!(target: "function", function, request_id, "{text}");
        } else {
            tracing::info!(target: "function", function, request_id, "{text}");
        }
    }
}

/// Whether a line is one of those that Lambda adds to an invocation.
fn is_platforms(text: &str, request_id: Option<&str>) -> bool {
    let of_this = |rest: &str| request_id.is_some_and(|id| rest.starts_with(id));
    ["START RequestId: ", "END RequestId: ", "REPORT RequestId: "]
        .iter()
        .any(|start| text.strip_prefix(start).is_some_and(of_this))
}

/// A line that keeps its place in a text log. The runtime client for Python puts carriage returns into tracebacks, so
/// that they are one line: they become lines again, indented so that none looks like the start of another entry. Other
/// control characters, which could do anything to a terminal, are shown by name.
fn readable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.trim_end_matches(['\r', '\n']).chars() {
        match c {
            '\r' | '\n' => out.push_str("\n    "),
            '\t' => out.push(c),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

/// Keeps the last lines of each function in memory and passes every line on.
#[derive(Debug)]
pub struct RingSink {
    lines: usize,
    next: Option<Arc<dyn LogSink>>,
    rings: Mutex<BTreeMap<String, VecDeque<(Timestamp, String)>>>,
}

impl RingSink {
    /// Keep `lines` lines of each function; `next` gets every line too.
    pub fn new(lines: usize, next: Option<Arc<dyn LogSink>>) -> Self {
        Self { lines, next, rings: Mutex::default() }
    }

    /// The lines kept of a function, oldest first.
    pub fn lines(&self, function: &str) -> Vec<(Timestamp, String)> {
        let rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        rings.get(function).map(|ring| ring.iter().cloned().collect()).unwrap_or_default()
    }
}

impl LogSink for RingSink {
    fn line(&self, line: LogLine<'_>) {
        if let Some(next) = &self.next {
            next.line(line);
        }
        let mut rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        if !rings.contains_key(line.function) {
            if rings.len() >= caps::MAX_RING_FUNCTIONS {
                rings.pop_first();
            }
            rings.insert(line.function.to_owned(), VecDeque::new());
        }
        let Some(ring) = rings.get_mut(line.function) else { return };
        if ring.len() >= self.lines {
            ring.pop_front();
        }
        if self.lines > 0 {
            ring.push_back((line.at, String::from_utf8_lossy(line.text).into_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LogLine, LogSink, RingSink, is_platforms, readable};
    use millstream_types::Timestamp;

    #[test]
    fn a_traceback_is_lines_again_and_nothing_moves_the_cursor() {
        assert_eq!(
            readable("[ERROR] ValueError: no\rTraceback:\r  File \"x\"\tline 1\r"),
            "[ERROR] ValueError: no\n    Traceback:\n      File \"x\"\tline 1"
        );
        assert_eq!(readable("\u{1b}[2Jgone\u{7}\u{9b}1m"), "\\u{1b}[2Jgone\\u{7}\\u{9b}1m");
        assert_eq!(readable("Grüße"), "Grüße");
    }

    #[test]
    fn only_lambdas_own_lines_of_this_invocation_are_its_own() {
        let own = |text| is_platforms(text, Some("id-1"));
        assert!(own("START RequestId: id-1 Version: $LATEST") && own("END RequestId: id-1"));
        assert!(own("REPORT RequestId: id-1\tDuration: 1 ms"));
        assert!(!own("START RequestId: id-2") && !own("START") && !own("printed START RequestId: id-1"));
        assert!(!is_platforms("END RequestId: id-1", None));
    }

    #[test]
    fn a_ring_keeps_the_last_lines_of_each_function() {
        let ring = RingSink::new(2, None);
        for (function, text) in [("f", "1"), ("f", "2"), ("g", "a"), ("f", "3")] {
            ring.line(LogLine {
                function,
                function_arn: "arn:aws:lambda:us-east-1:000000000000:function:f",
                log_group: "/aws/lambda/f",
                log_stream: "s",
                request_id: None,
                at: Timestamp::ZERO,
                text: text.as_bytes(),
            });
        }
        let texts = |f| ring.lines(f).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(texts("f"), ["2", "3"]);
        assert_eq!(texts("g"), ["a"]);
        assert!(texts("h").is_empty());
    }
}
