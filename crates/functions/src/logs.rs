//! Where the lines go that functions print.

use crate::caps;
use millstream_types::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

/// One line of a function's log, without its end of line.
#[derive(Clone, Copy, Debug)]
pub struct LogLine<'a> {
    /// The function's name.
    pub function: &'a str,
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

/// Writes every line as a `tracing` event with target `function`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TracingSink;

impl LogSink for TracingSink {
    fn line(&self, line: LogLine<'_>) {
        let text = String::from_utf8_lossy(line.text);
        tracing::info!(target: "function", function = line.function, request_id = line.request_id, "{text}");
    }
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
    use super::{LogLine, LogSink, RingSink};
    use millstream_types::Timestamp;

    #[test]
    fn a_ring_keeps_the_last_lines_of_each_function() {
        let ring = RingSink::new(2, None);
        for (function, text) in [("f", "1"), ("f", "2"), ("g", "a"), ("f", "3")] {
            ring.line(LogLine {
                function,
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
