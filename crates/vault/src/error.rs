/// Why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No master key has this id, alias or ARN.
    #[error("there is no master key {0}")]
    NoSuchKey(String),
    /// The master key is there, without the version that wrapped a data key.
    #[error("master key {key} has no version {version}")]
    NoSuchVersion { key: String, version: u32 },
    #[error("master key {0} is disabled")]
    Disabled(String),
    /// What wraps is not what wrapped, or the wrapped bytes are not those that were written.
    #[error("version {version} of master key {key} does not unwrap data key {data_key}")]
    Unwrap { data_key: String, key: String, version: u32 },
}

/// Why a sealed batch gives no records.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A newer version wrote it.
    #[error("a sealed batch of a form that this version does not know")]
    UnknownForm,
    /// The stream has no data key of this id.
    #[error("the stream has no data key {0}")]
    NoDataKey(String),
    /// It was changed, or lies where it was not written.
    #[error("the batch does not open with its key: it was changed, or moved from another shard")]
    Damaged,
}

/// Why a file of master keys, or what takes its place in the environment, is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// Without the text itself, which has keys in it.
    #[error("it is not a file of master keys: {0}")]
    Form(String),
    #[error("key id {0:?} is not a UUID")]
    Id(String),
    #[error(
        "{0:?} is not an alias: write alias/NAME with letters, digits, /, _ and -; of those that begin with alias/aws/ \
         only alias/aws/kinesis can be used"
    )]
    Alias(String),
    #[error("{0} names more than one key")]
    Twice(String),
    #[error("key {0} has no version, or its versions are not numbered upwards from 1")]
    Versions(String),
    #[error("the material of a key is 64 hexadecimal digits: 256 bits, such as `openssl rand -hex 32` makes")]
    Material,
    #[error("there are more than {limit} {what}")]
    TooMany { what: &'static str, limit: usize },
    #[error(
        "write ALIAS=HEX, such as alias/aws/kinesis=…64 hexadecimal digits…, several with commas between them"
    )]
    Environment,
}
