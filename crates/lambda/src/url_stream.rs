//! Answers of function URLs with the mode `RESPONSE_STREAM`: a body goes out while the function writes it.

use crate::url_answer::{UrlAnswer, head_of};
use crate::{ByteStream, caps};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use millstream_functions::Streaming;
use serde_json::{Map, Value};

/// What AWS's runtime client for Node.js says of a stream that begins with its status and headers: JSON, then eight zero bytes
/// (`HttpResponseStream.from`).
const WITH_PRELUDE: &str = "application/vnd.awslambda.http-integration-response";
const DELIMITER: [u8; 8] = [0; 8];
/// Of a stream that does not say what it is.
const BYTES: &str = "application/octet-stream";
/// Of the result of a handler that does not stream.
const JSON: &str = "application/json";

/// The answer, as soon as its head is there; `None` if the function failed before that, or what it wrote is none. What comes
/// after the head can only end early: an answer that has begun has its status.
pub(crate) async fn answer_of(mut streaming: Streaming) -> Option<UrlAnswer> {
    let kind = streaming.content_type().map(str::to_owned);
    let first = match streaming.next().await {
        Some(first) => first,
        None if streaming.end().await.is_ok_and(|reply| reply.function_error.is_none()) => {
            // A stream that ends without a word has not said its head either.
            let kind = kind.as_deref().map_or(JSON, |kind| if kind == WITH_PRELUDE { BYTES } else { kind });
            return head_of(&Map::new(), kind);
        }
        None => return None,
    };
    match kind.as_deref() {
        Some(WITH_PRELUDE) => {
            let (members, rest) = prelude(&mut streaming, first).await?;
            Some(UrlAnswer { stream: Some(body(rest, streaming)), ..head_of(&members, BYTES)? })
        }
        other => {
            let head = head_of(&Map::new(), other.unwrap_or(JSON))?;
            Some(UrlAnswer { stream: Some(body(first, streaming)), ..head })
        }
    }
}

/// The JSON in front, and what of the body came with it.
async fn prelude(streaming: &mut Streaming, first: Bytes) -> Option<(Map<String, Value>, Bytes)> {
    let mut read = BytesMut::from(first);
    loop {
        if let Some(at) = read.windows(DELIMITER.len()).position(|bytes| bytes == DELIMITER) {
            let rest = read.split_off(at + DELIMITER.len());
            read.truncate(at);
            return Some((serde_json::from_slice(&read).ok()?, rest.freeze()));
        }
        if read.len() > caps::URL_PRELUDE_BYTES {
            return None;
        }
        read.extend_from_slice(&streaming.next().await?);
    }
}

fn body(first: Bytes, streaming: Streaming) -> ByteStream {
    let rest = stream::unfold(streaming, |mut streaming| async move {
        let chunk = streaming.next().await?;
        Some((chunk, streaming))
    });
    // An empty piece would be the end of a chunked body.
    stream::iter((!first.is_empty()).then_some(first)).chain(rest).boxed()
}
