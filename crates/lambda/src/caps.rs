//! Limits of the Lambda API: what one request may ask for.

use std::time::Duration;

/// Seconds a function may run. The service model allows more, for managed instances, which are not built.
pub const TIMEOUT_SECS: i32 = 900;

/// Memory and `/tmp` of a function, in MB. The model's greater bounds are for managed instances too.
pub const MEMORY_MB: i32 = 10_240;
pub const EPHEMERAL_MB: i32 = 10_240;

/// A bare function name in `CreateFunction`, in characters.
pub const NAME_CHARS: usize = 64;

/// Environment variables of a function, measured as AWS does: as a JSON object without blanks.
pub const ENVIRONMENT_BYTES: usize = 4_096;

/// Layers of a function.
pub const LAYERS: usize = 5;

/// Functions whose URLs' requests are counted one by one.
pub const METERED_URLS: usize = 1_000;

/// What stands before the body of a streamed answer of a function URL, in bytes: status, headers and cookies as JSON.
pub const URL_PRELUDE_BYTES: usize = 2 * URL_HEADER_BYTES;

/// A zip that is named and not sent.
pub const BUCKET_ZIP_BYTES: usize = 250 * 1024 * 1024;

/// Code and layers of a function, unzipped.
pub const UNZIPPED_BYTES: u64 = 262_144_000;

/// Filters of an event source mapping (AWS: 5, and up to 10 on request).
pub const FILTERS: usize = 10;

/// Tags of a function or of an event source mapping (AWS: 50).
pub const TAGS: usize = 50;

/// What a synchronous invocation may be given.
pub const PAYLOAD_BYTES: usize = 6_291_456;

/// What an asynchronous one may be given, and one by `InvokeAsync` (API reference: 1 MB and 256 KB).
pub const EVENT_BYTES: usize = 1_048_576;
pub const OLD_EVENT_BYTES: usize = 262_144;

/// `X-Amz-Client-Context`, in base64.
pub const CLIENT_CONTEXT_CHARS: usize = 3_583;

/// `X-Amzn-Trace-Id`; a longer one is not passed on.
pub const TRACE_ID_CHARS: usize = 256;

/// What a list operation returns at once, unless the caller asks for less.
pub const PAGE: usize = 50;
pub const MAPPING_PAGE: usize = 100;

/// How long after a change of functions or layers the code store is cleared of what nothing refers to any more, and how
/// long after that again: code that was uploaded shortly before is left alone, and an upload need not lead to a change.
pub const SWEEP_AFTER: Duration = Duration::from_mins(1);
pub const SWEEP_AGAIN: Duration = Duration::from_mins(15);

/// Functions whose code is unpacked at the same time.
pub const UNPACK_AT_ONCE: usize = 4;

/// Headers, cookies among them, that a function may give the answer of its URL. Clients take no more than 100 or so.
pub const URL_HEADERS: usize = 1_000;
/// Bytes of all their names and values.
pub const URL_HEADER_BYTES: usize = 64 << 10;
