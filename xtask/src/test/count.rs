//! How many tests passed, read from what the test runners print.

use std::fmt;

/// A number of tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Counts {
    pub(crate) fn add(&mut self, more: Counts) {
        self.passed += more.passed;
        self.failed += more.failed;
        self.skipped += more.skipped;
    }
}

/// The form that scripts around this program read; do not change it.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Who prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// A check without tests of its own: the whole step is one.
    Whole,
    /// `cargo test`.
    Cargo,
    /// Python's `unittest`.
    Unittest,
    /// `node --test --test-reporter=tap`.
    Tap,
    /// `go test -v`.
    Go,
}

/// Counts what was printed. A run that ended badly has at least one failure, and one that ended well and tells of no
/// test at all is a failure too: a suite that is not found must not look like one that passes.
pub(crate) fn count(format: Format, printed: &str, ended_well: bool) -> Counts {
    let mut counts = match format {
        Format::Whole => Counts { passed: usize::from(ended_well), ..Counts::default() },
        Format::Cargo => cargo(printed),
        Format::Unittest => unittest(printed),
        Format::Tap => tap(printed),
        Format::Go => go(printed),
    };
    let nothing = counts == Counts::default();
    if counts.failed == 0 && (!ended_well || nothing) {
        counts.failed = 1;
    }
    counts
}

/// Sums the lines `test result: ok. 3 passed; 0 failed; 1 ignored; …`, one for each test program.
fn cargo(printed: &str) -> Counts {
    let mut counts = Counts::default();
    for line in printed.lines().filter(|line| line.starts_with("test result: ")) {
        let number = |name: &str| number_before(line, name);
        counts.add(Counts {
            passed: number(" passed"),
            failed: number(" failed"),
            skipped: number(" ignored"),
        });
    }
    counts
}

fn number_before(line: &str, name: &str) -> usize {
    let before = line.split(name).next().filter(|before| before.len() < line.len()).unwrap_or_default();
    let digits = before.rsplit(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    digits.parse().unwrap_or(0)
}

fn number_after(text: &str, name: &str) -> usize {
    let after = text.split_once(name).map(|(_, after)| after).unwrap_or_default();
    after.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default().parse().unwrap_or(0)
}

/// Reads `Ran 12 tests in 0.1s` and `FAILED (failures=1, errors=2, skipped=3)` or `OK (skipped=3)`.
fn unittest(printed: &str) -> Counts {
    let mut counts = Counts::default();
    let mut ran = 0;
    for line in printed.lines() {
        if line.starts_with("Ran ") && line.contains(" test") {
            ran = number_after(line, "Ran ");
        }
        if line.starts_with("OK") || line.starts_with("FAILED (") || line.starts_with("NO TESTS RAN") {
            let failed = number_after(line, "failures=") + number_after(line, "errors=");
            let skipped = number_after(line, "skipped=");
            // A failing subtest counts as a failure without being a test of its own.
            let passed = ran.saturating_sub(failed + skipped);
            counts.add(Counts { passed, failed, skipped });
        }
    }
    counts
}

/// Reads the closing `# pass 3`, `# fail 0`, `# cancelled 0`, `# skipped 1`.
fn tap(printed: &str) -> Counts {
    let last = |name: &str| {
        let line = printed.lines().rev().find(|line| line.starts_with(name));
        line.map(|line| number_after(line, name)).unwrap_or_default()
    };
    Counts {
        passed: last("# pass "),
        failed: last("# fail ") + last("# cancelled "),
        skipped: last("# skipped "),
    }
}

/// Reads `--- PASS: TestName (0.10s)`; the lines of subtests are indented and not counted.
fn go(printed: &str) -> Counts {
    let lines = |result: &str| printed.lines().filter(|line| line.starts_with(result)).count();
    Counts { passed: lines("--- PASS: "), failed: lines("--- FAIL: "), skipped: lines("--- SKIP: ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(passed: usize, failed: usize, skipped: usize) -> Counts {
        Counts { passed, failed, skipped }
    }

    #[test]
    fn cargo_test_programs_are_summed() {
        let printed = "running 3 tests\n\
            test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
            test result: FAILED. 10 passed; 2 failed; 0 ignored; 0 measured; 7 filtered out; finished in 0.00s\n";
        assert_eq!(count(Format::Cargo, printed, false), counts(13, 2, 1));
    }

    #[test]
    fn unittest_counts_failures_errors_and_skips() {
        let printed = "Ran 12 tests in 0.1s\n\nFAILED (failures=1, errors=2, skipped=3)\n";
        assert_eq!(count(Format::Unittest, printed, false), counts(6, 3, 3));
        assert_eq!(count(Format::Unittest, "Ran 1 test in 0.1s\n\nOK\n", true), counts(1, 0, 0));
        assert_eq!(count(Format::Unittest, "Ran 2 tests in 0.1s\n\nOK (skipped=1)\n", true), counts(1, 0, 1));
    }

    #[test]
    fn tap_counts_the_closing_lines() {
        let printed =
            "ok 1 - a\n# tests 4\n# suites 0\n# pass 2\n# fail 1\n# cancelled 0\n# skipped 1\n# todo 0\n";
        assert_eq!(count(Format::Tap, printed, false), counts(2, 1, 1));
    }

    #[test]
    fn go_tests_are_counted_without_their_parts() {
        let printed = "=== RUN   TestA\n=== RUN   TestA/part\n--- FAIL: TestA (0.10s)\n    --- FAIL: TestA/part (0.10s)\n\
            --- PASS: TestB (1.00s)\n    --- PASS: TestB/part (1.00s)\n--- SKIP: TestC (0.00s)\nFAIL\n";
        assert_eq!(count(Format::Go, printed, false), counts(1, 1, 1));
        // A program that breaks off tells of no failure, and one that does not compile of no test.
        assert_eq!(count(Format::Go, "--- PASS: TestB (1.00s)\npanic: no\n", false), counts(1, 1, 0));
        assert_eq!(
            count(Format::Go, "FAIL\tmillstream/conformance [build failed]\n", false),
            counts(0, 1, 0)
        );
    }

    #[test]
    fn no_test_at_all_and_a_bad_end_are_failures() {
        assert_eq!(count(Format::Cargo, "error: could not compile", false), counts(0, 1, 0));
        assert_eq!(count(Format::Unittest, "Ran 0 tests in 0.0s\n\nNO TESTS RAN\n", true), counts(0, 1, 0));
        assert_eq!(count(Format::Whole, "", true), counts(1, 0, 0));
        assert_eq!(count(Format::Whole, "", false), counts(0, 1, 0));
    }

    #[test]
    fn the_summary_has_its_exact_form() {
        assert_eq!(counts(1, 2, 3).to_string(), "1 passed, 2 failed, 3 skipped");
    }
}
