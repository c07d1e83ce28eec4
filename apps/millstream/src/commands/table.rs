//! Answers as tables and as JSON.

use super::connection::Output;
use crate::terminal::say;
use anyhow::{Context, Result};
use serde_json::Value;

/// Rows below headings, as wide as what stands in them.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

const GAP: &str = "   ";

impl Table {
    pub(crate) fn new<const N: usize>(headings: [&str; N]) -> Self {
        Self { rows: vec![headings.iter().map(|heading| heading.to_uppercase()).collect()] }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into_iter().map(|cell| plain(&cell)).collect());
    }

    pub(crate) fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
        };
        self.rows.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// Names and values, one a line.
pub(crate) fn facts<const N: usize>(facts: [(&str, String); N]) -> String {
    let shown: Vec<_> = facts.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    let width = shown.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let lines = shown.iter().map(|(name, value)| format!("{name:<width$}{GAP}{}", plain(value)));
    lines.collect::<Vec<_>>().join("\n")
}

/// Text of others, without what could do something to a terminal. New lines and tabs stay.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c }).collect()
}

/// Print an answer as it is wanted.
pub(crate) fn print(output: Output, json: &Value, text: impl FnOnce() -> String) -> Result<()> {
    match output {
        Output::Json => say(serde_json::to_string_pretty(json).context("the answer as JSON")?),
        Output::Text => say(text()),
    }
    Ok(())
}

/// A time of the SDK as RFC 3339 with milliseconds; of before 1970 as 1970.
pub(crate) fn time(at: aws_sdk_kinesis::primitives::DateTime) -> String {
    timestamp(at).to_string()
}

pub(crate) fn timestamp(at: aws_sdk_kinesis::primitives::DateTime) -> millstream_types::Timestamp {
    let millis = at.to_millis().ok().and_then(|millis| u64::try_from(millis).ok());
    millstream_types::Timestamp::from_millis(millis.unwrap_or_default())
}

/// `1 shard`, `2 shards`
pub(crate) fn count(number: impl TryInto<u64>, one: &str) -> String {
    let number = number.try_into().unwrap_or_default();
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {one}{plural}", grouped(number))
}

/// `1,234,567`
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["name", "shards"]);
        table.row(["signups".into(), "2".into()]);
        table.row(["é".into(), "10".into()]);
        assert_eq!(table.render(), "NAME      SHARDS\nsignups   2\né         10");
    }

    #[test]
    fn nothing_of_others_moves_the_cursor() {
        let mut table = Table::new(["a"]);
        table.row(["\u{1b}[2Jx".into()]);
        assert_eq!(table.render(), "A\n\u{fffd}[2Jx");
        assert_eq!(
            facts([("Name", "a\r".into()), ("Empty", String::new()), ("Id", "1".into())]),
            "Name   a\u{fffd}\nId     1"
        );
    }

    #[test]
    fn numbers_read_well() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
        assert_eq!((count(1, "shard"), count(2_000, "shard")), ("1 shard".into(), "2,000 shards".into()));
    }
}
