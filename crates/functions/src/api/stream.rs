//! A response that comes in chunks, with an error of the function in its trailers.

use super::body::read_all;
use super::http::{Reply, accepted, refused, too_large, truncated};
use super::{Answer, Api};
use crate::caps;
use crate::streaming::Sink;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

const ERROR_TYPE: &str = "lambda-runtime-function-error-type";
const ERROR_BODY: &str = "lambda-runtime-function-error-body";

/// Take in a response that is streamed: to who waits for its pieces, or whole for who does not.
pub(super) async fn response(api: &Api, id: &str, request: Request<Incoming>) -> Reply {
    let sink = match api.begin_stream(id) {
        Ok(sink) => sink,
        Err(refusal) => return refused(refusal),
    };
    let (head, body) = request.into_parts();
    let (answer, limit) = match &sink {
        Some(sink) => {
            let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            sink.begin(content_type.map(str::to_owned));
            (hand_on(body, sink, caps::MAX_STREAM_BYTES).await, caps::MAX_STREAM_BYTES)
        }
        None => (gather(body).await, caps::MAX_PAYLOAD_BYTES),
    };
    let reply = match answer {
        Answer::TooLarge | Answer::StreamTooLarge => too_large(limit),
        Answer::Truncated => truncated(),
        Answer::Response(_) | Answer::Streamed | Answer::Error(_) => accepted(),
    };
    match api.end_stream(id, answer) {
        Ok(()) => reply,
        Err(refusal) => refused(refusal),
    }
}

/// Hand on every piece as it comes. No more is read than there is room for, and nothing beyond the limit: the connection
/// ends with the answer then.
async fn hand_on(mut body: Incoming, sink: &Sink, limit: usize) -> Answer {
    let mut left = limit;
    let mut error = None;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Answer::Truncated };
        match frame.into_data() {
            Ok(mut data) => {
                let fits = data.len() <= left;
                data.truncate(left);
                left -= data.len();
                while data.len() > caps::STREAM_CHUNK_BYTES {
                    sink.send(data.split_to(caps::STREAM_CHUNK_BYTES)).await;
                }
                sink.send(data).await;
                if !fits {
                    return Answer::StreamTooLarge;
                }
            }
            Err(frame) => error = frame.into_trailers().ok().as_ref().and_then(error_in).or(error),
        }
    }
    error.map_or(Answer::Streamed, Answer::Error)
}

/// The whole response, for a caller that wants it in one piece.
async fn gather(body: Incoming) -> Answer {
    let Ok(whole) = read_all(body, caps::MAX_PAYLOAD_BYTES).await else { return Answer::Truncated };
    match (whole.trailers.as_ref().and_then(error_in), whole.bytes) {
        (Some(error), _) => Answer::Error(error),
        (None, Some(body)) => Answer::Response(body),
        (None, None) => Answer::TooLarge,
    }
}

/// A streamed response that failed midway says so in its trailers; the body of the error is base64.
fn error_in(trailers: &HeaderMap) -> Option<Bytes> {
    let kind = trailers.get(ERROR_TYPE)?;
    let body = trailers.get(ERROR_BODY).map(HeaderValue::as_bytes).unwrap_or_default();
    let decoded = base64_simd::STANDARD.decode_to_vec(body).ok().filter(|body| !body.is_empty());
    Some(decoded.map_or_else(
        || {
            let kind = String::from_utf8_lossy(kind.as_bytes());
            serde_json::json!({ "errorType": kind, "errorMessage": "" }).to_string().into()
        },
        Bytes::from,
    ))
}
