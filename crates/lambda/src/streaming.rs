//! Responses that go out while the function writes them.

use crate::error;
use crate::service::Lambda;
use crate::{ByteStream, Failure};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use millstream_api_lambda::InvokeWithResponseStreamCompleteEvent;
use millstream_control::Function;
use millstream_functions::{Invocation, InvokeError, InvokeReply, Streaming};
use millstream_shapes::{Codec, ErrorName};
use millstream_wire::event_stream;
use millstream_wire::json::RestJson;

impl Lambda {
    /// Run a function for a caller that takes the response as it comes. Whoever may, and in which state the function is,
    /// has been checked. An error is that of a function that did not run; one that failed says so at the end.
    pub(crate) async fn invoke_streaming(
        &self,
        function: &Function,
        qualifier: Option<&str>,
        call: Invocation,
    ) -> Result<Streaming, Failure> {
        let spec = millstream_mapping::qualified_spec(function, qualifier).map_err(error::spec)?;
        self.functions().invoke_streaming(spec, call).await.map_err(error::invoke)
    }
}

/// The response in the frames of InvokeWithResponseStream: a `PayloadChunk` for each piece, then `InvokeComplete`, or an
/// error where the server lost the invocation.
pub(crate) fn frames(streaming: Streaming, wants_log: bool) -> ByteStream {
    let next = move |streaming: Option<Streaming>| async move {
        let mut streaming = streaming?;
        match streaming.next().await {
            Some(chunk) => Some((chunk_frame(&chunk), Some(streaming))),
            None => Some((last_frame(streaming.end().await, wants_log), None)),
        }
    };
    stream::unfold(Some(streaming), next).boxed()
}

fn chunk_frame(payload: &[u8]) -> Bytes {
    event_stream::event("PayloadChunk", "application/octet-stream", payload)
}

fn last_frame(ended: Result<InvokeReply, InvokeError>, wants_log: bool) -> Bytes {
    let reply = match ended {
        Ok(reply) => reply,
        Err(error) => {
            let failure = error::invoke(error);
            let (code, message) = (failure.error.code.name(), &failure.error.message);
            tracing::error!(code, message, internal = failure.internal, "a response stream was lost");
            return event_stream::error(code, message);
        }
    };
    let complete = InvokeWithResponseStreamCompleteEvent {
        error_code: reply.function_error.map(|error| error.as_str().to_owned()),
        error_details: reply.function_error.map(|_| String::from_utf8_lossy(&reply.payload).into_owned()),
        log_result: wants_log.then(|| base64_simd::STANDARD.encode_to_string(&reply.log_tail)),
    };
    event_stream::event("InvokeComplete", RestJson::CONTENT_TYPE, &RestJson.encode(&complete))
}
