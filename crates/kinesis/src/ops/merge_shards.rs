//! MergeShards: the stream is `UPDATING` until the child of the two shards has taken over.

use crate::Kinesis;
use crate::error::{self, Failure};
use millstream_api_kinesis as api;
use millstream_control::MergeShards;
use millstream_shapes::Empty;

pub(crate) async fn run(service: &Kinesis, input: api::MergeShardsInput) -> Result<Empty, Failure> {
    let stream = service.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let name = &stream.name;
    let shard = service.shard_id(name, &input.shard_to_merge)?;
    let adjacent = service.shard_id(name, &input.adjacent_shard_to_merge)?;
    let merged = service.control().submit(MergeShards { stream: name.clone(), shard, adjacent }).await;
    merged.map_err(|error| error::control(error, &service.home.account))?;
    Ok(Empty {})
}
