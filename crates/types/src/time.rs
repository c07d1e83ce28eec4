use serde::{Deserialize, Serialize};
use std::fmt;

/// A point in time: whole milliseconds since the Unix epoch, UTC. AWS shows no finer time anywhere that we serve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    pub const ZERO: Self = Self(0);

    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn secs(self) -> u64 {
        self.0 / 1_000
    }

    #[must_use]
    pub const fn plus_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    #[must_use]
    pub const fn minus_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_sub(millis))
    }

    /// Milliseconds from `earlier` to `self`; 0 if `earlier` is later.
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Year, month, day, hour, minute, second, millisecond in UTC.
    pub fn civil(self) -> (u64, u64, u64, u64, u64, u64, u64) {
        let (days, rest) = (self.0 / 86_400_000, self.0 % 86_400_000);
        // Days since 1970-01-01 to a date in the proleptic Gregorian calendar, counted from 1 March of year 0 so that
        // the leap day is the last day of a year.
        let z = days + 719_468;
        let era = z / 146_097;
        let day_of_era = z % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        (year, month, day, rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60, rest % 1_000)
    }

    /// `2026-11-22T17:30:00.123+0000`, as Lambda writes `LastModified`.
    pub fn lambda_date(self) -> String {
        let (y, mo, d, h, mi, s, ms) = self.civil();
        format!("{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}.{ms:03}+0000")
    }

    /// `Sun, 22 Nov 2026 17:30:00 GMT`, as HTTP writes `Date` (RFC 9110 §5.6.7).
    pub fn http_date(self) -> String {
        const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let (y, mo, d, h, mi, s, _) = self.civil();
        let name = |names: &[&'static str], index: u64| {
            usize::try_from(index).ok().and_then(|i| names.get(i)).copied().unwrap_or_default()
        };
        let (day, month) = (name(&DAYS, self.0 / 86_400_000 % 7), name(&MONTHS, mo - 1));
        format!("{day}, {d:02} {month} {y:04} {h:02}:{mi:02}:{s:02} GMT")
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 with milliseconds: `2026-11-22T17:30:00.123Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day, hour, minute, second, ms) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn dates_read_as_in_a_calendar() {
        let t = Timestamp::from_millis(1_700_000_000_123);
        assert_eq!(t.to_string(), "2023-11-14T22:13:20.123Z");
        assert_eq!(t.http_date(), "Tue, 14 Nov 2023 22:13:20 GMT");
        assert_eq!(t.lambda_date(), "2023-11-14T22:13:20.123+0000");
        assert_eq!(Timestamp::from_millis(951_782_400_000).to_string(), "2000-02-29T00:00:00.000Z");
        assert_eq!(Timestamp::ZERO.http_date(), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
