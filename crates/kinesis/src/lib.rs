//! Kinesis Data Streams: one file per operation.
