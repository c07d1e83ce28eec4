//! Requests of PutRecord and PutRecords, in JSON and in CBOR.

use crate::http;
use std::net::SocketAddr;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Encoding {
    Json,
    Cbor,
}

/// What one request carries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape<'a> {
    pub(crate) stream: &'a str,
    /// 0: PutRecord. Else PutRecords with so many.
    pub(crate) records: usize,
    /// Bytes of data in a record.
    pub(crate) size: usize,
    pub(crate) encoding: Encoding,
}

impl Shape<'_> {
    /// Bytes of data in a request.
    pub(crate) fn record_bytes(&self) -> u64 {
        (self.records.max(1) * self.size) as u64
    }

    /// The request of connection number `seed`: its own keys, its own data that cannot be compressed.
    pub(crate) fn request(&self, address: SocketAddr, seed: u64) -> Vec<u8> {
        let mut chance = Chance::new(seed);
        let operation = if self.records == 0 { "PutRecord" } else { "PutRecords" };
        match self.encoding {
            Encoding::Json => http::request(address, operation, http::JSON, &self.json(&mut chance)),
            Encoding::Cbor => http::request(address, operation, http::CBOR, &self.cbor(&mut chance)),
        }
    }

    fn json(&self, chance: &mut Chance) -> Vec<u8> {
        let mut body = String::from("{");
        let record = |body: &mut String, chance: &mut Chance| {
            body.push_str(r#""Data":""#);
            base64_simd::STANDARD.encode_append(chance.bytes(self.size), body);
            body.push_str(r#"","PartitionKey":""#);
            body.push_str(&chance.key());
            body.push('"');
        };
        if self.records == 0 {
            record(&mut body, chance);
        } else {
            body.push_str(r#""Records":["#);
            for number in 0..self.records {
                body.push_str(if number == 0 { "{" } else { ",{" });
                record(&mut body, chance);
                body.push('}');
            }
            body.push(']');
        }
        body.push_str(r#","StreamName":""#);
        body.push_str(self.stream);
        body.push_str("\"}");
        body.into_bytes()
    }

    fn cbor(&self, chance: &mut Chance) -> Vec<u8> {
        let mut body = Vec::new();
        let record = |body: &mut Vec<u8>, chance: &mut Chance| {
            cbor_text(body, "Data");
            cbor_head(body, 2, self.size);
            body.extend(chance.bytes(self.size));
            cbor_text(body, "PartitionKey");
            cbor_text(body, &chance.key());
        };
        if self.records == 0 {
            cbor_head(&mut body, 5, 3);
            record(&mut body, chance);
        } else {
            cbor_head(&mut body, 5, 2);
            cbor_text(&mut body, "Records");
            cbor_head(&mut body, 4, self.records);
            for _ in 0..self.records {
                cbor_head(&mut body, 5, 2);
                record(&mut body, chance);
            }
        }
        cbor_text(&mut body, "StreamName");
        cbor_text(&mut body, self.stream);
        body
    }
}

/// The first bytes of an item (RFC 8949, section 3).
fn cbor_head(out: &mut Vec<u8>, major: u8, value: usize) {
    let major = major << 5;
    match (u8::try_from(value), u16::try_from(value), u32::try_from(value)) {
        (Ok(small @ 0..24), _, _) => out.push(major | small),
        (Ok(byte), _, _) => out.extend([major | 0x18, byte]),
        (_, Ok(short), _) => {
            out.push(major | 0x19);
            out.extend(short.to_be_bytes());
        }
        (_, _, Ok(word)) => {
            out.push(major | 0x1a);
            out.extend(word.to_be_bytes());
        }
        (Err(_), Err(_), Err(_)) => {
            out.push(major | 0x1b);
            out.extend((value as u64).to_be_bytes());
        }
    }
}

fn cbor_text(out: &mut Vec<u8>, text: &str) {
    cbor_head(out, 3, text.len());
    out.extend(text.as_bytes());
}

/// Numbers that look like chance and are the same in every run (xorshift).
#[derive(Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..count.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).collect();
        bytes.truncate(count);
        bytes
    }

    pub(crate) fn key(&mut self) -> String {
        format!("source-{:016x}", self.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(records: usize, encoding: Encoding) -> Shape<'static> {
        Shape { stream: "s", records, size: 100, encoding }
    }

    #[test]
    fn json_bodies_are_json_with_whole_data() {
        for records in [0, 1, 3] {
            let body = shape(records, Encoding::Json).json(&mut Chance::new(1));
            let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let record = if records == 0 { &value } else { &value["Records"][records - 1] };
            let data = record["Data"].as_str().unwrap();
            assert_eq!(base64_simd::STANDARD.decode_to_vec(data).unwrap().len(), 100);
            assert_eq!(value["StreamName"], "s");
        }
    }

    #[test]
    fn cbor_heads_are_as_short_as_they_can_be() {
        let head = |value| {
            let mut out = Vec::new();
            cbor_head(&mut out, 2, value);
            out
        };
        assert_eq!(head(23), [0x57]);
        assert_eq!(head(24), [0x58, 24]);
        assert_eq!(head(256), [0x59, 1, 0]);
        assert_eq!(head(65_536), [0x5a, 0, 1, 0, 0]);
    }

    #[test]
    fn connections_differ_and_runs_do_not() {
        let request = |seed| shape(2, Encoding::Cbor).cbor(&mut Chance::new(seed));
        assert_ne!(request(0), request(1));
        assert_eq!(request(0), request(0));
    }
}
