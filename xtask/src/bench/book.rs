//! `BENCHMARKS.md`: a measured stretch between two lines, in it one stretch for each part.

use std::path::Path;

use anyhow::Context as _;

use crate::os;

/// The measured tables stand between these two lines; everything else in the file is written by hand.
const BEGIN: &str = "<!-- measured by `cargo xtask bench`: begin -->";
const END: &str = "<!-- measured by `cargo xtask bench`: end -->";

/// Begins a part's stretch, which goes on to the next such line.
const PART: &str = "<!-- part: ";
const PART_END: &str = " -->";

const NEW_FILE: &str = "# Benchmarks\n\n\
    Ratios from one run on one machine, never absolute promises. `cargo xtask bench` measures and replaces the tables below.\n\n";

pub(crate) fn current(file: &Path) -> anyhow::Result<String> {
    if file.is_file() { os::read(file) } else { Ok(format!("{NEW_FILE}{BEGIN}\n{END}\n")) }
}

/// Puts the parts that were measured in the place of their old text. The others stay; all are in `order`.
pub(crate) fn replace(text: &str, order: &[&str], measured: &[(&str, String)]) -> anyhow::Result<String> {
    let (before, rest) = text.split_once(BEGIN).context("the line that begins the measured part is gone")?;
    let (middle, after) = rest.split_once(END).context("the line that ends the measured part is gone")?;
    let old = parts(middle);
    let mut tables = String::new();
    for name in order {
        let new = measured.iter().find(|(part, _)| part == name).map(|(_, text)| text.trim());
        let kept = old.iter().find(|(part, _)| part == name).map(|(_, text)| *text);
        if let Some(text) = new.or(kept) {
            tables.extend([PART, name, PART_END, "\n\n", text, "\n\n"]);
        }
    }
    Ok(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", tables.trim()))
}

/// Names and texts of the parts in the measured stretch.
fn parts(middle: &str) -> Vec<(&str, &str)> {
    middle
        .split(PART)
        .skip(1)
        .filter_map(|part| part.split_once(PART_END))
        .map(|(name, text)| (name, text.trim()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: [&str; 3] = ["a", "b", "c"];

    fn file(parts: &[(&str, &str)]) -> String {
        let parts: Vec<String> =
            parts.iter().map(|(name, text)| format!("{PART}{name}{PART_END}\n\n{text}")).collect();
        format!("# A\n{BEGIN}\n\n{}\n\n{END}\nmore\n", parts.join("\n\n"))
    }

    #[test]
    fn only_what_was_measured_is_replaced() {
        let text = file(&[("a", "old a"), ("c", "old c")]);
        let replaced =
            replace(&text, &ORDER, &[("b", "new b\n".to_owned()), ("c", "new c".to_owned())]).unwrap();
        assert_eq!(replaced, file(&[("a", "old a"), ("b", "new b"), ("c", "new c")]));
        assert_eq!(replace(&replaced, &ORDER, &[]).unwrap(), replaced, "nothing measured changes nothing");
    }

    #[test]
    fn a_part_that_is_no_more_goes_with_its_table() {
        let text = file(&[("gone", "old"), ("a", "old a")]);
        assert_eq!(replace(&text, &ORDER, &[]).unwrap(), file(&[("a", "old a")]));
    }

    #[test]
    fn a_file_without_markers_is_left_alone() {
        assert!(replace("# A\n", &ORDER, &[("a", "new".to_owned())]).is_err());
    }
}
