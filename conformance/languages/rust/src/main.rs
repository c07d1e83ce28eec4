//! Takes Kinesis records and puts the number of their bytes onto the stream `forwarded`; answers `{"fail": …}` and the like
//! as the tests need them. With `STREAMS` in its environment it streams its answer instead.

use aws_lambda_events::kinesis::KinesisEvent;
use lambda_runtime::streaming::{Body, Response, channel};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};
use std::env::var;
use std::io::{Read, Write};
use std::net::TcpStream;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    println!("starting");
    if var("STREAMS").is_ok() {
        return run(service_fn(streaming)).await;
    }
    run(service_fn(handler)).await
}

/// `first`, then, once the peer at `port` has closed its connection, `last`.
async fn streaming(event: LambdaEvent<Value>) -> Result<Response<Body>, Error> {
    let port = event.payload.get("port").and_then(Value::as_u64).ok_or("no port")?;
    let (mut sender, body) = channel();
    tokio::spawn(async move {
        let write = async {
            sender.send_data("first".into()).await?;
            let wait = move || TcpStream::connect(("127.0.0.1", port as u16))?.read_to_end(&mut Vec::new());
            tokio::task::spawn_blocking(wait).await??;
            sender.send_data("last".into()).await?;
            Ok::<_, Error>(())
        };
        if let Err(error) = write.await {
            println!("{error}");
        }
    });
    Ok(Response::from(body))
}

async fn handler(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let (event, context) = event.into_parts();
    if event.get("Records").is_some() {
        let event: KinesisEvent = serde_json::from_value(event)?;
        for record in &event.records {
            let key = record.kinesis.partition_key.clone();
            put(&json!({ "key": key, "bytes": record.kinesis.data.len(), "from": "rust" }))?;
        }
        return Ok(json!({ "batchItemFailures": [] }));
    }
    if let Some(what) = event.get("fail").and_then(Value::as_str) {
        return Err(what.to_owned().into());
    }
    if event.get("panic").is_some() {
        panic!("as it was asked to");
    }
    if event.get("exit").is_some() {
        std::process::exit(3);
    }
    println!("handling");
    Ok(json!({
        "event": event, "id": context.request_id, "arn": context.invoked_function_arn,
        "memory": context.env_config.memory, "name": context.env_config.function_name, "task": var("LAMBDA_TASK_ROOT")?,
    }))
}

/// Put a record with nothing but the standard library.
fn put(value: &Value) -> Result<(), Error> {
    let endpoint = var("AWS_ENDPOINT_URL")?;
    let host = endpoint.trim_start_matches("http://").trim_end_matches('/');
    let data = base64(value.to_string().as_bytes());
    let body = json!({ "StreamName": "forwarded", "PartitionKey": "out", "Data": data }).to_string();
    let (key, region) = (var("AWS_ACCESS_KEY_ID")?, var("AWS_REGION")?);
    let signature = "0".repeat(64);
    let mut stream = TcpStream::connect(host)?;
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/x-amz-json-1.1\r\n\
         X-Amz-Target: Kinesis_20131202.PutRecord\r\nX-Amz-Date: 20260101T000000Z\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential={key}/20260101/{region}/kinesis/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature={signature}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(answer.into()) }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | u32::from(*chunk.get(at).unwrap_or(&0)));
        for digit in 0..4 {
            let shown = digit <= chunk.len();
            text.push(if shown { DIGITS[(bits >> (18 - 6 * digit) & 63) as usize] as char } else { '=' });
        }
    }
    text
}
