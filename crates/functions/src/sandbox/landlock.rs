//! Landlock: the kernel's access rules that a process puts on itself. In a sandbox they are the second wall behind the
//! mounts; only they keep a function from the host's abstract Unix sockets and their owners' signals.

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

/// The newest rules that are asked for; an older kernel gives those that it has.
const NEWEST: ABI = ABI::V6;

/// Restrict this process and all that it starts to the file system of its sandbox: it writes to its own /tmp, and to files
/// of the kernel that are its own. Returns the version whose rules are in force; `None` if the kernel has no Landlock.
pub(super) fn restrict() -> Result<Option<i32>, RulesetError> {
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?;
    let change = AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::WriteFile | AccessFs::Truncate;
    let places: [(&str, BitFlags<AccessFs>); 4] = [
        ("/", AccessFs::from_read(NEWEST)),
        ("/tmp", AccessFs::from_all(NEWEST)),
        ("/dev", change | AccessFs::IoctlDev),
        ("/proc", change),
    ];
    for (place, access) in places {
        // A place that is not there needs no rule.
        if let Ok(opened) = PathFd::new(place) {
            rules = rules.add_rule(PathBeneath::new(opened, access))?;
        }
    }
    let status = rules.restrict_self()?;
    Ok(match status.landlock {
        LandlockStatus::Available { effective_abi, .. } if status.ruleset != RulesetStatus::NotEnforced => {
            Some((effective_abi as i32).min(NEWEST as i32))
        }
        _ => None,
    })
}
