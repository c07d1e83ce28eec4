//! The Rust SDK against a running server.
