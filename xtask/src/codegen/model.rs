//! The facts of a service model, as botocore writes them and as `models/*.json` keeps them.
//!
//! Unknown keys are errors: a new trait in a new model must be looked at, not lost.

use anyhow::{Context, Result};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

/// A JSON object in the order it was written: members keep model order.
#[derive(Clone, Debug)]
pub(super) struct Ordered<T>(pub(super) Vec<(String, T)>);

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Ordered<T> {
    pub(super) fn get(&self, name: &str) -> Option<&T> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        self.0.iter_mut().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Ordered<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

impl<T: Serialize> Serialize for Ordered<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(value: &bool) -> bool {
    !*value
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "known keys that the import drops")]
pub(super) struct Model {
    #[serde(skip_serializing, default)]
    version: Option<IgnoredAny>,
    pub(super) metadata: Metadata,
    pub(super) operations: Ordered<Operation>,
    pub(super) shapes: Ordered<Shape>,
    #[serde(skip_serializing, default)]
    documentation: Option<IgnoredAny>,
}

/// Of the metadata only what code depends on is kept.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) api_version: String,
    pub(super) protocol: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) json_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) target_prefix: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "known keys that the import drops")]
pub(super) struct Operation {
    name: String,
    pub(super) http: Http,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) input: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) output: Option<Reference>,
    #[serde(default)]
    pub(super) errors: Vec<Reference>,
    #[serde(skip_serializing, default)]
    documentation: Option<IgnoredAny>,
    #[serde(skip_serializing, default)]
    static_context_params: Option<IgnoredAny>,
    #[serde(skip_serializing, default)]
    readonly: Option<IgnoredAny>,
    #[serde(skip_serializing, default)]
    idempotent: Option<IgnoredAny>,
    #[serde(skip_serializing, default)]
    deprecated: Option<IgnoredAny>,
    /// What clients put before the host's name.
    #[serde(skip_serializing, default)]
    endpoint: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Http {
    pub(super) method: String,
    pub(super) request_uri: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) response_code: Option<u16>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "known keys that the import drops")]
pub(super) struct Reference {
    pub(super) shape: String,
    #[serde(skip_serializing, default)]
    documentation: Option<IgnoredAny>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Structure,
    List,
    Map,
    String,
    Integer,
    Long,
    Double,
    Boolean,
    Blob,
    Timestamp,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "known keys that the import drops")]
#[expect(clippy::struct_excessive_bools, reason = "one for each trait of the model")]
pub(super) struct Shape {
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) required: Vec<String>,
    #[serde(default, skip_serializing_if = "Ordered::is_empty")]
    pub(super) members: Ordered<Member>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) member: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<Reference>,
    #[serde(default, rename = "enum", skip_serializing_if = "Vec::is_empty")]
    pub(super) values: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) min: Option<serde_json::Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) max: Option<serde_json::Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pattern: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) payload: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) exception: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<ErrorFacts>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) fault: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) event: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) eventstream: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) sensitive: bool,
    #[serde(skip_serializing, default)]
    documentation: Option<IgnoredAny>,
    #[serde(skip_serializing, default, rename = "box")]
    boxed: Option<IgnoredAny>,
    #[serde(skip_serializing, default)]
    deprecated: Option<IgnoredAny>,
    #[serde(skip_serializing, default)]
    streaming: Option<IgnoredAny>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ErrorFacts {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<String>,
    pub(super) http_status_code: u16,
    #[serde(default, skip_serializing_if = "is_false")]
    sender_fault: bool,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "known keys that the import drops")]
pub(super) struct Member {
    pub(super) shape: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) location: Option<Location>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) location_name: Option<String>,
    #[serde(skip_serializing, default)]
    documentation: Option<IgnoredAny>,
    #[serde(skip_serializing, default)]
    context_param: Option<IgnoredAny>,
    #[serde(skip_serializing, default)]
    idempotency_token: Option<IgnoredAny>,
    #[serde(skip_serializing, default)]
    eventpayload: Option<IgnoredAny>,
    #[serde(skip_serializing, default)]
    deprecated: Option<IgnoredAny>,
    #[serde(skip_serializing, default)]
    deprecated_message: Option<IgnoredAny>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Location {
    Uri,
    Querystring,
    Header,
    StatusCode,
}

impl Model {
    pub(super) fn shape(&self, name: &str) -> Result<&Shape> {
        self.shapes.get(name).with_context(|| format!("the model has no shape {name}"))
    }
}

impl Shape {
    pub(super) fn is_enum(&self) -> bool {
        self.kind == Kind::String && !self.values.is_empty()
    }

    /// Shapes that become a Rust type of their own.
    pub(super) fn is_named(&self) -> bool {
        self.kind == Kind::Structure || self.is_enum()
    }
}

pub(super) fn read(path: &Path) -> Result<Model> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not a service model", path.display()))
}
