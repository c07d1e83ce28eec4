//! Temporary credentials of functions. One worker has one session, which ends with it; none outlives the server.

use crate::caps;
use crate::secret::{Secret, id, secret, token};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a function signs with.
#[derive(Clone, Debug)]
pub struct SessionKey {
    pub access_key_id: String,
    pub secret: Secret,
    pub token: Secret,
}

/// Whose session it is.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) secret: Secret,
    pub(crate) token: Secret,
    pub(crate) account: String,
    pub(crate) function_arn: String,
    pub(crate) function_name: String,
    pub(crate) role_arn: String,
}

pub(crate) type Table = Arc<Mutex<HashMap<String, Arc<Opened>>>>;

/// A session for as long as this lives.
#[derive(Debug)]
pub struct Session {
    key: SessionKey,
    table: Table,
}

impl Session {
    /// `None` if there are as many as there can be.
    pub(crate) fn open(
        table: &Table,
        account: &str,
        (function_arn, function_name): (&str, &str),
        role_arn: &str,
    ) -> Option<Self> {
        let key = SessionKey { access_key_id: id("MSIA"), secret: secret(), token: Secret::new(token()) };
        let opened = Opened {
            secret: key.secret.clone(),
            token: key.token.clone(),
            account: account.to_owned(),
            function_arn: function_arn.to_owned(),
            function_name: function_name.to_owned(),
            role_arn: role_arn.to_owned(),
        };
        let mut sessions = lock(table);
        if sessions.len() >= caps::SESSIONS {
            return None;
        }
        sessions.insert(key.access_key_id.clone(), Arc::new(opened));
        drop(sessions);
        Some(Self { key, table: table.clone() })
    }

    pub fn key(&self) -> &SessionKey {
        &self.key
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        lock(&self.table).remove(&self.key.access_key_id);
    }
}

pub(crate) fn lock(table: &Table) -> MutexGuard<'_, HashMap<String, Arc<Opened>>> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}
