//! The commands everyone relies on.
fn main() {}
