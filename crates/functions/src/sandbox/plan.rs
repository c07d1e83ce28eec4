//! What the server tells a sandbox and what the sandbox answers: one JSON value a line, over a socket that is the
//! sandbox's standard input. When the server's end closes, for whatever reason, the sandbox ends.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How a function is kept apart from the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Isolation {
    /// Own user, mount, process, IPC and host-name namespaces: the function sees a file system of its own with its
    /// code at /var/task, its layers at /opt and a private /tmp, and neither the host's files nor its processes.
    /// seccomp denies it the system calls that lead out, and Landlock, where the kernel has it, fences files, signals
    /// and abstract Unix sockets once more. What it reaches of the network is [`Network`]'s.
    #[default]
    Namespaces,
    /// A plain process of the server's own user. It can read and write whatever the server can. There is no
    /// /var/task and no /opt: `LAMBDA_TASK_ROOT` names the code directory and PYTHONPATH and PATH the layers'.
    /// For trusted code only.
    Process,
}

/// What of the network a function reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// All that the server's machine reaches, as functions on AWS reach the internet: its network namespace. Services on
    /// the machine's loopback interface are part of it.
    #[default]
    Host,
    /// The server, and nothing else: a network namespace of its own.
    EndpointOnly,
    /// Nothing at all, not even the server.
    None,
}

impl Network {
    pub(crate) fn is_own(self) -> bool {
        self != Self::Host
    }
}

/// Everything that the sandbox needs to start one worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub isolation: Isolation,
    /// An empty directory over which the new root is mounted.
    pub root: PathBuf,
    /// Host directory for /var/task.
    pub task: PathBuf,
    /// Host directory for /opt.
    pub opt: PathBuf,
    /// Host directory for /var/runtime.
    pub runtime: PathBuf,
    /// Host paths that appear read-only at the same place inside.
    pub read_only: Vec<PathBuf>,
    /// What /var/lang points at: the prefix of the interpreter.
    pub lang: Option<PathBuf>,
    /// Size of /tmp in MiB.
    pub tmp_mb: u32,
    /// Ports of the sandbox's own network on which the server listens; `None` if it has the host's network.
    pub ports: Option<Vec<u16>>,
    /// Directory of the control group that the worker enters.
    pub group: Option<PathBuf>,
    pub run: Run,
}

/// The program to become.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    pub argv: Vec<String>,
    pub env: Vec<(String, String)>,
    pub cwd: PathBuf,
    pub confine: Confine,
    /// Give the program a second way to its output, for log events in frames.
    pub frames: bool,
    /// Largest file, in /tmp or in memory alone, in bytes.
    pub max_file_bytes: Option<u64>,
    /// Say what of the kernel's access rules is in force.
    pub tell: bool,
}

/// How the function loses the capabilities of the sandbox's own user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Confine {
    /// There are none to lose.
    No,
    /// Enter one more user namespace, as an ordinary user that has no capability in any. On the host this is still the
    /// server's user.
    Nested,
    /// Become the other user that the sandbox has, who is nobody on the host. Only root can give a sandbox two users.
    Switch,
}

/// What a sandbox says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Report {
    /// Something could not be had, and the function runs without it.
    Note { text: String },
    /// The version of Landlock that is in force; `None` if there is none.
    Landlock { abi: Option<i32> },
    /// The sandbox could not be set up.
    Refused { step: String, why: String },
    /// The function's program could not be executed; `why` is the system's text in lower case.
    ExecFailed { program: String, why: String },
    /// The function's process ended.
    Exited { code: Option<i32>, signal: Option<i32> },
}
