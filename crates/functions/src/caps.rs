//! Every limit of this crate that a client or a function can run into.

use std::time::Duration;

/// Largest zip that may be uploaded, in bytes (AWS: 50 MB, taken as MiB).
pub const MAX_ZIP_BYTES: usize = 50 * 1024 * 1024;
/// Largest zip that is read from elsewhere, in bytes: what may be unzipped of it bounds it.
pub const MAX_LARGE_ZIP_BYTES: usize = 250 * 1024 * 1024;
/// Largest content of one zip when unzipped, in bytes (AWS: 250 MB, taken as MiB).
pub const MAX_UNZIPPED_BYTES: u64 = 250 * 1024 * 1024;
/// Most files and directories in one zip, those included that only its paths name.
pub const MAX_ZIP_ENTRIES: usize = 100_000;
/// Most parts of one path in a zip.
pub const MAX_ZIP_DEPTH: usize = 64;
/// What was just uploaded is kept this long, whether or not anything refers to it yet.
pub const UPLOAD_GRACE: Duration = Duration::from_mins(5);

/// Largest payload of an invocation and largest response, in bytes (AWS: 6 MiB + 100, recorded error text).
pub const MAX_PAYLOAD_BYTES: usize = 6_291_556;
/// Largest error body or header a runtime may post that is not a response, in bytes.
pub const MAX_ERROR_BYTES: usize = MAX_PAYLOAD_BYTES;
/// Largest response that is streamed, in bytes (AWS: 200 MB by default, taken as MiB).
pub const MAX_STREAM_BYTES: usize = 200 * 1024 * 1024;
/// Pieces of a streamed response that may wait for who reads them, and the largest, in bytes.
pub const STREAM_CHUNKS: usize = 4;
pub const STREAM_CHUNK_BYTES: usize = 256 * 1024;
/// A streamed response breaks off when its process ends, and either may be seen first: the other is waited for this long.
pub const TRUNCATED_GRACE: Duration = Duration::from_secs(1);
/// Connections that one worker may hold to its Runtime API at once.
pub const MAX_WORKER_CONNECTIONS: usize = 32;

/// Connections from one sandbox to the endpoint that the server carries for it at once.
pub const MAX_BRIDGED: usize = 64;

/// What `LogType: Tail` returns, in bytes.
pub const LOG_TAIL_BYTES: usize = 4 * 1024;
/// A longer line of a function's output is handed on in pieces of this size, in bytes.
pub const MAX_LOG_LINE_BYTES: usize = 64 * 1024;
/// What one invocation may hand to the log sink, in bytes; the rest is counted and dropped.
pub const MAX_LOG_BYTES_PER_INVOCATION: usize = 1024 * 1024;
/// What is still read of a function's output once its response is there, in bytes.
pub const MAX_LOG_DRAIN_BYTES: usize = 1024 * 1024;
/// Functions of which a `RingSink` keeps lines.
pub const MAX_RING_FUNCTIONS: usize = 1_000;

/// Functions that are counted one by one.
pub const METERED_FUNCTIONS: usize = 1_000;

/// Worker processes at once, unless the options say otherwise.
pub const DEFAULT_MAX_WORKERS: usize = 1_000;
/// Workers that are started at the same time, for each core of the machine; and on the smallest.
pub const STARTS_PER_CORE: usize = 2;
pub const STARTS_AT_LEAST: usize = 4;
/// A start holds its turn at most this long.
pub const START_TURN: Duration = Duration::from_millis(250);
/// Where so many invocations of one version wait for workers, one more worker is started than there are invocations, and
/// one more for each time as many.
pub const BURST: usize = 4;
/// Workers on their way at once that no invocation waits for.
pub const STARTS_AHEAD: usize = 8;
/// A worker that is to be kept ready and could not be started is started again after twice this, and after twice as long
/// each time until the most.
pub const PROVISIONED_RETRY: Duration = Duration::from_secs(1);
pub const PROVISIONED_RETRY_MOST: Duration = Duration::from_mins(1);
/// An idle worker is ended after this long.
pub const DEFAULT_IDLE_EXPIRY: Duration = Duration::from_mins(10);

/// Invocations at once that are handed on to other places, those of all functions together.
pub const MAX_ELSEWHERE: usize = 1_000;
/// A place elsewhere may take this much longer than the function's own time, to start it and to carry what is sent.
pub const ELSEWHERE_GRACE: Duration = Duration::from_secs(15);
/// A runtime must ask for its first invocation within this time (AWS: 10 s).
pub const INIT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the memory of a busy worker is looked at.
pub const MEMORY_SAMPLE: Duration = Duration::from_millis(50);
/// How often the memory of an idle worker is looked at.
pub const IDLE_MEMORY_SAMPLE: Duration = Duration::from_secs(1);
/// How often that of one that has been idle for a while is looked at.
pub const LONG_IDLE_MEMORY_SAMPLE: Duration = Duration::from_secs(16);
/// The directories /tmp of all workers may together take one part in this many of the machine's memory.
pub const TMP_SHARE_OF_MEMORY: u64 = 2;
/// No worker is started while less than one part in this many of the machine's memory is available.
pub const KEPT_SHARE_OF_MEMORY: u64 = 32;
/// A worker that was told to end is waited for this long before its parent is killed outright.
pub const KILL_GRACE: Duration = Duration::from_millis(1_500);
/// Shutting down waits this long for all workers to be reaped.
pub const SHUTDOWN: Duration = Duration::from_secs(3);
/// Asking an interpreter on the host for its version may take this long.
pub const INTERPRETER_ANSWER: Duration = Duration::from_secs(10);
/// Compiling the bundled client for Java may take this long.
pub const JAVA_COMPILATION: Duration = Duration::from_mins(2);
/// Starting the sandbox once to see whether the kernel allows it may take this long.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// Processes and threads in one worker (AWS: 1,024).
pub const MAX_PROCESSES: u64 = 1_024;
/// File descriptors of one process of a function (AWS: 1,024).
pub const MAX_OPEN_FILES: u64 = 1_024;
/// One line of the control socket between the server and a sandbox, in bytes.
pub const MAX_CONTROL_LINE: u64 = 1024 * 1024;

/// What a worker's control group may take beyond the function's memory and /tmp: the sandbox's own processes, in MiB.
pub const GROUP_SPARE_MB: u64 = 16;
/// Processes and threads of the sandbox's own in a worker's control group.
pub const GROUP_SPARE_PROCESSES: u64 = 8;
/// A function has one processor for this many MiB of memory (AWS: 1,769 MB).
pub const MEMORY_MB_PER_CPU: u64 = 1_769;
/// In each of these a function has its share of the processors.
pub const CPU_PERIOD: Duration = Duration::from_millis(100);
/// The processes of a control group that was ended may take this long to be gone.
pub const GROUP_REMOVAL: Duration = Duration::from_secs(1);
