//! The sandbox alone, for the tests of this crate; the server's own binary does the same.

use std::process::ExitCode;

fn main() -> ExitCode {
    millstream_functions::sandbox_main(std::env::args_os().skip(2))
}
