//! Changes of the file.

use crate::caps;
use crate::document::{Document, Key, Role, User};
use crate::secret::{id, secret};
use millstream_iam::{Kind, Policy, builtin, caps as iam_caps};
use millstream_types::Timestamp;

/// Why it was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    #[error("{0:?} is not a name: letters, digits and + = , . @ _ -, at most 64 of them")]
    Name(String),
    #[error("{0:?} is not an account: twelve digits")]
    Account(String),
    #[error("there is a {kind} {name} already")]
    Exists { kind: &'static str, name: String },
    #[error("there is no {kind} {name}")]
    Missing { kind: &'static str, name: String },
    #[error("{0} is a built-in policy, and cannot be changed")]
    BuiltIn(String),
    #[error("policy {name} is attached to {to}; detach it first")]
    Attached { name: String, to: String },
    #[error("policy {name}: {why}")]
    Policy { name: String, why: String },
    #[error("user {0} has two keys already; remove one first")]
    TwoKeys(String),
    #[error("there may be at most {limit} {what}")]
    Limit { what: &'static str, limit: usize },
}

const USER: &str = "user";
const ROLE: &str = "role";
const POLICY: &str = "policy";

impl Document {
    /// A new user with one key.
    pub fn create_user(
        &mut self,
        name: &str,
        account: Option<&str>,
        policies: &[String],
        now: Timestamp,
    ) -> Result<Key, EditError> {
        check_name(name)?;
        if let Some(account) = account
            && !(account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()))
        {
            return Err(EditError::Account(account.to_owned()));
        }
        room("users", self.users.len(), caps::USERS)?;
        if self.users.contains_key(name) {
            return Err(EditError::Exists { kind: USER, name: name.to_owned() });
        }
        let key = new_key(now);
        let user = User {
            id: id("MIDA"),
            account: account.map(str::to_owned),
            created: now,
            keys: vec![key.clone()],
            policies: Vec::new(),
            tags: std::collections::BTreeMap::new(),
        };
        self.users.insert(name.to_owned(), user);
        for policy in policies {
            if let Err(error) = self.attach(policy, name) {
                self.users.remove(name);
                return Err(error);
            }
        }
        Ok(key)
    }

    /// A new key in the place of a user's others, or beside them.
    pub fn rotate(&mut self, name: &str, keep_old: bool, now: Timestamp) -> Result<Key, EditError> {
        let user = self.users.get_mut(name).ok_or_else(|| missing(USER, name))?;
        if keep_old && user.keys.len() >= caps::KEYS_PER_USER {
            return Err(EditError::TwoKeys(name.to_owned()));
        }
        if !keep_old {
            user.keys.clear();
        }
        let key = new_key(now);
        user.keys.push(key.clone());
        Ok(key)
    }

    pub fn remove_user(&mut self, name: &str) -> Result<(), EditError> {
        self.users.remove(name).map(drop).ok_or_else(|| missing(USER, name))
    }

    /// Take one key away from a user.
    pub fn remove_key(&mut self, name: &str, key: &str) -> Result<(), EditError> {
        let user = self.users.get_mut(name).ok_or_else(|| missing(USER, name))?;
        let before = user.keys.len();
        user.keys.retain(|own| own.id != key);
        if user.keys.len() == before { Err(missing("key", key)) } else { Ok(()) }
    }

    pub fn create_role(&mut self, name: &str, policies: &[String]) -> Result<(), EditError> {
        check_name(name)?;
        room("roles", self.roles.len(), caps::ROLES)?;
        if self.roles.contains_key(name) {
            return Err(EditError::Exists { kind: ROLE, name: name.to_owned() });
        }
        for policy in policies {
            self.known(policy)?;
        }
        room("policies of a role", policies.len().saturating_sub(1), caps::ATTACHED)?;
        self.roles.insert(name.to_owned(), Role { id: id("MROA"), policies: policies.to_vec() });
        Ok(())
    }

    pub fn remove_role(&mut self, name: &str) -> Result<(), EditError> {
        self.roles.remove(name).map(drop).ok_or_else(|| missing(ROLE, name))
    }

    /// Make a policy, or put another text in its place.
    pub fn put_policy(&mut self, name: &str, text: &str) -> Result<(), EditError> {
        check_policy_name(name)?;
        let wrong = |why: String| EditError::Policy { name: name.to_owned(), why };
        Policy::parse(text, Kind::Identity).map_err(|error| wrong(error.to_string()))?;
        if !self.policies.contains_key(name) {
            room("policies", self.policies.len(), caps::POLICIES)?;
        }
        let value = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        self.policies.insert(name.to_owned(), value);
        Ok(())
    }

    /// Take a policy away that is attached to nobody.
    pub fn remove_policy(&mut self, name: &str) -> Result<(), EditError> {
        check_policy_name(name)?;
        let users = self.users.iter().map(|(user, is)| (format!("user {user}"), &is.policies));
        let roles = self.roles.iter().map(|(role, is)| (format!("role {role}"), &is.policies));
        if let Some((to, _)) = users.chain(roles).find(|(_, policies)| policies.iter().any(|own| own == name))
        {
            return Err(EditError::Attached { name: name.to_owned(), to });
        }
        self.policies.remove(name).map(drop).ok_or_else(|| missing(POLICY, name))
    }

    /// Give a user a policy.
    pub fn attach(&mut self, policy: &str, user: &str) -> Result<(), EditError> {
        self.known(policy)?;
        let attached =
            self.users.get_mut(user).ok_or_else(|| missing(USER, user)).map(|user| &mut user.policies)?;
        add(attached, policy)
    }

    /// Give a role a policy.
    pub fn attach_to_role(&mut self, policy: &str, role: &str) -> Result<(), EditError> {
        self.known(policy)?;
        let attached =
            self.roles.get_mut(role).ok_or_else(|| missing(ROLE, role)).map(|role| &mut role.policies)?;
        add(attached, policy)
    }

    pub fn detach(&mut self, policy: &str, user: &str) -> Result<(), EditError> {
        let user = self.users.get_mut(user).ok_or_else(|| missing(USER, user))?;
        take(&mut user.policies, policy)
    }

    pub fn detach_from_role(&mut self, policy: &str, role: &str) -> Result<(), EditError> {
        let role = self.roles.get_mut(role).ok_or_else(|| missing(ROLE, role))?;
        take(&mut role.policies, policy)
    }

    fn known(&self, policy: &str) -> Result<(), EditError> {
        let known = self.policies.contains_key(policy) || builtin::text(policy).is_some();
        if known { Ok(()) } else { Err(missing(POLICY, policy)) }
    }
}

fn new_key(now: Timestamp) -> Key {
    Key { id: id("MKIA"), secret: secret(), created: now }
}

fn add(attached: &mut Vec<String>, policy: &str) -> Result<(), EditError> {
    if !attached.iter().any(|own| own == policy) {
        room("policies of a user or role", attached.len(), caps::ATTACHED)?;
        attached.push(policy.to_owned());
    }
    Ok(())
}

fn take(attached: &mut Vec<String>, policy: &str) -> Result<(), EditError> {
    let before = attached.len();
    attached.retain(|own| own != policy);
    if attached.len() == before { Err(missing("attached policy", policy)) } else { Ok(()) }
}

fn room(what: &'static str, have: usize, limit: usize) -> Result<(), EditError> {
    if have < limit { Ok(()) } else { Err(EditError::Limit { what, limit }) }
}

fn missing(kind: &'static str, name: &str) -> EditError {
    EditError::Missing { kind, name: name.to_owned() }
}

/// IAM's rule for names of users and roles.
pub(crate) fn check_name(name: &str) -> Result<(), EditError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte);
    let fine = (1..=iam_caps::NAME_CHARS).contains(&name.len()) && name.bytes().all(fits);
    if fine { Ok(()) } else { Err(EditError::Name(name.to_owned())) }
}

fn check_policy_name(name: &str) -> Result<(), EditError> {
    check_name(name)?;
    if builtin::text(name).is_some() { Err(EditError::BuiltIn(name.to_owned())) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);
    const WRITE: &str = r#"{"Statement":{"Effect":"Allow","Action":"kinesis:Put*","Resource":"*"}}"#;

    #[test]
    fn users_come_and_go() {
        let mut all = Document::default();
        let first = all.create_user("ada", None, &["AdministratorAccess".into()], NOW).unwrap();
        assert_eq!(all.users["ada"].keys, std::slice::from_ref(&first));
        assert_eq!(
            all.create_user("ada", None, &[], NOW),
            Err(EditError::Exists { kind: "user", name: "ada".into() })
        );
        let second = all.rotate("ada", true, NOW).unwrap();
        assert_eq!(all.rotate("ada", true, NOW), Err(EditError::TwoKeys("ada".into())));
        all.remove_key("ada", &first.id).unwrap();
        assert_eq!(all.users["ada"].keys, [second]);
        assert!(matches!(all.remove_key("ada", &first.id), Err(EditError::Missing { kind: "key", .. })));
        let third = all.rotate("ada", false, NOW).unwrap();
        assert_eq!(all.users["ada"].keys, [third]);
        all.remove_user("ada").unwrap();
        assert!(matches!(all.remove_user("ada"), Err(EditError::Missing { kind: "user", .. })));
        assert!(matches!(all.rotate("ada", false, NOW), Err(EditError::Missing { .. })));
    }

    #[test]
    fn a_user_that_cannot_be_is_not_made() {
        let mut all = Document::default();
        let long = "x".repeat(65);
        for bad in ["", "a b", "a/b", "ä", long.as_str()] {
            assert_eq!(all.create_user(bad, None, &[], NOW), Err(EditError::Name(bad.into())));
        }
        assert_eq!(all.create_user("ada", Some("12"), &[], NOW), Err(EditError::Account("12".into())));
        let no_such = all.create_user("ada", None, &["AdministratorAccess".into(), "None".into()], NOW);
        assert_eq!(no_such, Err(EditError::Missing { kind: "policy", name: "None".into() }));
        assert_eq!(all, Document::default());
    }

    #[test]
    fn policies_are_read_before_they_are_kept() {
        let mut all = Document::default();
        all.put_policy("writers", WRITE).unwrap();
        assert!(matches!(all.put_policy("writers", "{}"), Err(EditError::Policy { .. })));
        assert!(matches!(all.put_policy("AdministratorAccess", WRITE), Err(EditError::BuiltIn(_))));
        all.create_user("ada", None, &["writers".into()], NOW).unwrap();
        let attached = EditError::Attached { name: "writers".into(), to: "user ada".into() };
        assert_eq!(all.remove_policy("writers"), Err(attached));
        all.detach("writers", "ada").unwrap();
        assert!(all.detach("writers", "ada").is_err());
        all.create_role("worker", &["writers".into()]).unwrap();
        assert!(all.remove_policy("writers").is_err());
        all.detach_from_role("writers", "worker").unwrap();
        all.remove_policy("writers").unwrap();
        assert!(all.attach("writers", "ada").is_err() && all.attach_to_role("writers", "worker").is_err());
        all.attach_to_role("AmazonKinesisFullAccess", "worker").unwrap();
        assert!(all.create_role("worker", &[]).is_err());
        all.remove_role("worker").unwrap();
        assert!(all.remove_role("worker").is_err());
    }
}
