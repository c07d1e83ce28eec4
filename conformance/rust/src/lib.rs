//! The AWS SDK for Rust against a running server: see `tests/`. There is nothing to link here.
