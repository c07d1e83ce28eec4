use crate::facts::Request;
use crate::net::Range;
use crate::parse::{PolicyError, wrong};
use crate::pattern::{Case, Pattern};
use std::cmp::Ordering;

/// A condition operator with what it compares with. Of several values any may fit; of a negated operator none may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Text {
        patterns: Vec<Pattern>,
        case: Case,
        negated: bool,
    },
    Arn {
        patterns: Vec<Pattern>,
        negated: bool,
    },
    Number {
        orders: &'static [Ordering],
        negated: bool,
        values: Vec<Pattern>,
    },
    Date {
        orders: &'static [Ordering],
        negated: bool,
        values: Vec<Pattern>,
    },
    Bool(Vec<Pattern>),
    Binary(Vec<String>),
    Address {
        ranges: Vec<Option<Range>>,
        negated: bool,
    },
    /// Whether the key must be absent.
    Null(bool),
}

use Ordering::{Equal, Greater, Less};

impl Operator {
    /// The operator of a word without its prefix and suffix; `None` if there is none.
    pub(crate) fn new(word: &str, texts: &[String], variables: bool) -> Option<Self> {
        let patterns =
            |wild| texts.iter().map(|text| Pattern::new(text, variables, wild)).collect::<Vec<_>>();
        let text = |wild, case, negated| Self::Text { patterns: patterns(wild), case, negated };
        let number = |orders, negated| Self::Number { orders, negated, values: patterns(false) };
        let date = |orders, negated| Self::Date { orders, negated, values: patterns(false) };
        let ranges = || texts.iter().map(|text| Range::parse(text)).collect();
        Some(match word {
            "StringEquals" => text(false, Case::Exact, false),
            "StringNotEquals" => text(false, Case::Exact, true),
            "StringEqualsIgnoreCase" => text(false, Case::Ignored, false),
            "StringNotEqualsIgnoreCase" => text(false, Case::Ignored, true),
            "StringLike" => text(true, Case::Exact, false),
            "StringNotLike" => text(true, Case::Exact, true),
            // The two are the same (IAM User Guide, "ARN condition operators").
            "ArnEquals" | "ArnLike" => Self::Arn { patterns: patterns(true), negated: false },
            "ArnNotEquals" | "ArnNotLike" => Self::Arn { patterns: patterns(true), negated: true },
            "NumericEquals" => number(&[Equal], false),
            "NumericNotEquals" => number(&[Equal], true),
            "NumericLessThan" => number(&[Less], false),
            "NumericLessThanEquals" => number(&[Less, Equal], false),
            "NumericGreaterThan" => number(&[Greater], false),
            "NumericGreaterThanEquals" => number(&[Greater, Equal], false),
            "DateEquals" => date(&[Equal], false),
            "DateNotEquals" => date(&[Equal], true),
            "DateLessThan" => date(&[Less], false),
            "DateLessThanEquals" => date(&[Less, Equal], false),
            "DateGreaterThan" => date(&[Greater], false),
            "DateGreaterThanEquals" => date(&[Greater, Equal], false),
            "Bool" => Self::Bool(patterns(false)),
            "BinaryEquals" => Self::Binary(texts.to_vec()),
            "IpAddress" => Self::Address { ranges: ranges(), negated: false },
            "NotIpAddress" => Self::Address { ranges: ranges(), negated: true },
            "Null" => Self::Null(texts == ["true"]),
            _ => return None,
        })
    }

    /// Refuse values that the operator can never compare.
    pub(crate) fn checked(self, name: &str, key: &str) -> Result<Self, PolicyError> {
        let every = |values: &[Pattern], fits: fn(&str) -> bool| {
            values.iter().all(|value| value.has_variables() || value.plain().is_some_and(|text| fits(&text)))
        };
        let fine = match &self {
            Self::Number { values, .. } => every(values, |text| number(text).is_some()),
            Self::Date { values, .. } => every(values, |text| date(text).is_some()),
            Self::Bool(values) => every(values, is_bool),
            Self::Binary(values) => {
                values.iter().all(|text| base64_simd::STANDARD.decode_to_vec(text).is_ok())
            }
            Self::Address { ranges, .. } => ranges.iter().all(Option::is_some),
            Self::Text { .. } | Self::Arn { .. } | Self::Null(_) => true,
        };
        if fine { Ok(self) } else { wrong(format!("A value of {key} is not one that {name} can compare.")) }
    }

    pub(crate) fn is_negated(&self) -> bool {
        match self {
            Self::Text { negated, .. }
            | Self::Arn { negated, .. }
            | Self::Number { negated, .. }
            | Self::Date { negated, .. }
            | Self::Address { negated, .. } => *negated,
            Self::Bool(_) | Self::Binary(_) | Self::Null(_) => false,
        }
    }

    /// Whether it holds for one value of the request.
    pub(crate) fn holds(&self, value: &str, request: &Request<'_>) -> bool {
        let plain = |values: &[Pattern], fits: &dyn Fn(&str) -> bool| {
            values.iter().filter_map(|pattern| pattern.resolved(request)).any(|text| fits(&text))
        };
        match self {
            Self::Text { patterns, case, negated } => {
                patterns.iter().any(|pattern| pattern.matches(value, *case, request)) != *negated
            }
            Self::Arn { patterns, negated } => {
                patterns.iter().any(|pattern| arn_matches(pattern, value, request)) != *negated
            }
            Self::Number { orders, negated, values } => {
                let Some(given) = number(value) else { return *negated };
                let fits = |text: &str| {
                    number(text)
                        .and_then(|other| given.partial_cmp(&other))
                        .is_some_and(|order| orders.contains(&order))
                };
                plain(values, &fits) != *negated
            }
            Self::Date { orders, negated, values } => {
                let Some(given) = date(value) else { return *negated };
                let fits = |text: &str| date(text).is_some_and(|other| orders.contains(&given.cmp(&other)));
                plain(values, &fits) != *negated
            }
            Self::Bool(values) => plain(values, &|text| text.eq_ignore_ascii_case(value)),
            Self::Binary(values) => values.iter().any(|text| text == value),
            Self::Address { ranges, negated } => {
                let Ok(address) = value.parse() else { return *negated };
                ranges.iter().flatten().any(|range| range.contains(address)) != *negated
            }
            Self::Null(absent) => !absent,
        }
    }
}

/// Part by part: a wildcard of one does not reach into the next.
fn arn_matches(pattern: &Pattern, value: &str, request: &Request<'_>) -> bool {
    let (patterns, values) = (pattern.segments(), value.splitn(6, ':').collect::<Vec<_>>());
    patterns.len() == values.len()
        && patterns.iter().zip(values).all(|(pattern, value)| pattern.matches(value, Case::Exact, request))
}

fn is_bool(text: &str) -> bool {
    text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false")
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Seconds since the epoch of `2026-11-23`, `2026-11-23T03:45:00Z` (with a fraction or an offset, or without) or of a
/// number of seconds.
fn date(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<i64>() {
        return Some(seconds);
    }
    let (day, time) = text.split_once('T').unwrap_or((text, "00:00:00Z"));
    let mut fields = day.splitn(3, '-').map(digits);
    let (year, month, day) = (fields.next()??, fields.next()??, fields.next()??);
    let (clock, offset) = match time.find(['Z', '+', '-']) {
        Some(at) => time.split_at(at),
        None => return None,
    };
    let offset = match offset.split_at_checked(1)? {
        ("Z", "") => 0,
        (sign, hours) => {
            let (hours, minutes) = hours.split_once(':')?;
            let seconds = digits(hours)? * 3_600 + digits(minutes)? * 60;
            if sign == "-" { -seconds } else { seconds }
        }
    };
    let clock = clock.split_once('.').map_or(clock, |(clock, _fraction)| clock);
    let mut fields = clock.splitn(3, ':').map(digits);
    let (hour, minute) = (fields.next()??, fields.next()??);
    let second = fields.next().unwrap_or(Some(0))?;
    let fits = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60
        && (1..=9_999).contains(&year);
    fits.then(|| days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset)
}

fn digits(text: &str) -> Option<i64> {
    let fine = !text.is_empty() && text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    fine.then(|| text.parse().ok()).flatten()
}

/// Days from 1970-01-01. Years are counted from March, so that the leap day is the last of its year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01", 0),
            ("2026-11-23T03:45:46Z", 1_795_405_546),
            ("2026-11-23T03:45:46.123Z", 1_795_405_546),
            ("2026-11-23T04:45:46+01:00", 1_795_405_546),
            ("2026-11-23T03:45Z", 1_795_405_500),
            ("1795405546", 1_795_405_546),
            ("2024-02-29", 1_709_164_800),
        ] {
            assert_eq!(date(text), Some(seconds), "{text}");
        }
        for bad in [
            "",
            "soon",
            "2026-13-01",
            "2026-01-01T25:00:00Z",
            "2026-01-01T00:00:00",
            "2026-1",
            "2026-01-01Tx",
        ] {
            assert_eq!(date(bad), None, "{bad}");
        }
    }
}
