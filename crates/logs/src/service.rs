use crate::error::Failure;
use crate::ops;
use crate::store::Store;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use millstream_api_logs::{self as api, ErrorCode, Operation};
use millstream_host::clock::Clock;
use millstream_iam::Caller;
use millstream_shapes::{ApiOperation, Codec, check};
use millstream_types::{Home, Timestamp};
use millstream_wire::json::Json11;
use std::sync::Arc;

/// The CloudWatch Logs service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Logs {
    pub(crate) store: Store,
    /// The account and region that requests mean.
    pub(crate) home: Home,
    clock: Arc<dyn Clock>,
}

/// Event stream frames, ready to be sent.
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
    ($service:expr, $body:expr, $operation:ident, $run:path) => {{
        let input = read::<api::$operation>($body)?;
        let output = $run($service, input).await?;
        Ok(Answer::Body(write::<api::$operation>(&output)))
    }};
}

impl Logs {
    pub fn new(store: Store, home: Home, clock: Arc<dyn Clock>) -> Self {
        Self { store, home, clock }
    }

    /// The service for requests that mean another account or region of this server.
    #[must_use]
    pub fn at(&self, home: Home) -> Self {
        Self { home, ..self.clone() }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Run the operation that `name` names (the part of `X-Amz-Target` after the dot), for a caller whose policies count, if
    /// there is one.
    pub async fn call(
        &self,
        caller: Option<&Caller>,
        request_id: &str,
        name: &str,
        body: &Bytes,
    ) -> Result<Answer, Failure> {
        use Operation as Op;
        let operation = Op::from_name(name).ok_or_else(|| unknown(name))?;
        if let Some(caller) = caller {
            self.authorise(caller, operation, body)?;
        }
        match operation {
            Op::CreateLogGroup => answer!(self, body, CreateLogGroup, ops::create_log_group::run),
            Op::CreateLogStream => answer!(self, body, CreateLogStream, ops::create_log_stream::run),
            Op::DeleteLogGroup => answer!(self, body, DeleteLogGroup, ops::delete_log_group::run),
            Op::DeleteLogStream => answer!(self, body, DeleteLogStream, ops::delete_log_stream::run),
            Op::DeleteRetentionPolicy => {
                answer!(self, body, DeleteRetentionPolicy, ops::delete_retention_policy::run)
            }
            Op::DescribeLogGroups => answer!(self, body, DescribeLogGroups, ops::describe_log_groups::run),
            Op::DescribeLogStreams => answer!(self, body, DescribeLogStreams, ops::describe_log_streams::run),
            Op::FilterLogEvents => answer!(self, body, FilterLogEvents, ops::filter_log_events::run),
            Op::GetLogEvents => answer!(self, body, GetLogEvents, ops::get_log_events::run),
            Op::PutLogEvents => answer!(self, body, PutLogEvents, ops::put_log_events::run),
            Op::PutRetentionPolicy => answer!(self, body, PutRetentionPolicy, ops::put_retention_policy::run),
            Op::StartLiveTail => {
                let input = read::<api::StartLiveTail>(body)?;
                ops::start_live_tail::run(self, request_id, input).map(Answer::Events)
            }
        }
    }
}

fn read<O: ApiOperation>(body: &Bytes) -> Result<O::Input, Failure> {
    let input: O::Input = Json11.decode_shared(body)?;
    check(&input)?;
    Ok(input)
}

fn write<O: ApiOperation>(output: &O::Output) -> Bytes {
    if O::HAS_OUTPUT { Json11.encode(output) } else { Bytes::new() }
}

fn unknown(name: &str) -> Failure {
    Failure::new(
        ErrorCode::UnknownOperationException,
        format!("{name} is not an operation that this version of Millstream supports."),
    )
}
