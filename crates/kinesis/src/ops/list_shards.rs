//! ListShards: the shards that a filter lets through, in order of their ids. Tokens stand alone and expire.

use crate::error::Failure;
use crate::{Kinesis, caps, shapes, token};
use millstream_api_kinesis::{self as api, ErrorCode};
use millstream_control::{Shard, Stream, StreamStatus};
use millstream_types::Timestamp;
use std::sync::Arc;

const TOKEN: &str = "shards";

/// Where a listing goes on: which stream (with its creation, so that a successor of the same name is not meant), after
/// which shard, and the filter it began with.
struct Cursor {
    stream: Arc<Stream>,
    after: String,
    filter: api::ShardFilterType,
}

pub(crate) async fn run(
    service: &Kinesis,
    input: api::ListShardsInput,
) -> Result<api::ListShardsOutput, Failure> {
    let limit = input.max_results.and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.unwrap_or(caps::LIST_SHARDS).min(caps::LIST_SHARDS);
    let cursor = match &input.next_token {
        Some(token) => resume(service, &input, token)?,
        None => begin(service, input)?,
    };
    let stream = &cursor.stream;
    if stream.status == StreamStatus::Creating {
        let name = &stream.name;
        return Err(Failure::in_use(format!(
            "Stream {name} under account {} not ACTIVE, instead in state CREATING",
            service.home.account
        )));
    }
    let matching = |shard: &&Shard| match cursor.filter {
        api::ShardFilterType::AtLatest => shard.is_open(),
        // Until streams can be resharded every shard is open, so the filters by time let all through.
        api::ShardFilterType::AfterShardId
        | api::ShardFilterType::AtTrimHorizon
        | api::ShardFilterType::FromTrimHorizon
        | api::ShardFilterType::AtTimestamp
        | api::ShardFilterType::FromTimestamp
        | api::ShardFilterType::Unknown(_) => true,
    };
    let mut rest = stream.shards.iter().filter(|shard| shard.id.to_string() > cursor.after).filter(matching);
    let shards: Vec<_> = rest.by_ref().take(limit).map(shapes::shard).collect();
    let last = shards.last().filter(|_| rest.next().is_some()).map(|shard| shard.shard_id.clone());
    let now = service.engine.now();
    let next_token = last.map(|last| {
        let filter = cursor.filter.as_str();
        token::seal(TOKEN, &[&stream.name, &stream.created.millis(), &last, &filter, &now.millis()])
    });
    Ok(api::ListShardsOutput { shards: Some(shards), next_token, ..Default::default() })
}

fn begin(service: &Kinesis, input: api::ListShardsInput) -> Result<Cursor, Failure> {
    let stream = service.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    let (mut filter, mut after) =
        (api::ShardFilterType::FromTrimHorizon, input.exclusive_start_shard_id.unwrap_or_default());
    if let Some(asked) = input.shard_filter {
        match &asked.r#type {
            api::ShardFilterType::AfterShardId => {
                let id = asked.shard_id.clone();
                let id = id.ok_or_else(|| {
                    Failure::invalid("ShardId is required for shard filter AFTER_SHARD_ID.")
                })?;
                after = after.max(id);
            }
            kind @ (api::ShardFilterType::AtTimestamp | api::ShardFilterType::FromTimestamp)
                if asked.timestamp.is_none() =>
            {
                let kind = kind.as_str();
                return Err(Failure::invalid(format!("Timestamp is required for shard filter {kind}.")));
            }
            _ => {}
        }
        filter = asked.r#type;
    }
    Ok(Cursor { stream, after, filter })
}

fn resume(service: &Kinesis, input: &api::ListShardsInput, token: &str) -> Result<Cursor, Failure> {
    if input.stream_name.is_some() || input.stream_arn.is_some() {
        return Err(Failure::invalid("NextToken and StreamName cannot be provided together."));
    }
    let bad = || Failure::invalid("NextToken is invalid.");
    let fields = token::open(TOKEN, token).ok_or_else(bad)?;
    let [name, created, after, filter, issued]: [String; 5] =
        fields.try_into().map_err(|_wrong_count| bad())?;
    let issued = Timestamp::from_millis(issued.parse().map_err(|_not_a_number| bad())?);
    if service.engine.now().millis_since(issued) > caps::TOKEN_MILLIS {
        return Err(Failure::new(
            ErrorCode::ExpiredNextTokenException,
            "The NextToken has expired: it is valid for 300 seconds. List the shards again.",
        ));
    }
    let stream = service.stream(Some(&name), None)?;
    if stream.created.millis().to_string() != created {
        return Err(Failure::no_stream(&name, &service.home.account));
    }
    Ok(Cursor { stream, after, filter: api::ShardFilterType::from(filter.as_str()) })
}
