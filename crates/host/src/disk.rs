//! The disk as an input.
