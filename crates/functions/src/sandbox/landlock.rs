//! Landlock: the kernel's access rules that a process puts on itself. In a sandbox they are the second wall behind the
//! mounts; only they keep a function from the host's abstract Unix sockets and their owners' signals.

use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus, Scope, path_beneath_rules,
};

/// The newest rules that are asked for; an older kernel gives those that it has.
const NEWEST: ABI = ABI::V6;
/// Where a function may write: its own /tmp, and files of the kernel that are its own.
const WRITABLE: [&str; 3] = ["/tmp", "/dev", "/proc"];

/// Restrict this process and all that it starts to the file system of its sandbox. `false` if the kernel has no
/// Landlock.
pub(super) fn restrict() -> Result<bool, RulesetError> {
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .add_rules(path_beneath_rules(["/"], AccessFs::from_read(NEWEST)))?
        .add_rules(path_beneath_rules(WRITABLE, AccessFs::from_all(NEWEST)))?
        .restrict_self()?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}
