use crate::{Commitment, ControlCommand, Refusal, State, caps};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Begin an account's throughput commitment, or have it end as soon as it may. To begin one that waits for its end is to
/// let it go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetCommitment {
    /// What stands before the names of the account's and region's resources in their keys: see `Home::key_prefix`.
    pub home: String,
    pub enabled: bool,
}

impl ControlCommand for SetCommitment {
    type Outcome = Option<Commitment>;

    fn apply(&self, state: &mut State, at: Timestamp) -> Result<Self::Outcome, Refusal> {
        let now = state.commitment(&self.home);
        let next = match now {
            Some(running) if running.is_active(at) => {
                let end = || running.ends.unwrap_or_else(|| running.earliest_end().max(at));
                Some(Commitment { ends: (!self.enabled).then(end), ..running })
            }
            _ if self.enabled => Some(Commitment { started: at, ends: None }),
            over => over,
        };
        if next == now {
            return Ok(now);
        }
        if !state.accounts.contains_key(&self.home) && state.accounts.len() >= caps::ACCOUNTS {
            return Err(Refusal::Limit { what: "accounts with settings", limit: caps::ACCOUNTS });
        }
        Arc::make_mut(state.accounts.entry(self.home.clone()).or_default()).commitment = next;
        Ok(next)
    }
}
