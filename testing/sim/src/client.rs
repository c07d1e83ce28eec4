//! A client of the Kinesis API, and of Lambda's Invoke, over the simulated network: JSON over HTTP/1.1, one connection, made anew when it breaks.

use crate::trace::Trace;
use base64_simd::STANDARD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;
use turmoil::net::TcpStream;

/// Where the server listens.
pub(crate) const SERVER: &str = "server";
pub(crate) const PORT: u16 = 4567;

#[derive(Debug)]
pub(crate) struct Client {
    name: String,
    trace: Trace,
    connection: Option<SendRequest<Full<Bytes>>>,
    /// How long to wait for an answer.
    patience: Duration,
}

/// Why there is no answer to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CallError {
    /// The request never left.
    Unsent(String),
    /// It left, and no answer came.
    Unanswered(String),
    /// The server's own words: status, code, message.
    Answered(u16, String, String),
}

impl CallError {
    /// Whether the request had no effect and never will, as far as the server can be believed.
    pub(crate) fn is_not_done(&self) -> bool {
        match self {
            Self::Unsent(_) => true,
            Self::Unanswered(_) => false,
            Self::Answered(status, _, message) => {
                *status < 500
                    || message.contains("Nothing of this request was stored")
                    || message.contains("nothing was done")
                    || message.contains("The function will not be invoked")
            }
        }
    }

    /// Records could not be read: nothing was received then.
    pub(crate) fn is_unreadable(&self) -> bool {
        matches!(self, Self::Answered(_, _, message) if message.starts_with("The records could not be read"))
    }

    pub(crate) fn is_code(&self, name: &str) -> bool {
        matches!(self, Self::Answered(_, code, _) if code == name)
    }
}

impl Client {
    pub(crate) fn new(name: &str, trace: Trace, patience: Duration) -> Self {
        Self { name: name.to_owned(), trace, connection: None, patience }
    }

    /// Call an operation and wait for its whole answer.
    pub(crate) async fn call(&mut self, operation: &str, input: Value) -> Result<Value, CallError> {
        let result = self.answer(operation, input).await;
        match &result {
            Ok(value) => self.note(format_args!("{operation} -> {}", short(&value.to_string()))),
            Err(error) => self.note(format_args!("{operation} failed: {error:?}")),
        }
        result
    }

    /// Call an operation whose answer is a stream of events.
    pub(crate) async fn events(
        &mut self,
        operation: &str,
        input: Value,
    ) -> Result<Response<Incoming>, CallError> {
        let response = self.send(operation, input).await?;
        // It is this answer's for as long as it lasts.
        self.connection = None;
        if response.status() == 200 {
            self.note(format_args!("{operation} -> events"));
            return Ok(response);
        }
        let status = response.status().as_u16();
        let error = match self.body(response).await {
            Ok(body) => failure(status, &body),
            Err(error) => error,
        };
        self.note(format_args!("{operation} failed: {error:?}"));
        Err(error)
    }

    /// Have a function invoked some time: whether the event was taken.
    pub(crate) async fn invoke_later(&mut self, function: &str, event: &Value) -> Result<(), CallError> {
        let request = Request::post(format!("/2015-03-31/functions/{function}/invocations"))
            .header("host", SERVER)
            .header("x-amz-invocation-type", "Event")
            .body(Full::new(Bytes::from(event.to_string())))
            .expect("method, path and headers are valid");
        let result = async {
            let response = self.exchange(request).await?;
            let status = response.status().as_u16();
            let body = self.body(response).await?;
            if status == 202 { Ok(()) } else { Err(failure(status, &body)) }
        };
        let result = result.await;
        self.note(format_args!("Invoke {function} {event} -> {result:?}"));
        result
    }

    pub(crate) fn note(&self, what: std::fmt::Arguments<'_>) {
        self.trace.line(&self.name, what);
    }

    async fn answer(&mut self, operation: &str, input: Value) -> Result<Value, CallError> {
        let response = self.send(operation, input).await?;
        let status = response.status().as_u16();
        let body = self.body(response).await?;
        if status != 200 {
            return Err(failure(status, &body));
        }
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body).map_err(|error| CallError::Unanswered(error.to_string()))
    }

    async fn body(&mut self, response: Response<Incoming>) -> Result<Bytes, CallError> {
        match timeout(self.patience, response.into_body().collect()).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) => self.lost(error.to_string()),
            Err(late) => self.lost(late.to_string()),
        }
    }

    async fn send(&mut self, operation: &str, input: Value) -> Result<Response<Incoming>, CallError> {
        let request = Request::post("/")
            .header("host", SERVER)
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("Kinesis_20131202.{operation}"))
            .body(Full::new(Bytes::from(input.to_string())))
            .expect("method, path and headers are valid");
        self.exchange(request).await
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, CallError> {
        let connection = match &mut self.connection {
            Some(connection) if !connection.is_closed() => connection,
            other => other.insert(connect(self.patience).await.map_err(CallError::Unsent)?),
        };
        match timeout(self.patience, connection.send_request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => self.lost(error.to_string()),
            Err(late) => self.lost(late.to_string()),
        }
    }

    fn lost<T>(&mut self, why: String) -> Result<T, CallError> {
        self.connection = None;
        Err(CallError::Unanswered(why))
    }
}

async fn connect(patience: Duration) -> Result<SendRequest<Full<Bytes>>, String> {
    let connected = timeout(patience, TcpStream::connect((SERVER, PORT))).await;
    let stream = connected.map_err(|late| late.to_string())?.map_err(|error| error.to_string())?;
    let (sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    tokio::spawn(async move {
        // Whoever waits for an answer hears of it.
        drop(connection.await);
    });
    Ok(sender)
}

fn failure(status: u16, body: &[u8]) -> CallError {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    CallError::Answered(status, text("__type"), text("message") + &text("Message"))
}

/// Long filler says nothing in a trace.
fn short(text: &str) -> &str {
    text.get(..400).unwrap_or(text)
}

pub(crate) fn encode(data: &str) -> String {
    STANDARD.encode_to_string(data)
}

/// The text in base64 in a JSON value; what is none comes out empty, which no record is.
pub(crate) fn decode(value: &Value) -> String {
    let bytes = STANDARD.decode_to_vec(value.as_str().unwrap_or_default()).unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}
