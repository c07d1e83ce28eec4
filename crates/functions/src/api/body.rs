//! Reading a request's body into one piece of memory, within a limit.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::HeaderMap;

/// A body that was read to its end.
#[derive(Debug)]
pub(super) struct Whole {
    /// `None` if it was longer than the limit.
    pub bytes: Option<Bytes>,
    pub trailers: Option<HeaderMap>,
}

/// Read all of `body`, keeping at most `limit` bytes. A body that comes in one piece is not copied.
pub(super) async fn read_all(mut body: Incoming, limit: usize) -> Result<Whole, hyper::Error> {
    let announced = body.size_hint().exact().and_then(|size| usize::try_from(size).ok()).unwrap_or_default();
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let (mut size, mut trailers) = (0_usize, None);
    while let Some(frame) = body.frame().await {
        match frame?.into_data() {
            Ok(data) => {
                size = size.saturating_add(data.len());
                if size > limit {
                    (first, rest) = (Bytes::new(), BytesMut::new());
                } else if size == data.len() {
                    first = data;
                } else {
                    if rest.is_empty() {
                        rest.reserve(announced.clamp(size, limit));
                        rest.extend_from_slice(&first);
                    }
                    rest.extend_from_slice(&data);
                }
            }
            Err(frame) => trailers = frame.into_trailers().ok().or(trailers),
        }
    }
    let bytes = if rest.is_empty() { first } else { rest.freeze() };
    Ok(Whole { bytes: (size <= limit).then_some(bytes), trailers })
}
