use bytes::Bytes;
use millstream_shapes::Encoder;
use millstream_types::Timestamp;
use std::fmt::Write as _;

/// Writes compact JSON text.
#[derive(Debug, Default)]
pub struct JsonEncoder {
    /// Only ASCII structure, escaped strings and base64: always valid JSON so far.
    out: String,
}

impl JsonEncoder {
    pub fn finish(self) -> Bytes {
        Bytes::from(self.out)
    }

    /// A comma, unless this is the first item. No value ends in an opening bracket, so the last byte decides.
    fn separate(&mut self) {
        if !self.out.ends_with(['{', '[']) {
            self.out.push(',');
        }
    }

    fn quoted(&mut self, text: &str) {
        self.out.push('"');
        let mut rest = text;
        while let Some(at) = rest.bytes().position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
            let (plain, from) = rest.split_at_checked(at).unwrap_or_default();
            self.out.push_str(plain);
            let mut chars = from.chars();
            self.escape(chars.next().unwrap_or_default());
            rest = chars.as_str();
        }
        self.out.push_str(rest);
        self.out.push('"');
    }

    fn escape(&mut self, character: char) {
        match character {
            '"' => self.out.push_str("\\\""),
            '\\' => self.out.push_str("\\\\"),
            '\n' => self.out.push_str("\\n"),
            '\r' => self.out.push_str("\\r"),
            '\t' => self.out.push_str("\\t"),
            other => self.display(format_args!("\\u{:04x}", u32::from(other))),
        }
    }

    fn display(&mut self, text: std::fmt::Arguments<'_>) {
        self.out.write_fmt(text).expect("writing to a String does not fail");
    }
}

impl Encoder for JsonEncoder {
    fn open_structure(&mut self) {
        self.out.push('{');
    }

    fn member_name(&mut self, name: &'static str) {
        self.key(name);
    }

    fn close_structure(&mut self) {
        self.out.push('}');
    }

    fn open_list(&mut self) {
        self.out.push('[');
    }

    fn element(&mut self) {
        self.separate();
    }

    fn close_list(&mut self) {
        self.out.push(']');
    }

    fn open_map(&mut self) {
        self.out.push('{');
    }

    fn key(&mut self, key: &str) {
        self.separate();
        self.quoted(key);
        self.out.push(':');
    }

    fn close_map(&mut self) {
        self.out.push('}');
    }

    fn string(&mut self, value: &str) {
        self.quoted(value);
    }

    fn blob(&mut self, value: &[u8]) {
        self.out.push('"');
        base64_simd::STANDARD.encode_append(value, &mut self.out);
        self.out.push('"');
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
        self.out.push_str(if value { "true" } else { "false" });
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
