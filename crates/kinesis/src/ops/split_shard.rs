//! SplitShard: the stream is `UPDATING` until the shard's two children have taken over.

use crate::Kinesis;
use crate::error::{self, Failure};
use millstream_api_kinesis as api;
use millstream_control::SplitShard;
use millstream_shapes::Empty;
use millstream_types::HashKey;

pub(crate) async fn run(service: &Kinesis, input: api::SplitShardInput) -> Result<Empty, Failure> {
    let stream = service.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let name = &stream.name;
    let shard = service.shard_id(name, &input.shard_to_split)?;
    // The model lets pass what has 39 digits and is too large.
    let key: HashKey = input.new_starting_hash_key.parse().map_err(|_out_of_range| {
        Failure::invalid(format!(
            "Invalid NewStartingHashKey. NewStartingHashKey must be in the range: [0, 2^128-1]. Specified value was {}",
            input.new_starting_hash_key
        ))
    })?;
    let turn = service.turn().await;
    service.check_shards(&turn, 1)?;
    let split = service.control().submit(SplitShard { stream: name.clone(), shard, key }).await;
    split.map_err(|error| error::control(error, &service.home.account))?;
    Ok(Empty {})
}
