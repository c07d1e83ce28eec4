use crate::{ConcurrencyLimit, ConcurrencyRefusal, ControlCommand, Function, Provisioned, Refusal, State};
use millstream_types::Timestamp;
use serde::{Deserialize, Serialize};

/// Keep workers ready for a version or an alias of a function, whatever was kept before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutProvisionedConcurrency {
    pub function: String,
    /// A number or an alias.
    pub qualifier: String,
    pub executions: u32,
    pub limit: ConcurrencyLimit,
}

impl ControlCommand for PutProvisionedConcurrency {
    type Outcome = Provisioned;

    fn apply(&self, state: &mut State, at: Timestamp) -> Result<Provisioned, Refusal> {
        let function = state.function(&self.function)?;
        self.check_qualifier(function)?;
        self.check_room(state, function)?;
        let provisioned = Provisioned { executions: self.executions, modified: at };
        let function = state.change_function(&self.function)?;
        function.provisioned.insert(self.qualifier.clone(), provisioned);
        Ok(provisioned)
    }
}

impl PutProvisionedConcurrency {
    fn check_qualifier(&self, function: &Function) -> Result<(), Refusal> {
        if self.qualifier == Function::LATEST {
            return Err(ConcurrencyRefusal::Unpublished.into());
        }
        if let Some(alias) = function.published.aliases.get(&self.qualifier) {
            if alias.target.additional.is_some() {
                return Err(ConcurrencyRefusal::Weighted.into());
            }
            return Ok(function.check_provisioned_alias(&[&alias.target.version])?);
        }
        if !function.published.has_version(&self.qualifier) {
            let (function, version) = (self.function.clone(), self.qualifier.clone());
            return Err(Refusal::NoSuchVersion { function, version });
        }
        let mut aliases = function.published.aliases_of(&self.qualifier);
        if aliases.any(|alias| function.provisioned.contains_key(alias)) {
            return Err(ConcurrencyRefusal::AliasIsProvisioned.into());
        }
        Ok(())
    }

    fn check_room(&self, state: &State, function: &Function) -> Result<(), ConcurrencyRefusal> {
        let before = function.provisioned.get(&self.qualifier).map_or(0, |before| before.executions);
        let others = function.provisioned_executions().saturating_sub(before);
        let asked = u64::from(others) + u64::from(self.executions);
        if let Some(reserved) = function.reserved_concurrency {
            let fits = asked <= u64::from(reserved);
            return if fits { Ok(()) } else { Err(ConcurrencyRefusal::AboveReserved { reserved }) };
        }
        let unreserved = self.limit.all.saturating_sub(state.taken_by_others(function));
        if asked > u64::from(unreserved) {
            let unreserved = unreserved.saturating_sub(others);
            return Err(ConcurrencyRefusal::AboveUnreserved { unreserved });
        }
        let floor = self.limit.unreserved;
        if asked + u64::from(floor) > u64::from(unreserved) {
            return Err(ConcurrencyRefusal::TooFewUnreserved { floor, provisioned: true });
        }
        Ok(())
    }
}
