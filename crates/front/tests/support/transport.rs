// How the tests of operations reach the service: over HTTP, as a client does. MILLSTREAM_WIRE says how: `json-http1` (the
// default), `json-http2`, `cbor-http1` or `cbor-http2`; one test runs all tests in the other ways.

use base64_simd::STANDARD as BASE64;
use bytes::{Bytes, BytesMut};
use ciborium::Value as Cbor;
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use millstream_kinesis::{Answer, Kinesis};
use millstream_wire::event_stream;
use port::Server;
use serde_json::{Map, Number, Value};
use std::process;
use std::sync::LazyLock;
use tokio::io::DuplexStream;

mod port {
    include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/port.rs"));
}
mod reached {
    include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/reached.rs"));
}
mod unreached {
    include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/unreached.rs"));
}

const WAYS: [&str; 4] = ["json-http1", "json-http2", "cbor-http1", "cbor-http2"];
const CBOR_TYPE: &str = "application/x-amz-cbor-1.1";
const JSON_TYPE: &str = "application/x-amz-json-1.1";
/// The time of CBOR, here in milliseconds (reference/wire.md, 1.3).
const EPOCH_TAG: u64 = 1;

static MODEL: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../../models/kinesis.json")).expect("the model is JSON")
});

#[derive(Clone, Copy)]
struct Way {
    cbor: bool,
    http2: bool,
}

static WAY: LazyLock<Way> = LazyLock::new(|| {
    let way = std::env::var("MILLSTREAM_WIRE").unwrap_or_else(|_| WAYS[0].to_owned());
    assert!(WAYS.contains(&way.as_str()), "MILLSTREAM_WIRE is one of {WAYS:?}");
    Way { cbor: way.starts_with("cbor"), http2: way.ends_with("http2") }
});

#[test]
fn the_other_encodings_and_versions_answer_the_same() {
    if std::env::var_os("MILLSTREAM_WIRE").is_some() {
        return;
    }
    for way in &WAYS[1..] {
        let tests = std::env::current_exe().expect("the tests are a program");
        let mut run = process::Command::new(tests);
        run.arg("--nocapture").env("MILLSTREAM_WIRE", way).env(reached::TELLING, "1");
        let run = run.output().expect("it runs");
        let told = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success(), "{way}:\n{told}\n{}", String::from_utf8_lossy(&run.stderr));
        reached::check(&told);
        println!("{way}: {}", told.lines().rfind(|line| line.starts_with("test result")).unwrap_or_default());
    }
}

/// The answer, or the error's code and message.
pub(crate) async fn call(
    kinesis: &Kinesis,
    operation: &str,
    input: &Value,
) -> Result<Answer, (String, String)> {
    let way = *WAY;
    let body = if way.cbor { encoded(operation, input) } else { input.to_string().into() };
    let server = Server::of(kinesis);
    let ours = server.connect().await;
    let content_type = if way.cbor { CBOR_TYPE } else { JSON_TYPE };
    let home = kinesis.home();
    let request = http::Request::post("http://localhost/")
        .header("host", "localhost")
        .header("content-type", content_type)
        .header("x-amz-target", format!("Kinesis_20131202.{operation}"))
        .header(
            "authorization",
            format!(
                "AWS4-HMAC-SHA256 Credential={}/20231114/{}/kinesis/aws4_request, SignedHeaders=host, Signature=0",
                home.account, home.region
            ),
        )
        .body(Full::new(body))
        .expect("a request");
    let answer = sent(way, ours, request).await;
    // SDKs set their clocks by the date.
    for header in ["x-amzn-requestid", "x-amz-id-2", "date"] {
        assert!(answer.headers().contains_key(header), "{header}: {:?}", answer.headers());
    }
    let kind = answer.headers()["content-type"].to_str().expect("text").to_owned();
    let status = answer.status();
    if kind == event_stream::CONTENT_TYPE {
        assert_eq!(status, 200);
        reached::tell(operation, None);
        return Ok(Answer::Events(frames(answer.into_body(), server).boxed()));
    }
    assert_eq!(kind, content_type, "{operation} answers as it was asked");
    let told = answer.headers().get("x-amz-crc32").cloned();
    let body = answer.into_body().collect().await.expect("a whole body").to_bytes();
    // SDKs ask again, and again, when the checksum is another one. Without one they are content.
    if let Some(told) = told {
        assert_eq!(told, crc32fast::hash(&body).to_string());
    }
    let body = in_json(&body, way.cbor);
    if status.is_success() {
        reached::tell(operation, None);
        return Ok(Answer::Body(body));
    }
    let error: Value = serde_json::from_slice(&body).expect("an error is an object");
    let code = error["__type"].as_str().expect("an error has a type").rsplit('#').next().unwrap_or_default();
    reached::tell(operation, Some(code));
    Err((code.to_owned(), error["message"].as_str().unwrap_or_default().to_owned()))
}

type Body = hyper::body::Incoming;

async fn sent(way: Way, io: DuplexStream, request: http::Request<Full<Bytes>>) -> http::Response<Body> {
    let io = TokioIo::new(io);
    if way.http2 {
        let connected = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await;
        let (mut sender, connection) = connected.expect("a connection");
        tokio::spawn(connection);
        return sender.send_request(request).await.expect("an answer");
    }
    let connected = hyper::client::conn::http1::handshake(io).await;
    let (mut sender, connection) = connected.expect("a connection");
    tokio::spawn(connection);
    sender.send_request(request).await.expect("an answer")
}

/// The frames of an event stream, one by one, with payloads in JSON. The server lives as long as somebody reads.
fn frames(body: Body, held: Server) -> impl futures_util::Stream<Item = Bytes> {
    stream::unfold((body, BytesMut::new(), held), |(mut body, mut read, held)| async move {
        loop {
            let length = read.first_chunk::<4>().map(|length| u32::from_be_bytes(*length) as usize);
            if let Some(length) = length.filter(|length| read.len() >= *length) {
                return Some((frame_in_json(&read.split_to(length).freeze()), (body, read, held)));
            }
            match body.frame().await? {
                Ok(frame) => read.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
                Err(_) => return None,
            }
        }
    })
}

fn frame_in_json(bytes: &Bytes) -> Bytes {
    let (frame, rest) =
        event_stream::decode(bytes).expect("a frame is well-formed").expect("a frame is whole");
    assert_eq!(rest, bytes.len());
    let Some(kind) = frame.header(":content-type") else { return bytes.clone() };
    if kind != CBOR_TYPE {
        return bytes.clone();
    }
    let payload = in_json(&frame.payload, true);
    match frame.header(":message-type") {
        Some("exception") => {
            event_stream::exception(frame.header(":exception-type").unwrap_or_default(), JSON_TYPE, &payload)
        }
        _ => event_stream::event(frame.header(":event-type").unwrap_or_default(), JSON_TYPE, &payload),
    }
}

fn in_json(body: &Bytes, is_cbor: bool) -> Bytes {
    if !is_cbor || body.is_empty() {
        return body.clone();
    }
    let value: Cbor = ciborium::from_reader(&body[..]).expect("a body in CBOR");
    decoded(value).to_string().into()
}

/// What a client that knows the model makes of an input: bytes and times have types of their own.
fn encoded(operation: &str, input: &Value) -> Bytes {
    let shape = MODEL["operations"][operation]["input"]["shape"].as_str();
    let mut bytes = Vec::new();
    ciborium::into_writer(&of_shape(shape, input), &mut bytes).expect("memory takes it");
    bytes.into()
}

fn of_shape(name: Option<&str>, value: &Value) -> Cbor {
    let shape = name.map_or(&Value::Null, |name| &MODEL["shapes"][name]);
    let named = |part: &Value| part["shape"].as_str().map(str::to_owned);
    match (shape["type"].as_str(), value) {
        (Some("blob"), Value::String(text)) => match BASE64.decode_to_vec(text) {
            Ok(bytes) => Cbor::Bytes(bytes),
            Err(_) => Cbor::Text(text.clone()),
        },
        #[expect(clippy::cast_possible_truncation, reason = "times of tests are small")]
        (Some("timestamp"), Value::Number(seconds)) => {
            let millis = (seconds.as_f64().unwrap_or_default() * 1_000.0).round() as i64;
            Cbor::Tag(EPOCH_TAG, Box::new(Cbor::Integer(millis.into())))
        }
        (kind, Value::Object(members)) => {
            let of = |name: &str| match kind {
                Some("structure") => named(&shape["members"][name]),
                Some("map") => named(&shape["value"]),
                _ => None,
            };
            let pair = |(name, value): (&String, &Value)| {
                (Cbor::Text(name.clone()), of_shape(of(name).as_deref(), value))
            };
            Cbor::Map(members.iter().map(pair).collect())
        }
        (_, Value::Array(items)) => {
            let of = named(&shape["member"]);
            Cbor::Array(items.iter().map(|item| of_shape(of.as_deref(), item)).collect())
        }
        (_, other) => Cbor::serialized(other).expect("JSON has a form in CBOR"),
    }
}

fn decoded(value: Cbor) -> Value {
    match value {
        Cbor::Bytes(bytes) => Value::String(BASE64.encode_to_string(bytes)),
        #[expect(clippy::cast_precision_loss, reason = "times of tests are small")]
        Cbor::Tag(EPOCH_TAG, millis) => {
            let millis: i64 =
                millis.as_integer().and_then(|millis| millis.try_into().ok()).expect("whole milliseconds");
            Number::from_f64(millis as f64 / 1_000.0).map_or(Value::Null, Value::Number)
        }
        Cbor::Array(items) => items.into_iter().map(decoded).collect(),
        Cbor::Map(members) => {
            let pair =
                |(name, value): (Cbor, Cbor)| (name.into_text().expect("names are text"), decoded(value));
            Value::Object(members.into_iter().map(pair).collect::<Map<_, _>>())
        }
        other => other.deserialized().expect("CBOR has a form in JSON"),
    }
}
