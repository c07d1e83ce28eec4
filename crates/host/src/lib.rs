//! The only place that may touch the clock, entropy, the disk and threads. Everything else gets them from here, so
//! that a test can put its own in their place. `clippy.toml` holds the rest of the house to it.

mod buffers;
pub mod clock;
pub mod disk;
pub mod entropy;
pub mod fs;
pub mod limits;
pub mod threads;

pub use buffers::Buffer;
pub use clock::{Clock, SystemClock};
