use crate::record;
use crate::router::{Router, hash_of};
use crate::{Engine, EngineError, caps};
use bytes::Bytes;
use millstream_control::{Shard, Stream};
use millstream_log::{AppendError, Appended, BatchBuilder, Refused};
use millstream_types::{HashKey, SequenceNumber, ShardId};

/// A record as a producer gives it.
#[derive(Clone, Debug)]
pub struct NewRecord {
    pub partition_key: String,
    pub explicit_hash_key: Option<HashKey>,
    pub data: Bytes,
}

/// Where a record is, durably.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    pub shard: ShardId,
    pub sequence_number: SequenceNumber,
}

/// The records of a call that go to one shard.
#[derive(Debug)]
struct Group<'a> {
    shard: &'a Shard,
    builder: BatchBuilder,
    /// Their places in the call.
    places: Vec<usize>,
}

impl Engine {
    /// Append records and wait until they are durable. All of a call share its fate; those of one shard are adjacent and
    /// in the order given.
    pub async fn append(&self, stream: &Stream, records: &[NewRecord]) -> Result<Vec<Placed>, EngineError> {
        let groups = group(stream, records)?;
        let now = self.clock.now();
        let mut places = Vec::with_capacity(groups.len());
        let mut batches = Vec::with_capacity(groups.len());
        for group in groups {
            batches.push((group.shard.log, group.builder.finish(now)));
            places.push((group.shard.id, group.places));
        }
        let admitted = self.log.append(batches, caps::ADMISSION).await;
        let appended = match admitted {
            Ok(ticket) => ticket.durable().await.map_err(|error| append_error(stream, error))?,
            Err(refused) => return Err(append_error(stream, refused.into())),
        };
        Ok(in_call_order(records.len(), &places, &appended))
    }
}

fn group<'a>(stream: &'a Stream, records: &[NewRecord]) -> Result<Vec<Group<'a>>, EngineError> {
    let router = Router::new(stream);
    let mut groups: Vec<Group<'a>> = Vec::new();
    // A shard's number to its group; streams have few enough shards for a plain table.
    let mut group_of: Vec<Option<usize>> = vec![None; stream.shards.len()];
    // A fair share for each shard, so that the usual call grows no buffer.
    let bytes: usize = records.iter().map(stored_size).sum();
    let expected = bytes / stream.shards.len().clamp(1, records.len().max(1));
    for (place, record) in records.iter().enumerate() {
        let key = record.explicit_hash_key.unwrap_or_else(|| hash_of(&record.partition_key));
        let no_shard = || EngineError::NoShardForKey(stream.name.clone());
        let shard = router.shard(key).ok_or_else(no_shard)?;
        let header = record::header(&record.partition_key).ok_or_else(no_shard)?;
        let number = usize::try_from(shard.id.0)
            .ok()
            .filter(|number| *number < group_of.len())
            .ok_or_else(no_shard)?;
        let index = *group_of[number].get_or_insert_with(|| {
            groups.push(Group { shard, builder: BatchBuilder::with_capacity(expected), places: Vec::new() });
            groups.len() - 1
        });
        groups[index].builder.push_parts(&[&header, record.partition_key.as_bytes(), &record.data]);
        groups[index].places.push(place);
    }
    Ok(groups)
}

fn stored_size(record: &NewRecord) -> usize {
    BatchBuilder::OVERHEAD + record::HEADER + record.partition_key.len() + record.data.len()
}

fn in_call_order(count: usize, groups: &[(ShardId, Vec<usize>)], appended: &[Appended]) -> Vec<Placed> {
    let unset = Placed { shard: ShardId(0), sequence_number: SequenceNumber::start_of(ShardId(0)) };
    let mut placed = vec![unset; count];
    for ((shard, group), appended) in groups.iter().zip(appended) {
        for (place, index) in group.iter().zip(0..) {
            let sequence_number = SequenceNumber::of_record(*shard, appended.first.plus(index));
            placed[*place] = Placed { shard: *shard, sequence_number };
        }
    }
    placed
}

fn append_error(stream: &Stream, error: AppendError) -> EngineError {
    match error {
        AppendError::Refused(Refused::NoSuchShard(_)) => EngineError::Gone(stream.name.clone()),
        other => EngineError::Append(other),
    }
}
