//! AWS's limits, as an operator gives them.

use crate::byte_size::ByteSize;
use anyhow::Result;
use millstream_kinesis::LimitSettings;
use serde::{Deserialize, Deserializer, de};
use std::collections::BTreeMap;
use std::str::FromStr;

/// Which limits on rates and counts are enforced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Limits {
    /// All that AWS has, at its values.
    Aws,
    /// None but those that are given by name.
    #[default]
    None,
}

/// A number, a size such as `2MiB`, or `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LimitValue(Option<u64>);

impl FromStr for LimitValue {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        let size: Result<ByteSize, String> = text.parse();
        size.map(|size| Self(Some(size.0)))
            .map_err(|_neither| format!("{text:?} is no limit: write a number, a size such as 2MiB, or none"))
    }
}

impl<'de> Deserialize<'de> for LimitValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(number) => Ok(Self(Some(number))),
            Written::Text(text) => text.parse().map_err(de::Error::custom),
        }
    }
}

/// `NAME=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GivenLimit(String, LimitValue);

impl FromStr for GivenLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) =
            text.split_once('=').ok_or_else(|| format!("{text:?} is not of the form NAME=VALUE"))?;
        Ok(Self(name.to_owned(), value.parse()?))
    }
}

/// The limits of a server: all or none, changed by those that the file names, and then by those that flags or the
/// environment do.
pub(crate) fn limit_settings(
    whose: Option<Limits>,
    file: &BTreeMap<String, LimitValue>,
    given: &[GivenLimit],
) -> Result<LimitSettings> {
    let mut settings = match whose.unwrap_or_default() {
        Limits::Aws => LimitSettings::aws(),
        Limits::None => LimitSettings::none(),
    };
    for (name, value) in file.iter().chain(given.iter().map(|GivenLimit(name, value)| (name, value))) {
        settings.set(name, value.0).map_err(anyhow::Error::msg)?;
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> GivenLimit {
        text.parse().unwrap()
    }

    #[test]
    fn limits_read_as_people_write_them() {
        assert_eq!(
            given("shard-write-bytes=2MiB"),
            GivenLimit("shard-write-bytes".into(), LimitValue(Some(2 << 20)))
        );
        assert_eq!(given("DescribeStream=20").1, LimitValue(Some(20)));
        assert_eq!(given("DescribeStream=none").1, LimitValue(None));
        for bad in ["DescribeStream", "DescribeStream=many", "DescribeStream=-1", "DescribeStream="] {
            assert!(bad.parse::<GivenLimit>().is_err(), "{bad}");
        }
    }

    #[test]
    fn flags_win_over_the_file_and_both_over_the_set() {
        let file = BTreeMap::from([
            ("shard-read-calls".to_owned(), LimitValue(Some(7))),
            ("ListStreams".to_owned(), LimitValue(None)),
        ]);
        let settings = limit_settings(Some(Limits::Aws), &file, &[given("shard-read-calls=8")]).unwrap();
        assert_eq!(settings.get("shard-read-calls"), Some(8));
        assert_eq!(settings.get("ListStreams"), None);
        assert_eq!(settings.get("shard-write-records"), Some(1_000));
        let settings = limit_settings(None, &BTreeMap::new(), &[given("DescribeStream=3")]).unwrap();
        assert_eq!((settings.get("DescribeStream"), settings.get("ListStreams")), (Some(3), None));
        let unknown = limit_settings(None, &BTreeMap::new(), &[given("shard-bytes=3")]).unwrap_err();
        assert!(unknown.to_string().contains("shard-write-bytes"), "{unknown}");
        assert!(limit_settings(None, &BTreeMap::new(), &[given("DescribeStream=0")]).is_err());
    }
}
