//! Values in headers, labels and query strings.

use crate::DecodeError;
use millstream_types::Timestamp;

/// A value read from text outside the body.
pub trait FromText: Sized {
    fn from_text(text: &str) -> Result<Self, DecodeError>;
}

/// A value written to a header.
pub trait ToText {
    fn to_text(&self) -> String;
}

macro_rules! text_number {
    ($($type:ty => $name:literal),*) => {$(
        impl FromText for $type {
            fn from_text(text: &str) -> Result<Self, DecodeError> {
                text.parse().map_err(|error| {
                    DecodeError::new(format!("'{text}' cannot be converted to {}: {error}", $name))
                })
            }
        }

        impl ToText for $type {
            fn to_text(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

text_number!(i32 => "Integer", i64 => "Long", bool => "Boolean");

impl FromText for f64 {
    fn from_text(text: &str) -> Result<Self, DecodeError> {
        let value: Option<Self> = text.parse().ok().filter(|value: &Self| value.is_finite());
        value.ok_or_else(|| DecodeError::new(format!("'{text}' cannot be converted to Double")))
    }
}

impl FromText for String {
    fn from_text(text: &str) -> Result<Self, DecodeError> {
        Ok(text.to_owned())
    }
}

impl ToText for String {
    fn to_text(&self) -> String {
        self.clone()
    }
}

impl FromText for Timestamp {
    /// `2026-11-22T17:30:00Z`, with an optional fraction: how the REST protocols write times in a query string.
    fn from_text(text: &str) -> Result<Self, DecodeError> {
        parse_date(text).ok_or_else(|| {
            DecodeError::new(format!("'{text}' is not a date: write it as 2026-11-22T17:30:00Z"))
        })
    }
}

fn parse_date(text: &str) -> Option<Timestamp> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut days = date.splitn(3, '-').map(|part| number(part, if part.len() == 4 { 4 } else { 2 }));
    let (year, month, day) = (days.next()??, days.next()??, days.next()??);
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut parts = clock.splitn(3, ':').map(|part| number(part, 2));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let millis = millis_of(fraction)?;
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 59
    {
        return None;
    }
    if day == 0 || day > days_in_month(year, month) {
        return None;
    }
    let days = days_before_year(year) - days_before_year(1970)
        + (1..month).map(|m| days_in_month(year, m)).sum::<u64>()
        + day
        - 1;
    Some(Timestamp::from_millis((((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000 + millis))
}

fn number(text: &str, digits: usize) -> Option<u64> {
    (text.len() == digits && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn millis_of(fraction: &str) -> Option<u64> {
    if fraction.is_empty() || fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let three: String = fraction.chars().chain("000".chars()).take(3).collect();
    three.parse().ok()
}

/// Days from 0001-01-01 to the first day of `year`.
const fn days_before_year(year: u64) -> u64 {
    let y = year - 1;
    y * 365 + y / 4 - y / 100 + y / 400
}

const fn days_in_month(year: u64, month: u64) -> u64 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_in_queries() {
        let at = |text| Timestamp::from_text(text).map(Timestamp::millis);
        assert_eq!(at("2023-11-14T22:13:20Z"), Ok(1_700_000_000_000));
        assert_eq!(at("2023-11-14T22:13:20.123456Z"), Ok(1_700_000_000_123));
        assert_eq!(at("2000-02-29T00:00:00Z"), Ok(951_782_400_000));
        for bad in ["", "2023-02-29T00:00:00Z", "1969-12-31T00:00:00Z", "2023-11-14", "2023-11-14T22:13:20.Z"]
        {
            assert!(at(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_in_queries() {
        assert_eq!(i32::from_text("50"), Ok(50));
        assert!(i32::from_text("5x").unwrap_err().message.contains("Integer"));
        assert!(f64::from_text("inf").is_err());
    }
}
