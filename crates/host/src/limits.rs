//! What the operating system lets this process have.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io;

/// Raise the limit on open files (sockets among them) to the most that is allowed, and say what it is then. The usual
/// soft limit of 1,024 is a relic of select(2), which nothing here uses.
pub fn raise_open_files() -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(hard)
}
