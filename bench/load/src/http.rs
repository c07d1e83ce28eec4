//! HTTP/1.1 as far as a load generator needs it: one keep-alive connection, answers with a length or in chunks.

use anyhow::{Context as _, Result, bail};
use memchr::memmem;
use std::net::SocketAddr;
use std::ops::Range;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) const JSON: &str = "application/x-amz-json-1.1";
pub(crate) const CBOR: &str = "application/x-amz-cbor-1.1";

/// A whole request as bytes. The signature is none: it is there because some servers look whether one is.
pub(crate) fn request(address: SocketAddr, operation: &str, media_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nContent-Type: {media_type}\r\n\
         X-Amz-Target: Kinesis_20131202.{operation}\r\nX-Amz-Date: 20260101T000000Z\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/kinesis/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature={:064}\r\nContent-Length: {}\r\n\r\n",
        0,
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// How the end of an answer's body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(usize),
    Chunked,
}

/// What the first lines of an answer say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) framing: Framing,
    /// Bytes up to the body.
    pub(crate) length: usize,
    /// The server takes no further request on this connection.
    pub(crate) closes: bool,
}

impl Head {
    /// `None` if the head is not all there yet.
    fn parse(bytes: &[u8]) -> Result<Option<Self>> {
        let Some(end) = memmem::find(bytes, b"\r\n\r\n") else { return Ok(None) };
        let text = std::str::from_utf8(&bytes[..end]).context("an answer's head is not text")?;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
        let status = status.parse().with_context(|| format!("an answer begins with {text:?}"))?;
        let (mut framing, mut closes) = (Framing::Length(0), false);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                framing = Framing::Length(value.trim().parse().context("an answer's length")?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                framing = Framing::Chunked;
            } else if name.eq_ignore_ascii_case("connection") {
                closes = value.trim().eq_ignore_ascii_case("close");
            }
        }
        Ok(Some(Self { status, framing, length: end + 4, closes }))
    }
}

/// One connection and what was read from it.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    address: SocketAddr,
    /// What of the buffer is the last answer's body.
    body: Range<usize>,
    /// The server said that it closes the connection.
    closed: bool,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await;
        Self::over(stream.with_context(|| format!("cannot connect to {address}"))?)
    }

    pub(crate) fn over(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        let address = stream.peer_addr()?;
        Ok(Self { stream, address, buffer: Vec::new(), body: 0..0, closed: false })
    }

    pub(crate) async fn send(&mut self, request: &[u8]) -> Result<()> {
        self.stream.write_all(request).await.context("cannot send")
    }

    /// Sends a request and reads the whole answer; its status. The body is [`Self::body`] until the next exchange.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<u16> {
        if self.closed {
            *self = Self::open(self.address).await?;
        }
        self.send(request).await?;
        let head = self.head().await?;
        self.closed = head.closes;
        match head.framing {
            Framing::Length(length) => {
                let end = head.length + length;
                self.buffer.reserve(end.saturating_sub(self.buffer.len()));
                while self.buffer.len() < end {
                    self.more().await?;
                }
                self.body = head.length..end;
            }
            Framing::Chunked => {
                let mut chunks = Chunks::default();
                let mut body = Vec::new();
                chunks.feed(&self.buffer[head.length..], &mut body)?;
                while !chunks.ended {
                    self.buffer.clear();
                    self.more().await?;
                    chunks.feed(&self.buffer, &mut body)?;
                }
                self.body = 0..body.len();
                self.buffer = body;
            }
        }
        Ok(head.status)
    }

    /// Reads the head of the next answer, forgetting the last one. What was read of the body is in the buffer after it.
    pub(crate) async fn head(&mut self) -> Result<Head> {
        self.buffer.clear();
        loop {
            self.more().await?;
            if let Some(head) = Head::parse(&self.buffer)? {
                return Ok(head);
            }
        }
    }

    /// Reads some more bytes into the buffer.
    pub(crate) async fn more(&mut self) -> Result<()> {
        self.buffer.reserve(16 << 10);
        if self.stream.read_buf(&mut self.buffer).await.context("cannot receive")? == 0 {
            bail!("the server closed the connection");
        }
        Ok(())
    }

    /// Gives back the memory of the last answer: for connections that will be idle.
    pub(crate) fn rest(&mut self) {
        self.body = 0..0;
        self.buffer = Vec::new();
    }

    /// A header of the last answer, by its name in lower case. An answer in chunks has lost its head.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let head = std::str::from_utf8(self.buffer.get(..self.body.start)?).ok()?;
        let mut fields = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.buffer[self.body.clone()]
    }

    /// All that was read and not yet taken: for answers that have no end.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }
}

/// Takes the chunks of a body apart, in whatever pieces they arrive.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    /// Bytes that this chunk still has.
    left: usize,
    /// A line that has begun: a chunk's size, or the empty one after its data.
    line: Vec<u8>,
    pub(crate) ended: bool,
}

impl Chunks {
    /// Appends the data in `bytes` to `out`. Trailers are not understood; no server here sends them.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        while !bytes.is_empty() && !self.ended {
            if self.left > 0 {
                let (data, rest) = bytes.split_at(self.left.min(bytes.len()));
                out.extend_from_slice(data);
                self.left -= data.len();
                bytes = rest;
                continue;
            }
            let Some(end) = memchr::memchr(b'\n', bytes) else {
                self.line.extend_from_slice(bytes);
                return Ok(());
            };
            self.line.extend_from_slice(&bytes[..end]);
            bytes = &bytes[end + 1..];
            let line = String::from_utf8_lossy(&self.line).into_owned();
            self.line.clear();
            let size = line.split(';').next().unwrap_or_default().trim();
            // The line after a chunk's data is empty.
            if !size.is_empty() {
                self.left =
                    usize::from_str_radix(size, 16).with_context(|| format!("a chunk of {size:?}"))?;
                self.ended = self.left == 0;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_parsed_once_it_is_whole() {
        let text = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 12\r\n\r\nbody";
        for cut in 0..text.len() - 5 {
            assert_eq!(Head::parse(&text[..cut]).unwrap(), None, "{cut}");
        }
        let head = Head { status: 400, framing: Framing::Length(12), length: text.len() - 4, closes: false };
        assert_eq!(Head::parse(text).unwrap(), Some(head));
    }

    #[test]
    fn chunks_come_in_any_pieces() {
        let text = b"5\r\nhello\r\n1;x=y\r\n!\r\n0\r\n\r\n";
        for size in 1..text.len() {
            let (mut chunks, mut out) = (Chunks::default(), Vec::new());
            for piece in text.chunks(size) {
                chunks.feed(piece, &mut out).unwrap();
            }
            assert_eq!(out, b"hello!", "{size}");
            assert!(chunks.ended);
        }
    }

    #[test]
    fn a_chunk_without_a_size_is_refused() {
        assert!(Chunks::default().feed(b"zz\r\n", &mut Vec::new()).is_err());
    }
}
