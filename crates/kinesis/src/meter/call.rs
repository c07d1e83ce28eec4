use super::{OperationMeter, StreamMeter};
use crate::Kinesis;
use crate::error::Failure;
use millstream_api_kinesis::ErrorCode;
use millstream_control::Stream;
use millstream_engine::{Page, Prepared};
use millstream_types::ShardId;
use std::sync::Arc;
use std::time::Duration;

/// The operations that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metered {
    PutRecord,
    PutRecords,
    GetRecords,
    SubscribeToShard,
}

/// A call on its way. It counts for the stream that it turns out to mean: one that means none counts nowhere, so that
/// nobody can make up names.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    service: &'a Kinesis,
    operation: Metered,
    started: Duration,
    meant: Option<(Arc<Stream>, Arc<StreamMeter>)>,
}

/// The records of a call that are about to be stored.
#[derive(Debug)]
pub(crate) struct Tally {
    records: u64,
    bytes: u64,
    /// Empty unless shards are monitored.
    shards: Vec<(ShardId, u64, u64)>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(service: &'a Kinesis, operation: Metered) -> Self {
        Self { service, operation, started: service.engine.clock().monotonic(), meant: None }
    }

    /// The call means this stream.
    pub(crate) fn means(&mut self, stream: &Arc<Stream>) {
        if self.meant.as_ref().is_none_or(|(meant, _)| !Arc::ptr_eq(meant, stream)) {
            self.meant = Some((stream.clone(), self.service.meters.of(stream, self.service.control())));
        }
    }

    pub(crate) fn meter(&self) -> Option<Arc<StreamMeter>> {
        self.meant.as_ref().map(|(_, meter)| meter.clone())
    }

    pub(crate) fn finish<T>(self, result: &Result<T, Failure>) {
        let Some((_, meter)) = &self.meant else { return };
        if let Err(failure) = result
            && failure.error.code == ErrorCode::DryRunOperationException
        {
            return;
        }
        let of: &OperationMeter = match self.operation {
            Metered::PutRecord => &meter.put_record,
            Metered::PutRecords => &meter.put_records,
            Metered::GetRecords => &meter.get_records,
            Metered::SubscribeToShard => &meter.subscribe,
        };
        let took = self.service.engine.clock().monotonic().saturating_sub(self.started);
        of.latency.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        of.success.add(u64::from(result.is_ok()));
    }

    /// A record of it was not stored, as its shard had no room for it.
    pub(crate) fn throttled(&self, shard: ShardId) {
        if let Some((stream, meter)) = &self.meant {
            meter.write_throttled(stream, Some(shard), 1);
            if self.operation == Metered::PutRecords {
                meter.put_records_total.add(1);
                meter.put_records_throttled.add(1);
            }
        }
    }

    /// What a call is about to store.
    pub(crate) fn tally(&self, prepared: &Prepared) -> Tally {
        let monitored = self.meant.as_ref().is_some_and(|(stream, _)| !stream.monitoring.is_empty());
        let mut tally = Tally { records: 0, bytes: 0, shards: Vec::new() };
        for (shard, records, bytes) in prepared.by_shard() {
            tally.records += records;
            tally.bytes += bytes;
            if monitored {
                tally.shards.push((shard, records, bytes));
            }
        }
        tally
    }

    /// It is stored, or is not.
    pub(crate) fn put(&self, tally: &Tally, failed: Option<&Failure>) {
        let Some((stream, meter)) = &self.meant else { return };
        let many = self.operation == Metered::PutRecords;
        if many {
            meter.put_records_total.add(tally.records);
        }
        match failed {
            None => {
                let of = if many { &meter.put_records } else { &meter.put_record };
                of.bytes.add(tally.bytes);
                of.records.add(tally.records);
                meter.incoming_bytes.add(tally.bytes);
                meter.incoming_records.add(tally.records);
                for (shard, records, bytes) in &tally.shards {
                    if let Some(shard) = meter.shard(stream, *shard) {
                        shard.incoming_bytes.add(*bytes);
                        shard.incoming_records.add(*records);
                    }
                }
            }
            Some(failure) if failure.error.code == ErrorCode::ProvisionedThroughputExceededException => {
                meter.write_throttled(stream, None, tally.records);
                for (shard, records, _) in &tally.shards {
                    if let Some(shard) = meter.shard(stream, *shard) {
                        shard.write_exceeded.add(*records);
                    }
                }
                if many {
                    meter.put_records_throttled.add(tally.records);
                }
            }
            Some(_) if many => meter.put_records_failed.add(tally.records),
            Some(_) => {}
        }
    }

    /// A page was read.
    pub(crate) fn got(&self, shard: ShardId, page: &Page) {
        let Some((stream, meter)) = &self.meant else { return };
        let minute = self.service.minute();
        meter.iterator_age.add(minute, page.behind_millis);
        let (records, bytes) = meter.went_out(stream, shard, page);
        meter.get_records.records.add(records);
        meter.get_records.bytes.add(bytes);
        if let Some(shard) = meter.shard(stream, shard) {
            shard.iterator_age.add(minute, page.behind_millis);
        }
    }

    /// Another subscription keeps this one out.
    pub(crate) fn subscription_refused(&self) {
        if let Some((_, meter)) = &self.meant {
            meter.subscribe_rate_exceeded.add(1);
        }
    }
}

impl StreamMeter {
    /// A subscription's event.
    pub(crate) fn event(&self, stream: &Stream, shard: ShardId, page: &Page, minute: u64) {
        let (records, bytes) = self.went_out(stream, shard, page);
        self.events.records.add(records);
        self.events.bytes.add(bytes);
        self.events.success.add(1);
        self.events_behind.add(minute, page.behind_millis);
    }

    /// How many records a page has, and how many bytes.
    fn went_out(&self, stream: &Stream, shard: ShardId, page: &Page) -> (u64, u64) {
        let records = page.records.len() as u64;
        let bytes = page.records.iter().map(|record| record.size() as u64).sum();
        if let Some(shard) = self.shard(stream, shard) {
            shard.outgoing_records.add(records);
            shard.outgoing_bytes.add(bytes);
        }
        (records, bytes)
    }
}
