use crate::error::Failure;
use crate::ops;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use millstream_api_kinesis::{self as api, ErrorCode, Operation};
use millstream_control_node::ControlHandle;
use millstream_engine::Engine;
use millstream_shapes::{ApiOperation, Codec, check};
use millstream_types::Home;

/// The Kinesis service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Kinesis {
    pub(crate) engine: Engine,
    /// The account and region that requests mean.
    pub(crate) home: Home,
    pub(crate) consumers_per_stream: usize,
}

/// Event stream frames, ready to be sent. Ends when the subscription does.
pub type EventFrames = BoxStream<'static, Bytes>;

/// What an operation answers: one body, or a stream of frames.
pub enum Answer {
    Body(Bytes),
    Events(EventFrames),
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Body(_) => "Body",
            Self::Events(_) => "Events",
        })
    }
}

/// Decode, check, run, encode: the same four steps for each operation that answers with one body.
macro_rules! answer {
    ($service:expr, $codec:expr, $body:expr, $operation:ident, $run:path) => {{
        let input = read::<api::$operation, _>($codec, $body)?;
        let output = $run($service, input).await?;
        Ok(Answer::Body(write::<api::$operation, _>($codec, &output)))
    }};
}

impl Kinesis {
    pub fn new(engine: Engine, home: Home) -> Self {
        Self { engine, home, consumers_per_stream: millstream_control::caps::CONSUMERS_PER_STREAM }
    }

    /// With another limit on the consumers of a stream than AWS's.
    #[must_use]
    pub fn with_consumers_per_stream(self, consumers_per_stream: usize) -> Self {
        Self { consumers_per_stream, ..self }
    }

    /// The server's own account and region, or those of [`Kinesis::at`].
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The service for requests that mean another account or region of this server.
    #[must_use]
    pub fn at(&self, home: Home) -> Self {
        Self { home, ..self.clone() }
    }

    pub(crate) fn control(&self) -> &ControlHandle {
        self.engine.control()
    }

    /// Run the operation that `name` names (the part of `X-Amz-Target` after the dot).
    pub async fn call<C: Codec + Clone + Send + Sync + 'static>(
        &self,
        codec: &C,
        name: &str,
        body: &Bytes,
    ) -> Result<Answer, Failure> {
        self.dispatch(codec, name, body).await.map_err(|failure| failure.told_at(&self.home))
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each of the API's operations")]
    async fn dispatch<C: Codec + Clone + Send + Sync + 'static>(
        &self,
        codec: &C,
        name: &str,
        body: &Bytes,
    ) -> Result<Answer, Failure> {
        use Operation as Op;
        let operation = Op::from_name(name).ok_or_else(|| unknown(name))?;
        match operation {
            Op::AddTagsToStream => answer!(self, codec, body, AddTagsToStream, ops::add_tags_to_stream::run),
            Op::CreateStream => answer!(self, codec, body, CreateStream, ops::create_stream::run),
            Op::DecreaseStreamRetentionPeriod => {
                answer!(
                    self,
                    codec,
                    body,
                    DecreaseStreamRetentionPeriod,
                    ops::decrease_stream_retention_period::run
                )
            }
            Op::DeleteResourcePolicy => {
                answer!(self, codec, body, DeleteResourcePolicy, ops::delete_resource_policy::run)
            }
            Op::DeleteStream => answer!(self, codec, body, DeleteStream, ops::delete_stream::run),
            Op::DeregisterStreamConsumer => {
                answer!(self, codec, body, DeregisterStreamConsumer, ops::deregister_stream_consumer::run)
            }
            Op::DescribeLimits => answer!(self, codec, body, DescribeLimits, ops::describe_limits::run),
            Op::DescribeStream => answer!(self, codec, body, DescribeStream, ops::describe_stream::run),
            Op::DescribeStreamConsumer => {
                answer!(self, codec, body, DescribeStreamConsumer, ops::describe_stream_consumer::run)
            }
            Op::DescribeStreamSummary => {
                answer!(self, codec, body, DescribeStreamSummary, ops::describe_stream_summary::run)
            }
            Op::GetRecords => ops::get_records::answer(self, codec, body).await.map(Answer::Body),
            Op::GetResourcePolicy => {
                answer!(self, codec, body, GetResourcePolicy, ops::get_resource_policy::run)
            }
            Op::GetShardIterator => {
                answer!(self, codec, body, GetShardIterator, ops::get_shard_iterator::run)
            }
            Op::IncreaseStreamRetentionPeriod => {
                answer!(
                    self,
                    codec,
                    body,
                    IncreaseStreamRetentionPeriod,
                    ops::increase_stream_retention_period::run
                )
            }
            Op::ListShards => answer!(self, codec, body, ListShards, ops::list_shards::run),
            Op::ListStreamConsumers => {
                answer!(self, codec, body, ListStreamConsumers, ops::list_stream_consumers::run)
            }
            Op::ListStreams => answer!(self, codec, body, ListStreams, ops::list_streams::run),
            Op::ListTagsForResource => {
                answer!(self, codec, body, ListTagsForResource, ops::list_tags_for_resource::run)
            }
            Op::ListTagsForStream => {
                answer!(self, codec, body, ListTagsForStream, ops::list_tags_for_stream::run)
            }
            Op::MergeShards => {
                answer!(self, codec, body, MergeShards, ops::merge_shards::run)
            }
            Op::PutRecord => ops::put_record::answer(self, codec, body).await.map(Answer::Body),
            Op::PutRecords => ops::put_records::answer(self, codec, body).await.map(Answer::Body),
            Op::PutResourcePolicy => {
                answer!(self, codec, body, PutResourcePolicy, ops::put_resource_policy::run)
            }
            Op::RegisterStreamConsumer => {
                answer!(self, codec, body, RegisterStreamConsumer, ops::register_stream_consumer::run)
            }
            Op::RemoveTagsFromStream => {
                answer!(self, codec, body, RemoveTagsFromStream, ops::remove_tags_from_stream::run)
            }
            Op::SplitShard => {
                answer!(self, codec, body, SplitShard, ops::split_shard::run)
            }
            Op::SubscribeToShard => {
                let input = read::<api::SubscribeToShard, _>(codec, body)?;
                Ok(Answer::Events(ops::subscribe_to_shard::run(self, codec, input).await?))
            }
            Op::TagResource => answer!(self, codec, body, TagResource, ops::tag_resource::run),
            Op::UntagResource => answer!(self, codec, body, UntagResource, ops::untag_resource::run),
            Op::UpdateMaxRecordSize => {
                answer!(self, codec, body, UpdateMaxRecordSize, ops::update_max_record_size::run)
            }
            Op::UpdateShardCount => {
                answer!(self, codec, body, UpdateShardCount, ops::update_shard_count::run)
            }
            Op::UpdateStreamMode => {
                answer!(self, codec, body, UpdateStreamMode, ops::update_stream_mode::run)
            }
            Op::AcknowledgeDeadLetterQueueRecords
            | Op::AcknowledgeQueueRecords
            | Op::CreateChannel
            | Op::CreateQueue
            | Op::DeleteChannel
            | Op::DeleteQueue
            | Op::DescribeAccountSettings
            | Op::DescribeChannel
            | Op::DescribeQueue
            | Op::DisableEnhancedMonitoring
            | Op::EnableEnhancedMonitoring
            | Op::ListChannels
            | Op::ListQueues
            | Op::ReceiveDeadLetterQueueRecords
            | Op::ReceiveQueueRecords
            | Op::RestoreDeadLetterQueueRecords
            | Op::StartStreamEncryption
            | Op::StopStreamEncryption
            | Op::UpdateAccountSettings
            | Op::UpdateChannel
            | Op::UpdateDeadLetterQueueRecordsVisibility
            | Op::UpdateQueue
            | Op::UpdateQueueRecordsVisibility
            | Op::UpdateStreamRecordDistributionStrategy
            | Op::UpdateStreamWarmThroughput => Err(unknown(name)),
        }
    }
}

pub(crate) fn read<O: ApiOperation, C: Codec>(codec: &C, body: &Bytes) -> Result<O::Input, Failure> {
    let input: O::Input = codec.decode_shared(body)?;
    check(&input)?;
    Ok(input)
}

fn write<O: ApiOperation, C: Codec>(codec: &C, output: &O::Output) -> Bytes {
    if O::HAS_OUTPUT { codec.encode(output) } else { Bytes::new() }
}

fn unknown(name: &str) -> Failure {
    Failure::new(
        ErrorCode::UnknownOperationException,
        format!("{name} is not an operation that this version of Millstream supports."),
    )
}
