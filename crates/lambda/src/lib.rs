//! Lambda: one file per operation.
