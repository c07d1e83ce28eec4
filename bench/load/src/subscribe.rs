//! Put to delivery: subscribers on one shard, and a writer that puts one record at a time with pauses between.

use crate::checks;
use crate::http::{self, Chunks, Connection, Framing};
use crate::process;
use crate::stats::Latencies;
use crate::streams;
use anyhow::{Context as _, Result, bail};
use memchr::memmem;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct SubscribeArgs {
    #[arg(long)]
    address: SocketAddr,
    #[arg(long, default_value = "bench")]
    stream: String,
    #[arg(long, default_value_t = 1)]
    subscribers: usize,
    #[arg(long, default_value_t = 200)]
    puts: usize,
    /// Puts before the measurement begins
    #[arg(long, default_value_t = 20)]
    warm_up: usize,
    /// Milliseconds between an acknowledgement and the next put
    #[arg(long, default_value_t = 20)]
    pause_ms: u64,
    /// Bytes of data in a record, 16 at least
    #[arg(long, default_value_t = 1_024)]
    size: usize,
    #[arg(long)]
    pid: Option<u32>,
}

/// How long the last records may be under way.
const LAST: Duration = Duration::from_secs(20);

/// A record's data begins with its number, in so many digits.
const DIGITS: usize = 16;

/// When each put was sent, in nanoseconds after `base`.
#[derive(Debug)]
struct Sent {
    base: Instant,
    at: Vec<AtomicU64>,
}

pub(crate) async fn run(arguments: SubscribeArgs) -> Result<Value> {
    let address = arguments.address;
    let mut connection = Connection::open(address).await?;
    let stream = json!({ "StreamName": arguments.stream });
    let summary = streams::call(&mut connection, address, "DescribeStreamSummary", &stream).await?;
    let arn = summary["StreamDescriptionSummary"]["StreamARN"].as_str().context("no StreamARN")?.to_owned();
    let shards = streams::shards(&mut connection, address, &arguments.stream).await?;
    let shard = shards.first().context("a stream without shards")?;
    let (consumers, refused) = register(&mut connection, address, &arn, arguments.subscribers).await?;
    let total = arguments.warm_up + arguments.puts;
    let sent = Arc::new(Sent { base: Instant::now(), at: (0..total).map(|_| AtomicU64::new(0)).collect() });
    let before = arguments.pid.map(process::memory).transpose()?;
    let (ready, mut readies) = mpsc::channel(1);
    let mut tasks = JoinSet::new();
    for consumer in &consumers {
        let events = subscribe(address, consumer, shard).await?;
        tasks.spawn(receive(events, sent.clone(), arguments.warm_up, ready.clone()));
    }
    drop(ready);
    for _ in &consumers {
        readies.recv().await.context("a subscription ended before its first event")?;
    }
    let subscribed = arguments.pid.map(process::memory).transpose()?;
    let puts = put_all(&mut connection, &arguments, &sent).await?;
    let (mut delivered, mut complete) = (Latencies::new(3)?, true);
    let collected = tokio::time::timeout(LAST, async {
        while let Some(found) = tasks.join_next().await {
            delivered.add(&found.context("a subscriber panicked")??)?;
        }
        anyhow::Ok(())
    });
    match collected.await {
        Ok(done) => done?,
        Err(_) => complete = false,
    }
    let after = arguments.pid.map(process::memory).transpose()?;
    let now = |memory: Option<(u64, u64)>| memory.map(|(now, _)| now);
    Ok(json!({
        "subscribers": consumers.len(),
        "subscribers_refused": refused,
        "expected": consumers.len() * arguments.puts,
        "all_delivered": complete && delivered.count() == (consumers.len() * arguments.puts) as u64,
        "put": puts.summary(),
        "delivery": delivered.summary(),
        "rss_bytes": { "before": now(before), "subscribed": now(subscribed), "after": now(after) },
    }))
}

/// Consumers for the subscribers, and why there are fewer than asked for, if there are.
async fn register(
    connection: &mut Connection,
    address: SocketAddr,
    arn: &str,
    count: usize,
) -> Result<(Vec<String>, Option<String>)> {
    let mut consumers = Vec::new();
    let mut refused = None;
    for number in 0..count {
        let input = json!({ "StreamARN": arn, "ConsumerName": format!("bench-{number}") });
        match streams::call(connection, address, "RegisterStreamConsumer", &input).await {
            Ok(output) => {
                let consumer = output["Consumer"]["ConsumerARN"].as_str().context("no ConsumerARN")?;
                consumers.push(consumer.to_owned());
            }
            Err(error) if number > 0 => {
                refused = Some(format!("{error:#}"));
                break;
            }
            Err(error) => return Err(error),
        }
    }
    for consumer in &consumers {
        let input = json!({ "ConsumerARN": consumer });
        streams::until_active(async || {
            let output = streams::call(connection, address, "DescribeStreamConsumer", &input).await?;
            Ok(output["ConsumerDescription"]["ConsumerStatus"] == "ACTIVE")
        })
        .await?;
    }
    Ok((consumers, refused))
}

/// A subscription from the newest record on: the connection, with the answer's head read.
async fn subscribe(
    address: SocketAddr,
    consumer: &str,
    shard: &str,
) -> Result<(Connection, Chunks, Vec<u8>)> {
    let mut connection = Connection::open(address).await?;
    let input =
        json!({ "ConsumerARN": consumer, "ShardId": shard, "StartingPosition": { "Type": "LATEST" } });
    connection
        .send(&http::request(address, "SubscribeToShard", http::JSON, input.to_string().as_bytes()))
        .await?;
    let head = connection.head().await?;
    if head.status != 200 {
        let body = connection.buffer().split_off(head.length);
        bail!("SubscribeToShard: {}", checks::error_name(head.status, &body));
    }
    if head.framing != Framing::Chunked {
        bail!("SubscribeToShard answers a body of fixed length");
    }
    let (mut chunks, mut events) = (Chunks::default(), Vec::new());
    chunks.feed(&connection.buffer()[head.length..], &mut events)?;
    Ok((connection, chunks, events))
}

/// Takes every record of the run and notes how long it was under way.
async fn receive(
    (mut connection, mut chunks, mut events): (Connection, Chunks, Vec<u8>),
    sent: Arc<Sent>,
    warm_up: usize,
    ready: mpsc::Sender<()>,
) -> Result<Latencies> {
    let mut latencies = Latencies::new(2)?;
    let mut ready = Some(ready);
    loop {
        while let Some(length) = whole_frame(&events)? {
            let now = u64::try_from(sent.base.elapsed().as_nanos())?;
            if let Some(ready) = ready.take() {
                ready.send(()).await.context("nobody waits for the subscription")?;
            }
            for number in record_numbers(&events[..length]) {
                let at = sent.at.get(number).context("a record that was not put")?.load(Ordering::Acquire);
                if number >= warm_up {
                    latencies.record(Duration::from_nanos(now.saturating_sub(at)));
                }
                if number + 1 == sent.at.len() {
                    return Ok(latencies);
                }
            }
            events.drain(..length);
        }
        if chunks.ended {
            bail!("the subscription ended before the last record");
        }
        connection.buffer().clear();
        connection.more().await?;
        chunks.feed(connection.buffer(), &mut events)?;
    }
}

/// The length of the first event stream frame, once it is whole.
fn whole_frame(bytes: &[u8]) -> Result<Option<usize>> {
    const LEAST: usize = 16;
    let Some((length, _)) = bytes.split_first_chunk::<4>() else { return Ok(None) };
    let length = usize::try_from(u32::from_be_bytes(*length))?;
    if length < LEAST {
        bail!("an event stream frame of {length} bytes");
    }
    Ok((bytes.len() >= length).then_some(length))
}

/// The numbers of the records in a frame: the first digits of each record's data.
fn record_numbers(frame: &[u8]) -> impl Iterator<Item = usize> {
    const NAME: &[u8] = b"\"Data\"";
    memmem::find_iter(frame, NAME).filter_map(|at| {
        let mut parts = frame[at + NAME.len()..].splitn(3, |byte| *byte == b'"');
        parts.next()?;
        // 16 bytes are the first of 24 characters; 18 are 24 characters exactly.
        let data = base64_simd::STANDARD.decode_to_vec(parts.next()?.get(..24)?).ok()?;
        std::str::from_utf8(data.get(..DIGITS)?).ok()?.parse().ok()
    })
}

/// One put after another, each with its number in front of its data.
async fn put_all(connection: &mut Connection, arguments: &SubscribeArgs, sent: &Sent) -> Result<Latencies> {
    let mut latencies = Latencies::new(3)?;
    for (number, at) in sent.at.iter().enumerate() {
        tokio::time::sleep(Duration::from_millis(arguments.pause_ms)).await;
        let data = format!("{number:0DIGITS$}{}", "x".repeat(arguments.size.saturating_sub(DIGITS).max(2)));
        let data = base64_simd::STANDARD.encode_to_string(data);
        let input = format!(r#"{{"Data":"{data}","PartitionKey":"k","StreamName":"{}"}}"#, arguments.stream);
        let request = http::request(arguments.address, "PutRecord", http::JSON, input.as_bytes());
        let started = Instant::now();
        at.store(u64::try_from((started - sent.base).as_nanos())?, Ordering::Release);
        let status = connection.exchange(&request).await?;
        if status != 200 {
            bail!("PutRecord: {}", checks::error_name(status, connection.body()));
        }
        if number >= arguments.warm_up {
            latencies.record(started.elapsed());
        }
    }
    Ok(latencies)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_known_by_the_digits_in_front() {
        let data = base64_simd::STANDARD.encode_to_string(format!("{:016}{}", 42, "x".repeat(20)));
        let frame =
            format!(r#"..{{"Records":[{{"Data":"{data}","PartitionKey":"k"}},{{"Data": "{data}"}}]}}"#);
        assert_eq!(record_numbers(frame.as_bytes()).collect::<Vec<_>>(), [42, 42]);
        assert_eq!(record_numbers(br#"{"Records":[]}"#).count(), 0);
    }

    #[test]
    fn a_frame_is_taken_when_it_is_whole() {
        let frame = [0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
        assert_eq!(whole_frame(&frame[..15]).unwrap(), None);
        assert_eq!(whole_frame(&frame).unwrap(), Some(16));
        assert!(whole_frame(&[0, 0, 0, 1]).is_err());
    }
}
