//! From what functions print to the store.

use crate::store::Store;
use millstream_functions::{LogLine, LogSink};
use millstream_types::Home;
use std::sync::Arc;

/// Keeps every line of every function, and passes it on.
#[derive(Debug)]
pub struct FunctionLogs {
    store: Store,
    /// The server's own.
    home: Home,
    next: Arc<dyn LogSink>,
}

impl FunctionLogs {
    pub fn new(store: Store, home: Home, next: Arc<dyn LogSink>) -> Self {
        Self { store, home, next }
    }
}

impl LogSink for FunctionLogs {
    fn line(&self, line: LogLine<'_>) {
        // arn:PARTITION:lambda:REGION:ACCOUNT:function:…
        let mut home = line.function_arn.split(':').skip(3);
        let (region, account) = (home.next().unwrap_or_default(), home.next().unwrap_or_default());
        let key = if region == self.home.region && account == self.home.account {
            line.log_group.to_owned()
        } else {
            self.home.beside(region, account).key(line.log_group)
        };
        self.store.line(key, line.log_stream, line.at, message(line.text));
        self.next.line(line);
    }
}

/// What is printed, as an event. The bundled runtimes write the line breaks within one message as carriage returns, so that it
/// stays one event; they are line breaks again here. As on AWS, an event ends with one.
fn message(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut message = text.trim_end_matches(['\r', '\n']).replace("\r\n", "\n").replace('\r', "\n");
    message.push('\n');
    message
}

#[cfg(test)]
mod tests {
    use super::message;

    #[test]
    fn an_event_has_its_lines_again() {
        assert_eq!(message(b"[ERROR] E\rTraceback:\r  File\r\n"), "[ERROR] E\nTraceback:\n  File\n");
        assert_eq!(message(b"dos\r\nlines"), "dos\nlines\n");
        assert_eq!(message(b""), "\n");
        assert_eq!(message(b"\xff"), "\u{fffd}\n");
    }
}
