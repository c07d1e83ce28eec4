//! All that happens in a simulation, line by line: two runs of one seed must give the same text.

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

/// Cheap to clone; clones write to one text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    text: Arc<Mutex<String>>,
}

impl Trace {
    /// One line: when (simulated time), who, what.
    pub(crate) fn line(&self, who: &str, what: fmt::Arguments<'_>) {
        let at = turmoil::sim_elapsed().unwrap_or(Duration::ZERO);
        self.line_at(at, who, what);
    }

    pub(crate) fn line_at(&self, at: Duration, who: &str, what: fmt::Arguments<'_>) {
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        let (seconds, micros) = (at.as_secs(), at.subsec_micros());
        writeln!(text, "{seconds:>3}.{micros:06} {who}: {what}").expect("writing to a String cannot fail");
    }

    pub(crate) fn text(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Takes the server's own log lines into the trace, without the wall clock.
#[derive(Debug)]
pub(crate) struct Tap(pub Trace);

impl Subscriber for Tap {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
            && *metadata.level() <= Level::DEBUG
            && metadata.target().starts_with("millstream")
    }

    fn new_span(&self, _span: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _span: &span::Id, _values: &span::Record<'_>) {}

    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        let metadata = event.metadata();
        self.0.line("log", format_args!("{} {}{}", metadata.level(), metadata.target(), fields.0));
    }

    fn enter(&self, _span: &span::Id) {}

    fn exit(&self, _span: &span::Id) {}
}

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).expect("writing to a String cannot fail");
    }
}
