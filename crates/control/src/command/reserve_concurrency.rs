use crate::{ControlCommand, Refusal, State};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// How many invocations of a function may run at once, all its versions together; `None` for as many as there is room for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReserveConcurrency {
    pub function: String,
    pub reserved: Option<u32>,
}

impl ControlCommand for ReserveConcurrency {
    type Outcome = ();

    fn apply(&self, state: &mut State, _at: Timestamp) -> Result<(), Refusal> {
        state.change_function(&self.function)?.reserved_concurrency = self.reserved;
        Ok(())
    }
}
