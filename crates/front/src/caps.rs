//! Limits of the front: what one client, or all of them, can make the server hold.

use std::time::Duration;

/// Open connections; further ones wait to be accepted. Fewer where the system allows too few open files: half of those
/// are for connections.
pub const CONNECTIONS: usize = 200_000;

/// Streams of one HTTP/2 connection. The KCL opens one per shard.
pub const HTTP2_STREAMS: u32 = 10_000;

/// HTTP/2 flow control: what a client may send ahead on a stream and on a connection, in bytes.
pub const HTTP2_STREAM_WINDOW: u32 = 1 << 20;
pub const HTTP2_CONNECTION_WINDOW: u32 = 8 << 20;

/// A Kinesis request: 10 MiB of data in base64, with room for keys and JSON.
pub const KINESIS_BODY: usize = 20 << 20;

/// A Lambda request: what AWS takes for CreateFunction (50 MB of zip in base64).
pub const LAMBDA_BODY: usize = 70_167_211;

/// A Lambda invocation: the payload's 6 MiB, with room for the service to say itself that it is too large.
pub const INVOCATION_BODY: usize = 7 << 20;

/// A request to CloudWatch Logs: 1 MiB of messages, each character of which may be escaped in JSON.
pub const LOGS_BODY: usize = 8 << 20;

/// Request bodies being held at one time, all clients together, in KiB. Each service has its own: uploads of functions
/// must not keep records out.
pub const KINESIS_BODIES_KIB: usize = 512 << 10;
pub const LAMBDA_BODIES_KIB: usize = 512 << 10;
pub const LOGS_BODIES_KIB: usize = 128 << 10;

/// Answers of GetRecords being made or sent, in KiB, and what one may need: 10 MiB of records in base64.
pub const ANSWERS_KIB: usize = 1 << 20;
pub const ANSWER_KIB: u32 = 14 << 10;

/// What a page of log events may need: 1 MiB of messages, escaped.
pub const LOGS_ANSWER_KIB: u32 = 8 << 10;

/// How long GetRecords waits for its share of that before the client is throttled.
pub const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// How long an answer waits for its client to take some of it before the connection is closed. A subscription waits a little
/// longer than it lives (five minutes): consumers process what they have before they take more.
pub const ANSWER_STALL: Duration = Duration::from_mins(1);
pub const EVENTS_STALL: Duration = Duration::from_mins(6);

/// How long a connection tries to send before it is given up.
pub const SEND_STALL: Duration = EVENTS_STALL;

/// What of a refused request's body is read and thrown away, so that the client gets to read why.
pub const DISCARD: usize = 100 << 20;
pub const DISCARD_TIME: Duration = Duration::from_secs(10);

/// A connection must bring its first request within this time.
pub const FIRST_REQUEST: Duration = Duration::from_secs(30);

/// A TLS handshake must be done after this time.
pub const HANDSHAKE: Duration = Duration::from_secs(10);

/// A request's body must be here after this time.
pub const BODY_TIME: Duration = Duration::from_mins(2);

/// A connection may be silent this long between requests. Java clients pool theirs for 60 s.
pub const IDLE: Duration = Duration::from_secs(75);

/// Faults that can be set, how long one may make a request wait, and the bytes of text that sets them.
pub const FAULTS: usize = 100;
pub const FAULT_LATENCY: Duration = Duration::from_mins(1);
pub const FAULTS_BODY: usize = 64 << 10;

/// At shutdown, requests under way get this long to finish.
pub const DRAIN: Duration = Duration::from_secs(5);
