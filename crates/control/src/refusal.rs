use crate::{MappingState, StreamStatus};

/// Why a command was not applied. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("stream {0} already exists")]
    StreamExists(String),
    #[error("stream {0} does not exist")]
    NoSuchStream(String),
    #[error("stream {name} is {status:?}")]
    StreamBusy { name: String, status: StreamStatus },
    #[error("{asked} more shards would pass the limit of {limit}; there are {existing}")]
    ShardLimit { asked: u64, existing: u64, limit: u64 },
    #[error("there may be at most {limit} {what}")]
    Limit { what: &'static str, limit: usize },
    #[error("stream {stream} has {count} consumers")]
    StreamHasConsumers { stream: String, count: usize },
    #[error("consumer {consumer} of stream {stream} already exists")]
    ConsumerExists { stream: String, consumer: String },
    #[error("consumer {consumer} of stream {stream} does not exist")]
    NoSuchConsumer { stream: String, consumer: String },
    #[error("function {0} already exists")]
    FunctionExists(String),
    #[error("function {0} does not exist")]
    NoSuchFunction(String),
    #[error("function {name} has revision {actual}")]
    RevisionMismatch { name: String, actual: String },
    #[error("an update of function {0} is in progress")]
    FunctionBusy(String),
    #[error("function {0} is not active yet")]
    FunctionPending(String),
    #[error("mapping {uuid} of {source_arn} to {function} exists already")]
    MappingExists { uuid: String, source_arn: String, function: String },
    #[error("mapping {0} does not exist")]
    NoSuchMapping(String),
    #[error("mapping {uuid} is {state:?}")]
    MappingBusy { uuid: String, state: MappingState },
}
