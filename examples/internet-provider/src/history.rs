//! Numbers over time: latencies of the last seconds, and the points of the plots.

use std::collections::VecDeque;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::caps::MAX_PLOT_POINTS;

/// Latencies are recorded in µs up to one hour; longer ones count as one hour.
const LONGEST_US: u64 = 3_600_000_000;
/// Ticks over which the plotted percentiles and rates are taken.
const WINDOW_TICKS: usize = 6;

/// Percentiles in ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

fn histogram(digits: u8) -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_US, digits).expect("the bounds and the number of digits are valid")
}

fn percentiles(of: &Histogram<u64>) -> Option<Percentiles> {
    let at = |quantile| ms(of.value_at_quantile(quantile));
    (!of.is_empty()).then(|| Percentiles { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: ms(of.max()) })
}

/// µs as ms. A `u32` of µs is more than an hour.
fn ms(us: u64) -> f64 {
    f64::from(u32::try_from(us).unwrap_or(u32::MAX)) / 1e3
}

/// Latencies of the whole run and of the last ticks.
#[derive(Debug)]
pub(crate) struct Latencies {
    all: Histogram<u64>,
    current: Histogram<u64>,
    recent: VecDeque<Histogram<u64>>,
}

impl Latencies {
    pub(crate) fn new() -> Self {
        Self { all: histogram(3), current: histogram(2), recent: VecDeque::new() }
    }

    pub(crate) fn record(&mut self, latency: std::time::Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(LONGEST_US).clamp(1, LONGEST_US);
        self.all.saturating_record(us);
        self.current.saturating_record(us);
    }

    /// Of the whole run; all 0 if there was none.
    pub(crate) fn overall(&self) -> Percentiles {
        percentiles(&self.all).unwrap_or_default()
    }

    /// Of the last ticks, and moves on to the next tick. `None` if there was none.
    pub(crate) fn tick(&mut self) -> Option<Percentiles> {
        self.recent.push_back(std::mem::replace(&mut self.current, histogram(2)));
        if self.recent.len() > WINDOW_TICKS {
            self.recent.pop_front();
        }
        let mut sum = histogram(2);
        for part in &self.recent {
            sum.add(part).expect("histograms with the same bounds add up");
        }
        percentiles(&sum)
    }
}

/// Events per second over the last ticks, from a counter that only grows.
#[derive(Debug, Default)]
pub(crate) struct Rate(VecDeque<(f64, u64)>);

impl Rate {
    /// `at` is in seconds on any clock.
    pub(crate) fn tick(&mut self, at: f64, count: u64) -> f64 {
        self.0.push_back((at, count));
        if self.0.len() > WINDOW_TICKS + 1 {
            self.0.pop_front();
        }
        match self.0.front() {
            Some((start, first)) if at > *start => {
                let events = u32::try_from(count - first).unwrap_or(u32::MAX);
                f64::from(events) / (at - start)
            }
            _ => 0.0,
        }
    }
}

/// One point of every plot.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sample {
    /// ms since 1970.
    pub(crate) t: u64,
    /// Sign-ups acknowledged per second.
    pub(crate) put: f64,
    /// Offers per second.
    pub(crate) enriched: f64,
    /// Put to offer, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) latency: Option<Percentiles>,
    /// Shard of the sign-ups and the highest age in ms, in this tick, of a sign-up without an offer.
    pub(crate) ages: Vec<(String, f64)>,
}

/// The last points of the plots.
#[derive(Debug, Default)]
pub(crate) struct Samples(VecDeque<Sample>);

impl Samples {
    pub(crate) fn push(&mut self, sample: Sample) {
        if self.0.len() >= MAX_PLOT_POINTS {
            self.0.pop_front();
        }
        self.0.push_back(sample);
    }

    pub(crate) fn all(&self) -> Vec<Sample> {
        self.0.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn recent_percentiles_forget_and_overall_ones_do_not() {
        let mut latencies = Latencies::new();
        latencies.record(Duration::from_millis(800));
        assert!(latencies.tick().unwrap().max >= 800.0);
        for _ in 0..WINDOW_TICKS {
            latencies.record(Duration::from_millis(4));
            latencies.tick();
        }
        assert!(latencies.tick().unwrap().max < 5.0);
        assert!(latencies.overall().max >= 799.0);
    }

    #[test]
    fn without_latencies_there_are_no_percentiles() {
        assert_eq!(Latencies::new().tick(), None);
        assert_eq!(Latencies::new().overall(), Percentiles::default());
    }

    #[test]
    fn a_rate_is_taken_over_the_window() {
        let mut rate = Rate::default();
        assert!(rate.tick(0.0, 0) < 0.1);
        assert!((rate.tick(0.5, 50) - 100.0).abs() < 0.1);
        for step in 1..20_u32 {
            rate.tick(0.5 + f64::from(step) * 0.5, 50);
        }
        assert!(rate.tick(11.0, 50) < 0.1);
    }
}
