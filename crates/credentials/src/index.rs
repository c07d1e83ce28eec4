//! The file as a server asks it: by access key, with its policies ready.

use crate::caps;
use crate::document::Document;
use crate::edit::check_name;
use crate::secret::Secret;
use millstream_iam::{Kind, Policy, Principal, builtin};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Whom an access key belongs to.
#[derive(Clone, Debug)]
pub struct Identity {
    pub secret: Secret,
    pub principal: Principal,
    pub policies: Vec<Arc<Policy>>,
    pub tags: BTreeMap<String, String>,
    /// The function whose session it is.
    pub function: Option<String>,
}

/// A role that the file defines.
#[derive(Clone, Debug)]
pub(crate) struct RoleEntry {
    pub(crate) id: String,
    pub(crate) policies: Vec<Arc<Policy>>,
}

#[derive(Debug, Default)]
pub(crate) struct Index {
    by_key: HashMap<String, Arc<Identity>>,
    roles: HashMap<String, RoleEntry>,
}

impl Index {
    /// # Errors
    /// What in the file cannot be: a policy that is not there or cannot be read, a key that two users have.
    pub(crate) fn of(document: &Document, account: &str) -> Result<Self, String> {
        if document.users.len() > caps::USERS
            || document.roles.len() > caps::ROLES
            || document.policies.len() > caps::POLICIES
        {
            return Err("it has too many users, roles or policies".into());
        }
        let mut parsed: HashMap<String, Arc<Policy>> = HashMap::new();
        for (name, value) in &document.policies {
            let policy = Policy::parse(&value.to_string(), Kind::Identity);
            parsed.insert(name.clone(), Arc::new(policy.map_err(|error| format!("policy {name}: {error}"))?));
        }
        for name in builtin::names() {
            if let Some(policy) = builtin::policy(name) {
                parsed.entry(name.to_owned()).or_insert_with(|| Arc::new(policy));
            }
        }
        let attached = |to: &str, names: &[String]| {
            let find = |name: &String| {
                parsed
                    .get(name)
                    .cloned()
                    .ok_or_else(|| format!("{to} has a policy that is not there: {name}"))
            };
            names.iter().map(find).collect::<Result<Vec<_>, _>>()
        };
        let mut index = Self::default();
        for (name, user) in &document.users {
            check_name(name).map_err(|error| error.to_string())?;
            let identity = |secret: &Secret, policies: &Vec<Arc<Policy>>| Identity {
                secret: secret.clone(),
                principal: Principal::User {
                    account: user.account.clone().unwrap_or_else(|| account.to_owned()),
                    name: name.clone(),
                    id: user.id.clone(),
                },
                policies: policies.clone(),
                tags: user.tags.clone(),
                function: None,
            };
            let policies = attached(name, &user.policies)?;
            for key in &user.keys {
                // Whoever can sign with nothing is anybody.
                if key.id.is_empty() || key.secret.reveal().len() < 16 {
                    return Err(format!(
                        "user {name} has a key without an id, or with a secret that is too short"
                    ));
                }
                let identity = Arc::new(identity(&key.secret, &policies));
                if index.by_key.insert(key.id.clone(), identity).is_some() {
                    return Err(format!("the key {} is there twice", key.id));
                }
            }
        }
        for (name, role) in &document.roles {
            let policies = attached(name, &role.policies)?;
            index.roles.insert(name.clone(), RoleEntry { id: role.id.clone(), policies });
        }
        Ok(index)
    }

    pub(crate) fn find(&self, access_key_id: &str) -> Option<Arc<Identity>> {
        self.by_key.get(access_key_id).cloned()
    }

    pub(crate) fn role(&self, name: &str) -> Option<RoleEntry> {
        self.roles.get(name).cloned()
    }

    pub(crate) fn keys(&self) -> usize {
        self.by_key.len()
    }
}
