//! The one place where what went wrong becomes what AWS says.
#![deny(clippy::wildcard_enum_match_arm)]

use millstream_api_kinesis::{Error, ErrorCode};
use millstream_control::{OnDemandRefusal, Refusal, ReshardRefusal};
use millstream_control_node::SubmitError;
use millstream_engine::EngineError;
use millstream_log::{AppendError, ReadError, Refused};
use millstream_shapes::{DecodeError, Violations};
use millstream_types::{Home, name_of_key};
use millstream_vault::KeyError;

/// An error for the client, and for the log what the client must not see.
#[derive(Clone, Debug)]
pub struct Failure {
    pub error: Error,
    pub internal: Option<String>,
}

impl Failure {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { error: Error::new(code, message), internal: None }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidArgumentException, message)
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ValidationException, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ResourceNotFoundException, message)
    }

    pub(crate) fn in_use(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ResourceInUseException, message)
    }

    /// A call with `DryRun` that passed every check ends here, before it acts.
    pub(crate) fn if_dry_run(dry_run: Option<bool>) -> Result<(), Self> {
        if dry_run == Some(true) {
            return Err(Self::new(
                ErrorCode::DryRunOperationException,
                "The request would have succeeded, but the DryRun flag is set.",
            ));
        }
        Ok(())
    }

    /// What is below the API calls resources by their keys; clients know them by name.
    pub(crate) fn told_at(mut self, home: &Home) -> Self {
        if !home.is_own() {
            self.error.message = self.error.message.replace(home.key_prefix(), "");
        }
        self
    }

    fn internal(message: &str, cause: impl std::fmt::Display) -> Self {
        Self { internal: Some(cause.to_string()), ..Self::new(ErrorCode::InternalFailure, message) }
    }

    pub(crate) fn no_queue(id: &str, account: &str) -> Self {
        Self::not_found(format!("Queue {id} under account {account} not found."))
    }

    pub(crate) fn no_stream(stream: &str, account: &str) -> Self {
        Self::not_found(format!("Stream {} under account {account} not found.", name_of_key(stream)))
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self { error: error.into(), internal: None }
    }
}

impl From<Violations> for Failure {
    fn from(violations: Violations) -> Self {
        Self { error: violations.into(), internal: None }
    }
}

/// Writes cannot be taken: the client may try again later, and nothing was done.
const STOPPED: &str = "The server cannot write to its disk and has stopped taking writes. Nothing of this request was \
                       stored. Reads still work; an operator must look at the server's log and start it again.";

/// The log stopped while the request was under way.
const UNKNOWN: &str = "The server stopped writing while this request was under way. It may or may not have been \
                       stored; check before sending it again.";

const NO_SPACE: &str = "Rate exceeded: the server's disk is full. Nothing of this request was stored; try again when there \
                        is room.";

const FULL: &str = "Rate exceeded: the server's disk takes no more at the moment. Nothing of this request was stored; slow \
                    down and try again.";

pub(crate) fn control(error: SubmitError, account: &str) -> Failure {
    match error {
        SubmitError::Refused(refusal) => refused(refusal, account),
        // No data operation: AWS knows no throughput here, only too many requests.
        SubmitError::Log(AppendError::Refused(Refused::Full)) => {
            Failure::new(ErrorCode::LimitExceededException, FULL)
        }
        SubmitError::Log(AppendError::Refused(Refused::NoSpace)) => Failure {
            internal: Some(Refused::NoSpace.to_string()),
            ..Failure::new(ErrorCode::LimitExceededException, NO_SPACE)
        },
        SubmitError::Log(error) => append(error),
        SubmitError::Encoding(why) => {
            Failure::internal("The request could not be stored; nothing was done.", why)
        }
        SubmitError::Closed => Failure::internal(UNKNOWN, "the control plane is shutting down"),
    }
}

fn refused(refusal: Refusal, account: &str) -> Failure {
    match refusal {
        Refusal::StreamExists(name) => {
            Failure::in_use(format!("Stream {name} under account {account} already exists."))
        }
        Refusal::NoSuchStream(name) => Failure::no_stream(&name, account),
        Refusal::StreamBusy { name, status } => Failure::in_use(format!(
            "Stream {name} under account {account} not ACTIVE, instead in state {}",
            crate::shapes::stream_status(status).as_str()
        )),
        Refusal::ShardLimit { asked, existing, limit } => Failure::new(
            ErrorCode::LimitExceededException,
            format!(
                "This request would exceed the shard limit for the account {account}. Current shard count for the \
                 account: {existing}. Limit: {limit}. Number of additional shards that would have resulted from this \
                 request: {asked}."
            ),
        ),
        Refusal::Limit { what, limit } => Failure::new(
            ErrorCode::LimitExceededException,
            format!("This request would exceed the limit of {limit} {what}."),
        ),
        Refusal::TooManyTags { stream, limit } => Failure::invalid(format!(
            "Failed to add tags to stream {stream} under account {account} because a given stream cannot have more than \
             {limit} tags associated with it."
        )),
        Refusal::StreamHasConsumers { stream, count } => Failure::in_use(format!(
            "Stream {stream} under account {account} has {count} registered consumers. Deregister them first, or set \
             EnforceConsumerDeletion."
        )),
        Refusal::ConsumerExists { stream, consumer } => Failure::in_use(format!(
            "Consumer {consumer} of stream {stream} under account {account} already exists."
        )),
        Refusal::NoSuchConsumer { consumer, .. } => {
            Failure::not_found(format!("Consumer {consumer}, account {account} not found."))
        }
        Refusal::RetentionShorter { name, asked, existing } => {
            retention(&name, (asked, existing), ("shorter", "Decrease"))
        }
        Refusal::RetentionLonger { name, asked, existing } => {
            retention(&name, (asked, existing), ("longer", "Increase"))
        }
        refusal @ (Refusal::StreamHasQueues { .. }
        | Refusal::QueueNeedsOnDemand(_)
        | Refusal::QueueExists(_)
        | Refusal::NoSuchQueue(_)
        | Refusal::QueueBusy { .. }) => crate::queues::refused_by(refusal, account),
        Refusal::OnDemand(refusal) => on_demand(refusal, account),
        Refusal::Reshard(refusal) => reshard(refusal, account),
        refusal @ (Refusal::FunctionExists(_)
        | Refusal::NoSuchFunction(_)
        | Refusal::RevisionMismatch { .. }
        | Refusal::FunctionBusy(_)
        | Refusal::FunctionPending(_)
        | Refusal::NoSuchVersion { .. }
        | Refusal::VersionInUse { .. }
        | Refusal::AliasExists { .. }
        | Refusal::NoSuchAlias { .. }
        | Refusal::PolicyChanged
        | Refusal::NoSuchLayerVersion { .. }
        | Refusal::UrlExists { .. }
        | Refusal::NoSuchUrl { .. }
        | Refusal::MappingExists { .. }
        | Refusal::NoEventInvokeConfig { .. }
        | Refusal::Concurrency(_)
        | Refusal::NoSuchMapping(_)
        | Refusal::MappingBusy { .. }) => {
            Failure::internal("An internal error occurred; nothing was done.", refusal)
        }
    }
}

fn retention(stream: &str, (asked, existing): (u32, u32), (than, verb): (&str, &str)) -> Failure {
    Failure::invalid(format!(
        "Requested retention period ({asked} hours) for stream {stream} can not be {than} than existing retention period \
         ({existing} hours). Use {verb}RetentionPeriod API."
    ))
}

fn on_demand(refusal: OnDemandRefusal, account: &str) -> Failure {
    match refusal {
        OnDemandRefusal::AutoDistribution(name) => Failure::invalid(format!(
            "Stream {name} under account {account} can not have the record distribution strategy AUTO and the \
             PROVISIONED mode together: AUTO is only supported for streams in ON_DEMAND mode."
        )),
        OnDemandRefusal::Provisioned(name) => Failure::validation(format!(
            "Warm throughput is only supported for streams in ON_DEMAND mode; stream {name} under account {account} is \
             in PROVISIONED mode."
        )),
        OnDemandRefusal::NoCommitment => Failure::invalid(format!(
            "Warm throughput is only supported in accounts that have MinimumThroughputBillingCommitment enabled. Account \
             {account} does not: see UpdateAccountSettings."
        )),
        OnDemandRefusal::TooWarm { asked, limit } => Failure::new(
            ErrorCode::LimitExceededException,
            format!("A stream cannot be scaled to {asked} MiBps of warm throughput. Limit: {limit} MiBps."),
        ),
    }
}

fn reshard(refusal: ReshardRefusal, account: &str) -> Failure {
    match refusal {
        ReshardRefusal::NoSuchShard { stream, shard } => {
            shard_not_found(&stream, &shard.to_string(), account)
        }
        ReshardRefusal::AlreadyClosed { stream, shard } => Failure::invalid(format!(
            "Shard {shard} in stream {stream} under account {account} has already been merged or split, and thus is not \
             eligible for merging or splitting."
        )),
        ReshardRefusal::NoCut { stream, shard, key, range } => Failure::invalid(format!(
            "NewStartingHashKey {key} used in SplitShard() on shard {shard} in stream {stream} under account {account} is \
             not both greater than one plus the shard's StartingHashKey {} and less than the shard's EndingHashKey {}.",
            range.start, range.end
        )),
        ReshardRefusal::NotAdjacent { stream, shard, adjacent } => Failure::invalid(format!(
            "Shards {shard} and {adjacent} in stream {stream} under account {account} are not an adjacent pair of shards \
             eligible for merging"
        )),
        ReshardRefusal::OnDemand(stream) => Failure::validation(format!(
            "Request is invalid. Stream {stream} under account {account} is in On-Demand mode."
        )),
        ReshardRefusal::TooFar { stream, target, open } => Failure::invalid(format!(
            "TargetShardCount {target} for stream {stream} under account {account} is more than double or less than half \
             of the current shard count. Current shard count: {open}."
        )),
        ReshardRefusal::TooManyShards { limit } => Failure::new(
            ErrorCode::LimitExceededException,
            format!("A stream cannot be scaled to more than {limit} shards."),
        ),
        ReshardRefusal::TooOften { stream, limit } => Failure::new(
            ErrorCode::LimitExceededException,
            format!(
                "The shard count of stream {stream} under account {account} cannot be updated more than {limit} times in \
                 a rolling 24-hour period."
            ),
        ),
        refusal @ (ReshardRefusal::NotUnderWay(_)
        | ReshardRefusal::NotExpired { .. }
        | ReshardRefusal::NotOnDemand(_)) => {
            Failure::internal("An internal error occurred; nothing was done.", refusal)
        }
    }
}

pub(crate) fn engine(error: EngineError, account: &str) -> Failure {
    match error {
        EngineError::NoSuchShard { stream, shard } => no_shard(&stream, &shard.to_string(), account),
        EngineError::Gone(stream) => Failure::no_stream(&stream, account),
        error @ EngineError::NoShardForKey(_) => {
            Failure::internal("No open shard takes this key; nothing was done.", error)
        }
        error @ EngineError::NoData { .. } => {
            Failure::internal("A record's data could not be read; nothing was done.", error)
        }
        error @ EngineError::UnknownForm(_) => Failure::internal(
            "A stored record is in a form that this version of Millstream does not know. A newer version wrote it.",
            error,
        ),
        EngineError::Key(error) => key(error),
        error @ EngineError::Sealed { .. } => Failure::internal(
            "Stored records are damaged and are not served. An operator must look at the server's log.",
            error,
        ),
        EngineError::Append(error) => append(error),
        EngineError::Read(error) => read(error),
    }
}

/// A shard was written or read too quickly.
pub(crate) fn shard_rate(stream: &str, shard: &str, account: &str) -> Failure {
    let stream = name_of_key(stream);
    Failure::new(
        ErrorCode::ProvisionedThroughputExceededException,
        format!("Rate exceeded for shard {shard} in stream {stream} under account {account}."),
    )
}

/// KMS' words where it has some, and then what to do about it: here the keys are the operator's.
pub(crate) fn key(error: KeyError) -> Failure {
    let internal = Some(error.to_string());
    let failure = match error {
        KeyError::NoSuchKey(key) => Failure::new(
            ErrorCode::KMSNotFoundException,
            format!(
                "{} This server's master keys are those of the file that --encryption-keys (MILLSTREAM_ENCRYPTION_KEYS) \
                 names: `millstream keys create FILE` makes one, `millstream keys list FILE` shows them.",
                no_key(&key)
            ),
        ),
        KeyError::NoSuchVersion { key, version } => Failure::new(
            ErrorCode::KMSNotFoundException,
            format!(
                "Key '{key}' does not have version {version}, which these records need. The key file that the server was \
                 started with is older than they are."
            ),
        ),
        KeyError::Disabled(key) => Failure::new(
            ErrorCode::KMSDisabledException,
            format!("{key} is disabled. The server's key file says so."),
        ),
        KeyError::Unwrap { key, version, .. } => Failure::new(
            ErrorCode::KMSAccessDeniedException,
            format!(
                "The ciphertext refers to version {version} of key '{key}', and the material that the server has of it does \
                 not decrypt it. The key file is another one than that which the stream was encrypted with."
            ),
        ),
    };
    Failure { internal, ..failure }
}

fn no_key(key: &str) -> String {
    let is_alias = key.starts_with("alias/") || key.contains(":alias/");
    if is_alias { format!("Alias {key} is not found.") } else { format!("Key '{key}' does not exist.") }
}

pub(crate) fn no_shard(stream: &str, shard: &str, account: &str) -> Failure {
    Failure::not_found(format!("Shard {shard} in stream {stream} under account {account} does not exist"))
}

/// As [`no_shard`], in the words of the operations that reshard.
pub(crate) fn shard_not_found(stream: &str, shard: &str, account: &str) -> Failure {
    Failure::not_found(format!("Could not find shard {shard} in stream {stream} under account {account}."))
}

fn append(error: AppendError) -> Failure {
    match error {
        AppendError::Refused(Refused::Full) => {
            Failure::new(ErrorCode::ProvisionedThroughputExceededException, FULL)
        }
        AppendError::Refused(Refused::NoSpace) => Failure {
            internal: Some(Refused::NoSpace.to_string()),
            ..Failure::new(ErrorCode::ProvisionedThroughputExceededException, NO_SPACE)
        },
        AppendError::Refused(refused @ Refused::TooLarge { .. }) => {
            Failure::invalid(format!("The request is too large to be stored: {refused}."))
        }
        AppendError::Refused(refused @ (Refused::NoSuchShard(_) | Refused::Closed | Refused::Stopped(_))) => {
            Failure::internal(STOPPED, refused)
        }
        AppendError::Unknown(why) => Failure::internal(UNKNOWN, why),
    }
}

fn read(error: ReadError) -> Failure {
    match error {
        error @ ReadError::Corrupt { .. } => Failure::internal(
            "Stored records are damaged and are not served. An operator must look at the server's log.",
            error,
        ),
        error @ (ReadError::NoSuchShard(_) | ReadError::Trimmed { .. } | ReadError::Io(_)) => {
            Failure::internal("The records could not be read; try again.", error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_shapes::ErrorName;

    /// A log without room is the client's to slow down for: SDKs repeat both of these by themselves.
    #[test]
    fn a_log_without_room_throttles() {
        for refused in [Refused::Full, Refused::NoSpace] {
            let put = engine(AppendError::from(refused.clone()).into(), "0");
            assert_eq!(put.error.code, ErrorCode::ProvisionedThroughputExceededException);
            let command = control(AppendError::from(refused).into(), "0");
            assert_eq!(command.error.code, ErrorCode::LimitExceededException);
            for failure in [put, command] {
                assert_eq!(failure.error.code.status(), 400);
                assert!(failure.error.message.starts_with("Rate exceeded"), "{}", failure.error.message);
                assert!(failure.error.message.contains("Nothing of this request was stored"));
            }
        }
    }

    #[test]
    fn what_may_have_happened_is_no_throttle() {
        let unknown = || AppendError::Unknown("the disk failed".into());
        for failure in [engine(unknown().into(), "0"), control(unknown().into(), "0")] {
            assert_eq!(failure.error.code, ErrorCode::InternalFailure);
            assert!(failure.error.message.contains("may or may not"), "{}", failure.error.message);
        }
    }
}
