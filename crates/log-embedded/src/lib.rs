//! The embedded log: one write-ahead log with group commit.
