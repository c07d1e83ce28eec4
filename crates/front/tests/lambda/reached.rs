//! The table of operations and the model's errors, against what the tests have seen.

#[path = "../../../lambda/tests/common/mod.rs"]
mod common;

use std::collections::BTreeSet;

#[test]
fn over_the_other_version_the_same_is_answered() {
    let told = common::transport::in_other_ways();
    let told: BTreeSet<&str> = told.lines().filter_map(|line| line.strip_prefix("told ")).collect();
    for line in told { println!("T {line}"); }
}
