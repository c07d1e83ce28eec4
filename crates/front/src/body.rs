use crate::caps;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Either, StreamBody};
use hyper::body::Incoming;
use millstream_host::Buffer;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

type Frames = StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;

/// An answer's body: all of it, or frames as they come.
pub(crate) type AnswerBody = Either<Whole, Frames>;

pub(crate) type Answer = Response<AnswerBody>;

/// A body that is there, handed out in pieces, with its share of the memory that answers may take: given back as the
/// client takes the last of it.
#[derive(Debug)]
pub(crate) struct Whole {
    rest: Bytes,
    _share: Option<OwnedSemaphorePermit>,
}

/// A client that reads slowly has one of these buffered, not the whole answer.
const PIECE: usize = 256 << 10;

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let piece = PIECE.min(self.rest.len());
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

pub(crate) fn whole(bytes: Bytes) -> AnswerBody {
    Either::Left(Whole { rest: bytes, _share: None })
}

/// A body with its share of memory, of which only what it needs is kept.
pub(crate) fn whole_with(bytes: Bytes, share: Option<OwnedSemaphorePermit>) -> AnswerBody {
    let share = share.and_then(|mut share| share.split(bytes.len().div_ceil(1_024).min(share.num_permits())));
    Either::Left(Whole { rest: bytes, _share: share })
}

pub(crate) fn frames(frames: BoxStream<'static, Bytes>) -> AnswerBody {
    Either::Right(StreamBody::new(frames.map(|frame| Ok(Frame::data(frame))).boxed()))
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the server holds as many requests as it can; try again")]
    Full,
    #[error("the body did not arrive in time")]
    Slow,
    #[error("the body broke off: {0}")]
    Broken(String),
}

/// A request's body, and its share of the memory that all bodies together may take.
#[derive(Debug)]
pub(crate) struct RequestBody<'a> {
    pub(crate) bytes: Bytes,
    _share: Option<SemaphorePermit<'a>>,
}

/// Read a request's body, at most `limit` bytes of it. Memory is taken as bytes arrive: an announcement costs nothing.
pub(crate) async fn read(
    mut body: Incoming,
    limit: usize,
    memory: &Semaphore,
) -> Result<RequestBody<'_>, BodyError> {
    let collected = tokio::time::timeout(caps::BODY_TIME, collect(&mut body, limit, memory)).await;
    let result = collected.unwrap_or(Err(BodyError::Slow));
    if matches!(result, Err(BodyError::TooLarge { .. } | BodyError::Full)) {
        discard(body);
    }
    result
}

async fn collect<'a>(
    body: &mut Incoming,
    limit: usize,
    memory: &'a Semaphore,
) -> Result<RequestBody<'a>, BodyError> {
    let announced = body.size_hint().upper().and_then(|bytes| usize::try_from(bytes).ok());
    if announced.is_some_and(|announced| announced > limit) {
        return Err(BodyError::TooLarge { limit });
    }
    let mut whole = None;
    let mut bytes = Buffer::default();
    let mut share: Option<SemaphorePermit<'a>> = None;
    let mut held_kib = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| BodyError::Broken(error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        let length = bytes.len() + data.len();
        if length > limit {
            return Err(BodyError::TooLarge { limit });
        }
        let kib = u32::try_from(length.div_ceil(1_024)).unwrap_or(u32::MAX);
        if kib > held_kib {
            let more = memory.try_acquire_many(kib - held_kib).map_err(|_none_left| BodyError::Full)?;
            held_kib = kib;
            match &mut share {
                Some(share) => share.merge(more),
                None => share = Some(more),
            }
        }
        // A body in one piece needs no copy. Pieces are let go at once: their memory takes the next read.
        if bytes.is_empty() && announced == Some(data.len()) {
            whole = Some(data);
            continue;
        }
        if bytes.is_empty() {
            bytes = Buffer::with_capacity(announced.unwrap_or(0).max(data.len()));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(RequestBody { bytes: whole.unwrap_or_else(|| bytes.freeze()), _share: share })
}

/// Read a refused request to its end, within bounds, while its answer goes out: a client that is still sending would
/// otherwise see the connection break instead of the answer.
pub(crate) fn discard(mut body: Incoming) {
    if body.is_end_stream() {
        return;
    }
    let reading = async move {
        let mut passed = 0;
        while passed < caps::DISCARD {
            match body.frame().await {
                Some(Ok(frame)) => passed += frame.data_ref().map_or(0, Bytes::len),
                Some(Err(_)) | None => return,
            }
        }
    };
    tokio::spawn(tokio::time::timeout(caps::DISCARD_TIME, reading));
}
