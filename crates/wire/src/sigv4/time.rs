//! The two ways in which a request says when it was signed.

use millstream_types::Timestamp;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `20261123T034500Z`
pub fn basic(time: Timestamp) -> String {
    let (year, month, day, hour, minute, second, _) = time.civil();
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// A time in ISO 8601's basic format (`X-Amz-Date`) or as HTTP writes it (`Date`: `Sun, 06 Nov 1994 08:49:37 GMT`).
pub fn parse_date(text: &str) -> Option<Timestamp> {
    iso(text).or_else(|| http(text))
}

fn iso(text: &str) -> Option<Timestamp> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    if date.len() != 8 || time.len() != 6 {
        return None;
    }
    let field = |text: &str, from: usize, to: usize| digits(text.get(from..to)?);
    moment(
        [field(date, 0, 4)?, field(date, 4, 6)?, field(date, 6, 8)?],
        [field(time, 0, 2)?, field(time, 2, 4)?, field(time, 4, 6)?],
    )
}

fn http(text: &str) -> Option<Timestamp> {
    let mut words = text.split_once(", ")?.1.split(' ');
    let (day, month, year) = (digits(words.next()?)?, words.next()?, digits(words.next()?)?);
    let month = MONTHS.iter().position(|name| *name == month)?.checked_add(1)?;
    let mut clock = words.next()?.split(':');
    let clock = [digits(clock.next()?)?, digits(clock.next()?)?, digits(clock.next()?)?];
    let ends = words.next() == Some("GMT") && words.next().is_none();
    ends.then(|| moment([year, u64::try_from(month).ok()?, day], clock)).flatten()
}

fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn moment([year, month, day]: [u64; 3], [hour, minute, second]: [u64; 3]) -> Option<Timestamp> {
    let fits = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !fits {
        return None;
    }
    let seconds = days(year, month, day)?
        .checked_mul(86_400)?
        .checked_add(hour.checked_mul(3_600)?)?
        .checked_add(minute.checked_mul(60)?)?
        .checked_add(second)?;
    Some(Timestamp::from_millis(seconds.checked_mul(1_000)?))
}

/// Days from 1970-01-01 to a date. Years are counted from March, so that the leap day is the last of its year.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = year.checked_sub(u64::from(month <= 2))?;
    let month = if month > 2 { month.checked_sub(3)? } else { month.checked_add(9)? };
    let of_year = month.checked_mul(153)?.checked_add(2)?.checked_div(5)?.checked_add(day)?.checked_sub(1)?;
    let leap = (year / 4).checked_sub(year / 100)?.checked_add(year / 400)?;
    year.checked_mul(365)?.checked_add(leap)?.checked_add(of_year)?.checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_say_the_same() {
        let then = Timestamp::from_millis(784_111_777_000);
        assert_eq!(parse_date("19941106T084937Z"), Some(then));
        assert_eq!(parse_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(then));
        assert_eq!(basic(then), "19941106T084937Z");
        for day in [0_u64, 58, 59, 60, 365, 789, 11_016, 11_017, 20_000, 47_541] {
            let time = Timestamp::from_millis(day * 86_400_000 + 3_723_000);
            assert_eq!(parse_date(&basic(time)), Some(time), "{day}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for bad in [
            "",
            "2015",
            "20150230",
            "20151330T000000Z",
            "20150830T250000Z",
            "20150830T123600",
            "2015083aT123600Z",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Foo 1994 08:49:37 GMT",
            "+0150830T123600Z",
            "0000-0-0T0-0-0Z",
            "日本2015T123600Z",
        ] {
            assert_eq!(parse_date(bad), None, "{bad}");
        }
    }
}
