//! WebAssembly components as functions.
//!
//! A function is a component of the world `wasi:cli/command` (WASI 0.2): what a compiler makes of a program with a `main`.
//! The event is its standard input, its standard output the result, its standard error the log. It is compiled to machine
//! code once ([`Engine::compile`]), when the function is deployed, and each [`Program::call`] runs in an instance of its
//! own, which takes microseconds: no call sees what another left behind.
//!
//! A component reaches what it is given and nothing else: directories to read, an address to connect to, clocks and chance.

mod call;
pub mod caps;
mod engine;
mod guest;
mod limiter;
mod streams;

pub use call::{Call, Connect, End, Ended};
pub use engine::{BadComponent, Engine, Program, Unavailable};
pub use streams::Log;
