//! Operations that the SDK does not know yet.
//!
//! The newest `aws-sdk-kinesis` has no queues. A call goes through it all the same, so that endpoint, credentials, signature,
//! attempts and errors are those of every other command: as an operation without an answer, whose target and body are
//! exchanged before it is signed, and whose answer is kept as it came.

use crate::commands::connection::Connection;
use crate::commands::error::CallError;
use aws_sdk_kinesis::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_kinesis::config::{ConfigBag, Intercept, RuntimeComponents};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

/// Calls an operation by its name. `doing` completes "cannot …".
pub(super) async fn call<T: DeserializeOwned>(
    connection: &Connection,
    operation: &str,
    doing: &str,
    input: &Value,
) -> Result<T, CallError> {
    let (target, body) = (format!("Kinesis_20131202.{operation}"), input.to_string());
    let answer = Answer::default();
    // It has no member that must be given, and an empty answer.
    let call = connection.kinesis.deregister_stream_consumer().customize();
    let call = call.mutate_request(move |request| {
        *request.body_mut() = body.clone().into();
        request.headers_mut().insert("x-amz-target", target.clone());
        request.headers_mut().insert("content-length", body.len().to_string());
    });
    let sent = call.interceptor(answer.clone()).send().await;
    sent.map_err(|error| connection.kinesis_failed(doing, &error))?;
    let bytes = answer.take();
    // Operations that have nothing to say answer without a body.
    let bytes = if bytes.is_empty() { b"null" } else { bytes.as_slice() };
    serde_json::from_slice(bytes).map_err(|error| CallError::unreadable(doing, &error))
}

/// The body of the last answer.
#[derive(Clone, Debug, Default)]
struct Answer(Arc<Mutex<Vec<u8>>>);

impl Answer {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Intercept for Answer {
    fn name(&self) -> &'static str {
        "Answer"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let bytes = context.response().body().bytes().unwrap_or_default().to_vec();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
        Ok(())
    }
}
