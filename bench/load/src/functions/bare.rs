//! A Runtime API with nothing behind it, and a worker that nothing keeps in: what a start and a round trip cost at least.
//!
//! The thread that has the worker's connection hands it the event, so no time goes into waking another.

use crate::http::Chunks;
use crate::stats::Latencies;
use anyhow::{Context as _, Result, bail};
use memchr::memmem;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// How long a worker may take to start and to answer everything.
const LIMIT: Duration = Duration::from_mins(2);

#[derive(Debug, clap::Args)]
pub(crate) struct BareArgs {
    /// Start the worker so many times
    #[arg(long, default_value_t = 1)]
    starts: usize,
    /// Round trips in each of them
    #[arg(long, default_value_t = 1_000)]
    rounds: usize,
    /// Round trips before the measurement begins
    #[arg(long, default_value_t = 100)]
    warm_up: usize,
    /// Milliseconds from a worker's call for an event to the event
    #[arg(long, default_value_t = 0.0)]
    pause_ms: f64,
    /// The worker; AWS_LAMBDA_RUNTIME_API is added to its environment
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Ended when it is no longer of use.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        // An error says that it has ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// What a worker's connections tell.
enum Tale {
    /// It asked for an event for the first time.
    Ready(Instant),
    Answered(Duration),
    /// What it did that a worker does not which goes well.
    Wrong(String),
}

pub(crate) fn run(arguments: &BareArgs) -> Result<Value> {
    let (mut starts, mut rounds) = (Latencies::new(3)?, Latencies::new(3)?);
    for _ in 0..arguments.starts {
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen")?;
        let api = listener.local_addr()?.to_string();
        let (program, rest) = arguments.command.split_first().context("no command")?;
        let mut command = Command::new(program);
        command.args(rest).env("AWS_LAMBDA_RUNTIME_API", &api).stdin(Stdio::null()).stdout(Stdio::null());
        let (tell, told) = channel();
        let pause = Duration::from_secs_f64(arguments.pause_ms / 1_000.0);
        std::thread::spawn(move || accept(&listener, pause, &Arc::new(tell)));
        let spawned = Instant::now();
        let worker = Worker(command.spawn().with_context(|| format!("cannot start {program}"))?);
        let mut left = arguments.warm_up + arguments.rounds;
        loop {
            match told.recv_timeout(LIMIT) {
                Ok(Tale::Ready(at)) => starts.record(at.duration_since(spawned)),
                Ok(Tale::Answered(took)) => {
                    if left <= arguments.rounds {
                        rounds.record(took);
                    }
                    left -= 1;
                }
                Ok(Tale::Wrong(what)) => bail!("{program}: {what}"),
                Err(RecvTimeoutError::Timeout) => bail!("{program} does not answer"),
                Err(RecvTimeoutError::Disconnected) => bail!("nobody listens to {program} any more"),
            }
            if left == 0 {
                break;
            }
        }
        drop(worker);
    }
    Ok(json!({ "start": starts.summary(), "round_trip": rounds.summary() }))
}

/// Serves connections until the process ends. A worker has one, most often.
fn accept(listener: &TcpListener, pause: Duration, tell: &Arc<Sender<Tale>>) {
    while let Ok((stream, _)) = listener.accept() {
        let tell = Arc::clone(tell);
        // That it ends with an error is the worker's end.
        std::thread::spawn(move || drop(serve(stream, pause, &tell)));
    }
}

fn serve(mut stream: TcpStream, pause: Duration, tell: &Sender<Tale>) -> Result<()> {
    const EVENT: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
        Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n\
        Lambda-Runtime-Deadline-Ms: 4102444800000\r\n\
        Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:000000000000:function:bench\r\n\
        Content-Length: 2\r\n\r\n{}";
    const ACCEPTED: &str = "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\n\
        Content-Length: 16\r\n\r\n{\"status\":\"OK\"}\n";
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    let mut handed = None;
    loop {
        let line = read_request(&mut stream, &mut buffer)?;
        let now = Instant::now();
        if line.ends_with("/invocation/next") {
            if handed.is_none() {
                tell.send(Tale::Ready(now))?;
            }
            std::thread::sleep(pause);
            handed = Some(Instant::now());
            stream.write_all(EVENT.as_bytes())?;
        } else if line.ends_with("/response") {
            let took = now.duration_since(handed.context("an answer before an event")?);
            stream.write_all(ACCEPTED.as_bytes())?;
            tell.send(Tale::Answered(took))?;
        } else {
            let body = memmem::find(&buffer, b"\r\n\r\n").map_or(&[][..], |end| &buffer[end + 4..]);
            tell.send(Tale::Wrong(format!("it asks for {line}: {}", String::from_utf8_lossy(body))))?;
        }
    }
}

/// Reads a whole request, its body included; its method and path.
fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<String> {
    buffer.clear();
    let mut chunk = [0; 4_096];
    let mut more = |buffer: &mut Vec<u8>| {
        let size = stream.read(&mut chunk)?;
        buffer.extend_from_slice(&chunk[..size]);
        if size == 0 {
            bail!("the worker closed its connection");
        }
        Ok(())
    };
    let end = loop {
        more(buffer)?;
        if let Some(end) = memmem::find(buffer, b"\r\n\r\n") {
            break end;
        }
    };
    let head = std::str::from_utf8(&buffer[..end])?.to_ascii_lowercase();
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
    let line = head.lines().next().and_then(|line| line.rsplit_once(' ')).context("no request")?.0.to_owned();
    if let Some(length) = field("content-length:") {
        let length: usize = length.trim().parse()?;
        while buffer.len() < end + 4 + length {
            more(buffer)?;
        }
    } else if field("transfer-encoding:").is_some() {
        let (mut chunks, mut body) = (Chunks::default(), Vec::new());
        chunks.feed(&buffer[end + 4..], &mut body)?;
        while !chunks.ended {
            buffer.clear();
            more(buffer)?;
            chunks.feed(buffer, &mut body)?;
        }
    }
    Ok(line)
}
