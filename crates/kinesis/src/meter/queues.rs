//! What is measured of queues, for Prometheus. CloudWatch has no metrics of queues, so the names are our own.

use crate::Kinesis;
use millstream_control::Queue;
use millstream_queue::Measured;
use millstream_types::{Timestamp, name_of_key};
use std::fmt::{self, Write};
use std::sync::Arc;

struct Family {
    /// Behind [`PREFIX`], with `_total` if it is a counter.
    name: &'static str,
    help: &'static str,
    /// `None` while there is nothing to show.
    value: fn(&Measured, Timestamp) -> Option<u64>,
}

const PREFIX: &str = "millstream_queue_";

const fn family(
    name: &'static str,
    help: &'static str,
    value: fn(&Measured, Timestamp) -> Option<u64>,
) -> Family {
    Family { name, help, value }
}

const QUEUE: [Family; 12] = [
    family("visible_records", "Records that the next receive may return", |m, _| Some(m.visible)),
    family("in_flight_records", "Records that a receiver has", |m, _| Some(m.in_flight)),
    family("visible_dead_letters", "Dead letters that the next receive may return", |m, _| {
        Some(m.dead_visible)
    }),
    family(
        "in_flight_dead_letters",
        "Dead letters that a receiver has, and records received for the last time",
        |m, _| Some(m.dead_in_flight),
    ),
    family(
        "oldest_record_age_milliseconds",
        "Age of the oldest record that is neither acknowledged nor a dead letter",
        |m, now| m.oldest.map(|oldest| now.millis_since(oldest)),
    ),
    family("received_records_total", "Deliveries of records", |m, _| Some(m.counts.received)),
    family("acknowledged_records_total", "Records acknowledged", |m, _| Some(m.counts.acknowledged)),
    family("dead_lettered_records_total", "Records that became dead letters", |m, _| Some(m.counts.died)),
    family("received_dead_letters_total", "Deliveries of dead letters", |m, _| Some(m.counts.dead_received)),
    family("acknowledged_dead_letters_total", "Dead letters acknowledged", |m, _| {
        Some(m.counts.dead_acknowledged)
    }),
    family("restored_dead_letters_total", "Dead letters restored", |m, _| Some(m.counts.restored)),
    family(
        "expired_records_total",
        "Records, dead letters among them, received and not acknowledged until their stream forgot them",
        |m, _| Some(m.counts.expired),
    ),
];

impl Family {
    /// The name that a family of OpenMetrics has, and its kind.
    fn declared(&self) -> (&'static str, &'static str) {
        self.name.strip_suffix("_total").map_or((self.name, "gauge"), |name| (name, "counter"))
    }

    fn render(&self, text: &mut String, queues: &[(String, Measured)], now: Timestamp) -> fmt::Result {
        let (declared, kind) = self.declared();
        for (place, (labels, measured)) in queues.iter().enumerate() {
            if place == 0 {
                writeln!(text, "# HELP {PREFIX}{declared} {}", self.help)?;
                writeln!(text, "# TYPE {PREFIX}{declared} {kind}")?;
            }
            if let Some(value) = (self.value)(measured, now) {
                writeln!(text, "{PREFIX}{}{{{labels}}} {value}", self.name)?;
            }
        }
        Ok(())
    }
}

impl Kinesis {
    /// What is measured of the queues that deliver, in the OpenMetrics text format. It asks each of them.
    pub async fn queue_metrics(&self) -> String {
        let measured = self.queues.measure().await;
        let state = self.control().state();
        let known = |(id, measured): (String, Measured)| Some((labels(state.queues.get(&id)?), measured));
        let mut queues: Vec<(String, Measured)> = measured.into_iter().filter_map(known).collect();
        queues.sort_by(|one, other| one.0.cmp(&other.0));
        let mut text = String::new();
        for family in &QUEUE {
            if let Err(error) = family.render(&mut text, &queues, self.engine.now()) {
                tracing::error!(%error, "metrics could not be written");
            }
        }
        text
    }
}

fn labels(queue: &Arc<Queue>) -> String {
    // arn:PARTITION:kinesis:REGION:ACCOUNT:…; neither these nor the names have anything to escape.
    let mut arn = queue.arn.split(':').skip(3);
    let (region, account) = (arn.next().unwrap_or_default(), arn.next().unwrap_or_default());
    let (name, stream) = (queue.own_name(), name_of_key(&queue.stream));
    format!("queue_name=\"{name}\",stream_name=\"{stream}\",account_id=\"{account}\",region=\"{region}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that is not in the table is one that nobody finds.
    #[test]
    fn the_page_lists_them_all() {
        let page = include_str!("../../../../docs/metrics.md");
        for family in &QUEUE {
            let row = format!("| `{PREFIX}{}` | {} |", family.name, family.declared().1);
            assert!(page.contains(&row), "{row}");
        }
    }
}
