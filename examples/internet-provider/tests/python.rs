//! Runs the tests of the function and the layer, which are written in their own language.

use std::process::Command;

#[test]
fn the_function_and_the_layer_pass_their_own_tests() {
    let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
    let output = Command::new("python3")
        .args(["-B", "-m", "unittest", "discover", "-s", tests])
        .output()
        .expect("python3, which the function needs too, is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
