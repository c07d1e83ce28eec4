use crate::end::End;
use crate::engine::read_error;
use crate::{Engine, EngineError, Record};
use millstream_control::{Shard, Stream};
use millstream_log::{Chunk, ReadError, ReadLimit};
use millstream_types::{Position, SequenceNumber, Timestamp};

/// Where to begin to read a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    TrimHorizon,
    Latest,
    AtSequenceNumber(SequenceNumber),
    AfterSequenceNumber(SequenceNumber),
    AtTimestamp(Timestamp),
}

/// How much a page may hold; at least one record if there is one.
#[derive(Clone, Copy, Debug)]
pub struct PageLimit {
    pub records: usize,
    /// Data and partition keys.
    pub bytes: usize,
}

#[derive(Clone, Debug, Default)]
pub struct Page {
    pub records: Vec<Record>,
    /// Where to go on.
    pub next: Position,
    /// How far the last record returned is behind now. 0 says that all that was acknowledged before the read has been read,
    /// also while the shard is being closed.
    pub behind_millis: u64,
    /// All of a closed shard has been read.
    pub at_end: bool,
}

impl Engine {
    /// The position that `start` means right now.
    pub async fn position(
        &self,
        stream: &Stream,
        shard: &Shard,
        start: Start,
    ) -> Result<Position, EngineError> {
        let horizon = self.trim_horizon(stream, shard).await?;
        let position = match start {
            Start::TrimHorizon => return Ok(horizon),
            Start::Latest => self.tail(stream, shard.log)?.current(),
            Start::AtSequenceNumber(number) => number.position(),
            Start::AfterSequenceNumber(number) => number.position_after(),
            Start::AtTimestamp(at) => self.seek(stream, shard, at).await?,
        };
        // Of a shard that is being closed, too, records are acknowledged that a reader may begin with or after, though it
        // is not given them yet. A place that turns out to be beyond the end is the end.
        Ok(position.min(self.known_end(stream, shard)?).max(horizon))
    }

    /// The first record that retention still keeps.
    pub async fn trim_horizon(&self, stream: &Stream, shard: &Shard) -> Result<Position, EngineError> {
        let horizon = self.seek(stream, shard, self.oldest_kept(stream)).await?;
        Ok(horizon.min(self.end(stream, shard, horizon).await?.limit()))
    }

    /// The time before which the stream keeps nothing.
    pub fn oldest_kept(&self, stream: &Stream) -> Timestamp {
        stream.oldest_kept(self.retention_now())
    }

    async fn seek(&self, stream: &Stream, shard: &Shard, at: Timestamp) -> Result<Position, EngineError> {
        self.log.seek_time(shard.log, at).await.map_err(|error| read_error(stream, error))
    }

    /// Read a page. Records past the retention are passed over, and a shard that was closed since `shard` was looked up
    /// ends where it was closed. Never waits for data.
    pub async fn read(
        &self,
        stream: &Stream,
        shard: &Shard,
        from: Position,
        limit: PageLimit,
    ) -> Result<Page, EngineError> {
        let oldest = self.oldest_kept(stream);
        let log_limit = ReadLimit { records: limit.records, bytes: limit.bytes };
        let mut from = from;
        let chunk = loop {
            match self.log.read(shard.log, from, log_limit).await {
                Err(ReadError::Trimmed { earliest }) if earliest > from => from = earliest,
                Err(error) => return Err(read_error(stream, error)),
                Ok(chunk) if chunk.batches.first().is_some_and(|first| first.batch.timestamp < oldest) => {
                    let horizon = self.seek(stream, shard, oldest).await?;
                    if horizon <= from {
                        break chunk;
                    }
                    from = horizon;
                }
                Ok(chunk) => break chunk,
            }
        };
        let end = self.end(stream, shard, from).await?;
        self.page(stream, shard, from, limit, &chunk, end)
    }

    fn page(
        &self,
        stream: &Stream,
        shard: &Shard,
        from: Position,
        limit: PageLimit,
        chunk: &Chunk,
        shard_end: End,
    ) -> Result<Page, EngineError> {
        let end = shard_end.limit().min(chunk.tail);
        let found: usize = chunk.batches.iter().map(|stored| stored.batch.count as usize).sum();
        let records = Vec::with_capacity(found.min(limit.records));
        let mut page = Page { records, next: from, ..Page::default() };
        let mut bytes = 0;
        'batches: for stored in &chunk.batches {
            let arrival = stored.batch.timestamp;
            let encrypted = millstream_vault::is_sealed(&stored.batch);
            let opened = encrypted.then(|| self.unsealed(stream, shard.log, stored)).transpose()?;
            let stored = opened.as_ref().unwrap_or(stored);
            let wanted = stored.records().skip_while(|(position, _)| *position < from);
            for (position, encoded) in wanted.take_while(|(position, _)| *position < end) {
                let record = Record::decode(shard.id, position, arrival, encoded)
                    .ok_or(EngineError::UnknownForm(position))?;
                let record = Record { encrypted, ..record };
                let full = page.records.len() >= limit.records || bytes + record.size() > limit.bytes;
                if full && !page.records.is_empty() {
                    break 'batches;
                }
                bytes += record.size();
                page.next = position.next();
                page.records.push(record);
            }
        }
        // All of a closed shard is durable, so its tail is its end at the latest: also where a repair of the log took some.
        if let End::Closed(closed) = shard_end
            && page.next >= end
        {
            page.at_end = true;
            page.next = page.next.max(closed);
        }
        // Beyond where a closing began there may be records that are acknowledged: who stands there has not caught up.
        let unsettled = matches!(shard_end, End::Closing(known) if known < chunk.tail);
        if page.next < end || unsettled {
            let newest = page.records.last().map(|record| record.arrival).or(chunk.newest);
            // 0 says that nothing is left: clients take it as caught up, whatever the clock says.
            page.behind_millis = newest.map_or(1, |newest| self.clock.now().millis_since(newest)).max(1);
        }
        Ok(page)
    }
}
