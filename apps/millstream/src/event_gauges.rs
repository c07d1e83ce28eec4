//! What the metrics page shows of asynchronous invocations, under CloudWatch's names.

use millstream_events::{Events, Measures};
use millstream_front::{Gauge, ReadGauge};
use millstream_types::Arn;

type Line = (Vec<(&'static str, String)>, f64);

#[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
fn float(value: u64) -> f64 {
    value as f64
}

pub(crate) fn all(events: &Events) -> Vec<Gauge> {
    let read_all = |read: fn(&Measures) -> Option<u64>| -> ReadGauge {
        let events = events.clone();
        Box::new(move || events.measures().iter().filter_map(|of| line(of, read(of)?)).collect())
    };
    let total = |name, help, read| Gauge::counter(name, help, read_all(read));
    let waiting = |name, help, read: fn(millstream_events::Waiting) -> u64| {
        let events = events.clone();
        Gauge::new(name, help, Box::new(move || vec![(Vec::new(), float(read(events.waiting())))]))
    };
    vec![
        total("lambda_async_events_received", "Events taken for asynchronous invocation", |of| {
            Some(of.received)
        }),
        total("lambda_async_events_dropped", "Events that their function did not process", |of| {
            Some(of.dropped)
        }),
        total(
            "lambda_destination_delivery_failures",
            "Times that a destination did not take an invocation record",
            |of| Some(of.destination_failures),
        ),
        total("lambda_dead_letter_errors", "Times that a dead-letter queue did not take an event", |of| {
            Some(of.dead_letter_errors)
        }),
        Gauge::new(
            "lambda_async_event_age_milliseconds",
            "Greatest age of an event given to its function in this minute or the one before",
            read_all(|of| of.age_ms),
        ),
        waiting("async_events_waiting", "Events that wait for their function or for a destination", |of| {
            of.events
        }),
        waiting("async_events_waiting_bytes", "What they hold on disk", |of| of.bytes),
    ]
}

fn line(of: &Measures, value: u64) -> Option<Line> {
    let arn: Arn = of.arn.parse().ok()?;
    let name = arn.resource.strip_prefix("function:")?.to_owned();
    let labels = vec![("function_name", name), ("account_id", arn.account), ("region", arn.region)];
    Some((labels, float(value)))
}
