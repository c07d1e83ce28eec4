//! The smallest function on `provided.al2023`: a program that speaks the Runtime API itself, over one connection and with one
//! thread. It does nothing with an event but parse it, and tells whoever measures when it had which batch.

use anyhow::{Context as _, Result, bail};
use memchr::memmem;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// Where to tell of batches, as `host:port`. Nothing is told without it.
const COLLECTOR: &str = "BENCH_COLLECTOR";
/// Set if the times of the puts are to be told, too.
const STAMPS: &str = "BENCH_STAMPS";

fn main() -> Result<()> {
    let address = std::env::var("AWS_LAMBDA_RUNTIME_API").context("AWS_LAMBDA_RUNTIME_API")?;
    let mut api = Api::connect(&address)?;
    let mut told = Told::default();
    loop {
        let (head, body) = api.exchange(&format!(
            "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: {address}\r\n\r\n"
        ))?;
        let started = bench_worker::now();
        let id = header(head, "lambda-runtime-aws-request-id").context("an event without a request id")?;
        let path = format!("/2018-06-01/runtime/invocation/{id}/response");
        told.batch(started, body)?;
        api.exchange(&format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\nnull"
        ))?;
    }
}

/// The Runtime API over one connection.
struct Api {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Api {
    fn connect(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 16 << 10] })
    }

    /// One request; the answer's head and its body.
    fn exchange(&mut self, request: &str) -> Result<(&str, &[u8])> {
        self.stream.write_all(request.as_bytes()).context("cannot send")?;
        let mut filled = 0;
        let (begin, end) = loop {
            if filled == self.buffer.len() {
                self.buffer.resize(filled * 2, 0);
            }
            match self.stream.read(&mut self.buffer[filled..]).context("cannot receive")? {
                0 => bail!("the Runtime API closed the connection"),
                more => filled += more,
            }
            if let Some(head) = memmem::find(&self.buffer[..filled], b"\r\n\r\n") {
                let text = std::str::from_utf8(&self.buffer[..head])?;
                let length: usize = header(text, "content-length").unwrap_or("0").parse()?;
                break (head, head + 4 + length);
            }
        };
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        if filled < end {
            self.stream.read_exact(&mut self.buffer[filled..end]).context("cannot receive")?;
        }
        Ok((std::str::from_utf8(&self.buffer[..begin])?, &self.buffer[begin + 4..end]))
    }
}

/// The value of a header, by its name in lower case.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// The connection to whoever measures.
#[derive(Default)]
struct Told(Option<TcpStream>);

impl Told {
    /// Parses an event and tells of its records, in one line: when it was here, how many there are, and when each was put if
    /// that is asked for.
    fn batch(&mut self, started: u64, event: &[u8]) -> Result<()> {
        let event = bench_worker::parse(event)?;
        if event.records.is_empty() {
            return Ok(());
        }
        let Ok(address) = std::env::var(COLLECTOR) else { return Ok(()) };
        let mut line = format!("{started} {}", event.records.len());
        if std::env::var_os(STAMPS).is_some() {
            for stamp in event.records.iter().filter_map(|record| record.kinesis.stamp()) {
                line.push(' ');
                line.push_str(&stamp.to_string());
            }
        }
        line.push('\n');
        if self.0.is_none() {
            let stream = TcpStream::connect(address).context("cannot connect to the collector")?;
            stream.set_nodelay(true)?;
            self.0 = Some(stream);
        }
        // Who measures may have had enough already.
        if let Some(stream) = &mut self.0
            && stream.write_all(line.as_bytes()).is_err()
        {
            self.0 = None;
        }
        Ok(())
    }
}
