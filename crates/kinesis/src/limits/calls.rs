//! How often operations of the control plane may be called.

use crate::Kinesis;
use crate::error::{self, Failure};
use crate::limits::Key;
use crate::limits::settings::Scope;
use bytes::Bytes;
use millstream_api_kinesis::{ErrorCode, Operation};
use millstream_shapes::{BorrowDecoder, Codec, DecodeBorrowed, DecodeError};
use millstream_types::{Arn, name_of_key};
use std::borrow::Cow;

/// Longer names are refused by the operation, and are not worth remembering.
const LONGEST: usize = 2_048;

/// What a request says of what it is about, whichever operation it is for.
#[derive(Debug, Default)]
struct About<'a> {
    stream: Option<Cow<'a, str>>,
    stream_arn: Option<Cow<'a, str>>,
    consumer_arn: Option<Cow<'a, str>>,
    shard: Option<Cow<'a, str>>,
}

impl<'a> DecodeBorrowed<'a> for About<'a> {
    fn decode_borrowed<D: BorrowDecoder<'a>>(d: &mut D) -> Result<Self, DecodeError> {
        let mut about = Self::default();
        d.open_structure()?;
        while let Some(member) = d.next_member(&["StreamName", "StreamARN", "ConsumerARN", "ShardId"])? {
            let text = Some(d.borrow_string()?).filter(|text| text.len() <= LONGEST);
            match member {
                0 => about.stream = text,
                1 => about.stream_arn = text,
                2 => about.consumer_arn = text,
                _ => about.shard = text,
            }
        }
        Ok(about)
    }
}

impl About<'_> {
    fn stream(&self) -> Option<String> {
        let of_arn = |arn: &Cow<'_, str>| arn.parse::<Arn>().ok()?.stream_name().map(str::to_owned);
        let named = self.stream.as_ref().map(|name| name_of_key(name).to_owned());
        named.or_else(|| self.stream_arn.as_ref().or(self.consumer_arn.as_ref()).and_then(of_arn))
    }
}

impl Kinesis {
    /// Count a call, and refuse it if there were too many in this second.
    pub(crate) fn check_call<C: Codec>(
        &self,
        operation: Operation,
        codec: &C,
        body: &Bytes,
    ) -> Result<(), Failure> {
        let Some(limits) = &self.limits else { return Ok(()) };
        let Some((scope, per_second)) = limits.settings.calls(operation) else { return Ok(()) };
        // What is wrong with a request the operation will say; it is a call all the same.
        let about: About<'_> = codec.decode_borrowed(body).unwrap_or_default();
        let (stream, account) = (about.stream(), &self.home.account);
        let of_stream = || stream.clone().unwrap_or_default();
        let shard = || about.shard.as_deref().unwrap_or_default();
        let consumer = || about.consumer_arn.as_deref().unwrap_or_default();
        let (region, name) = (&self.home.region, operation.name());
        let of = match scope {
            Scope::Account => format!("{account} {region}"),
            Scope::Stream => format!("{account} {region} {}", of_stream()),
            Scope::Shard => format!("{account} {region} {} {}", of_stream(), shard()),
            Scope::ConsumerAndShard => format!("{} {}", consumer(), shard()),
        };
        let rate = super::Rate(per_second);
        if limits.rates.take(self.elapsed(), [Some((Key::Calls(name, of), rate, 1))]).is_ok() {
            return Ok(());
        }
        limits.count(if limits.settings.get(name).is_some() {
            name
        } else {
            super::settings::CALLS_OF_OTHERS
        });
        Err(match (scope, stream) {
            (Scope::Shard, Some(stream)) => error::shard_rate(&stream, shard(), account),
            (Scope::ConsumerAndShard, _) => Failure::new(
                ErrorCode::LimitExceededException,
                format!("Rate exceeded for consumer {} and shard {}.", consumer(), shard()),
            ),
            (_, Some(stream)) => Failure::new(
                ErrorCode::LimitExceededException,
                format!("Rate exceeded for stream {stream} under account {account}."),
            ),
            (_, None) => Failure::new(
                ErrorCode::LimitExceededException,
                format!("Rate exceeded for account {account}."),
            ),
        })
    }
}
