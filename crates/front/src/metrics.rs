use millstream_api_kinesis::Operation as KinesisOperation;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge as PrometheusGauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::fmt::{self, Debug, Formatter};
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    service: &'static str,
    /// Only names that the service knows: a client cannot make new ones.
    operation: &'static str,
    /// `OK`, or the error's name.
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    service: &'static str,
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Injected {
    service: &'static str,
    /// `throttle`, `throttle-records`, `error` or `latency`.
    kind: &'static str,
}

/// What counts an operation's successes, so that the many need not look for it by its labels.
#[derive(Debug)]
struct Succeeded {
    requests: Counter,
    seconds: Histogram,
}

/// A value read when metrics are asked for.
pub struct Gauge {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    /// Each with its labels.
    read: ReadGauge,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Gauge,
    Counter,
}

/// Label names with values, and the value measured.
pub type ReadGauge = Box<dyn Fn() -> Vec<(Vec<(&'static str, String)>, f64)> + Send + Sync>;

impl Gauge {
    /// A value that goes up and down.
    pub fn new(name: &'static str, help: &'static str, read: ReadGauge) -> Self {
        Self { name, help, kind: Kind::Gauge, read }
    }

    /// A value that only grows while the server runs. Prometheus gets it as `name` with `_total` behind it.
    pub fn counter(name: &'static str, help: &'static str, read: ReadGauge) -> Self {
        Self { name, help, kind: Kind::Counter, read }
    }

    fn register(&self, registry: &mut Registry) {
        let values = (self.read)();
        match (self.kind, values.as_slice()) {
            // A family of one without labels would be written with empty braces.
            (Kind::Gauge, [(labels, value)]) if labels.is_empty() => {
                let gauge = Value::default();
                gauge.set(*value);
                registry.register(self.name, self.help, gauge);
            }
            (Kind::Counter, [(labels, value)]) if labels.is_empty() => {
                registry.register(self.name, self.help, counted(*value));
            }
            (Kind::Gauge, values) => {
                let family = Family::<Vec<(&'static str, String)>, Value>::default();
                for (labels, value) in values {
                    family.get_or_create(labels).set(*value);
                }
                registry.register(self.name, self.help, family);
            }
            (Kind::Counter, values) => {
                let family = Family::<Vec<(&'static str, String)>, Total>::default();
                for (labels, value) in values {
                    family.get_or_create(labels).inc_by(*value);
                }
                registry.register(self.name, self.help, family);
            }
        }
    }
}

type Value = PrometheusGauge<f64, AtomicU64>;
type Total = Counter<f64, AtomicU64>;

fn counted(value: f64) -> Total {
    let counter = Total::default();
    counter.inc_by(value);
    counter
}

impl Debug for Gauge {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gauge").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What `/_millstream/metrics` shows, in the Prometheus text format.
#[derive(Debug)]
pub struct Metrics {
    requests: Family<Request, Counter>,
    seconds: Family<Operation, Histogram>,
    /// By operation.
    kinesis: [OnceLock<Succeeded>; KinesisOperation::ALL.len()],
    connections: PrometheusGauge,
    faults: Family<Injected, Counter>,
    registry: Registry,
    gauges: Vec<Gauge>,
}

impl Metrics {
    pub fn new(gauges: Vec<Gauge>) -> Self {
        let mut registry = Registry::with_prefix("millstream");
        let requests = Family::<Request, Counter>::default();
        // From 50 µs to about 13 s.
        let seconds = Family::<Operation, Histogram>::new_with_constructor(|| {
            Histogram::new(exponential_buckets(0.000_05, 2.0, 19))
        });
        let connections = PrometheusGauge::default();
        registry.register("requests", "Requests answered", requests.clone());
        registry.register("request_seconds", "Time from a request's head to its answer's", seconds.clone());
        registry.register("connections", "Open connections", connections.clone());
        let faults = Family::<Injected, Counter>::default();
        registry.register("faults_injected", "Faults that were injected as asked", faults.clone());
        let kinesis = [const { OnceLock::new() }; KinesisOperation::ALL.len()];
        Self { requests, seconds, kinesis, connections, faults, registry, gauges }
    }

    pub(crate) fn answered(
        &self,
        service: &'static str,
        operation: &'static str,
        result: &'static str,
        took: Duration,
    ) {
        self.requests.get_or_create(&Request { service, operation, result }).inc();
        self.seconds.get_or_create(&Operation { service, operation }).observe(took.as_secs_f64());
    }

    pub(crate) fn kinesis_succeeded(&self, operation: KinesisOperation, took: Duration) {
        let find = || {
            let (service, operation) = ("kinesis", operation.name());
            let requests = self.requests.get_or_create_owned(&Request { service, operation, result: "OK" });
            Succeeded {
                requests,
                seconds: self.seconds.get_or_create_owned(&Operation { service, operation }),
            }
        };
        let found = self.kinesis[operation as usize].get_or_init(find);
        found.requests.inc();
        found.seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn injected(&self, service: &'static str, kind: &'static str) {
        self.faults.get_or_create(&Injected { service, kind }).inc();
    }

    pub(crate) fn connection_opened(&self) {
        self.connections.inc();
    }

    pub(crate) fn connection_closed(&self) {
        self.connections.dec();
    }

    /// With what `more` appends.
    pub(crate) fn render(&self, more: impl FnOnce(&mut String)) -> String {
        let mut text = String::new();
        for gauge in &self.gauges {
            let mut registry = Registry::with_prefix("millstream");
            gauge.register(&mut registry);
            render_into(&mut text, &registry);
        }
        render_into(&mut text, &self.registry);
        more(&mut text);
        text.push_str("# EOF\n");
        text
    }
}

fn render_into(text: &mut String, registry: &Registry) {
    let mut part = String::new();
    if let Err(error) = encode(&mut part, registry) {
        tracing::error!(%error, "metrics could not be written");
    }
    text.push_str(part.trim_end_matches("# EOF\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_say_so_and_what_has_no_labels_has_no_braces() {
        let labelled =
            || vec![(vec![("shard", "0".to_owned())], 2.0), (vec![("shard", "1".to_owned())], 3.0)];
        let text = Metrics::new(vec![
            Gauge::new("open", "Things", Box::new(|| vec![(Vec::new(), 4.0)])),
            Gauge::counter("done", "Things", Box::new(|| vec![(Vec::new(), 5.0)])),
            Gauge::new("age", "Things", Box::new(labelled)),
            Gauge::counter("seen", "Things", Box::new(labelled)),
            Gauge::counter("never", "Things", Box::new(Vec::new)),
        ])
        .render(|_| ());
        for line in [
            "# TYPE millstream_open gauge",
            "millstream_open 4.0",
            "# TYPE millstream_done counter",
            "millstream_done_total 5.0",
            "millstream_age{shard=\"1\"} 3.0",
            "millstream_seen_total{shard=\"0\"} 2.0",
            "millstream_connections 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("{}"), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }
}
