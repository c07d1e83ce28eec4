//! Two processes and one data directory.

use millstream_log_embedded::{EmbeddedLog, Options};
use std::path::Path;
use std::process::Command;

const DIRECTORY: &str = "MILLSTREAM_TEST_DIRECTORY";
const EXPECTED: &str = "MILLSTREAM_TEST_EXPECTED";

/// Run the test `the_other_process` in a process of its own.
fn other_process(directory: &Path, expected: &str) {
    let program = std::env::current_exe().expect("this test is a program");
    let output = Command::new(program)
        .args(["--exact", "the_other_process", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(EXPECTED, expected)
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_other_process() {
    let (Ok(directory), Ok(expected)) = (std::env::var(DIRECTORY), std::env::var(EXPECTED)) else {
        // Only as the second process is there something to do.
        return;
    };
    let options = Options::in_directory(Path::new(&directory)).expect("the directory is there");
    let options = Options { wal_file_bytes: 64 << 10, ..options };
    let found = EmbeddedLog::open(&options).map_or_else(|error| error.to_string(), |_| "opened".to_owned());
    assert!(found.contains(&expected), "{found}");
    assert!(expected == "opened" || found.contains(&directory), "{found}");
}

#[test]
fn a_second_process_is_refused_while_the_first_runs() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("data");
    let options = Options::in_directory(&path).expect("the directory is made");
    let options = Options { wal_file_bytes: 64 << 10, ..options };
    let (log, _) = EmbeddedLog::open(&options).expect("the log opens");
    other_process(&path, "is in use by another Millstream process");
    drop(log);
    other_process(&path, "opened");
}
