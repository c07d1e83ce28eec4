//! What a worker prints: read promptly, kept in bounded memory, handed on line by line.

use crate::caps;
use crate::frames::{Frames, Piece};
use crate::logs::{LogLine, LogSink};
use bytes::Bytes;
use millstream_host::clock::Clock;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::unix::pipe::Receiver;

/// Read at once, in bytes: what a pipe holds.
const CHUNK: usize = 64 * 1024;

/// Whose output it is.
#[derive(Clone, Debug)]
pub(crate) struct Labels {
    pub function: String,
    pub function_arn: String,
    pub log_group: String,
    pub log_stream: String,
}

/// The output of one worker.
#[derive(Debug)]
pub(crate) struct Output {
    /// `None` for what is not a process: it is told what was written.
    pipe: Option<Receiver>,
    labels: Labels,
    sink: Arc<dyn LogSink>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    chunk: Vec<u8>,
    /// Takes events apart from what is printed, if the runtime writes them so.
    frames: Option<Frames>,
    /// A line whose end has not come yet.
    partial: Vec<u8>,
    /// An event whose end has not come yet.
    event: Vec<u8>,
    tail: Vec<u8>,
    request_id: Option<String>,
    handed_on: usize,
    dropped: u64,
}

impl Output {
    /// `is_framed` says that the runtime may write log events as frames, see [`crate::frames`].
    pub(crate) fn new(
        pipe: Option<OwnedFd>,
        is_framed: bool,
        labels: Labels,
        sink: Arc<dyn LogSink>,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Arc<Self>> {
        let state = State {
            chunk: Vec::new(),
            frames: is_framed.then(Frames::default),
            partial: Vec::new(),
            event: Vec::new(),
            tail: Vec::new(),
            request_id: None,
            handed_on: 0,
            dropped: 0,
        };
        let pipe = pipe.map(Receiver::from_owned_fd).transpose()?;
        Ok(Arc::new(Self { pipe, labels, sink, clock, state: Mutex::new(state) }))
    }

    /// Read until the last process of the worker has closed its end.
    pub(crate) async fn read_to_end(self: Arc<Self>) {
        let Some(pipe) = &self.pipe else { return };
        loop {
            if pipe.readable().await.is_err() {
                return;
            }
            {
                let mut state = self.state();
                let State { chunk, .. } = &mut *state;
                chunk.resize(CHUNK, 0);
                match pipe.try_read(chunk) {
                    Ok(0) => return,
                    Ok(size) => self.take_in(&mut state, size),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => {
                        tracing::warn!(%error, function = self.labels.function, "lost a function's output");
                        return;
                    }
                }
            }
            // A function that prints without end must not keep others from their turn.
            tokio::task::yield_now().await;
        }
    }

    /// Take in everything that is in the pipe now, so that what was printed before a response is in its tail. This
    /// asks the pipe itself, since the reactor may not have heard of the latest bytes.
    pub(crate) fn drain(&self) {
        let Some(pipe) = &self.pipe else { return };
        let mut state = self.state();
        state.chunk.resize(CHUNK, 0);
        let mut total = 0;
        while total < caps::MAX_LOG_DRAIN_BYTES {
            match nix::unistd::read(pipe.as_fd(), &mut state.chunk) {
                Ok(0) | Err(_) => return,
                Ok(size) => {
                    total += size;
                    self.take_in(&mut state, size);
                }
            }
        }
    }

    /// Take in what was written without a pipe.
    pub(crate) fn write(&self, bytes: &[u8]) {
        self.take_in_bytes(&mut self.state(), bytes);
    }

    /// An invocation begins. What the worker printed while it started belongs to its first invocation.
    pub(crate) fn begin(&self, request_id: &str, cold: bool) {
        let mut state = self.state();
        if !cold {
            self.end_partial(&mut state);
            state.tail.clear();
        }
        state.request_id = Some(request_id.to_owned());
        (state.handed_on, state.dropped) = (0, 0);
    }

    /// Add something of our own: one event, however many lines it has. Its end of line is part of `text`.
    pub(crate) fn add(&self, text: &str) {
        let mut state = self.state();
        self.end_partial(&mut state);
        keep_tail(&mut state.tail, text.as_bytes());
        self.hand_on(state.request_id.as_deref(), text.trim_end_matches('\n').as_bytes());
    }

    pub(crate) fn log_stream(&self) -> &str {
        &self.labels.log_stream
    }

    /// As [`Output::add`], for what is not in the tail that callers may ask for.
    pub(crate) fn add_untailed(&self, text: &str) {
        self.hand_on(None, text.trim_end_matches('\n').as_bytes());
    }

    /// The invocation's own output is complete.
    pub(crate) fn close_lines(&self) {
        let mut state = self.state();
        self.end_partial(&mut state);
        if state.dropped > 0 {
            let text = format!("[{} more bytes of this invocation's output were dropped]", state.dropped);
            self.hand_on(state.request_id.as_deref(), text.as_bytes());
            state.dropped = 0;
        }
    }

    /// The invocation is over; returns the last of its log.
    pub(crate) fn finish(&self) -> Bytes {
        let mut state = self.state();
        state.request_id = None;
        // A worker at rest holds no buffers: there may be a thousand.
        state.chunk = Vec::new();
        state.partial.shrink_to_fit();
        state.event.shrink_to_fit();
        let tail = std::mem::take(&mut state.tail);
        let from = tail.len().saturating_sub(caps::LOG_TAIL_BYTES);
        Bytes::from(tail).slice(from..)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Take in the first `size` bytes of the chunk.
    fn take_in(&self, state: &mut State, size: usize) {
        let chunk = std::mem::take(&mut state.chunk);
        self.take_in_bytes(state, &chunk[..size]);
        state.chunk = chunk;
    }

    fn take_in_bytes(&self, state: &mut State, bytes: &[u8]) {
        let Some(mut frames) = state.frames.take() else {
            self.take_in_text(state, bytes);
            return;
        };
        frames.split(bytes, |piece| self.take_in_piece(state, &piece));
        state.frames = Some(frames);
    }

    fn take_in_piece(&self, state: &mut State, piece: &Piece<'_>) {
        match *piece {
            Piece::Text(text) => self.take_in_text(state, text),
            Piece::Event { part, is_last } => self.take_in_event(state, part, is_last),
        }
    }

    fn take_in_text(&self, state: &mut State, bytes: &[u8]) {
        keep_tail(&mut state.tail, bytes);
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let ended = piece.last() == Some(&b'\n');
            let text = if ended { &piece[..piece.len() - 1] } else { piece };
            if ended && state.partial.is_empty() {
                self.count_and_hand_on(state, text);
                continue;
            }
            state.partial.extend_from_slice(text);
            if ended || state.partial.len() >= caps::MAX_LOG_LINE_BYTES {
                self.end_line(state);
            }
        }
    }

    fn take_in_event(&self, state: &mut State, part: &[u8], is_last: bool) {
        // What was printed before it comes before it.
        self.end_line(state);
        keep_tail(&mut state.tail, part);
        for piece in part.chunks(caps::MAX_LOG_LINE_BYTES) {
            state.event.extend_from_slice(piece);
            if state.event.len() >= caps::MAX_LOG_LINE_BYTES {
                self.end_event(state);
            }
        }
        if is_last {
            if !state.tail.ends_with(b"\n") {
                state.tail.push(b'\n');
            }
            self.end_event(state);
        }
    }

    /// Hand on what has come of a line or an event.
    fn end_partial(&self, state: &mut State) {
        if let Some(mut frames) = state.frames.take() {
            frames.flush(|piece| self.take_in_piece(state, &piece));
            state.frames = Some(frames);
        }
        self.end_line(state);
        self.end_event(state);
    }

    fn end_line(&self, state: &mut State) {
        if !state.partial.is_empty() {
            let mut line = std::mem::take(&mut state.partial);
            self.count_and_hand_on(state, &line);
            line.clear();
            state.partial = line;
        }
    }

    fn end_event(&self, state: &mut State) {
        if !state.event.is_empty() {
            let mut event = std::mem::take(&mut state.event);
            self.count_and_hand_on(state, event.strip_suffix(b"\n").unwrap_or(&event));
            event.clear();
            state.event = event;
        }
    }

    fn count_and_hand_on(&self, state: &mut State, text: &[u8]) {
        if state.handed_on + text.len() > caps::MAX_LOG_BYTES_PER_INVOCATION {
            state.dropped += text.len() as u64 + 1;
            return;
        }
        // The end of line counts too, or empty lines would be free.
        state.handed_on += text.len() + 1;
        self.hand_on(state.request_id.as_deref(), text);
    }

    fn hand_on(&self, request_id: Option<&str>, text: &[u8]) {
        let Labels { function, function_arn, log_group, log_stream } = &self.labels;
        let at = self.clock.now();
        self.sink.line(LogLine { function, function_arn, log_group, log_stream, request_id, at, text });
    }
}

/// Append, keeping at least the last [`caps::LOG_TAIL_BYTES`] and at most a few times as much.
fn keep_tail(tail: &mut Vec<u8>, bytes: &[u8]) {
    let keep = caps::LOG_TAIL_BYTES;
    let bytes = &bytes[bytes.len().saturating_sub(keep)..];
    tail.extend_from_slice(bytes);
    if tail.len() > 4 * keep {
        tail.drain(..tail.len() - keep);
    }
}

#[cfg(test)]
mod tests {
    use super::keep_tail;
    use crate::caps::LOG_TAIL_BYTES;

    #[test]
    fn the_tail_is_bounded_and_has_the_last_bytes() {
        let mut tail = Vec::new();
        for n in 0..100_000_u32 {
            keep_tail(&mut tail, format!("{n}\n").as_bytes());
        }
        assert!(tail.len() >= LOG_TAIL_BYTES && tail.len() <= 4 * LOG_TAIL_BYTES);
        assert!(tail.ends_with(b"99998\n99999\n"));
        keep_tail(&mut tail, &vec![b'x'; 1_000_000]);
        assert!(tail.len() <= 5 * LOG_TAIL_BYTES);
        assert!(tail.ends_with(&[b'x'; LOG_TAIL_BYTES]));
    }
}
