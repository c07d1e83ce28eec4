//! What PutRecord and PutRecords share.
//!
//! Their requests are read in one of two ways. The short way borrows from the body and writes each record's data once,
//! where the log takes it. It knows no error: a request in which anything is amiss is read again in the long way, through
//! the API's own types, and that says what is wrong. So the short way may refuse whatever it likes, but never take what
//! the long way refuses, nor read it differently.

#[cfg(test)]
mod tests;

use crate::Kinesis;
use crate::error::{self, Failure};
use crate::meter::Call;
use bytes::Bytes;
use millstream_control::{Distribution, Stream};
use millstream_engine::{Appendable, NewRecord, Prepared, Stored};
use millstream_shapes::{BorrowDecoder, DecodeError, RawBlob};
use millstream_types::{HashKey, ShardId};
use std::borrow::Cow;
use std::sync::Arc;

/// The longest partition key that is surely not too long: 256 characters have at least as many bytes.
const KEY_BYTES: usize = 256;

/// A record as it stands in a request.
#[derive(Debug)]
pub(crate) struct RawRecord<'a> {
    /// Empty if there is none.
    partition_key: Cow<'a, str>,
    explicit_hash_key: Option<HashKey>,
    data: RawBlob<'a>,
    data_length: usize,
}

impl RawRecord<'_> {
    /// The bytes that count towards its limit.
    fn size(&self) -> usize {
        self.partition_key.len() + self.data_length
    }
}

impl Appendable for RawRecord<'_> {
    fn partition_key(&self) -> &str {
        &self.partition_key
    }

    fn explicit_hash_key(&self) -> Option<HashKey> {
        self.explicit_hash_key
    }

    fn data_length(&self) -> usize {
        self.data_length
    }

    fn append_data(&self, out: &mut Vec<u8>) -> Option<()> {
        self.data.append_to(out)
    }
}

/// The members of a record, as they come.
#[derive(Debug, Default)]
pub(crate) struct RawMembers<'a> {
    partition_key: Option<Cow<'a, str>>,
    explicit_hash_key: Option<Cow<'a, str>>,
    data: Option<RawBlob<'a>>,
}

impl<'a> RawMembers<'a> {
    pub(crate) fn partition_key<D: BorrowDecoder<'a>>(&mut self, d: &mut D) -> Result<(), DecodeError> {
        self.partition_key = Some(d.borrow_string()?);
        Ok(())
    }

    pub(crate) fn explicit_hash_key<D: BorrowDecoder<'a>>(&mut self, d: &mut D) -> Result<(), DecodeError> {
        self.explicit_hash_key = Some(d.borrow_string()?);
        Ok(())
    }

    pub(crate) fn data<D: BorrowDecoder<'a>>(&mut self, d: &mut D) -> Result<(), DecodeError> {
        // The long way looks at each of them, and the first may be bad.
        if self.data.replace(d.borrow_blob()?).is_some() {
            return Err(not_raw());
        }
        Ok(())
    }

    /// The record, if it surely breaks no rule of the API's.
    pub(crate) fn record(self) -> Option<RawRecord<'a>> {
        let explicit_hash_key = match self.explicit_hash_key {
            Some(text) => Some(hash_key(&text)?),
            None => None,
        };
        let partition_key = match self.partition_key {
            Some(key) => Some(key).filter(|key| (1..=KEY_BYTES).contains(&key.len()))?,
            None => Cow::Borrowed(""),
        };
        let data = self.data?;
        Some(RawRecord { partition_key, explicit_hash_key, data_length: data.length(), data })
    }
}

/// The model's pattern wants no zero in front.
fn hash_key(text: &str) -> Option<HashKey> {
    text.parse().ok().filter(|_| text == "0" || !text.starts_with('0'))
}

/// What ends the short way: the request is not for it.
pub(crate) fn not_raw() -> DecodeError {
    DecodeError::new("This request has to be read in the long way")
}

/// The short way to the end: `None` if anything is amiss.
pub(crate) fn prepare_raw(
    service: &Kinesis,
    call: &mut Call<'_>,
    (name, arn): (Option<&str>, Option<&str>),
    records: &[RawRecord<'_>],
    max_bytes: usize,
) -> Option<Prepared> {
    let stream = service.active_stream(name, arn).ok()?;
    call.means(&stream);
    if needs_keys(&stream) && records.iter().any(|record| record.partition_key.is_empty()) {
        return None;
    }
    let limit = record_limit(&stream);
    let within = records.iter().all(|record| record.size() <= limit)
        && records.iter().map(RawRecord::size).sum::<usize>() <= max_bytes;
    if within { service.engine.prepare(&stream, records).ok() } else { None }
}

/// The end of the long way.
pub(crate) fn prepare(
    service: &Kinesis,
    stream: &Stream,
    records: &[NewRecord],
) -> Result<Prepared, Failure> {
    service.engine.prepare(stream, records).map_err(|error| error::engine(error, &service.home.account))
}

/// A record that its shard had no room for in this second.
pub(crate) fn throttled(service: &Kinesis, stream: &str, shard: ShardId) -> Failure {
    error::shard_rate(stream, &shard.to_string(), &service.home.account)
}

pub(crate) async fn append(
    service: &Kinesis,
    call: &Call<'_>,
    prepared: Prepared,
) -> Result<Stored, Failure> {
    let tally = call.tally(&prepared);
    let stored = service.engine.append_prepared(prepared).await;
    let stored = stored.map_err(|error| error::engine(error, &service.home.account));
    call.put(&tally, stored.as_ref().err());
    stored
}

/// Whether records without partition keys are refused.
fn needs_keys(stream: &Stream) -> bool {
    stream.distribution == Distribution::UserPartitionKey
}

/// The stream of a request in the long way. The model no longer requires partition keys, as a stream may distribute by
/// itself, so what it used to say is said here, and before anything is said of the stream. `without_key` is the path of the
/// first record that has none.
pub(crate) fn target(
    service: &Kinesis,
    call: &mut Call<'_>,
    (name, arn): (Option<&str>, Option<&str>),
    without_key: Option<String>,
) -> Result<Arc<Stream>, Failure> {
    let stream = service.active_stream(name, arn);
    if let Ok(stream) = &stream {
        call.means(stream);
    }
    match without_key {
        Some(at) if stream.as_ref().map_or(true, |stream| needs_keys(stream)) => {
            Err(Failure::validation(format!(
                "1 validation error detected: Value null at '{at}partitionKey' failed to satisfy constraint: Member must \
                 not be null"
            )))
        }
        _ => stream,
    }
}

/// A record in the long way.
pub(crate) fn new_record(
    partition_key: Option<String>,
    explicit_hash_key: Option<&str>,
    data: Bytes,
) -> Result<NewRecord, Failure> {
    let explicit_hash_key = explicit_hash_key
        .map(|text| {
            text.parse::<HashKey>().map_err(|_out_of_range| {
                Failure::invalid(format!(
                    "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was \
                     {text}"
                ))
            })
        })
        .transpose()?;
    Ok(NewRecord { partition_key: partition_key.unwrap_or_default(), explicit_hash_key, data })
}

/// Checks the stream's own limit on a record.
pub(crate) fn check_size(
    stream: &Stream,
    record: &NewRecord,
    at: impl Fn() -> String,
) -> Result<(), Failure> {
    let limit = record_limit(stream);
    if record_size(record) <= limit {
        return Ok(());
    }
    Err(Failure::validation(format!(
        "1 validation error detected: Value at '{}data' failed to satisfy constraint: Member must have length less \
         than or equal to {limit}",
        at()
    )))
}

/// A record's data and partition key together. Never above what the model allows for data alone.
fn record_limit(stream: &Stream) -> usize {
    usize::try_from(stream.max_record_kib).unwrap_or(usize::MAX).saturating_mul(1_024)
}

/// The bytes of a record that count towards its limit.
pub(crate) fn record_size(record: &NewRecord) -> usize {
    record.data.len() + record.partition_key.len()
}
