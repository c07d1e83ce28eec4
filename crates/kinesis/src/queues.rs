//! What the operations on queues share.

use crate::error::{self, Failure};
use crate::service::Kinesis;
use millstream_api_kinesis as api;
use millstream_api_kinesis::ErrorCode;
use millstream_control::{DeadLetters, Queue, QueueStatus, Refusal, StartingPosition, Stream};
use millstream_queue::{Delivered, Kind, QueueError, Receive, SettleError, Settlement, What};
use millstream_shapes::ErrorName;
use millstream_types::Arn;
use std::sync::Arc;
use std::time::Duration;

/// Without DeadLetterConfiguration (API reference, DeadLetterConfiguration).
const MAX_RECEIVES: u32 = 6;
/// Without VisibilityTimeoutSeconds (API reference, QueueAttributes).
const VISIBILITY_SECS: u32 = 30;
/// Without Limit and WaitTimeSeconds (API reference, ReceiveQueueRecords).
const LIMIT: usize = 10;
const WAIT_SECS: u64 = 9;

impl Kinesis {
    /// The queue with an ARN, whatever state it is in.
    pub(crate) fn queue(&self, arn: &str) -> Result<Arc<Queue>, Failure> {
        let wrong = || Failure::invalid(format!("{arn} is not the ARN of a queue."));
        let parsed: Arn = arn.parse().map_err(|_no_arn| wrong())?;
        let id = parsed
            .resource
            .strip_prefix("queue/")
            .filter(|_| parsed.service == "kinesis")
            .ok_or_else(wrong)?;
        let state = self.control().state();
        let found =
            state.queues.get(id).filter(|queue| queue.arn == arn && parsed.region == self.home.region);
        found.cloned().ok_or_else(|| Failure::no_queue(id, &parsed.account))
    }

    /// A queue that delivers.
    pub(crate) fn active_queue(&self, arn: &str) -> Result<Arc<Queue>, Failure> {
        let queue = self.queue(arn)?;
        match queue.status {
            QueueStatus::Active => Ok(queue),
            QueueStatus::Creating | QueueStatus::Deleting => {
                Err(Failure::no_queue(&queue.id, &self.home.account))
            }
        }
    }

    pub(crate) async fn receive(
        &self,
        arn: &str,
        kind: Kind,
        limit: Option<i32>,
        wait_secs: Option<i32>,
        visibility_secs: Option<i32>,
    ) -> Result<Vec<api::QueueRecord>, Failure> {
        let queue = self.active_queue(arn)?;
        let receive = Receive {
            kind,
            limit: limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(LIMIT),
            visibility_secs: visibility_secs.and_then(|secs| u32::try_from(secs).ok()),
            wait: Duration::from_secs(
                wait_secs.and_then(|secs| u64::try_from(secs).ok()).unwrap_or(WAIT_SECS),
            ),
        };
        let received = self.queues.receive(&queue.id, receive).await;
        let received = received.map_err(|error| failure(error, &queue, &self.home.account))?;
        Ok(received.into_iter().map(record).collect())
    }

    /// What came of each, in order: nothing, or an error's name and text.
    pub(crate) async fn settle(
        &self,
        arn: &str,
        kind: Kind,
        entries: impl Iterator<Item = (String, What)>,
    ) -> Result<Vec<(String, Option<Refused>)>, Failure> {
        let queue = self.active_queue(arn)?;
        let settlements: Vec<Settlement> =
            entries.map(|(handle, what)| Settlement { handle, what }).collect();
        let handles: Vec<String> = settlements.iter().map(|settlement| settlement.handle.clone()).collect();
        let settled = self.queues.settle(&queue.id, kind, settlements).await;
        let settled = settled.map_err(|error| failure(error, &queue, &self.home.account))?;
        Ok(handles.into_iter().zip(settled.into_iter().map(|result| result.err().map(refused))).collect())
    }
}

/// Why nothing was done with one entry of a request.
pub(crate) struct Refused {
    pub(crate) code: String,
    pub(crate) message: String,
}

fn refused(error: SettleError) -> Refused {
    let (code, message) = match error {
        SettleError::Forged => (
            ErrorCode::InvalidArgumentException,
            "The receipt handle is not one that this operation's receive gave out for this queue.",
        ),
        SettleError::Stale => (
            ErrorCode::InvalidArgumentException,
            "The receipt handle has expired: the record was received again since.",
        ),
        SettleError::Gone => (
            ErrorCode::ResourceNotFoundException,
            "The record was acknowledged, or the stream does not keep it any more.",
        ),
    };
    Refused { code: code.name().to_owned(), message: message.to_owned() }
}

/// What the control plane refuses of queues.
pub(crate) fn refused_by(refusal: Refusal, account: &str) -> Failure {
    match refusal {
        Refusal::StreamHasQueues { stream, count } => Failure::in_use(format!(
            "Stream {stream} under account {account} has {count} queues. Delete them first."
        )),
        Refusal::QueueNeedsOnDemand(stream) => Failure::validation(format!(
            "Stream {stream} under account {account} is not in ON_DEMAND mode. Queues are supported only on streams in \
             on-demand capacity mode."
        )),
        Refusal::QueueExists(name) => {
            Failure::in_use(format!("Queue {name} under account {account} already exists."))
        }
        Refusal::NoSuchQueue(id) => Failure::no_queue(&id, account),
        Refusal::QueueBusy { id, status } => Failure::in_use(format!(
            "Queue {id} under account {account} not ACTIVE, instead in state {}",
            self::status(status).as_str()
        )),
        other => error::control(other.into(), account),
    }
}

fn failure(error: QueueError, queue: &Queue, account: &str) -> Failure {
    let throttled = |message: String| Failure::new(ErrorCode::ThrottlingException, message);
    match error {
        QueueError::NotOpen => {
            throttled(format!("Queue {} does not deliver at the moment. Try again.", queue.own_name()))
        }
        QueueError::Busy(limit) => {
            throttled(format!("Rate exceeded: {limit} requests to the queue wait already."))
        }
        QueueError::TooManyOutstanding(limit) => throttled(format!(
            "Rate exceeded: {limit} records were received and not acknowledged, dead letters included. Acknowledge some."
        )),
        QueueError::Engine(error) => error::engine(error, account),
        QueueError::Append(error) => error::control(error.into(), account),
    }
}

fn record(delivered: Delivered) -> api::QueueRecord {
    api::QueueRecord {
        receipt_handle: delivered.handle,
        // The same in every queue on the stream.
        record_id: delivered.sequence_number.to_string(),
        partition_key: Some(delivered.partition_key).filter(|key| !key.is_empty()),
        data: delivered.data,
        approximate_arrival_timestamp: delivered.arrival,
        first_receive_timestamp: delivered.first_received,
        receive_count: i32::try_from(delivered.receive_count).unwrap_or(i32::MAX),
        ..Default::default()
    }
}

pub(crate) fn status(status: QueueStatus) -> api::QueueStatus {
    match status {
        QueueStatus::Creating => api::QueueStatus::Creating,
        QueueStatus::Active => api::QueueStatus::Active,
        QueueStatus::Deleting => api::QueueStatus::Deleting,
    }
}

pub(crate) fn description(queue: &Queue, stream: Option<&Stream>) -> api::QueueDescription {
    let (kind, asked) = match queue.starting {
        StartingPosition::TrimHorizon => (api::QueueStartingPositionType::TrimHorizon, None),
        StartingPosition::Latest => (api::QueueStartingPositionType::Latest, None),
        StartingPosition::AtTimestamp(at) => (api::QueueStartingPositionType::AtTimestamp, Some(at)),
    };
    let timestamp = queue.began.as_ref().map(|began| began.at).or(asked);
    let starting = api::QueueStartingPosition { r#type: kind, timestamp, ..Default::default() };
    let (target, most) = match queue.settings.max_receives {
        Some(most) => (api::TargetType::BuiltIn, i32::try_from(most).ok()),
        None => (api::TargetType::None, None),
    };
    api::QueueDescription {
        queue_name: queue.own_name().to_owned(),
        queue_arn: queue.arn.clone(),
        queue_status: status(queue.status),
        queue_creation_timestamp: queue.created,
        stream_configuration_list: vec![api::QueueStreamConfiguration {
            stream_arn: stream.map(|stream| stream.arn.clone()).unwrap_or_default(),
            starting_position: Some(starting),
            ..Default::default()
        }],
        queue_attributes: Some(api::QueueAttributes {
            visibility_timeout_seconds: i32::try_from(queue.settings.visibility_secs).ok(),
            dead_letter_configuration: Some(api::DeadLetterConfiguration {
                target_type: target,
                max_receive_count: most,
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// What attributes say; `None` of what they do not say.
pub(crate) struct Attributes {
    pub(crate) visibility_secs: Option<u32>,
    pub(crate) dead_letters: Option<DeadLetters>,
}

impl Attributes {
    pub(crate) fn of(attributes: Option<&api::QueueAttributes>) -> Result<Self, Failure> {
        let number = |value: i32| u32::try_from(value).ok();
        let dead_letters = attributes.and_then(|attributes| attributes.dead_letter_configuration.as_ref());
        let dead_letters = match dead_letters {
            None => None,
            Some(config) => Some(match (&config.target_type, config.max_receive_count) {
                (api::TargetType::None, None) => DeadLetters::Never,
                (api::TargetType::None, Some(_)) => {
                    return Err(Failure::validation(
                        "MaxReceiveCount must not be given when TargetType is NONE.",
                    ));
                }
                (_, Some(most)) => DeadLetters::After(number(most).unwrap_or_default()),
                (_, None) => {
                    return Err(Failure::validation(
                        "MaxReceiveCount is required when TargetType is BUILT_IN.",
                    ));
                }
            }),
        };
        let visibility = attributes.and_then(|attributes| attributes.visibility_timeout_seconds);
        Ok(Self { visibility_secs: visibility.and_then(number), dead_letters })
    }

    pub(crate) fn or_default(self) -> millstream_control::QueueSettings {
        millstream_control::QueueSettings {
            visibility_secs: self.visibility_secs.unwrap_or(VISIBILITY_SECS),
            max_receives: match self.dead_letters {
                Some(DeadLetters::After(receives)) => Some(receives),
                Some(DeadLetters::Never) => None,
                None => Some(MAX_RECEIVES),
            },
        }
    }
}
