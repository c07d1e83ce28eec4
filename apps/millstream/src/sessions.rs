//! What functions sign their own calls with, where callers are asked who they are.

use millstream_credentials::{Keyring, Session};
use millstream_functions::{CredentialSource, Credentials, FunctionSpec, Until, WorkerCredentials};
use std::sync::Arc;

/// A session of the function's role for each of its workers.
#[derive(Debug)]
pub(crate) struct Sessions(pub(crate) Arc<Keyring>);

#[derive(Debug)]
struct Kept {
    _session: Session,
}

impl Until for Kept {}

impl CredentialSource for Sessions {
    fn open(&self, spec: &FunctionSpec) -> Option<WorkerCredentials> {
        // arn:PARTITION:lambda:REGION:ACCOUNT:…
        let account = spec.arn.split(':').nth(4).unwrap_or_default();
        let session = self.0.open_session(account, (&spec.arn, &spec.name), &spec.role_arn)?;
        let key = session.key();
        let credentials = Credentials {
            access_key_id: key.access_key_id.clone(),
            secret_access_key: key.secret.reveal().to_owned(),
            session_token: key.token.reveal().to_owned(),
        };
        Some(WorkerCredentials { credentials, until: Box::new(Kept { _session: session }) })
    }
}
