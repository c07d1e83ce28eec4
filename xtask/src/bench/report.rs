//! A part's tables and its targets, which are judged here and nowhere else.

use serde_json::Value;

use super::figures::shown;

/// What a part found.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) title: String,
    /// Paragraphs before the tables: what was done, on what.
    pub(crate) text: Vec<String>,
    pub(crate) tables: Vec<Table>,
    pub(crate) targets: Vec<Target>,
    /// What went wrong, was left out, or should be known.
    pub(crate) notes: Vec<String>,
    pub(crate) raw: Value,
}

/// One number that has to be reached.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) what: String,
    pub(crate) measured: String,
    pub(crate) wanted: String,
    pub(crate) met: bool,
}

impl Target {
    /// At least so much; what could not be measured is missed.
    pub(crate) fn at_least(
        what: impl Into<String>,
        measured: f64,
        least: f64,
        show: fn(f64) -> String,
    ) -> Self {
        let wanted = format!("≥ {}", show(least));
        Self { what: what.into(), measured: show(measured), wanted, met: measured >= least }
    }

    /// At most so much; what could not be measured is missed.
    pub(crate) fn at_most(
        what: impl Into<String>,
        measured: f64,
        most: f64,
        show: fn(f64) -> String,
    ) -> Self {
        let wanted = format!("≤ {}", show(most));
        Self { what: what.into(), measured: show(measured), wanted, met: measured <= most }
    }
}

/// Milliseconds.
pub(crate) fn ms(value: f64) -> String {
    format!("{} ms", shown(value))
}

/// `8.2 ×`.
pub(crate) fn times(value: f64) -> String {
    format!("{} ×", shown(value))
}

#[derive(Debug)]
pub(crate) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// The first column is text, the others are numbers.
    pub(crate) fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(|cell| (*cell).to_owned()).collect(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut cells: Vec<String> = cells.into_iter().collect();
        cells.resize(self.head.len(), String::new());
        self.rows.push(cells);
    }

    fn markdown(&self) -> String {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "/")).collect();
            format!("| {} |", cells.join(" | "))
        };
        let rule = format!("|---|{}", "---:|".repeat(self.head.len().saturating_sub(1)));
        let mut lines = vec![line(&self.head), rule];
        lines.extend(self.rows.iter().map(|row| line(row)));
        lines.join("\n")
    }
}

impl Section {
    pub(crate) fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            text: Vec::new(),
            tables: Vec::new(),
            targets: Vec::new(),
            notes: Vec::new(),
            raw: Value::Null,
        }
    }

    pub(crate) fn markdown(&self) -> String {
        let mut blocks = vec![format!("## {}", self.title)];
        blocks.extend(self.text.iter().cloned());
        blocks.extend(self.tables.iter().map(Table::markdown));
        if !self.targets.is_empty() {
            let mut table = Table::new(&["target", "measured", "wanted", ""]);
            for target in &self.targets {
                let verdict = if target.met { "met" } else { "**missed**" };
                table.row([
                    target.what.clone(),
                    target.measured.clone(),
                    target.wanted.clone(),
                    verdict.to_owned(),
                ]);
            }
            blocks.push(table.markdown());
        }
        if !self.notes.is_empty() {
            blocks.push(self.notes.iter().map(|note| format!("- {note}")).collect::<Vec<_>>().join("\n"));
        }
        blocks.join("\n\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_judged_by_their_numbers() {
        let at_least = |value| Target::at_least("a", value, 0.8, shown).met;
        assert_eq!([0.79, 0.8, f64::NAN].map(at_least), [false, true, false]);
        let at_most = |value| Target::at_most("a", value, 10.0, ms).met;
        assert_eq!([10.0, 10.1, f64::NAN].map(at_most), [true, false, false]);
    }

    #[test]
    fn a_section_is_markdown() {
        let mut section = Section::new("Title");
        section.text.push("Text.".to_owned());
        let mut table = Table::new(&["", "MB/s"]);
        table.row(["a|b".to_owned(), "1".to_owned()]);
        section.tables.push(table);
        section.targets.push(Target::at_least("x", 1.0, 2.0, times));
        section.notes.push("Note.".to_owned());
        let expected = "## Title\n\nText.\n\n|  | MB/s |\n|---|---:|\n| a/b | 1 |\n\n\
             | target | measured | wanted |  |\n|---|---:|---:|---:|\n| x | 1.00 × | ≥ 2.00 × | **missed** |\n\n- Note.";
        assert_eq!(section.markdown(), expected);
    }
}
