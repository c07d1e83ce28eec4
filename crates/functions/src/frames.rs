//! Log events within what a function prints.
//!
//! A runtime client that finds `_LAMBDA_TELEMETRY_LOG_FD` in its environment writes each log event as a frame, so that an
//! event may have several lines: 4 bytes of type (0xa55a0000, with the level and the format in the low bits), 4 bytes of the
//! text's length, 8 bytes of time in microseconds, all big-endian, then the text. The source of this are the clients
//! themselves (`FramedTelemetryLogSink` of aws-lambda-python-runtime-interface-client, aws-lambda-java-libs,
//! `TelemetryLogger` of aws-lambda-nodejs-runtime-interface-client).
//!
//! Here frames come over the same pipe as what is printed, so that both stay in order. Printed text that looks like a frame
//! spoils the log of the function that printed it, and no other.

/// Type, length and time.
const HEADER_BYTES: usize = 16;
/// What begins every type. Text in UTF-8 may have the first two bytes, but hardly the zero after them.
const START: [u8; 3] = [0xa5, 0x5a, 0x00];
/// In the fourth byte: set in each type that a client writes.
const IS_LOG: u8 = 0b10;
/// One beyond the largest fourth byte: levels go to 6, from the third bit on.
const TYPES_END: u8 = 0x20;

/// Takes printed text and frames apart, whatever the pieces are in which they come.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// The beginning of what may be a header.
    header: Vec<u8>,
    /// Bytes of the current frame's text that have not come yet.
    left: usize,
}

/// Some of what was printed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Outside of frames.
    Text(&'a [u8]),
    /// A part of a frame's text.
    Event { part: &'a [u8], is_last: bool },
}

impl Frames {
    /// Give `take` the pieces of `bytes`, in order.
    pub(crate) fn split(&mut self, mut bytes: &[u8], mut take: impl FnMut(Piece<'_>)) {
        while let Some(&byte) = bytes.first() {
            if self.left > 0 {
                let (part, rest) = bytes.split_at(self.left.min(bytes.len()));
                self.left -= part.len();
                take(Piece::Event { part, is_last: self.left == 0 });
                bytes = rest;
            } else if !self.header.is_empty() {
                if fits(self.header.len(), byte) {
                    self.header.push(byte);
                    bytes = &bytes[1..];
                    self.end_header(&mut take);
                } else {
                    self.give_up_header(&mut take);
                }
            } else {
                let at = bytes.iter().position(|&byte| byte == START[0]).unwrap_or(bytes.len());
                if at > 0 {
                    take(Piece::Text(&bytes[..at]));
                }
                self.header.extend_from_slice(bytes.get(at..=at).unwrap_or_default());
                bytes = bytes.get(at + 1..).unwrap_or_default();
            }
        }
    }

    /// Nothing more comes for now: what was held back because a frame might have begun was text.
    pub(crate) fn flush(&mut self, mut take: impl FnMut(Piece<'_>)) {
        if !self.header.is_empty() && self.header.len() <= START.len() {
            self.give_up_header(&mut take);
        }
    }

    fn end_header(&mut self, take: &mut impl FnMut(Piece<'_>)) {
        let Ok(header) = <[u8; HEADER_BYTES]>::try_from(self.header.as_slice()) else { return };
        let [_, _, _, _, a, b, c, d, ..] = header;
        self.left = u32::from_be_bytes([a, b, c, d]) as usize;
        self.header.clear();
        if self.left == 0 {
            take(Piece::Event { part: &[], is_last: true });
        }
    }

    fn give_up_header(&mut self, take: &mut impl FnMut(Piece<'_>)) {
        let text = std::mem::take(&mut self.header);
        take(Piece::Text(&text));
    }
}

/// Whether a header may have `byte` at a place.
fn fits(at: usize, byte: u8) -> bool {
    match START.get(at) {
        Some(&wanted) => byte == wanted,
        None => at > START.len() || (byte & IS_LOG != 0 && byte < TYPES_END),
    }
}

#[cfg(test)]
mod tests {
    use super::{Frames, Piece};

    fn frame(kind: u8, text: &str) -> Vec<u8> {
        let mut frame = vec![0xa5, 0x5a, 0, kind];
        frame.extend_from_slice(&u32::try_from(text.len()).unwrap_or_default().to_be_bytes());
        frame.extend_from_slice(&1_700_000_000_000_000_u64.to_be_bytes());
        frame.extend_from_slice(text.as_bytes());
        frame
    }

    /// What is printed, with `<` and `>` around the events.
    fn shown(bytes: &[u8], size: usize) -> String {
        let (mut frames, mut out, mut inside) = (Frames::default(), Vec::new(), false);
        let mut take = |piece: Piece<'_>| match piece {
            Piece::Text(text) => out.extend_from_slice(text),
            Piece::Event { part, is_last } => {
                if !inside {
                    out.push(b'<');
                }
                out.extend_from_slice(part);
                if is_last {
                    out.push(b'>');
                }
                inside = !is_last;
            }
        };
        for chunk in bytes.chunks(size) {
            frames.split(chunk, &mut take);
        }
        frames.flush(&mut take);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn text_and_events_come_apart_in_whatever_pieces_they_come() {
        let mut bytes = b"printed\n".to_vec();
        bytes.extend(frame(3, "one\ntwo\n"));
        bytes.extend(frame(0x1a, "{}"));
        bytes.extend("å ¥Z and å".as_bytes());
        bytes.extend(frame(0x17, ""));
        bytes.extend("the end å".as_bytes());
        for size in [1, 2, 3, 5, 7, 16, 17, 1000] {
            assert_eq!(
                shown(&bytes, size),
                "printed\n<one\ntwo\n><{}>å ¥Z and å<>the end å",
                "in pieces of {size}"
            );
        }
    }

    #[test]
    fn what_only_looks_like_a_frame_is_text() {
        for bytes in [
            &[0xa5_u8, 0x5a, 0x00, 0x40, b'x'][..],
            &[0xa5, 0x5a, 0x01],
            &[0xa5, 0xa5, b'x'],
            &[0xa5, 0x5a, 0, 1, 2],
        ] {
            assert_eq!(shown(bytes, 1), String::from_utf8_lossy(bytes));
        }
        assert_eq!(shown(&[&[0xa5, 0x5a][..], &frame(3, "event")].concat(), 2), "\u{fffd}Z<event>");
    }

    #[test]
    fn a_frame_that_promises_more_than_comes_takes_what_comes() {
        let mut bytes = frame(3, "short");
        bytes[4] = 0xff;
        assert_eq!(shown(&bytes, 4), "<short");
    }
}
