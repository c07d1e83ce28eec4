use crate::caps;
use crate::line::{Line, Watch};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Either};
use hyper::body::Incoming;
use millstream_host::Buffer;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// An answer's body: all of it, or pieces as they come.
pub(crate) type AnswerBody = Either<Whole, Pieces>;

pub(crate) type Answer = Response<AnswerBody>;

/// A body that is there, handed out in pieces.
#[derive(Debug)]
pub(crate) struct Whole {
    rest: Bytes,
    watch: Option<Watch>,
}

/// A body that comes in pieces.
pub(crate) struct Pieces {
    stream: BoxStream<'static, Bytes>,
    watch: Option<Watch>,
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
        if let Some(watch) = &self.watch {
            watch.given();
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

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(watch) = &self.watch {
            watch.wanted();
        }
        let piece = ready!(self.stream.poll_next_unpin(context));
        if let Some(watch) = &self.watch {
            watch.given();
        }
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// Bytes with their share of the memory that answers may take: given back as the connection has sent the last of them.
struct Shared {
    bytes: Bytes,
    _share: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

pub(crate) fn whole(bytes: Bytes) -> AnswerBody {
    Either::Left(Whole { rest: bytes, watch: None })
}

/// A body with its share of memory, of which only what it needs is kept.
pub(crate) fn whole_with(bytes: Bytes, share: Option<OwnedSemaphorePermit>) -> AnswerBody {
    let share = share.and_then(|mut share| share.split(bytes.len().div_ceil(1_024).min(share.num_permits())));
    let bytes = match share {
        Some(share) => Bytes::from_owner(Shared { bytes, _share: share }),
        None => bytes,
    };
    whole(bytes)
}

pub(crate) fn frames(frames: BoxStream<'static, Bytes>) -> AnswerBody {
    Either::Right(Pieces { stream: frames, watch: None })
}

/// The body, which closes its connection if the client does not take it. What fits into one piece is left to the connection.
pub(crate) fn watched(mut body: AnswerBody, line: &Arc<Line>) -> AnswerBody {
    match &mut body {
        Either::Left(whole) if whole.rest.len() > PIECE => {
            whole.watch = Some(Watch::start(line, caps::ANSWER_STALL));
        }
        Either::Left(_) => {}
        Either::Right(pieces) => pieces.watch = Some(Watch::start(line, caps::EVENTS_STALL)),
    }
    body
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
