use bytes::Bytes;
use millstream_host::Buffer;
use millstream_shapes::Encoder;
use millstream_types::Timestamp;
use std::io::Write as _;

/// Writes compact JSON text.
#[derive(Debug, Default)]
pub struct JsonEncoder {
    /// Only ASCII structure, escaped strings and base64: always valid JSON so far.
    out: Buffer,
}

impl JsonEncoder {
    pub fn with_capacity(bytes: usize) -> Self {
        Self { out: Buffer::with_capacity(bytes) }
    }

    pub fn finish(self) -> Bytes {
        self.out.freeze()
    }

    /// A comma, unless this is the first item. No value ends in an opening bracket, so the last byte decides.
    fn separate(&mut self) {
        if !matches!(self.out.last(), Some(b'{' | b'[')) {
            self.out.push(b',');
        }
    }

    fn quoted(&mut self, text: &str) {
        self.out.push(b'"');
        let mut rest = text;
        // Most text has nothing to escape; looked at in this way a compiler makes wide instructions of it.
        if !text.bytes().fold(false, |found, byte| found | is_special(byte)) {
            self.out.extend_from_slice(text.as_bytes());
            self.out.push(b'"');
            return;
        }
        while let Some(at) = rest.bytes().position(is_special) {
            let (plain, from) = rest.split_at_checked(at).unwrap_or_default();
            self.out.extend_from_slice(plain.as_bytes());
            let mut chars = from.chars();
            self.escape(chars.next().unwrap_or_default());
            rest = chars.as_str();
        }
        self.out.extend_from_slice(rest.as_bytes());
        self.out.push(b'"');
    }

    fn escape(&mut self, character: char) {
        match character {
            '"' => self.out.extend_from_slice(b"\\\""),
            '\\' => self.out.extend_from_slice(b"\\\\"),
            '\n' => self.out.extend_from_slice(b"\\n"),
            '\r' => self.out.extend_from_slice(b"\\r"),
            '\t' => self.out.extend_from_slice(b"\\t"),
            other => self.display(format_args!("\\u{:04x}", u32::from(other))),
        }
    }

    fn display(&mut self, text: std::fmt::Arguments<'_>) {
        self.out.write_fmt(text).expect("writing to a Vec does not fail");
    }
}

/// What cannot stand in a string as it is.
const fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

impl Encoder for JsonEncoder {
    fn open_structure(&mut self) {
        self.out.push(b'{');
    }

    fn member_name(&mut self, name: &'static str) {
        // No name in a model has anything to escape.
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn close_structure(&mut self) {
        self.out.push(b'}');
    }

    fn open_list(&mut self) {
        self.out.push(b'[');
    }

    fn element(&mut self) {
        self.separate();
    }

    fn close_list(&mut self) {
        self.out.push(b']');
    }

    fn open_map(&mut self) {
        self.out.push(b'{');
    }

    fn key(&mut self, key: &str) {
        self.separate();
        self.quoted(key);
        self.out.push(b':');
    }

    fn close_map(&mut self) {
        self.out.push(b'}');
    }

    fn string(&mut self, value: &str) {
        self.quoted(value);
    }

    fn plain_string(&mut self, value: &[u8]) {
        self.out.push(b'"');
        self.out.extend_from_slice(value);
        self.out.push(b'"');
    }

    fn blob(&mut self, value: &[u8]) {
        self.out.push(b'"');
        base64_simd::STANDARD.encode_append(value, &mut *self.out);
        self.out.push(b'"');
    }

    fn written(&self) -> &[u8] {
        &self.out
    }

    fn again(&mut self, written: &[u8]) {
        self.out.extend_from_slice(written);
    }

    fn integer(&mut self, value: i32) {
        self.display(format_args!("{value}"));
    }

    fn long(&mut self, value: i64) {
        self.display(format_args!("{value}"));
    }

    /// JSON has no infinities: they are written as the strings that the AWS protocols use for them.
    fn double(&mut self, value: f64) {
        if value.is_finite() {
            self.display(format_args!("{value}"));
        } else if value.is_nan() {
            self.quoted("NaN");
        } else {
            self.quoted(if value > 0.0 { "Infinity" } else { "-Infinity" });
        }
    }

    fn boolean(&mut self, value: bool) {
        self.out.extend_from_slice(if value { b"true".as_slice() } else { b"false" });
    }

    /// Seconds with milliseconds: `1700000000.123`.
    fn timestamp(&mut self, value: Timestamp) {
        let (seconds, millis) = (value.secs(), value.millis() % 1_000);
        if millis == 0 {
            self.display(format_args!("{seconds}.0"));
        } else {
            self.display(format_args!("{seconds}.{millis:03}"));
        }
    }
}
