use std::io;

/// Why a data directory was not opened. No record, acknowledged or not, was changed by a refusal.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "the data directory {directory} is in use by another Millstream process; stop that one, or choose another \
         directory"
    )]
    Locked { directory: String },

    #[error(
        "the data directory {directory} has format {found}, and this Millstream reads format {supported}; start the \
         version that wrote it, or choose another directory"
    )]
    Format { directory: String, found: String, supported: u16 },

    #[error(
        "{directory} has write-ahead log files but no FORMAT file: it is no whole data directory; restore it from a \
         copy, or write one with `millstream log repair {directory}`"
    )]
    NoFormat { directory: String },

    /// Data that was once durable cannot be read back.
    #[error(
        "{directory}/{file} is damaged at byte {offset} (group {group}): {detail}. Records that were acknowledged would \
         be lost by going on, so nothing was changed. See what there is with `millstream log inspect {directory}`; then \
         restore the directory from a copy, or let `millstream log repair {directory}` keep what can be read"
    )]
    Corrupt { directory: String, file: String, offset: u64, group: u64, detail: String },

    #[error(
        "{directory}/{file} is missing. See what there is with `millstream log inspect {directory}`; then restore the directory \
         from a copy, or let `millstream log repair {directory}` keep what can be read"
    )]
    MissingFile { directory: String, file: String },

    #[error("option {name} is {value}, and must be from {least} to {most}")]
    Option { name: &'static str, value: u64, least: u64, most: u64 },

    #[error("{what} failed in {directory}: {source}")]
    Io { directory: String, what: String, source: io::Error },
}
