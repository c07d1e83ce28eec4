//! Where a command's input comes from.

use crate::terminal::note;
use anyhow::{Context, Result};
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::path::Path;

/// A reader, and how many bytes it will give if that is known.
pub(super) type Input = (Box<dyn BufRead + Send>, Option<u64>);

/// A file, or standard input.
pub(super) fn open(path: Option<&Path>) -> Result<Input> {
    let Some(path) = path.filter(|path| *path != Path::new("-")) else {
        if io::stdin().is_terminal() {
            note("(reading lines from the terminal; Ctrl-D ends)");
        }
        return Ok((Box::new(BufReader::new(io::stdin())), None));
    };
    let shown = path.display();
    let file = millstream_host::fs::open(path).with_context(|| format!("cannot read {shown}"))?;
    let meta = file.metadata().with_context(|| format!("cannot read {shown}"))?;
    anyhow::ensure!(!meta.is_dir(), "{shown} is a directory");
    let length = meta.is_file().then_some(meta.len());
    Ok((Box::new(BufReader::with_capacity(1 << 16, file)), length))
}
