use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge as PrometheusGauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::fmt::{self, Debug, Formatter};
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

/// A value read when metrics are asked for.
pub struct Gauge {
    pub name: &'static str,
    pub help: &'static str,
    /// Each with its labels.
    pub read: ReadGauge,
}

/// Label names with values, and the value measured.
pub type ReadGauge = Box<dyn Fn() -> Vec<(Vec<(&'static str, String)>, f64)> + Send + Sync>;

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
    connections: PrometheusGauge,
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
        Self { requests, seconds, connections, registry, gauges }
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

    pub(crate) fn connection_opened(&self) {
        self.connections.inc();
    }

    pub(crate) fn connection_closed(&self) {
        self.connections.dec();
    }

    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        for gauge in &self.gauges {
            let mut registry = Registry::with_prefix("millstream");
            let family = Family::<Vec<(&'static str, String)>, PrometheusGauge<f64, AtomicU64>>::default();
            for (labels, value) in (gauge.read)() {
                family.get_or_create(&labels).set(value);
            }
            registry.register(gauge.name, gauge.help, family);
            render_into(&mut text, &registry);
        }
        render_into(&mut text, &self.registry);
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
