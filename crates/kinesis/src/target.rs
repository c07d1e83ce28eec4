//! Which stream a request means: by name, by ARN, or by both.

use crate::error::{self, Failure};
use crate::service::Kinesis;
use millstream_control::{Consumer, Shard, Stream};
use millstream_types::{Arn, ShardId, Timestamp, name_of_key};
use std::sync::Arc;

impl Kinesis {
    /// The stream's key, whatever state it is in.
    pub(crate) fn name(&self, name: Option<&str>, arn: Option<&str>) -> Result<String, Failure> {
        let from_arn = arn.map(|arn| self.key_of_arn(arn)).transpose()?;
        match (name.map(|name| self.home.key(name)), from_arn) {
            (None, None) => Err(Failure::invalid("Either StreamName or StreamARN must be given.")),
            (Some(key), Some(from_arn)) if key != from_arn => Err(Failure::invalid(format!(
                "StreamName {} and StreamARN name different streams.",
                name_of_key(&key)
            ))),
            (Some(key), _) => Ok(key),
            (None, Some(from_arn)) => Ok(from_arn),
        }
    }

    /// A stream of another account is meant by its ARN alone, in the region that the request is for.
    fn key_of_arn(&self, text: &str) -> Result<String, Failure> {
        let arn: Arn =
            text.parse().map_err(|_bad| Failure::invalid(format!("{text} is not the ARN of a stream.")))?;
        let name = arn
            .stream_name()
            .ok_or_else(|| Failure::invalid(format!("{text} is not the ARN of a stream.")))?;
        if arn.region != self.home.region {
            return Err(Failure::no_stream(name, &arn.account));
        }
        Ok(self.home.beside(&arn.region, &arn.account).key(name))
    }

    pub(crate) fn stream(&self, name: Option<&str>, arn: Option<&str>) -> Result<Arc<Stream>, Failure> {
        self.stream_of_key(&self.name(name, arn)?)
    }

    pub(crate) fn stream_of_key(&self, key: &str) -> Result<Arc<Stream>, Failure> {
        let state = self.control().state();
        state.streams.get(key).cloned().ok_or_else(|| Failure::no_stream(key, &self.home.account))
    }

    /// Refuses a stream that was not made when the caller thinks: another one of the same name is meant, which is gone. What
    /// clients show of a time often ends at its seconds.
    pub(crate) fn check_created(&self, stream: &Stream, at: Option<Timestamp>) -> Result<(), Failure> {
        match at {
            Some(at) if at.secs() != stream.created.secs() => {
                Err(Failure::no_stream(&stream.name, &self.home.account))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// A stream that takes and gives records, also while it is resharded. One that is not active yet is not found, as on
    /// AWS.
    pub(crate) fn active_stream(
        &self,
        name: Option<&str>,
        arn: Option<&str>,
    ) -> Result<Arc<Stream>, Failure> {
        self.serving(self.stream(name, arn)?)
    }

    /// The stream of an iterator, which may be another account's.
    pub(crate) fn stream_of_iterator(&self, key: &str, arn: Option<&str>) -> Result<Arc<Stream>, Failure> {
        if arn.map(|arn| self.key_of_arn(arn)).transpose()?.is_some_and(|named| named != key) {
            return Err(Failure::invalid(format!(
                "The ShardIterator is of stream {}, which StreamARN does not name.",
                name_of_key(key)
            )));
        }
        self.serving(self.stream_of_key(key)?)
    }

    fn serving(&self, stream: Arc<Stream>) -> Result<Arc<Stream>, Failure> {
        if stream.status.is_serving() {
            Ok(stream)
        } else {
            Err(Failure::no_stream(&stream.name, &self.home.account))
        }
    }

    pub(crate) fn shard<'a>(&self, stream: &'a Stream, id: &str) -> Result<&'a Shard, Failure> {
        let found = id.parse::<ShardId>().ok().and_then(|id| stream.shard(id));
        found.ok_or_else(|| error::no_shard(&stream.name, id, &self.home.account))
    }

    /// The id of a shard that need not exist: AWS says that it could not be found only when it looks for it.
    pub(crate) fn shard_id(&self, stream: &str, id: &str) -> Result<ShardId, Failure> {
        id.parse().map_err(|_bad| error::shard_not_found(stream, id, &self.home.account))
    }

    /// The consumer that a request means: by its ARN, or by name and the stream's ARN.
    pub(crate) fn consumer(
        &self,
        consumer_arn: Option<&str>,
        name: Option<&str>,
        stream_arn: Option<&str>,
    ) -> Result<(Arc<Stream>, Consumer), Failure> {
        let none = |what: &str| {
            Failure::not_found(format!("Consumer {what}, account {} not found.", self.home.account))
        };
        match (consumer_arn, name, stream_arn) {
            (Some(arn), None, None) => {
                let stream = self.stream(None, Some(arn))?;
                let consumer = stream.consumer_by_arn(arn).cloned().ok_or_else(|| none(arn))?;
                Ok((stream, consumer))
            }
            (None, Some(name), Some(stream_arn)) => {
                let stream = self.stream(None, Some(stream_arn))?;
                let consumer = stream.consumers.get(name).cloned().ok_or_else(|| none(name))?;
                Ok((stream, consumer))
            }
            _ => Err(Failure::invalid("Give either ConsumerARN, or both StreamARN and ConsumerName.")),
        }
    }
}
