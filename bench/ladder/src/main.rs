//! The ladder of `cargo xtask bench`: an HTTP server over the same set-up as Millstream's that does only the work that
//! nobody can avoid, one rung at a time. What it reaches is what the machine allows.
//!
//! - *null*: read the body, answer as many bytes as the operation would;
//! - `--parse`: decode the request and the data of its records;
//! - `--sha`: SHA-256 of the body, as a verified signature needs;
//! - `--wal`: write the records' bytes to a file with group commit and fdatasync, and answer after it.
//!
//! With `--answer` it answers everything with the bytes of a file instead, beside GetRecords; with `--encode` too, it makes
//! those bytes anew each time from the records in them.
//! Prints the address that it listens on as its first line, and runs until it is killed.

mod answer;
mod encode;
mod parse;
mod wal;

use answer::Answers;
use anyhow::{Context as _, Result};
use bytes::{Bytes, BytesMut};
use clap::Parser;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use sha2::{Digest as _, Sha256};
use std::convert::Infallible;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

#[derive(Debug, Parser)]
#[command(name = "bench-ladder")]
struct Arguments {
    /// Decode the request and its records' data
    #[arg(long)]
    parse: bool,
    /// Hash the body
    #[arg(long)]
    sha: bool,
    /// Write the records' bytes to this file, durably; implies --parse
    #[arg(long, value_name = "FILE")]
    wal: Option<PathBuf>,
    /// Bytes of that file, which are written once before it is used, and then again and again
    #[arg(long, default_value_t = 1 << 30)]
    wal_bytes: u64,
    /// Records that the answer of PutRecords tells of
    #[arg(long, default_value_t = 500)]
    records: usize,
    /// Answer everything with the bytes of this file
    #[arg(long, value_name = "FILE")]
    answer: Option<PathBuf>,
    /// Encode that answer of GetRecords, in JSON, from its records each time
    #[arg(long, requires = "answer")]
    encode: bool,
}

/// What every connection shares.
#[derive(Debug)]
struct Rungs {
    parse: bool,
    sha: bool,
    wal: Option<wal::Wal>,
    answers: Answers,
    /// What answers are made of, if they are made each time.
    records: Option<encode::Records>,
}

/// As Millstream's front: no request comes later than this after the last.
const IDLE: Duration = Duration::from_secs(75);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments = Arguments::parse();
    let wal = arguments.wal.as_deref().map(|path| wal::Wal::start(path, arguments.wal_bytes)).transpose()?;
    let records = |path| encode::Records::of(&std::fs::read(path).context("cannot read the answer")?);
    let encoded = arguments.answer.as_deref().filter(|_| arguments.encode);
    let rungs = Rungs {
        parse: arguments.parse || wal.is_some(),
        sha: arguments.sha,
        wal,
        answers: Answers::new(arguments.records, arguments.answer.as_deref())?,
        records: encoded.map(records).transpose()?,
    };
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(Arc::new(rungs)))
}

async fn serve(rungs: Arc<Rungs>) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen")?;
    println!("{}", listener.local_addr()?);
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(IDLE).keep_alive(true);
    loop {
        let (stream, _) = listener.accept().await.context("cannot accept")?;
        stream.set_nodelay(true)?;
        let rungs = rungs.clone();
        let service = service_fn(move |request| answer(rungs.clone(), request));
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                eprintln!("a connection ended badly: {error}");
            }
        });
    }
}

async fn answer(rungs: Arc<Rungs>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let header = |name| parts.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let is_cbor = header("content-type").is_some_and(|kind| kind.starts_with(answer::CBOR));
    let is_single = header("x-amz-target").is_some_and(|target| target.ends_with(".PutRecord"));
    Ok(match climb(&rungs, body, is_cbor, is_single).await {
        Ok(()) => {
            let (kind, kept) = rungs.answers.of(is_cbor, is_single);
            let bytes = rungs.records.as_ref().map_or(kept, encode::Records::encode);
            let mut response = Response::new(Full::new(bytes));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            response
        }
        Err(error) => {
            let mut response = Response::new(Full::new(Bytes::from(format!("{error:#}\n"))));
            *response.status_mut() = StatusCode::BAD_REQUEST;
            response
        }
    })
}

/// All the rungs that were asked for.
async fn climb(rungs: &Rungs, body: Incoming, is_cbor: bool, is_single: bool) -> Result<()> {
    let body = collect(body).await?;
    if rungs.sha {
        black_box(Sha256::digest(&body));
    }
    if rungs.parse {
        let records = parse::records(&body, is_cbor, is_single)?;
        match &rungs.wal {
            Some(wal) => wal.write(records).await?,
            None => drop(black_box(records)),
        }
    }
    Ok(())
}

async fn collect(mut body: Incoming) -> Result<Bytes> {
    let announced = body.size_hint().lower().try_into().unwrap_or(0);
    let mut whole = BytesMut::with_capacity(announced);
    while let Some(frame) = body.frame().await {
        let frame = frame.context("the body broke off")?;
        if let Some(data) = frame.data_ref() {
            // A body in one piece needs no copy.
            if whole.is_empty() && data.len() == announced {
                return Ok(data.clone());
            }
            whole.extend_from_slice(data);
        }
    }
    Ok(whole.freeze())
}
