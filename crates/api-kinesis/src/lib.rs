//! Generated types of the Kinesis Data Streams API.
