//! Which stream a request means: by name, by ARN, or by both.

use crate::error::{self, Failure};
use crate::service::Kinesis;
use millstream_control::{Consumer, Shard, Stream};
use millstream_types::{Arn, ShardId};
use std::sync::Arc;

impl Kinesis {
    /// The stream's name, whatever state it is in.
    pub(crate) fn name(&self, name: Option<&str>, arn: Option<&str>) -> Result<String, Failure> {
        let from_arn = arn.map(|arn| self.name_of_arn(arn)).transpose()?;
        match (name, from_arn) {
            (None, None) => Err(Failure::invalid("Either StreamName or StreamARN must be given.")),
            (Some(name), Some(from_arn)) if name != from_arn => {
                Err(Failure::invalid(format!("StreamName {name} and StreamARN name different streams.")))
            }
            (Some(name), _) => Ok(name.to_owned()),
            (None, Some(from_arn)) => Ok(from_arn),
        }
    }

    fn name_of_arn(&self, text: &str) -> Result<String, Failure> {
        let arn: Arn =
            text.parse().map_err(|_bad| Failure::invalid(format!("{text} is not the ARN of a stream.")))?;
        let name = arn
            .stream_name()
            .ok_or_else(|| Failure::invalid(format!("{text} is not the ARN of a stream.")))?;
        if arn.region != self.home.region || arn.account != self.home.account {
            return Err(Failure::no_stream(name, &arn.account));
        }
        Ok(name.to_owned())
    }

    pub(crate) fn stream(&self, name: Option<&str>, arn: Option<&str>) -> Result<Arc<Stream>, Failure> {
        let name = self.name(name, arn)?;
        let state = self.control().state();
        state.streams.get(&name).cloned().ok_or_else(|| Failure::no_stream(&name, &self.home.account))
    }

    /// A stream that takes and gives records, also while it is resharded. One that is not active yet is not found, as on
    /// AWS.
    pub(crate) fn active_stream(
        &self,
        name: Option<&str>,
        arn: Option<&str>,
    ) -> Result<Arc<Stream>, Failure> {
        let stream = self.stream(name, arn)?;
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
