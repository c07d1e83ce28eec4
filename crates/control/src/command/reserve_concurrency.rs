use crate::{ConcurrencyLimit, ConcurrencyRefusal, ControlCommand, Refusal, State};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// How many invocations of a function may run at once, all its versions together; `None` for as many as there is room for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReserveConcurrency {
    pub function: String,
    pub reserved: Option<u32>,
    /// What they are taken from; not checked if it is not known, as before it was kept free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<ConcurrencyLimit>,
}

impl ControlCommand for ReserveConcurrency {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        let function = state.function(&self.function)?;
        let provisioned = function.provisioned_executions();
        if let (Some(reserved), Some(limit)) = (self.reserved, self.limit) {
            if reserved < provisioned {
                return Err(ConcurrencyRefusal::BelowProvisioned { reserved, provisioned }.into());
            }
            let taken = u64::from(state.taken_by_others(function)) + u64::from(reserved);
            // Stopping a function takes nothing from anybody.
            if reserved > 0 && taken + u64::from(limit.unreserved) > u64::from(limit.all) {
                return Err(ConcurrencyRefusal::TooFewUnreserved {
                    floor: limit.unreserved,
                    provisioned: false,
                }
                .into());
            }
        }
        state.change_function(&self.function)?.reserved_concurrency = self.reserved;
        Ok(())
    }
}
