//! Partition keys for records that come without one.

use crate::commands::caps;
use serde_json::Value;

/// Where partition keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeySource {
    /// The same one for all: all records go to one shard, in their order.
    Constant(String),
    /// Another one for each: the records spread over all shards.
    Random,
    /// A field of the record, which is JSON: names from the outside in.
    Field(Vec<String>),
}

impl KeySource {
    /// The key of a record. The error completes "record 7: …".
    pub(super) fn key(&self, data: &[u8]) -> Result<String, String> {
        match self {
            Self::Constant(key) => Ok(key.clone()),
            Self::Random => Ok(format!("{:016x}", millstream_host::entropy::u64())),
            Self::Field(path) => field(data, path),
        }
    }
}

/// What AWS takes for a partition key.
pub(super) fn check(key: &str) -> Result<(), String> {
    match key.chars().count() {
        1..=caps::KEY_CHARACTERS => Ok(()),
        0 => Err("its partition key is empty".to_owned()),
        long => {
            Err(format!("its partition key has {long} characters, and {} is the most", caps::KEY_CHARACTERS))
        }
    }
}

/// `user.id`: the field `id` of the field `user`.
pub(super) fn path(text: &str) -> Result<Vec<String>, String> {
    let path: Vec<_> = text.split('.').map(str::to_owned).collect();
    if path.iter().any(String::is_empty) {
        return Err(format!("{text:?} is no field: write its name, or user.id for a field in a field"));
    }
    Ok(path)
}

fn field(data: &[u8], path: &[String]) -> Result<String, String> {
    let name = || path.join(".");
    let value: Value = serde_json::from_slice(data)
        .map_err(|error| format!("it is not JSON, so it has no field {}: {error}", name()))?;
    let mut found = &value;
    for step in path {
        found = found.get(step).ok_or_else(|| format!("it has no field {}", name()))?;
    }
    let key = match found {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            return Err(format!("its field {} is neither text nor a number", name()));
        }
    };
    check(&key).map(|()| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(data: &str, field: &str) -> Result<String, String> {
        KeySource::Field(path(field).unwrap()).key(data.as_bytes())
    }

    #[test]
    fn a_key_is_taken_from_a_field() {
        assert_eq!(of(r#"{"id":"ada"}"#, "id"), Ok("ada".into()));
        assert_eq!(of(r#"{"user":{"id":7}}"#, "user.id"), Ok("7".into()));
        assert_eq!(of(r#"{"id":12345678901234567890}"#, "id"), Ok("12345678901234567890".into()));
        assert_eq!(of(r#"{"new":true}"#, "new"), Ok("true".into()));
    }

    #[test]
    fn a_record_without_the_field_says_so() {
        for (data, part) in [
            ("x", "not JSON"),
            ("{}", "no field user.id"),
            (r#"{"user":7}"#, "no field user.id"),
            (r#"{"user":{"id":null}}"#, "neither text nor a number"),
            (r#"{"user":{"id":[]}}"#, "neither text nor a number"),
            (r#"{"user":{"id":""}}"#, "empty"),
        ] {
            let error = of(data, "user.id").unwrap_err();
            assert!(error.contains(part), "{data}: {error}");
        }
        let long = format!(r#"{{"id":"{}"}}"#, "é".repeat(257));
        assert!(of(&long, "id").unwrap_err().contains("257 characters"));
        for bad in ["", ".", "a.", "a..b"] {
            assert!(path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_by_chance_differ() {
        let key = || KeySource::Random.key(b"").unwrap();
        assert_ne!(key(), key());
        assert_eq!(KeySource::Constant("a".into()).key(b""), Ok("a".into()));
    }
}
