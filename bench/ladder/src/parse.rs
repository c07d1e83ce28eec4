//! Requests of PutRecord and PutRecords, decoded with the best library means: borrowed text and one buffer for all data.

use anyhow::{Context as _, Result, ensure};
use minicbor::Decoder;
use minicbor::data::Type;
use serde::Deserialize;
use std::borrow::Cow;
use std::hint::black_box;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutRecords<'a> {
    #[serde(borrow)]
    stream_name: Cow<'a, str>,
    #[serde(borrow)]
    records: Vec<Entry<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    #[serde(borrow)]
    data: Cow<'a, str>,
    #[serde(borrow)]
    partition_key: Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutRecord<'a> {
    #[serde(borrow)]
    stream_name: Cow<'a, str>,
    #[serde(borrow)]
    data: Cow<'a, str>,
    #[serde(borrow)]
    partition_key: Cow<'a, str>,
}

/// The data of all records of a request, one after another, each behind its partition key: what a log has to keep.
pub(crate) fn records(body: &[u8], is_cbor: bool, is_single: bool) -> Result<Vec<u8>> {
    // Decoded data is never longer than the request.
    let mut out = Vec::with_capacity(body.len());
    match (is_cbor, is_single) {
        (false, false) => {
            let request: PutRecords<'_> = serde_json::from_slice(body).context("no PutRecords")?;
            black_box(&request.stream_name);
            for record in &request.records {
                json_record(&record.partition_key, &record.data, &mut out)?;
            }
        }
        (false, true) => {
            let request: PutRecord<'_> = serde_json::from_slice(body).context("no PutRecord")?;
            black_box(&request.stream_name);
            json_record(&request.partition_key, &request.data, &mut out)?;
        }
        (true, _) => cbor_members(&mut Decoder::new(body), &mut out)?,
    }
    Ok(out)
}

fn json_record(key: &str, data: &str, out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(key.as_bytes());
    base64_simd::STANDARD.decode_append(data, out).context("data is no base64")
}

/// The members of a request or of an entry in it; what is inside `Records` is the same again.
fn cbor_members(decoder: &mut Decoder<'_>, out: &mut Vec<u8>) -> Result<()> {
    let members = decoder.map()?.context("a map of unknown length")?;
    for _ in 0..members {
        match decoder.str()? {
            "Records" => {
                let count = decoder.array()?.context("a list of unknown length")?;
                for _ in 0..count {
                    cbor_members(decoder, out)?;
                }
            }
            "Data" => out.extend_from_slice(decoder.bytes()?),
            "PartitionKey" => out.extend_from_slice(decoder.str()?.as_bytes()),
            "StreamName" => {
                ensure!(decoder.datatype()? == Type::String, "a stream's name is text");
                black_box(decoder.str()?);
            }
            _ => decoder.skip()?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"{"Records":[{"Data":"aGVsbG8=","PartitionKey":"k1"},{"Data":"eA==","PartitionKey":"k2"}],"StreamName":"s"}"#;

    #[test]
    fn json_and_cbor_say_the_same() {
        assert_eq!(records(JSON.as_bytes(), false, false).unwrap(), b"k1hellok2x");
        let single = br#"{"Data":"aGVsbG8=","PartitionKey":"k1","StreamName":"s"}"#;
        assert_eq!(records(single, false, true).unwrap(), b"k1hello");
        let mut cbor = minicbor::Encoder::new(Vec::new());
        cbor.map(2).unwrap().str("Records").unwrap().array(2).unwrap();
        for (key, data) in [("k1", "hello"), ("k2", "x")] {
            cbor.map(2).unwrap().str("PartitionKey").unwrap().str(key).unwrap();
            cbor.str("Data").unwrap().bytes(data.as_bytes()).unwrap();
        }
        cbor.str("StreamName").unwrap().str("s").unwrap();
        assert_eq!(records(&cbor.into_writer(), true, false).unwrap(), b"k1hellok2x");
    }

    #[test]
    fn what_is_no_request_is_refused() {
        assert!(records(b"{}", false, false).is_err());
        assert!(
            records(br#"{"Records":[{"Data":"%","PartitionKey":"k"}],"StreamName":"s"}"#, false, false)
                .is_err()
        );
        assert!(records(&[0x01], true, false).is_err());
    }
}
