use crate::error::Failure;
use crate::limits::Limits;
use crate::meter::{Call, Metered, Meters};
use crate::ops;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use millstream_api_kinesis::{self as api, ErrorCode, Operation};
use millstream_control_node::ControlHandle;
use millstream_engine::Engine;
use millstream_iam::Caller;
use millstream_queue::Queues;
use millstream_shapes::{ApiOperation, Codec, check};
use millstream_types::Home;
use std::sync::Arc;

/// The Kinesis service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Kinesis {
    pub(crate) engine: Engine,
    /// The account and region that requests mean.
    pub(crate) home: Home,
    pub(crate) queues: Queues,
    pub(crate) consumers_per_stream: usize,
    pub(crate) meters: Arc<Meters>,
    /// `None` where nothing but sizes is limited.
    pub(crate) limits: Option<Arc<Limits>>,
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
    /// Starts to follow the control state for its queues: call it within a Tokio runtime.
    pub fn new(engine: Engine, home: Home) -> Self {
        let queues = Queues::start(engine.clone());
        let consumers_per_stream = millstream_control::caps::CONSUMERS_PER_STREAM;
        Self { engine, queues, home, consumers_per_stream, meters: Arc::default(), limits: None }
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

    /// PutRecords in which some records are refused with `message`, as a shard without room would: those for which `refused`
    /// says so, asked for each in turn. The others are stored.
    pub async fn put_records_partly<C: Codec>(
        &self,
        caller: Option<&Caller>,
        codec: &C,
        body: &Bytes,
        refused: impl FnMut() -> bool,
        message: &str,
    ) -> Result<Answer, Failure> {
        self.check_caller(caller, Operation::PutRecords, codec, body)?;
        let mut call = Call::new(self, Metered::PutRecords);
        let answer = ops::put_records_partly::answer(self, codec, body, &mut call, refused, message).await;
        call.finish(&answer);
        answer.map(Answer::Body).map_err(|failure| failure.told_at(&self.home))
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
        self.check_call(operation, codec, body)?;
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
            Op::DescribeAccountSettings => {
                answer!(self, codec, body, DescribeAccountSettings, ops::describe_account_settings::run)
            }
            Op::DescribeLimits => answer!(self, codec, body, DescribeLimits, ops::describe_limits::run),
            Op::DescribeStream => answer!(self, codec, body, DescribeStream, ops::describe_stream::run),
            Op::DescribeStreamConsumer => {
                answer!(self, codec, body, DescribeStreamConsumer, ops::describe_stream_consumer::run)
            }
            Op::DescribeStreamSummary => {
                answer!(self, codec, body, DescribeStreamSummary, ops::describe_stream_summary::run)
            }
            Op::DisableEnhancedMonitoring => {
                answer!(self, codec, body, DisableEnhancedMonitoring, ops::disable_enhanced_monitoring::run)
            }
            Op::EnableEnhancedMonitoring => {
                answer!(self, codec, body, EnableEnhancedMonitoring, ops::enable_enhanced_monitoring::run)
            }
            Op::GetRecords => {
                let mut call = Call::new(self, Metered::GetRecords);
                let answer = ops::get_records::answer(self, codec, body, &mut call).await;
                call.finish(&answer);
                answer.map(Answer::Body)
            }
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
            Op::CreateQueue => answer!(self, codec, body, CreateQueue, ops::create_queue::run),
            Op::DescribeQueue => answer!(self, codec, body, DescribeQueue, ops::describe_queue::run),
            Op::UpdateQueue => answer!(self, codec, body, UpdateQueue, ops::update_queue::run),
            Op::DeleteQueue => answer!(self, codec, body, DeleteQueue, ops::delete_queue::run),
            Op::ListQueues => answer!(self, codec, body, ListQueues, ops::list_queues::run),
            Op::ReceiveQueueRecords => {
                answer!(self, codec, body, ReceiveQueueRecords, ops::receive_queue_records::run)
            }
            Op::ReceiveDeadLetterQueueRecords => answer!(
                self,
                codec,
                body,
                ReceiveDeadLetterQueueRecords,
                ops::receive_dead_letter_queue_records::run
            ),
            Op::AcknowledgeQueueRecords => {
                answer!(self, codec, body, AcknowledgeQueueRecords, ops::acknowledge_queue_records::run)
            }
            Op::AcknowledgeDeadLetterQueueRecords => answer!(
                self,
                codec,
                body,
                AcknowledgeDeadLetterQueueRecords,
                ops::acknowledge_dead_letter_queue_records::run
            ),
            Op::RestoreDeadLetterQueueRecords => answer!(
                self,
                codec,
                body,
                RestoreDeadLetterQueueRecords,
                ops::restore_dead_letter_queue_records::run
            ),
            Op::UpdateQueueRecordsVisibility => answer!(
                self,
                codec,
                body,
                UpdateQueueRecordsVisibility,
                ops::update_queue_records_visibility::run
            ),
            Op::UpdateDeadLetterQueueRecordsVisibility => answer!(
                self,
                codec,
                body,
                UpdateDeadLetterQueueRecordsVisibility,
                ops::update_dead_letter_queue_records_visibility::run
            ),
            Op::PutRecord => {
                let mut call = Call::new(self, Metered::PutRecord);
                let answer = ops::put_record::answer(self, codec, body, &mut call).await;
                call.finish(&answer);
                answer.map(Answer::Body)
            }
            Op::PutRecords => {
                let mut call = Call::new(self, Metered::PutRecords);
                let answer = ops::put_records::answer(self, codec, body, &mut call).await;
                call.finish(&answer);
                answer.map(Answer::Body)
            }
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
            Op::StartStreamEncryption => {
                answer!(self, codec, body, StartStreamEncryption, ops::start_stream_encryption::run)
            }
            Op::StopStreamEncryption => {
                answer!(self, codec, body, StopStreamEncryption, ops::stop_stream_encryption::run)
            }
            Op::SubscribeToShard => {
                let input = read::<api::SubscribeToShard, _>(codec, body)?;
                let mut call = Call::new(self, Metered::SubscribeToShard);
                let answer = ops::subscribe_to_shard::run(self, codec, input, &mut call).await;
                call.finish(&answer);
                answer.map(Answer::Events)
            }
            Op::TagResource => answer!(self, codec, body, TagResource, ops::tag_resource::run),
            Op::UntagResource => answer!(self, codec, body, UntagResource, ops::untag_resource::run),
            Op::UpdateAccountSettings => {
                answer!(self, codec, body, UpdateAccountSettings, ops::update_account_settings::run)
            }
            Op::UpdateMaxRecordSize => {
                answer!(self, codec, body, UpdateMaxRecordSize, ops::update_max_record_size::run)
            }
            Op::UpdateShardCount => {
                answer!(self, codec, body, UpdateShardCount, ops::update_shard_count::run)
            }
            Op::UpdateStreamMode => {
                answer!(self, codec, body, UpdateStreamMode, ops::update_stream_mode::run)
            }
            Op::UpdateStreamRecordDistributionStrategy => {
                answer!(
                    self,
                    codec,
                    body,
                    UpdateStreamRecordDistributionStrategy,
                    ops::update_stream_record_distribution_strategy::run
                )
            }
            Op::UpdateStreamWarmThroughput => {
                answer!(
                    self,
                    codec,
                    body,
                    UpdateStreamWarmThroughput,
                    ops::update_stream_warm_throughput::run
                )
            }
            Op::CreateChannel
            | Op::DeleteChannel
            | Op::DescribeChannel
            | Op::ListChannels
            | Op::UpdateChannel => Err(unknown(name)),
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
