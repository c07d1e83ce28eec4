//! What a running server knows of its credentials.

use crate::caps;
use crate::file::{CredentialsFile, FileError};
use crate::index::{Identity, Index};
use crate::session::{self, Session, Table};
use millstream_host::Clock;
use millstream_host::fs::Stamp;
use millstream_iam::{Policy, Principal, Roles, builtin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// All keys, of users and of sessions. Shared by whoever asks.
#[derive(Debug)]
pub struct Keyring {
    file: Option<CredentialsFile>,
    /// The account of users for whom the file names none.
    account: String,
    clock: Arc<dyn Clock>,
    /// Nothing until there were credentials; from then on they are asked for.
    index: RwLock<Option<Arc<Index>>>,
    /// The file as it was when it was last read.
    seen: Mutex<Option<Stamp>>,
    /// When it was last looked at, in milliseconds of the monotonic clock.
    looked: AtomicU64,
    sessions: Table,
}

impl Keyring {
    /// Read the file, if there is one.
    ///
    /// # Errors
    /// If there is a file that cannot be used: to go on without it would let everybody in.
    pub fn open(
        file: Option<CredentialsFile>,
        account: impl Into<String>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, FileError> {
        let keyring = Self {
            looked: AtomicU64::new(millis(&*clock)),
            file,
            account: account.into(),
            clock,
            index: RwLock::new(None),
            seen: Mutex::new(None),
            sessions: Table::default(),
        };
        if let Some(file) = &keyring.file {
            let stamp = file.stamp()?;
            if let Some(index) = keyring.read(file)? {
                keyring.put(index);
            }
            *keyring.seen.lock().unwrap_or_else(PoisonError::into_inner) = stamp;
        }
        Ok(keyring)
    }

    /// One without any: for a server that asks for none.
    pub fn none(clock: Arc<dyn Clock>) -> Self {
        Self {
            looked: AtomicU64::new(0),
            file: None,
            account: String::new(),
            clock,
            index: RwLock::new(None),
            seen: Mutex::new(None),
            sessions: Table::default(),
        }
    }

    /// Whether requests must be signed.
    pub fn is_enforced(&self) -> bool {
        self.current().is_some()
    }

    /// Keys of users.
    pub fn keys(&self) -> usize {
        self.current().map_or(0, |index| index.keys())
    }

    /// Whom an access key belongs to, with the session token that came with it; `None` for a key that nobody has, or a
    /// token that is not its own.
    pub fn find(&self, access_key_id: &str, token: Option<&str>) -> Option<Identity> {
        let index = self.current()?;
        if let Some(identity) = index.find(access_key_id) {
            // A user's key comes without a token.
            return token.is_none().then(|| Identity::clone(&identity));
        }
        let opened = session::lock(&self.sessions).get(access_key_id).cloned()?;
        if !same(token.unwrap_or_default(), opened.token.reveal()) {
            return None;
        }
        let (principal, policies) =
            session_of(&index, &opened.account, &opened.role_arn, &opened.function_name);
        Some(Identity {
            secret: opened.secret.clone(),
            principal,
            policies,
            tags: std::collections::BTreeMap::new(),
            function: Some(opened.function_arn.clone()),
        })
    }

    /// Whether `secret` is that of an access key: for those who cannot sign. Takes the same time wherever they differ.
    pub fn find_with_secret(&self, access_key_id: &str, secret: &str) -> Option<Identity> {
        self.find(access_key_id, None).filter(|identity| same(secret, identity.secret.reveal()))
    }

    /// A session for a function's worker: the role that the function names, for as long as the session is kept. `None` where
    /// nobody asks for credentials.
    pub fn open_session(&self, account: &str, function: (&str, &str), role_arn: &str) -> Option<Session> {
        self.current()?;
        Session::open(&self.sessions, account, function, role_arn)
    }

    fn current(&self) -> Option<Arc<Index>> {
        self.look();
        self.index.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Read the file again if it has changed. A look costs one system call, and comes only with a request.
    fn look(&self) {
        let Some(file) = &self.file else { return };
        let (now, last) = (millis(&*self.clock), self.looked.load(Ordering::Relaxed));
        let interval = u64::try_from(caps::LOOK_AGAIN.as_millis()).unwrap_or(u64::MAX);
        if now.saturating_sub(last) < interval
            || self.looked.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            return;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match file.stamp() {
            Ok(stamp) if stamp == *seen => {}
            Ok(stamp) => {
                *seen = stamp;
                match self.read(file) {
                    Ok(Some(index)) => {
                        tracing::info!(keys = index.keys(), "the credentials have changed");
                        self.put(index);
                    }
                    Ok(None) => self.vanished(),
                    // Those that were good stay: to let nobody in would be worse than to be late.
                    Err(error) => {
                        tracing::error!(%error, "the changed credentials cannot be used; the old ones stay");
                    }
                }
            }
            Err(error) => tracing::error!(%error, "the credentials cannot be looked at; the old ones stay"),
        }
    }

    fn vanished(&self) {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        if index.is_some() {
            tracing::error!(
                "the credentials file is gone: nobody is let in until there is one, or the server starts anew"
            );
            *index = Some(Arc::default());
        }
    }

    fn put(&self, index: Index) {
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(index));
    }

    fn read(&self, file: &CredentialsFile) -> Result<Option<Index>, FileError> {
        let Some(document) = file.read()? else { return Ok(None) };
        let index = Index::of(&document, &self.account);
        index.map(Some).map_err(|why| FileError::Form { path: file.path().to_owned(), why })
    }
}

/// Who a session of a role is. The file's roles have no paths and belong to the account of whoever takes them on: an ARN
/// that only ends in the name of one is another role. A role that the file does not define may do what
/// [`builtin::FUNCTION`] says.
fn session_of(index: &Index, account: &str, role_arn: &str, session: &str) -> (Principal, Vec<Arc<Policy>>) {
    let name = role_arn.strip_prefix(&format!("arn:aws:iam::{account}:role/"));
    let (id, policies) = match name.and_then(|name| index.role(name)) {
        Some(role) => (role.id, role.policies),
        None => ("MROA".to_owned(), builtin::policy(builtin::FUNCTION).into_iter().map(Arc::new).collect()),
    };
    let (account, role_arn, session) = (account.to_owned(), role_arn.to_owned(), session.to_owned());
    (Principal::Session { account, role_arn, session, id }, policies)
}

impl Roles for Keyring {
    fn role(&self, account: &str, role_arn: &str) -> Option<(Principal, Vec<Arc<Policy>>)> {
        Some(session_of(&*self.current()?, account, role_arn, "lambda"))
    }
}

fn millis(clock: &dyn Clock) -> u64 {
    u64::try_from(clock.monotonic().as_millis()).unwrap_or(u64::MAX)
}

/// Whether two texts are the same, in a time that does not depend on where they differ.
fn same(given: &str, own: &str) -> bool {
    let differing = given.bytes().zip(own.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
    given.len() == own.len() && std::hint::black_box(differing) == 0
}
