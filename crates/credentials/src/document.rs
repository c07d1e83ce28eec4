//! What the file says. `docs/formats/credentials.md`.

use crate::secret::Secret;
use millstream_iam::builtin;
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The form of the file that this version writes and reads.
pub const FORMAT: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    pub format: u32,
    #[serde(default)]
    pub users: BTreeMap<String, User>,
    #[serde(default)]
    pub roles: BTreeMap<String, Role>,
    /// Policies of one's own, as IAM writes them.
    #[serde(default)]
    pub policies: BTreeMap<String, serde_json::Value>,
}

impl Default for Document {
    fn default() -> Self {
        let (users, roles, policies) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { format: FORMAT, users, roles, policies }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// `aws:userid`
    pub id: String,
    /// Twelve digits; the server's own account if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    pub created: Timestamp,
    pub keys: Vec<Key>,
    /// Names of policies: those of the file, or built-in ones.
    #[serde(default)]
    pub policies: Vec<String>,
    /// `aws:PrincipalTag/…`
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    pub id: String,
    pub secret: Secret,
    pub created: Timestamp,
}

/// What functions may do that name it as their role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// `aws:userid` of its sessions begins with it.
    pub id: String,
    #[serde(default)]
    pub policies: Vec<String>,
}

impl Document {
    /// The text of a policy: the file's own, or a built-in one.
    pub fn policy_text(&self, name: &str) -> Option<String> {
        let own = self.policies.get(name).map(serde_json::Value::to_string);
        own.or_else(|| builtin::text(name).map(str::to_owned))
    }
}
