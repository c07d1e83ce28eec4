use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use http::Response;
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Either, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::Incoming;
use std::convert::Infallible;
use tokio::sync::{Semaphore, SemaphorePermit};

type Frames = StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;

/// An answer's body: all of it, or frames as they come.
pub(crate) type AnswerBody = Either<Full<Bytes>, Frames>;

pub(crate) type Answer = Response<AnswerBody>;

pub(crate) fn whole(bytes: Bytes) -> AnswerBody {
    Either::Left(Full::new(bytes))
}

pub(crate) fn frames(frames: BoxStream<'static, Bytes>) -> AnswerBody {
    Either::Right(StreamBody::new(frames.map(|frame| Ok(Frame::data(frame))).boxed()))
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the body did not arrive in time")]
    Slow,
    #[error("the body broke off: {0}")]
    Broken(String),
}

/// A request's body, and its share of the memory that all bodies together may take.
#[derive(Debug)]
pub(crate) struct RequestBody<'a> {
    pub(crate) bytes: Bytes,
    _share: SemaphorePermit<'a>,
}

/// Read a request's body, at most `limit` bytes of it.
pub(crate) async fn read(
    body: Incoming,
    limit: usize,
    memory: &Semaphore,
) -> Result<RequestBody<'_>, BodyError> {
    let announced = body.size_hint().upper().and_then(|bytes| usize::try_from(bytes).ok());
    if announced.is_some_and(|announced| announced > limit) {
        return Err(BodyError::TooLarge { limit });
    }
    let kib = u32::try_from(announced.unwrap_or(limit).div_ceil(1_024)).unwrap_or(u32::MAX);
    let share = memory.acquire_many(kib).await.map_err(|closed| BodyError::Broken(closed.to_string()))?;
    let collected = tokio::time::timeout(crate::caps::BODY_TIME, Limited::new(body, limit).collect());
    match collected.await {
        Err(_elapsed) => Err(BodyError::Slow),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge { limit }),
        Ok(Err(error)) => Err(BodyError::Broken(error.to_string())),
        Ok(Ok(collected)) => Ok(RequestBody { bytes: collected.to_bytes(), _share: share }),
    }
}
