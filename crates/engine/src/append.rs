use crate::record;
use crate::reroute::{Call, Route};
use crate::router::{Router, hashes_of};
use crate::scaling::Load;
use crate::sealing::Sealing;
use crate::spread::{self, Spread};
use crate::{Engine, EngineError, caps};
use bytes::Bytes;
use millstream_control::{Distribution, Stream};
use millstream_log::{AppendError, Appended, BatchBuilder, BatchesBuilder, Refused};
use millstream_types::{HashKey, LogShard, SequenceNumber, ShardId};
use std::sync::atomic::Ordering;

/// A record as a producer gives it.
#[derive(Clone, Debug)]
pub struct NewRecord {
    /// Empty if there is none, which only a stream that distributes by itself takes.
    pub partition_key: String,
    pub explicit_hash_key: Option<HashKey>,
    pub data: Bytes,
}

/// What an append needs to know of a record. Its data is asked for once, when its place is known.
pub trait Appendable {
    /// Empty if there is none.
    fn partition_key(&self) -> &str;
    fn explicit_hash_key(&self) -> Option<HashKey>;
    fn data_length(&self) -> usize;

    /// Appends the data, [`data_length`](Self::data_length) bytes. Nothing if it turns out that there is none.
    fn append_data(&self, out: &mut Vec<u8>) -> Option<()>;
}

impl Appendable for NewRecord {
    fn partition_key(&self) -> &str {
        &self.partition_key
    }

    fn explicit_hash_key(&self) -> Option<HashKey> {
        self.explicit_hash_key
    }

    fn data_length(&self) -> usize {
        self.data.len()
    }

    fn append_data(&self, out: &mut Vec<u8>) -> Option<()> {
        out.extend_from_slice(&self.data);
        Some(())
    }
}

/// Where a record is, durably.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    pub shard: ShardId,
    pub sequence_number: SequenceNumber,
}

/// The records of a call, in the form in which the log takes them.
#[derive(Debug)]
pub struct Prepared {
    pub(crate) route: Route,
    pub(crate) groups: Vec<Group>,
    /// Of each record, in the order of the call.
    pub(crate) slots: Vec<Slot>,
    /// One batch for each group.
    pub(crate) batches: BatchesBuilder,
    /// What the scaling of the stream is to know of the call.
    pub(crate) load: Option<Load>,
    sealing: Option<Sealing>,
}

/// The records of a call that go to one shard.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) shard: ShardId,
    pub(crate) log: LogShard,
    records: usize,
    /// Their data and partition keys.
    bytes: usize,
}

/// A record's place: in a group, and there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    pub(crate) group: usize,
    pub(crate) index: usize,
    /// Its data and partition key.
    pub(crate) bytes: u32,
}

/// What is appended, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Of each record, in the order of the call.
    pub placed: Vec<Placed>,
    pub encrypted: bool,
}

impl Engine {
    /// Append records and wait until they are durable. All of a call share its fate; those of one shard are adjacent and
    /// in the order given.
    pub async fn append(&self, stream: &Stream, records: &[NewRecord]) -> Result<Vec<Placed>, EngineError> {
        Ok(self.append_prepared(self.prepare(stream, records)?).await?.placed)
    }

    /// Finds each record's shard and lays the records out shard by shard.
    ///
    /// # Errors
    /// If a record belongs to no open shard, or cannot give its data.
    pub fn prepare<R: Appendable>(&self, stream: &Stream, records: &[R]) -> Result<Prepared, EngineError> {
        let turn = match stream.distribution {
            Distribution::UserPartitionKey => 0,
            Distribution::Auto => {
                self.turn.fetch_add(spread::shards(stream, records.len()), Ordering::Relaxed)
            }
        };
        Prepared::new(stream, records, turn)
    }

    /// As [`Engine::append`].
    pub async fn append_prepared(&self, prepared: Prepared) -> Result<Stored, EngineError> {
        let prepared = self.on_open_shards(prepared).await?;
        let Prepared { route, groups, slots, batches, load, sealing } = prepared;
        if let Some(load) = &load {
            self.meters.charge(load);
        }
        let batches = batches.finish(self.clock.now());
        // Shared with what the log gets, unless that is encrypted, for the case that a shard is closed meanwhile.
        let kept = batches.clone();
        let mut batches: Vec<_> = groups.iter().map(|group| group.log).zip(batches).collect();
        if let Some(sealing) = &sealing {
            sealing.seal(&self.vault, &mut batches)?;
        }
        let admitted = self.log.append(batches, caps::ADMISSION).await;
        let appended = match admitted {
            Ok(ticket) => ticket.durable().await.map_err(|error| append_error(&route.stream, error))?,
            Err(refused) => return Err(append_error(&route.stream, refused.into())),
        };
        let mut placed = placed(&groups, &slots, &appended);
        if self.has_moved(&route) {
            let call = Call { route, groups: &groups, slots: &slots, batches: &kept };
            self.replace_void(&call, &mut placed).await?;
        }
        Ok(Stored { placed, encrypted: sealing.is_some() })
    }

    /// Prepare a call again whose shards are no longer the open ones.
    async fn on_open_shards(&self, prepared: Prepared) -> Result<Prepared, EngineError> {
        if !self.has_moved(&prepared.route) {
            return Ok(prepared);
        }
        let Prepared { route, groups, slots, batches, .. } = prepared;
        let stream = self.after_closing(&route.stream).await?;
        let batches = batches.finish(self.clock.now());
        let records = Call { route, groups: &groups, slots: &slots, batches: &batches }.records()?;
        self.prepare(&stream, &records)
    }
}

impl Prepared {
    /// `turn` is where a stream that distributes by itself goes on.
    fn new<R: Appendable>(stream: &Stream, records: &[R], turn: usize) -> Result<Self, EngineError> {
        let no_shard = || EngineError::NoShardForKey(stream.name.clone());
        let (groups, slots) = group(stream, records, turn).ok_or_else(no_shard)?;
        let bytes = records.iter().map(stored_size).sum();
        let mut batches = BatchesBuilder::with_capacity(groups.len(), bytes);
        let order = in_group_order(&groups, &slots);
        let mut from = 0;
        for group in &groups {
            for place in &order[from..from + group.records] {
                write(&records[*place], &mut batches)
                    .ok_or_else(|| EngineError::NoData { stream: stream.name.clone(), record: *place })?;
            }
            batches.end_batch();
            from += group.records;
        }
        let load = Load::of(stream, &groups, &slots, records);
        Ok(Self {
            route: Route::new(stream, records),
            groups,
            slots,
            batches,
            load,
            sealing: Sealing::of(stream),
        })
    }

    /// How many records go to each shard, and how many bytes they are. A reshard that comes before they are appended may
    /// still send them elsewhere.
    pub fn by_shard(&self) -> impl Iterator<Item = (ShardId, u64, u64)> {
        self.groups.iter().map(|group| (group.shard, group.records as u64, group.bytes as u64))
    }
}

/// The shards that the records go to, in order of first use, and each record's place. Nothing if one has no shard.
fn group<R: Appendable>(stream: &Stream, records: &[R], turn: usize) -> Option<(Vec<Group>, Vec<Slot>)> {
    let spread =
        (stream.distribution == Distribution::Auto).then(|| Spread::new(stream, records.len(), turn));
    let router = Router::new(stream);
    let keyed = spread.is_none() && !router.needs_no_hash();
    let hashes = if keyed { hashes_of(records) } else { Vec::new() };
    // A shard's place to its group; streams have few enough shards for a plain table.
    let mut group_of: Vec<Option<u32>> = vec![None; stream.shards.len()];
    let mut groups: Vec<Group> = Vec::new();
    let mut slots = Vec::with_capacity(records.len());
    for (place, record) in records.iter().enumerate() {
        let shard_place = match &spread {
            Some(spread) => spread.place(place)?,
            None => router.place(hashes.get(place).copied().unwrap_or(HashKey(0)))?,
        };
        let (shard, of_shard) = (stream.shards.get(shard_place)?, group_of.get_mut(shard_place)?);
        let group = if let Some(group) = *of_shard {
            group as usize
        } else {
            *of_shard = Some(u32::try_from(groups.len()).ok()?);
            groups.push(Group { shard: shard.id, log: shard.log, records: 0, bytes: 0 });
            groups.len() - 1
        };
        let bytes = record.partition_key().len() + record.data_length();
        slots.push(Slot { group, index: groups[group].records, bytes: u32::try_from(bytes).ok()? });
        groups[group].records += 1;
        groups[group].bytes += record.partition_key().len() + record.data_length();
    }
    Some((groups, slots))
}

/// The records' places in the call, group by group.
fn in_group_order(groups: &[Group], slots: &[Slot]) -> Vec<usize> {
    let mut start = 0;
    let starts: Vec<usize> = groups
        .iter()
        .map(|group| {
            start += group.records;
            start - group.records
        })
        .collect();
    let mut order = vec![0; slots.len()];
    for (place, slot) in slots.iter().enumerate() {
        order[starts[slot.group] + slot.index] = place;
    }
    order
}

fn write<R: Appendable>(record: &R, batches: &mut BatchesBuilder) -> Option<()> {
    let key = record.partition_key();
    let header = record::header(key)?;
    batches.push_with(header.len() + key.len() + record.data_length(), |out| {
        out.extend_from_slice(&header);
        out.extend_from_slice(key.as_bytes());
        record.append_data(out)
    })
}

fn stored_size<R: Appendable>(record: &R) -> usize {
    BatchBuilder::OVERHEAD + record::HEADER + record.partition_key().len() + record.data_length()
}

fn placed(groups: &[Group], slots: &[Slot], appended: &[Appended]) -> Vec<Placed> {
    let place = |slot: &Slot| {
        let (shard, first) = (groups[slot.group].shard, appended[slot.group].first);
        Placed { shard, sequence_number: SequenceNumber::of_record(shard, first.plus(slot.index as u64)) }
    };
    slots.iter().map(place).collect()
}

fn append_error(stream: &str, error: AppendError) -> EngineError {
    match error {
        AppendError::Refused(Refused::NoSuchShard(_)) => EngineError::Gone(stream.to_owned()),
        other => EngineError::Append(other),
    }
}
