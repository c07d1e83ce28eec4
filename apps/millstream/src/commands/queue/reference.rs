//! Which queue is meant. The service knows queues by their ARNs, which end in what it made up; people know their names.

use super::call::call;
use super::types::{Described, Description, Page, Summary};
use crate::commands::caps;
use crate::commands::connection::Connection;
use crate::commands::error::{CallError, closest};
use anyhow::{Result, bail};
use serde_json::json;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// A queue by its name or its ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum QueueRef {
    Name(String),
    Arn(String),
}

impl FromStr for QueueRef {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text.starts_with("arn:") { Self::Arn(text.to_owned()) } else { Self::Name(text.to_owned()) })
    }
}

impl fmt::Display for QueueRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(text) | Self::Arn(text) => f.write_str(text),
        }
    }
}

/// All queues, or those of a stream.
pub(super) async fn all(
    connection: &Connection,
    stream_arn: Option<&str>,
) -> Result<Vec<Summary>, CallError> {
    let mut queues = Vec::new();
    let mut token: Option<String> = None;
    loop {
        // A page's token knows what was asked for.
        let input = match (&token, stream_arn) {
            (Some(token), _) => json!({ "NextToken": token }),
            (None, Some(arn)) => json!({ "StreamFilter": [{ "StreamARN": arn }] }),
            (None, None) => json!({}),
        };
        let page: Page = call(connection, "ListQueues", "list the queues", &input).await?;
        queues.extend(page.queue_summaries);
        token = page.next_token;
        if token.is_none() || queues.len() >= caps::LISTED {
            return Ok(queues);
        }
    }
}

/// The ARN of a queue; of a name that is nearly right it says which one was probably meant.
pub(super) async fn arn(connection: &Connection, queue: &QueueRef) -> Result<String> {
    let name = match queue {
        QueueRef::Arn(arn) => return Ok(arn.clone()),
        QueueRef::Name(name) => name,
    };
    let queues = all(connection, None).await?;
    let named: Vec<&Summary> = queues.iter().filter(|queue| queue.queue_name == *name).collect();
    match named[..] {
        [found] => Ok(found.queue_arn.clone()),
        [] => match closest(name, queues.iter().map(|queue| queue.queue_name.as_str())) {
            Some(close) => bail!("there is no queue {name}\n  Did you mean {close}?"),
            None => bail!(
                "there is no queue {name}\n  `millstream queue list` shows which there are; `millstream queue create \
                 STREAM {name}` makes it"
            ),
        },
        _ => bail!(
            "several queues are named {name}\n  Name one by its ARN: `millstream queue list` shows them"
        ),
    }
}

pub(super) async fn describe(
    connection: &Connection,
    arn: &str,
    name: &str,
) -> Result<Description, CallError> {
    let doing = format!("look at the queue {name}");
    let found: Described = call(connection, "DescribeQueue", &doing, &json!({ "QueueARN": arn })).await?;
    Ok(found.queue_description)
}

pub(super) async fn find(connection: &Connection, queue: &QueueRef) -> Result<Description> {
    let arn = arn(connection, queue).await?;
    Ok(describe(connection, &arn, &queue.to_string()).await?)
}
