//! What keeps functions apart and within their limits on this machine: found once, by trying it.

use crate::caps;
use crate::groups::{Cgroups, Group, Groups};
use crate::launcher::WorkDir;
use crate::options::Options;
use crate::sandbox::{
    Confine, Isolation, IsolationUnavailable, Network, Plan, Probed, Run, probe, shown_around,
};
use std::fmt;
use std::path::{Path, PathBuf};

/// From this version on Landlock keeps a function from abstract Unix sockets of the host, and from signals to outside.
const LANDLOCK_WITH_SCOPES: i32 = 6;

/// What is in force here.
#[derive(Clone, Debug)]
pub struct Protection {
    /// How functions are isolated, or why they cannot be and what to do about it.
    pub isolation: Result<Isolation, IsolationUnavailable>,
    /// The version of Landlock whose rules are in force, of those asked for; `None` where there is none.
    pub landlock: Option<i32>,
    /// The controllers of cgroup v2 by which workers are limited, or why there are none.
    pub cgroups: Result<String, String>,
    pub network: Network,
}

impl Protection {
    /// Layer by layer: its name, and what is known of it.
    pub fn layers(&self) -> Vec<(&'static str, String)> {
        let isolated = matches!(self.isolation, Ok(Isolation::Namespaces));
        let (namespaces, system_calls) = match &self.isolation {
            Ok(Isolation::Namespaces) if self.network == Network::Host => {
                ("user, mount, process, IPC, host name".to_owned(), "seccomp")
            }
            Ok(Isolation::Namespaces) => {
                ("user, mount, process, IPC, host name, network".to_owned(), "seccomp")
            }
            Ok(Isolation::Process) => ("none, as asked".to_owned(), "none"),
            Err(unavailable) => (format!("could not {}: {}", unavailable.step, unavailable.why), "none"),
        };
        let access = match self.landlock {
            Some(abi) => format!("Landlock {abi}"),
            None => "none".to_owned(),
        };
        let network = match self.network {
            Network::Host => "host",
            Network::EndpointOnly => "endpoint-only",
            Network::None => "none",
        };
        let processes = format!("{} in a worker, by rlimit", caps::MAX_PROCESSES);
        let limits = match &self.cgroups {
            Ok(controllers) => format!("cgroup v2: {controllers}"),
            Err(why) if isolated => format!("resident memory is watched; {processes} (no cgroup v2: {why})"),
            Err(why) => format!("resident memory is watched (no cgroup v2: {why})"),
        };
        vec![
            ("namespaces", namespaces),
            ("system calls", system_calls.to_owned()),
            ("access rules", access),
            ("limits", limits),
            ("network", network.to_owned()),
        ]
    }

    /// What an operator should know, one line each.
    pub(crate) fn warnings(&self) -> Vec<String> {
        match (&self.isolation, self.landlock) {
            (Ok(Isolation::Namespaces), None) => vec![
                "this kernel has no Landlock: read-only mounts alone keep functions from writing, and they can connect to \
                 abstract Unix sockets of the host"
                    .to_owned(),
            ],
            (Ok(Isolation::Namespaces), Some(abi)) if abi < LANDLOCK_WITH_SCOPES => vec![format!(
                "this kernel's Landlock is version {abi}, older than Linux 6.12: functions can connect to abstract Unix \
                 sockets of the host"
            )],
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for Protection {
    /// In one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, state)) in self.layers().into_iter().enumerate() {
            write!(f, "{}{name}: {state}", if at == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

/// Try what this machine has, and take it.
pub(crate) async fn protect(
    options: &Options,
    work: &WorkDir,
    hidden: &[PathBuf],
) -> (Protection, Option<Groups>) {
    let mut found = Groups::find(&options.cgroups);
    let mut tried = isolation_of(options, work, hidden, found.as_ref().ok()).await;
    if let Err(unavailable) = &tried
        && unavailable.is_of_group()
    {
        found = Err(unavailable.why.clone());
        tried = isolation_of(options, work, hidden, None).await;
    }
    let cgroups = found.as_ref().map(|groups| groups.controllers.to_string()).map_err(Clone::clone);
    let (isolation, probed) = match tried {
        Ok((isolation, probed)) => (Ok(isolation), probed),
        Err(unavailable) => (Err(unavailable), Probed::default()),
    };
    let protection = Protection { isolation, landlock: probed.landlock, cgroups, network: options.network };
    for note in probed.notes.into_iter().chain(protection.warnings()) {
        tracing::warn!("{note}");
    }
    // What was only looked at is not used.
    let groups = found.ok().filter(|_| options.cgroups != Cgroups::Look);
    (protection, groups)
}

/// How functions are isolated here, having tried it.
async fn isolation_of(
    options: &Options,
    work: &WorkDir,
    hidden: &[PathBuf],
    groups: Option<&Groups>,
) -> Result<(Isolation, Probed), IsolationUnavailable> {
    if options.isolation == Isolation::Process {
        return Ok((Isolation::Process, Probed::default()));
    }
    for directory in hidden {
        if let Some(shown) = shown_around(directory) {
            return Err(IsolationUnavailable {
                step: format!("hide {}", directory.display()),
                why: format!("it is in {shown}, which all functions see"),
                advice: "Choose another place for the server's data and temporary directories.".to_owned(),
            });
        }
    }
    let groups = groups.filter(|_| options.cgroups != Cgroups::Look);
    let group = groups.map(|groups| groups.make_with(PROBE_MB, PROBE_MB)).transpose();
    let group = group.map_err(|error| IsolationUnavailable::of_group(&error))?;
    let plan = plan(options, work, group.as_ref().map(Group::path));
    let probed = probe(&options.sandbox_exe, &plan).await;
    if let Some(group) = group {
        group.end().await;
    }
    Ok((Isolation::Namespaces, probed?))
}

/// Memory and /tmp of the sandbox in which nothing runs.
const PROBE_MB: u32 = 64;

fn plan(options: &Options, work: &WorkDir, group: Option<&Path>) -> Plan {
    let run = Run {
        argv: vec!["/bin/true".to_owned()],
        env: Vec::new(),
        cwd: PathBuf::from("/"),
        confine: Confine::Nested,
        frames: false,
        max_file_bytes: None,
        tell: true,
    };
    Plan {
        isolation: Isolation::Namespaces,
        root: work.root(),
        task: work.empty(),
        opt: work.empty(),
        runtime: work.runtime(),
        read_only: options.read_only_paths.clone(),
        lang: None,
        tmp_mb: 1,
        ports: options.own_ports(),
        group: group.map(Path::to_owned),
        run,
    }
}

#[cfg(test)]
mod tests {
    use super::Protection;
    use crate::sandbox::{Isolation, IsolationUnavailable, Network};

    fn protection() -> Protection {
        Protection {
            isolation: Ok(Isolation::Namespaces),
            landlock: Some(6),
            cgroups: Ok("memory, cpu, pids".to_owned()),
            network: Network::Host,
        }
    }

    #[test]
    fn one_line_says_all_of_it() {
        assert_eq!(
            protection().to_string(),
            "namespaces: user, mount, process, IPC, host name; system calls: seccomp; access rules: Landlock 6; \
             limits: cgroup v2: memory, cpu, pids; network: host"
        );
        let less = Protection {
            isolation: Err(IsolationUnavailable {
                step: "create a user namespace".to_owned(),
                why: "EPERM".to_owned(),
                advice: String::new(),
            }),
            landlock: None,
            cgroups: Err("cgroup v2 is not mounted".to_owned()),
            network: Network::None,
        };
        assert_eq!(
            less.to_string(),
            "namespaces: could not create a user namespace: EPERM; system calls: none; access rules: none; \
             limits: resident memory is watched (no cgroup v2: cgroup v2 is not mounted); network: none"
        );
    }

    #[test]
    fn an_old_kernel_is_told_of_and_a_new_one_is_not() {
        let with = |landlock| Protection { landlock, ..protection() }.warnings();
        assert!(with(None)[0].contains("no Landlock"));
        assert!(with(Some(5))[0].contains("abstract Unix sockets"));
        assert!(with(Some(6)).is_empty());
        let process = Protection { isolation: Ok(Isolation::Process), landlock: None, ..protection() };
        assert!(process.warnings().is_empty(), "there is nothing to be kept from");
    }
}
