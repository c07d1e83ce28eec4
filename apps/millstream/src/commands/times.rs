//! Points in time and spans of it, as people write them.

use aws_sdk_kinesis::primitives::{DateTime, DateTimeFormat};
use millstream_types::Timestamp;
use std::time::Duration;

/// Where in a stream to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// After what is there now.
    Latest,
    /// With the oldest record that is kept.
    TrimHorizon,
    At(Timestamp),
    /// This long before now.
    Ago(Duration),
}

impl Start {
    /// A time in place of a span before `now`.
    #[must_use]
    pub(crate) fn settled(self, now: Timestamp) -> Self {
        match self {
            Self::Ago(span) => {
                Self::At(now.minus_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
            }
            other => other,
        }
    }
}

/// `latest`, `trim-horizon`, a time such as 2026-11-23T09:00:00Z, or how long ago: 15m.
pub(crate) fn start(text: &str) -> Result<Start, String> {
    match text.to_ascii_lowercase().replace('_', "-").as_str() {
        "latest" => return Ok(Start::Latest),
        "trim-horizon" => return Ok(Start::TrimHorizon),
        _ => {}
    }
    if let Ok(span) = span(text) {
        return Ok(Start::Ago(span));
    }
    instant(text).map(Start::At).map_err(|_neither| {
        format!("{text:?} is no start: write latest, trim-horizon, 2026-11-23T09:00:00Z, or how long ago, such as 15m")
    })
}

/// A time with a zone: 2026-11-23T09:00:00Z, 2026-11-23T10:00:00+01:00.
pub(crate) fn instant(text: &str) -> Result<Timestamp, String> {
    let wrong = || format!("{text:?} is no time: write it as 2026-11-23T09:00:00Z");
    let parsed = DateTime::from_str(text, DateTimeFormat::DateTimeWithOffset).map_err(|_bad| wrong())?;
    let millis = parsed.to_millis().ok().and_then(|millis| u64::try_from(millis).ok());
    millis.map(Timestamp::from_millis).ok_or_else(wrong)
}

/// `250ms`, `30s`, `15m`, `2h`, `7d`
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no span of time: write a number with ms, s, m, h or d, such as 15m");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_bad| wrong())?;
    number.checked_mul(unit).map(Duration::from_millis).ok_or_else(wrong)
}

/// How fast to replay: a factor, or as fast as it goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Speed {
    Times(f64),
    Max,
}

/// `1x`, `10x`, `0.5x`, `max`
pub(crate) fn speed(text: &str) -> Result<Speed, String> {
    if text == "max" {
        return Ok(Speed::Max);
    }
    let factor = text.strip_suffix('x').unwrap_or(text).parse::<f64>().ok();
    let factor = factor.filter(|factor| factor.is_finite() && *factor > 0.0);
    factor.map(Speed::Times).ok_or_else(|| format!("{text:?} is no speed: write 1x, 10x, 0.5x or max"))
}

/// `850 ms`, `12.3 s`, `2 m 5 s`, `3 h 4 m`
pub(crate) fn shown(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0 => format!("{} ms", span.as_millis()),
        1..60 => format!("{:.1} s", span.as_secs_f64()),
        60..3_600 => format!("{} m {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} m", seconds / 3_600, seconds / 60 % 60),
    }
}

pub(crate) fn to_sdk(at: Timestamp) -> DateTime {
    DateTime::from_millis(i64::try_from(at.millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_a_word_a_time_or_a_span() {
        let noon = Timestamp::from_millis(1_700_000_000_000);
        for (text, expected) in [
            ("latest", Start::Latest),
            ("TRIM_HORIZON", Start::TrimHorizon),
            ("2023-11-14T22:13:20Z", Start::At(noon)),
            ("2023-11-14T23:13:20+01:00", Start::At(noon)),
            ("15m", Start::Ago(Duration::from_mins(15))),
            ("0s", Start::Ago(Duration::ZERO)),
        ] {
            assert_eq!(start(text), Ok(expected), "{text}");
        }
        for bad in ["", "yesterday", "15", "2023-11-14", "-5m", "99999999999999999999d", "é"] {
            assert!(start(bad).unwrap_err().contains("trim-horizon"), "{bad}");
        }
        let quarter = Start::Ago(Duration::from_mins(15)).settled(noon);
        assert_eq!(quarter, Start::At(Timestamp::from_millis(1_699_999_100_000)));
    }

    #[test]
    fn a_speed_is_a_factor() {
        assert_eq!(speed("10x"), Ok(Speed::Times(10.0)));
        assert_eq!(speed("0.5"), Ok(Speed::Times(0.5)));
        assert_eq!(speed("max"), Ok(Speed::Max));
        for bad in ["", "x", "0x", "-1x", "NaN", "infx", "fast"] {
            assert!(speed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn spans_read_well() {
        for (millis, text) in
            [(0, "0 ms"), (850, "850 ms"), (12_340, "12.3 s"), (125_000, "2 m 5 s"), (11_040_000, "3 h 4 m")]
        {
            assert_eq!(shown(Duration::from_millis(millis)), text);
        }
    }
}
