// Which operations, and which errors of the model, the tests have reached: told by a run of them, one answer a line.

use super::MODEL;
use super::unreached::{BY_CHANCE, NEVER, SOMETIMES};
use std::collections::{BTreeMap, BTreeSet};

/// Set for a run whose answers are to be told.
pub(super) const TELLING: &str = "MILLSTREAM_TELL";
const PAGE: &str = include_str!("../../../../docs/compatibility.md");

/// One answer: the error's name, or `None`.
#[expect(clippy::print_stdout, reason = "the run that started this one reads it")]
pub(super) fn tell(operation: &str, code: Option<&str>) {
    if std::env::var_os(TELLING).is_some() {
        println!("\ntold {operation} {}", code.unwrap_or("-"));
    }
}

fn supported() -> BTreeSet<&'static str> {
    let (_, page) = PAGE.split_once("\n## Kinesis Data Streams\n").expect("the page has Kinesis");
    let (page, _) = page.split_once("\n## ").expect("and more");
    let rows =
        page.lines().filter(|line| line.starts_with("| `") && !line.contains("UnknownOperationException"));
    rows.filter_map(|line| line.split('`').nth(1)).collect()
}

/// Every operation was called, and what of its errors no test produces is what [`super::unreached`] says.
pub(super) fn check(told: &str) {
    let told = told.lines().filter_map(|line| line.strip_prefix("told ")?.split_once(' '));
    let told: BTreeSet<(&str, &str)> = told.collect();
    let operations = MODEL["operations"].as_object().expect("the model has operations");
    let mut unreached = BTreeMap::<&str, BTreeSet<&str>>::new();
    let supported = supported();
    assert!(supported.len() > 50, "{}", supported.len());
    for name in &supported {
        assert!(told.contains(&(name, "-")), "no test calls {name} successfully");
        for error in operations[*name]["errors"].as_array().into_iter().flatten() {
            let error = error["shape"].as_str().expect("an error has a shape");
            if !told.contains(&(name, error)) && !BY_CHANCE.contains(&error) {
                unreached.entry(error).or_default().insert(name);
            }
        }
    }
    for (why, errors) in NEVER {
        for error in *errors {
            assert!(told.iter().all(|(_, code)| code != error), "{error} is answered, and not: {why}");
            assert!(unreached.remove(error).is_some(), "{error} is none of the model's");
        }
    }
    let listed =
        SOMETIMES.iter().map(|(_, error, operations)| (*error, operations.iter().copied().collect()));
    let listed: BTreeMap<&str, BTreeSet<&str>> = listed.collect();
    assert_eq!(unreached, listed, "the errors that no test produces, and the list of them");
}
