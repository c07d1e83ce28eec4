//! The log's options, as an operator gives them.

use crate::byte_size::ByteSize;
use anyhow::{Result, ensure};
use clap::Args;
use millstream_log_embedded::{OpenError, Options};

/// The least that may wait for the disk: the largest request of the API must fit.
const LEAST_ADMISSION: ByteSize = ByteSize(16 << 20);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "The log")]
pub(crate) struct LogOptions {
    /// Records that the write-ahead log gathers before they are brought to segments, 64KiB to 1GiB; a quarter is enough
    /// once they fill half of --log-memory-bytes, so raise both for larger segments [default: 256MiB, or half of
    /// --log-replay-bytes]
    #[arg(long = "log-flush-bytes", env = "MILLSTREAM_LOG_FLUSH_BYTES", value_name = "SIZE")]
    pub(crate) flush_at: Option<ByteSize>,

    /// Recent records kept in memory for readers at the end of their streams [default: 256MiB]
    #[arg(long = "log-memory-bytes", env = "MILLSTREAM_LOG_MEMORY_BYTES", value_name = "SIZE")]
    pub(crate) memory_tail: Option<ByteSize>,

    /// Requests that may wait for the disk, 16MiB to 2GiB; more are throttled [default: 256MiB]
    #[arg(long = "log-admission-bytes", env = "MILLSTREAM_LOG_ADMISSION_BYTES", value_name = "SIZE")]
    pub(crate) admission: Option<ByteSize>,

    /// Write-ahead log that a start may have to read, at least twice --log-flush-bytes, at most 1GiB; writes wait for
    /// the segments beyond it [default: 1GiB]
    #[arg(long = "log-replay-bytes", env = "MILLSTREAM_LOG_REPLAY_BYTES", value_name = "SIZE")]
    pub(crate) replay: Option<ByteSize>,

    /// Size of a file of the write-ahead log, 32KiB to 1GiB, whole blocks of 4KiB; no request can be larger
    /// [default: 64MiB]
    #[arg(
        long = "log-wal-file-bytes",
        env = "MILLSTREAM_LOG_WAL_FILE_BYTES",
        value_name = "SIZE",
        hide = true
    )]
    pub(crate) wal_file: Option<ByteSize>,
}

impl LogOptions {
    /// These, and those of `other` for what these do not say.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            flush_at: self.flush_at.or(other.flush_at),
            memory_tail: self.memory_tail.or(other.memory_tail),
            admission: self.admission.or(other.admission),
            replay: self.replay.or(other.replay),
            wal_file: self.wal_file.or(other.wal_file),
        }
    }

    /// The limits that the log does not know of; the others are its own.
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(given) = self.admission {
            ensure!(
                given.0 >= LEAST_ADMISSION.0,
                "log-admission-bytes is {given}, and must be at least {LEAST_ADMISSION}: the largest request must fit"
            );
        }
        Ok(())
    }

    pub(crate) fn apply(&self, options: &mut Options) {
        let set = |option: &mut u64, given: Option<ByteSize>| {
            if let Some(ByteSize(bytes)) = given {
                *option = bytes;
            }
        };
        set(&mut options.memory_tail_bytes, self.memory_tail);
        set(&mut options.admission_bytes, self.admission);
        set(&mut options.wal_file_bytes, self.wal_file);
        set(&mut options.replay_bytes, self.replay);
        options.flush_bytes = options.flush_bytes.min(options.replay_bytes / 2);
        set(&mut options.flush_bytes, self.flush_at);
    }
}

/// An error of the log in the words of the settings.
pub(crate) fn explain(error: OpenError) -> anyhow::Error {
    let OpenError::Option { name, value, least, most } = error else { return error.into() };
    let (value, least, most) = (ByteSize(value), ByteSize(least), ByteSize(most));
    let setting = match name {
        "flush_bytes" => "log-flush-bytes",
        "replay_bytes" => "log-replay-bytes",
        "admission_bytes" => "log-admission-bytes",
        "wal_file_bytes" => "log-wal-file-bytes",
        other => other,
    };
    let range = if least == most { format!("{least}") } else { format!("from {least} to {most}") };
    let why = if name == "replay_bytes" { " (at least twice log-flush-bytes)" } else { "" };
    anyhow::anyhow!("{setting} is {value}, and must be {range}{why}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_log_embedded::EmbeddedLog;

    fn options(given: LogOptions) -> (Options, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let mut options = Options::in_directory(directory.path()).unwrap();
        given.apply(&mut options);
        (options, directory)
    }

    #[test]
    fn a_small_replay_makes_for_a_small_flush() {
        let size = |bytes| Some(ByteSize(bytes));
        let given = LogOptions { replay: size(8 << 20), ..LogOptions::default() };
        assert_eq!(options(given).0.flush_bytes, 4 << 20);
        let both = LogOptions { flush_at: size(1 << 20), ..given };
        assert_eq!(options(both).0.flush_bytes, 1 << 20);
        let other = LogOptions { flush_at: size(2 << 20), memory_tail: size(7), ..given };
        assert_eq!(
            both.or(other),
            LogOptions { memory_tail: size(7), ..both },
            "what is given first decides"
        );
        assert_eq!(options(LogOptions::default()).0.flush_bytes, 256 << 20);
    }

    #[test]
    fn what_the_log_refuses_is_said_in_the_settings_words() {
        let refused = |given: LogOptions| {
            let (options, _directory) = options(given);
            explain(EmbeddedLog::open(&options).unwrap_err()).to_string()
        };
        let size = |bytes| Some(ByteSize(bytes));
        assert_eq!(
            refused(LogOptions { flush_at: size(1), ..LogOptions::default() }),
            "log-flush-bytes is 1 bytes, and must be from 64KiB to 1GiB"
        );
        assert_eq!(
            refused(LogOptions { flush_at: size(64 << 20), replay: size(64 << 20), ..LogOptions::default() }),
            "log-replay-bytes is 64MiB, and must be from 128MiB to 1GiB (at least twice log-flush-bytes)"
        );
        assert_eq!(
            refused(LogOptions { wal_file: size((1 << 20) + 1), ..LogOptions::default() }),
            "log-wal-file-bytes is 1048577 bytes, and must be 1MiB"
        );
        let small = LogOptions { admission: size(1 << 20), ..LogOptions::default() };
        assert!(small.check().unwrap_err().to_string().contains("at least 16MiB"));
    }
}
