//! The program. All of it is in the library beside this.

use std::process::ExitCode;

/// Most of what a request allocates is freed by another thread. With the system's allocator that is a fifth of the small
/// requests that a machine can answer. Version 2, as 3 is slow where large batches are kept, and without huge pages, which
/// double an idle server's memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    millstream::main()
}
