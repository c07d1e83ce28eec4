//! Whether a caller may do what it asks for: which action it is, and on which resource.
//!
//! This comes before the operation and reads the request's body by itself, only for the members that name resources and
//! tags, so that no operation can forget it. Every operation of the model has its line in [`Subject::of`].
//!
//! A resource is always the canonical ARN of what the operation will act on, never the words of the request: an ARN of
//! another partition must not slip past a policy. Whether it exists plays no part (who may not see a stream does not learn
//! that there is none), and a request that names nothing is asked for with `*`; the operation then says what is missing.

use crate::error::Failure;
use crate::iterator::ShardIterator;
use crate::policy::Attached;
use crate::{Answer, Kinesis, token};
use bytes::Bytes;
use millstream_api_kinesis::{ErrorCode, Operation};
use millstream_iam::{Caller, Denial, Facts, Why};
use millstream_shapes::{Codec, Decode, DecodeError, Decoder};
use millstream_types::Arn;
use std::collections::BTreeMap;

impl Kinesis {
    /// [`Kinesis::call`] for a caller whose policies count.
    pub async fn call_as<C: Codec + Clone + Send + Sync + 'static>(
        &self,
        caller: &Caller,
        codec: &C,
        name: &str,
        body: &Bytes,
    ) -> Result<Answer, Failure> {
        // What is no operation does nothing that would have to be allowed.
        if let Some(operation) = Operation::from_name(name) {
            self.check_caller(Some(caller), operation, codec, body)?;
        }
        self.call(codec, name, body).await
    }

    /// Whether a caller, if there is one whose policies count, may do what a request asks for.
    pub(crate) fn check_caller<C: Codec>(
        &self,
        caller: Option<&Caller>,
        operation: Operation,
        codec: &C,
        body: &Bytes,
    ) -> Result<(), Failure> {
        let Some(caller) = caller else { return Ok(()) };
        let named: Named = codec.decode(body)?;
        self.authorise(caller, operation, &named)
    }

    fn authorise(&self, caller: &Caller, operation: Operation, named: &Named) -> Result<(), Failure> {
        let resource = self.resource(Subject::of(operation), named);
        let action = format!("kinesis:{}", operation.name());
        // Whose policy it is decides on it (API reference, PutResourcePolicy): another account is not handed that.
        let others = matches!(operation, Operation::PutResourcePolicy | Operation::DeleteResourcePolicy)
            && resource.parse::<Arn>().is_ok_and(|arn| arn.account != caller.principal.account());
        if others {
            let (principal, why) = (caller.principal.arn(), Why::NoResourcePolicy);
            return Err(denied(&Denial { principal, action, resource, why }));
        }
        self.ask(caller, &action, &resource, named)?;
        // Tags given at the beginning are asked for as if they came later (API reference, CreateStream and
        // RegisterStreamConsumer).
        let tagging = match operation {
            Operation::CreateStream => "kinesis:AddTagsToStream",
            Operation::RegisterStreamConsumer | Operation::CreateQueue | Operation::CreateChannel => {
                "kinesis:TagResource"
            }
            _ => return Ok(()),
        };
        if named.tags.is_empty() {
            return Ok(());
        }
        let tagged = match (operation, &named.consumer_name) {
            (Operation::RegisterStreamConsumer, Some(name)) => format!("{resource}/consumer/{name}:*"),
            _ => resource,
        };
        self.ask(caller, tagging, &tagged, named)
    }

    fn ask(&self, caller: &Caller, action: &str, resource: &str, named: &Named) -> Result<(), Failure> {
        let Attached { tags, policy } = self.attached(resource);
        let facts = Facts {
            resource_tags: tags.as_ref(),
            request_tags: (!named.tags.is_empty()).then_some(&named.tags),
            tag_keys: Some(&named.tag_keys),
            own: &[],
        };
        caller.may(action, resource, facts, policy.as_ref()).map_err(|denial| denied(&denial))
    }

    /// The ARN of what a request is about, or `*`.
    fn resource(&self, subject: Subject, named: &Named) -> String {
        let stream = || self.stream_resource(named.stream_name.as_deref(), named.stream_arn.as_deref());
        let found = match subject {
            Subject::Nothing => None,
            Subject::Stream => stream(),
            Subject::Consumer => match (&named.consumer_arn, &named.consumer_name) {
                (Some(arn), _) => self.resource_of_arn(arn),
                (None, Some(name)) => stream().map(|stream| self.consumer_resource(&stream, name)),
                (None, None) => stream(),
            },
            Subject::Iterator => named
                .iterator
                .as_deref()
                .and_then(ShardIterator::open)
                .and_then(|iterator| self.arn_of_key(&iterator.stream)),
            Subject::Shards => match &named.token {
                // A token stands alone, and names the stream.
                Some(token) => token::open("shards", token)
                    .and_then(|fields| fields.into_iter().next())
                    .and_then(|key| self.arn_of_key(&key)),
                None => stream(),
            },
            Subject::Resource => named.resource_arn.as_deref().and_then(|arn| self.resource_of_arn(arn)),
            Subject::Queue => match (&named.queue_arn, &named.queue_name) {
                (Some(arn), _) => self.resource_of_arn(arn),
                (None, Some(name)) => Some(self.home.arn("kinesis", format_args!("queue/{name}"))),
                (None, None) => None,
            },
            Subject::Channel => match (&named.channel_arn, &named.channel_name) {
                (Some(arn), _) => self.resource_of_arn(arn),
                (None, Some(name)) => Some(self.home.arn("kinesis", format_args!("channel/{name}"))),
                (None, None) => None,
            },
        };
        found.unwrap_or_else(|| "*".to_owned())
    }

    fn stream_resource(&self, name: Option<&str>, arn: Option<&str>) -> Option<String> {
        match (name, arn) {
            // Where both are given they must mean the same, or the operation refuses them.
            (_, Some(arn)) => self.resource_of_arn(arn).map(|arn| stream_of(&arn).to_owned()),
            (Some(name), None) => Some(self.home.stream_arn(name)),
            (None, None) => None,
        }
    }

    /// The ARN with this server's partition in it.
    fn resource_of_arn(&self, text: &str) -> Option<String> {
        let arn: Arn = text.parse().ok()?;
        let home = self.home.beside(&arn.region, &arn.account);
        (arn.service == "kinesis").then(|| home.arn("kinesis", &arn.resource))
    }

    /// A consumer's ARN ends in when it was made, which only the consumer itself says.
    fn consumer_resource(&self, stream_arn: &str, name: &str) -> String {
        let stream = self.stream(None, Some(stream_arn)).ok();
        let found = stream.and_then(|stream| stream.consumers.get(name).map(|consumer| consumer.arn.clone()));
        found.unwrap_or_else(|| format!("{stream_arn}/consumer/{name}:0"))
    }

    fn arn_of_key(&self, key: &str) -> Option<String> {
        self.stream_of_key(key).ok().map(|stream| stream.arn.clone())
    }
}

/// The stream of a stream's or consumer's ARN.
fn stream_of(arn: &str) -> &str {
    arn.split_once("/consumer/").map_or(arn, |(stream, _)| stream)
}

/// Whose policies an operation asks: what kind of resource it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    /// The account: `*`.
    Nothing,
    Stream,
    Consumer,
    /// The stream of a shard iterator.
    Iterator,
    /// A stream, or that of a token.
    Shards,
    /// Whatever `ResourceARN` names.
    Resource,
    Queue,
    Channel,
}

impl Subject {
    /// As in the Service Authorization Reference, "Actions defined by Amazon Kinesis Data Streams".
    fn of(operation: Operation) -> Self {
        use Operation as Op;
        match operation {
            Op::DescribeAccountSettings
            | Op::DescribeLimits
            | Op::ListChannels
            | Op::ListQueues
            | Op::ListStreams
            | Op::UpdateAccountSettings => Self::Nothing,
            Op::AddTagsToStream
            | Op::CreateStream
            | Op::DecreaseStreamRetentionPeriod
            | Op::DeleteStream
            | Op::DescribeStream
            | Op::DescribeStreamSummary
            | Op::DisableEnhancedMonitoring
            | Op::EnableEnhancedMonitoring
            | Op::GetShardIterator
            | Op::IncreaseStreamRetentionPeriod
            | Op::ListStreamConsumers
            | Op::ListTagsForStream
            | Op::MergeShards
            | Op::PutRecord
            | Op::PutRecords
            | Op::RegisterStreamConsumer
            | Op::RemoveTagsFromStream
            | Op::SplitShard
            | Op::StartStreamEncryption
            | Op::StopStreamEncryption
            | Op::UpdateMaxRecordSize
            | Op::UpdateShardCount
            | Op::UpdateStreamMode
            | Op::UpdateStreamRecordDistributionStrategy
            | Op::UpdateStreamWarmThroughput => Self::Stream,
            Op::DeregisterStreamConsumer | Op::DescribeStreamConsumer | Op::SubscribeToShard => {
                Self::Consumer
            }
            Op::GetRecords => Self::Iterator,
            Op::ListShards => Self::Shards,
            Op::DeleteResourcePolicy
            | Op::GetResourcePolicy
            | Op::ListTagsForResource
            | Op::PutResourcePolicy
            | Op::TagResource
            | Op::UntagResource => Self::Resource,
            Op::AcknowledgeDeadLetterQueueRecords
            | Op::AcknowledgeQueueRecords
            | Op::CreateQueue
            | Op::DeleteQueue
            | Op::DescribeQueue
            | Op::ReceiveDeadLetterQueueRecords
            | Op::ReceiveQueueRecords
            | Op::RestoreDeadLetterQueueRecords
            | Op::UpdateDeadLetterQueueRecordsVisibility
            | Op::UpdateQueue
            | Op::UpdateQueueRecordsVisibility => Self::Queue,
            Op::CreateChannel | Op::DeleteChannel | Op::DescribeChannel | Op::UpdateChannel => Self::Channel,
        }
    }
}

/// The members of any input that name what it is about.
#[derive(Debug, Default)]
struct Named {
    stream_name: Option<String>,
    stream_arn: Option<String>,
    consumer_arn: Option<String>,
    consumer_name: Option<String>,
    resource_arn: Option<String>,
    iterator: Option<String>,
    token: Option<String>,
    queue_arn: Option<String>,
    queue_name: Option<String>,
    channel_arn: Option<String>,
    channel_name: Option<String>,
    tags: BTreeMap<String, String>,
    tag_keys: Vec<String>,
}

impl Decode for Named {
    fn decode<D: Decoder>(d: &mut D) -> Result<Self, DecodeError> {
        const MEMBERS: [&str; 13] = [
            "StreamName",
            "StreamARN",
            "ConsumerARN",
            "ConsumerName",
            "ResourceARN",
            "ShardIterator",
            "NextToken",
            "QueueARN",
            "QueueName",
            "ChannelARN",
            "ChannelName",
            "Tags",
            "TagKeys",
        ];
        let mut out = Self::default();
        d.open_structure()?;
        while let Some(member) = d.next_member(&MEMBERS)? {
            match member {
                0 => out.stream_name = Decode::decode(d)?,
                1 => out.stream_arn = Decode::decode(d)?,
                2 => out.consumer_arn = Decode::decode(d)?,
                3 => out.consumer_name = Decode::decode(d)?,
                4 => out.resource_arn = Decode::decode(d)?,
                5 => out.iterator = Decode::decode(d)?,
                6 => out.token = Decode::decode(d)?,
                7 => out.queue_arn = Decode::decode(d)?,
                8 => out.queue_name = Decode::decode(d)?,
                9 => out.channel_arn = Decode::decode(d)?,
                10 => out.channel_name = Decode::decode(d)?,
                11 => out.tags = Decode::decode(d)?,
                _ => out.tag_keys = Decode::decode(d)?,
            }
        }
        Ok(out)
    }
}

fn denied(denial: &Denial) -> Failure {
    Failure::new(ErrorCode::AccessDeniedException, denial.to_string())
}
