//! Answers made once, as long as those of the real operations.

use anyhow::{Context as _, Result};
use bytes::Bytes;
use std::path::Path;

pub(crate) const CBOR: &str = "application/x-amz-cbor-1.1";
const JSON: &str = "application/x-amz-json-1.1";

const SHARD: &str = "shardId-000000000000";
const SEQUENCE: &str = "49590338271490256608559692538361571095921575989136588898";

#[derive(Debug)]
pub(crate) struct Answers {
    json: Bytes,
    cbor: Bytes,
    json_single: Bytes,
    cbor_single: Bytes,
}

impl Answers {
    /// For PutRecords with so many records, or the same bytes for everything.
    pub(crate) fn new(records: usize, file: Option<&Path>) -> Result<Self> {
        if let Some(file) = file {
            let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
            let bytes = Bytes::from(bytes);
            let [json, cbor, json_single, cbor_single] = [bytes.clone(), bytes.clone(), bytes.clone(), bytes];
            return Ok(Self { json, cbor, json_single, cbor_single });
        }
        let one = format!(r#"{{"SequenceNumber":"{SEQUENCE}","ShardId":"{SHARD}"}}"#);
        let all = vec![one.as_str(); records].join(",");
        Ok(Self {
            json: format!(r#"{{"FailedRecordCount":0,"Records":[{all}]}}"#).into(),
            cbor: cbor(records)?.into(),
            json_single: one.into(),
            cbor_single: cbor_entry()?.into(),
        })
    }

    /// The answer, and its media type.
    pub(crate) fn of(&self, is_cbor: bool, is_single: bool) -> (&'static str, Bytes) {
        match (is_cbor, is_single) {
            (false, false) => (JSON, self.json.clone()),
            (false, true) => (JSON, self.json_single.clone()),
            (true, false) => (CBOR, self.cbor.clone()),
            (true, true) => (CBOR, self.cbor_single.clone()),
        }
    }
}

fn cbor_entry() -> Result<Vec<u8>> {
    let mut out = minicbor::Encoder::new(Vec::new());
    out.map(2)?.str("SequenceNumber")?.str(SEQUENCE)?.str("ShardId")?.str(SHARD)?;
    Ok(out.into_writer())
}

fn cbor(records: usize) -> Result<Vec<u8>> {
    let mut out = minicbor::Encoder::new(Vec::new());
    out.map(2)?.str("FailedRecordCount")?.u8(0)?.str("Records")?.array(records as u64)?;
    let mut out = out.into_writer();
    out.extend(cbor_entry()?.repeat(records));
    Ok(out)
}
