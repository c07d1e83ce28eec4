//! What the operations on tags share.

use crate::Kinesis;
use crate::error::{self, Failure};
use millstream_api_kinesis as api;
use millstream_control::{ChangeQueueTags, ChangeTags, caps};
use millstream_shapes::Empty;
use std::collections::BTreeMap;

/// The symbols of AddTagsToStream and RemoveTagsFromStream (recorded from AWS), and of what came later (API reference,
/// TagResource), which have a colon. A percent sign passes here, and is refused later in other words.
const CLASSIC: &str = "_./=+-%@";
const LATER: &str = "_./=+-%@:";

/// What has tags: a stream, one of its consumers, or a queue.
pub(crate) struct Tagged {
    stream: String,
    consumer: Option<String>,
    queue: Option<String>,
    /// What may stand in a tag beside letters, digits and spaces.
    symbols: &'static str,
    pub(crate) tags: BTreeMap<String, String>,
}

impl Tagged {
    pub(crate) fn stream(service: &Kinesis, name: Option<&str>, arn: Option<&str>) -> Result<Self, Failure> {
        let stream = service.stream(name, arn)?;
        let tags = stream.tags.clone();
        Ok(Self { stream: stream.name.clone(), consumer: None, queue: None, symbols: CLASSIC, tags })
    }

    /// The stream or consumer with this ARN.
    pub(crate) fn resource(service: &Kinesis, arn: &str) -> Result<Self, Failure> {
        if arn.contains(":queue/") {
            let queue = service.queue(arn)?;
            let (stream, tags) = (queue.stream.clone(), queue.tags.clone());
            let queue = Some(queue.id.clone());
            return Ok(Self { stream, consumer: None, queue, symbols: LATER, tags });
        }
        if !arn.contains("/consumer/") {
            return Ok(Self { symbols: LATER, ..Self::stream(service, None, Some(arn))? });
        }
        let (stream, consumer) = service.consumer(Some(arn), None, None)?;
        let (consumer, tags) = (Some(consumer.name), consumer.tags);
        Ok(Self { stream: stream.name.clone(), consumer, queue: None, symbols: LATER, tags })
    }

    pub(crate) async fn add(
        self,
        service: &Kinesis,
        tags: BTreeMap<String, String>,
    ) -> Result<Empty, Failure> {
        check(tags.iter().flat_map(|(key, value)| [key.as_str(), value]), self.symbols)?;
        if tags.iter().any(|(key, value)| key.contains('%') || value.contains('%')) {
            return Err(Failure::invalid(format!(
                "Failed to add tags to stream {} under account {} because some tags contained illegal characters. The \
                 allowed characters are Unicode letters, white-spaces, '_',',','/','=','+','-','@'.",
                self.stream, service.home.account
            )));
        }
        self.change(service, tags, Vec::new()).await
    }

    pub(crate) async fn remove(self, service: &Kinesis, keys: Vec<String>) -> Result<Empty, Failure> {
        check(keys.iter().map(String::as_str), self.symbols)?;
        self.change(service, BTreeMap::new(), keys).await
    }

    async fn change(
        self,
        service: &Kinesis,
        set: BTreeMap<String, String>,
        remove: Vec<String>,
    ) -> Result<Empty, Failure> {
        let Self { stream, consumer, queue, .. } = self;
        let remove = remove.into_iter().collect();
        let changed = match queue {
            Some(id) => service.control().submit(ChangeQueueTags { id, set, remove }).await,
            None => service.control().submit(ChangeTags { stream, consumer, set, remove }).await,
        };
        changed.map_err(|error| error::control(error, &service.home.account))?;
        Ok(Empty {})
    }
}

/// The tags that something is made with.
pub(crate) fn of_new(tags: Option<BTreeMap<String, String>>) -> Result<BTreeMap<String, String>, Failure> {
    let tags = tags.unwrap_or_default();
    check(tags.iter().flat_map(|(key, value)| [key.as_str(), value]), LATER)?;
    if tags.len() > caps::TAGS {
        return Err(Failure::invalid(format!("There may be at most {} tags.", caps::TAGS)));
    }
    Ok(tags)
}

fn check<'a>(mut texts: impl Iterator<Item = &'a str>, symbols: &str) -> Result<(), Failure> {
    let known = |c: char| c.is_alphanumeric() || c == ' ' || symbols.contains(c);
    if texts.all(|text| text.chars().all(known)) {
        return Ok(());
    }
    Err(Failure::invalid(
        "Some tags contain invalid characters. Valid characters: Unicode letters, digits, white space, _ . / = + - % @.",
    ))
}

pub(crate) fn shape((key, value): (&String, &String)) -> api::Tag {
    api::Tag { key: key.clone(), value: Some(value.clone()), ..Default::default() }
}
