//! Latencies, and a measurement's window.

use anyhow::Result;
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Latencies in nanoseconds, up to ten minutes.
#[derive(Debug)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    /// `digits`: how exact. Three take some 240 KiB, two 30 KiB.
    pub(crate) fn new(digits: u8) -> Result<Self> {
        Ok(Self(Histogram::new_with_bounds(1_000, 600_000_000_000, digits)?))
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn add(&mut self, other: &Self) -> Result<()> {
        Ok(self.0.add(&other.0)?)
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// Microseconds.
    pub(crate) fn summary(&self) -> Value {
        let at = |quantile| self.0.value_at_quantile(quantile) as f64 / 1_000.0;
        json!({
            "count": self.0.len(),
            "p10_us": at(0.1),
            "p50_us": at(0.5),
            "p90_us": at(0.9),
            "p99_us": at(0.99),
            "p999_us": at(0.999),
            "max_us": self.0.max() as f64 / 1_000.0,
        })
    }
}

/// When a measurement begins and ends: by the clock, or earlier because something is full.
#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) begin: Instant,
    end: Instant,
    cut: OnceLock<Instant>,
}

impl Window {
    /// From now on, after a warm-up.
    pub(crate) fn new(warm_up: f64, seconds: f64) -> Self {
        let begin = Instant::now() + Duration::from_secs_f64(warm_up);
        Self { begin, end: begin + Duration::from_secs_f64(seconds), cut: OnceLock::new() }
    }

    /// End it now.
    pub(crate) fn cut(&self, now: Instant) {
        self.cut.get_or_init(|| now);
    }

    pub(crate) fn is_over(&self, now: Instant) -> bool {
        now >= self.end || self.cut.get().is_some()
    }

    pub(crate) fn holds(&self, now: Instant) -> bool {
        now >= self.begin && !self.is_over(now)
    }

    pub(crate) fn seconds(&self) -> f64 {
        let end = self.cut.get().copied().unwrap_or(self.end).min(self.end);
        end.saturating_duration_since(self.begin).as_secs_f64()
    }

    /// Waits until it is over.
    pub(crate) async fn over(&self) {
        while !self.is_over(Instant::now()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
