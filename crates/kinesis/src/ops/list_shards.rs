//! ListShards: the shards that a filter lets through, in order of their ids. Tokens stand alone and expire.

use crate::error::Failure;
use crate::{Kinesis, caps, shapes, token};
use millstream_api_kinesis as api;
use millstream_control::{Shard, Stream, StreamStatus};
use millstream_types::Timestamp;
use std::sync::Arc;

const TOKEN: &str = "shards";

/// Where a listing goes on: which stream (with its creation, so that a successor of the same name is not meant), after
/// which shard, and what it began with.
struct Cursor {
    stream: Arc<Stream>,
    after: String,
    filter: Filter,
}

/// Which shards a listing is of. A time is the one that was meant when it began, so that all its pages fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filter {
    /// Open at that time.
    At(Timestamp),
    /// Open at that time or later.
    From(Timestamp),
}

impl Filter {
    fn lets_through(self, shard: &Shard, oldest: Timestamp) -> bool {
        match self {
            Self::At(time) => shard.was_open_at(time),
            // What has expired since the listing began is not shown.
            Self::From(time) => shard.is_open_after(time.max(oldest)),
        }
    }

    fn seal(self) -> String {
        match self {
            Self::At(time) => format!("at {}", time.millis()),
            Self::From(time) => format!("from {}", time.millis()),
        }
    }

    fn open(text: &str) -> Option<Self> {
        let (kind, millis) = text.split_once(' ')?;
        let time = Timestamp::from_millis(millis.parse().ok()?);
        match kind {
            "at" => Some(Self::At(time)),
            "from" => Some(Self::From(time)),
            _ => None,
        }
    }
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
    let oldest = service.engine.oldest_kept(stream);
    let after = |shard: &&Shard| shard.id.to_string() > cursor.after;
    let mut rest =
        stream.shards.iter().filter(after).filter(|shard| cursor.filter.lets_through(shard, oldest));
    let shards: Vec<_> = rest.by_ref().take(limit).map(shapes::shard).collect();
    let last = shards.last().filter(|_| rest.next().is_some()).map(|shard| shard.shard_id.clone());
    let now = service.engine.now();
    let next_token = last.map(|last| {
        let filter = cursor.filter.seal();
        token::seal(TOKEN, &[&stream.name, &stream.created.millis(), &last, &filter, &now.millis()])
    });
    Ok(api::ListShardsOutput { shards: Some(shards), next_token, ..Default::default() })
}

fn begin(service: &Kinesis, input: api::ListShardsInput) -> Result<Cursor, Failure> {
    let stream = service.stream(input.stream_name.as_deref(), input.stream_arn.as_deref())?;
    service.check_created(&stream, input.stream_creation_timestamp)?;
    let oldest = service.engine.oldest_kept(&stream);
    let mut after = input.exclusive_start_shard_id.unwrap_or_default();
    let filter = match input.shard_filter {
        None => Filter::From(oldest),
        Some(filter) => {
            let (filter, after_id) = filter_of(&stream, filter, oldest)?;
            after = after.max(after_id);
            filter
        }
    };
    Ok(Cursor { stream, after, filter })
}

/// The filter that is asked for, and the shard that it begins after. `oldest` is the trim horizon.
fn filter_of(
    stream: &Stream,
    asked: api::ShardFilter,
    oldest: Timestamp,
) -> Result<(Filter, String), Failure> {
    let kind = asked.r#type;
    let time = || {
        let required =
            || Failure::invalid(format!("Timestamp is required for shard filter {}.", kind.as_str()));
        // Before the trim horizon is at the trim horizon (API reference, ShardFilter).
        asked.timestamp.map(|time| time.max(oldest)).ok_or_else(required)
    };
    let filter = match &kind {
        api::ShardFilterType::AtLatest => Filter::At(stream.last_resharded()),
        api::ShardFilterType::AtTrimHorizon => Filter::At(oldest),
        api::ShardFilterType::AtTimestamp => Filter::At(time()?),
        api::ShardFilterType::FromTimestamp => Filter::From(time()?),
        api::ShardFilterType::FromTrimHorizon | api::ShardFilterType::Unknown(_) => Filter::From(oldest),
        api::ShardFilterType::AfterShardId => {
            let id = asked.shard_id.clone();
            let id =
                id.ok_or_else(|| Failure::invalid("ShardId is required for shard filter AFTER_SHARD_ID."))?;
            return Ok((Filter::From(oldest), id));
        }
    };
    Ok((filter, String::new()))
}

fn resume(service: &Kinesis, input: &api::ListShardsInput, token: &str) -> Result<Cursor, Failure> {
    if input.stream_name.is_some() || input.stream_arn.is_some() {
        return Err(Failure::invalid("NextToken and StreamName cannot be provided together."));
    }
    if input.stream_creation_timestamp.is_some() {
        return Err(Failure::invalid("NextToken and StreamCreationTimestamp cannot be provided together."));
    }
    if input.exclusive_start_shard_id.is_some() {
        return Err(Failure::invalid("NextToken and ExclusiveStartShardId cannot be provided together."));
    }
    let fields = token::open(TOKEN, token).and_then(|fields| <[String; 5]>::try_from(fields).ok());
    let [name, created, after, filter, issued] = fields.ok_or_else(token::invalid)?;
    token::check_age(TOKEN, &issued, service.engine.now())?;
    let stream = service.stream_of_key(&name)?;
    if stream.created.millis().to_string() != created {
        return Err(Failure::no_stream(&name, &service.home.account));
    }
    Ok(Cursor { stream, after, filter: Filter::open(&filter).ok_or_else(token::invalid)? })
}
