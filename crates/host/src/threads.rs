//! Threads, named.
#![expect(clippy::disallowed_methods, reason = "this is where threads start")]

use std::io;
use std::thread::{Builder, JoinHandle};

/// Start a named thread.
///
/// # Errors
/// If the operating system refuses another thread.
pub fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    Builder::new().name(name.to_owned()).spawn(run)
}
