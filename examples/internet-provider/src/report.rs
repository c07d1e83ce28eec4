use std::fmt;

use serde::Serialize;

/// The end of a run, in numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Sign-ups that the service acknowledged.
    pub put: u64,
    /// Of these, those whose offer came back.
    pub enriched: u64,
    /// Of these, those whose offer did not come back before the end.
    pub lost: u64,
    /// Offers that came once more for a sign-up that had its offer.
    pub duplicates: u64,
    /// Enriched sign-ups whose place cannot be served.
    pub unserved: u64,
    /// Enriched sign-ups that made no sense.
    pub rejected: u64,
    /// Sign-ups that the service did not acknowledge in spite of retries; not counted in `put`.
    pub failed_puts: u64,
    /// How long sign-ups were put, in seconds, without the wait for the last offers.
    pub seconds: f64,
    /// `put` over `seconds`.
    pub records_per_second: f64,
    /// Median time from put to offer, in ms.
    pub p50_ms: f64,
    /// 90th percentile of the time from put to offer, in ms.
    pub p90_ms: f64,
    /// 99th percentile of the time from put to offer, in ms.
    pub p99_ms: f64,
    /// Longest time from put to offer, in ms.
    pub max_ms: f64,
}

impl Report {
    /// Whether every acknowledged sign-up has its offer.
    pub fn all_answered(&self) -> bool {
        self.lost == 0
    }
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn milliseconds(value: f64) -> String {
    if value >= 10_000.0 { format!("{:.2} s", value / 1000.0) } else { format!("{value:.1} ms") }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let latency = |value| if self.enriched > 0 { milliseconds(value) } else { "-".to_owned() };
        let rows = [
            ("Sign-ups put", grouped(self.put), "acknowledged by the service"),
            ("Enriched", grouped(self.enriched), "with an offer that came back"),
            ("  of which unserved", grouped(self.unserved), "no network reaches the place"),
            ("  of which rejected", grouped(self.rejected), "the sign-up makes no sense"),
            ("Lost", grouped(self.lost), "acknowledged, but no offer by the end"),
            ("Duplicates", grouped(self.duplicates), "offers that came once more"),
            ("Not put", grouped(self.failed_puts), "refused in spite of retries"),
            ("Time", format!("{:.1} s", self.seconds), ""),
            ("Records per second", format!("{:.1}", self.records_per_second), ""),
            ("Put to offer, p50", latency(self.p50_ms), ""),
            ("Put to offer, p90", latency(self.p90_ms), ""),
            ("Put to offer, p99", latency(self.p99_ms), ""),
            ("Put to offer, max", latency(self.max_ms), ""),
        ];
        let width = rows.iter().map(|(_, value, _)| value.len()).max().unwrap_or(0);
        for (index, (label, value, note)) in rows.iter().enumerate() {
            let line = format!("{label:<20}  {value:>width$}  {note}");
            let end = if index + 1 == rows.len() { "" } else { "\n" };
            write!(f, "{}{end}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            put: 1_234_567,
            enriched: 1_234_560,
            lost: 7,
            duplicates: 12,
            unserved: 34,
            rejected: 0,
            failed_puts: 1,
            seconds: 30.04,
            records_per_second: 41_097.4,
            p50_ms: 8.25,
            p90_ms: 15.0,
            p99_ms: 99.96,
            max_ms: 12_345.6,
        }
    }

    #[test]
    fn the_table_is_aligned_and_grouped() {
        let text = report().to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "Sign-ups put          1,234,567  acknowledged by the service");
        assert_eq!(lines[4], "Lost                          7  acknowledged, but no offer by the end");
        assert_eq!(lines[12], "Put to offer, max       12.35 s");
        assert!(lines.iter().all(|line| !line.ends_with(' ')));
    }

    #[test]
    fn one_lost_sign_up_is_a_failure() {
        assert!(!report().all_answered());
        assert!(Report { lost: 0, ..report() }.all_answered());
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let cases = [(0, "0"), (999, "999"), (1_000, "1,000"), (100_000, "100,000")];
        for (number, text) in cases {
            assert_eq!(grouped(number), text);
        }
    }
}
