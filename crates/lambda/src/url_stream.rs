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
    let mut prelude = Prelude::default();
    let mut piece = first;
    loop {
        if let Some((json, rest)) = prelude.add(&piece) {
            return Some((serde_json::from_slice(&json).ok()?, rest));
        }
        if prelude.read.len() > caps::URL_PRELUDE_BYTES {
            return None;
        }
        piece = streaming.next().await?;
    }
}

#[derive(Default)]
struct Prelude {
    read: BytesMut,
    /// What has been looked at: a function may write one byte at a time.
    searched: usize,
}

impl Prelude {
    /// What stands before the delimiter and after it, once it is there.
    fn add(&mut self, piece: &[u8]) -> Option<(Bytes, Bytes)> {
        self.read.extend_from_slice(piece);
        let unseen = self.read.get(self.searched..).unwrap_or_default();
        let Some(at) = unseen.windows(DELIMITER.len()).position(|bytes| bytes == DELIMITER) else {
            // It may have begun.
            self.searched = self.read.len().saturating_sub(DELIMITER.len() - 1);
            return None;
        };
        let json = self.read.split_to(self.searched + at).freeze();
        let rest = self.read.split_off(DELIMITER.len()).freeze();
        Some((json, rest))
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

#[cfg(test)]
mod tests {
    use super::{DELIMITER, Prelude};

    #[test]
    fn a_prelude_is_found_however_it_is_cut_and_looked_at_once() {
        let whole = [&b"{\"a\":\"\0\0\"}"[..], &DELIMITER, b"\0rest"].concat();
        for size in 1..=whole.len() {
            let mut prelude = Prelude::default();
            let mut found = None;
            for piece in whole.chunks(size) {
                let before = prelude.read.len();
                found = match found {
                    None => prelude.add(piece),
                    Some((json, rest)) => Some((json, [&rest[..], piece].concat().into())),
                };
                let unseen = prelude.read.len().saturating_sub(prelude.searched);
                assert!(found.is_some() || unseen < DELIMITER.len(), "{size}: {before}");
            }
            let (json, rest) = found.unwrap();
            assert_eq!((&json[..], &rest[..]), (&b"{\"a\":\"\0\0\"}"[..], &b"\0rest"[..]), "{size}");
        }
    }
}
