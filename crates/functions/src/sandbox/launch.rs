//! Starting a sandbox, from the server's side.

use super::SANDBOX_COMMAND;
use super::init::first_stage;
use super::plan::{Isolation, Plan, Report};
use super::{network, users};
use crate::caps;
use nix::unistd::geteuid;
use std::io::{self, Cursor, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Chain};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

/// A sandbox that was started. Dropping it ends everything in it.
#[derive(Debug)]
pub(crate) struct Launched {
    pub exe: PathBuf,
    /// Host process id of the outermost process, for looking at the tree.
    pub pid: Option<u32>,
    /// The reading end of the function's standard output and error.
    pub output: Option<OwnedFd>,
    ending: Ending,
    child: Child,
    /// Listening in the sandbox's own network, in the order of the plan's ports.
    pub sockets: Vec<OwnedFd>,
    reports: BufReader<Chain<Cursor<Vec<u8>>, UnixStream>>,
}

/// Ends a sandbox from anywhere.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    control: Arc<std::os::unix::net::UnixStream>,
}

impl Ending {
    /// The sandbox kills all that runs in it when its socket closes.
    pub(crate) fn end(&self) {
        // An error says that the other side is gone already.
        drop(self.control.shutdown(Shutdown::Both));
    }
}

/// Start a sandbox and give it its plan.
pub(crate) async fn launch(exe: &Path, plan: &Plan) -> io::Result<Launched> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    let (output, written) = io::pipe()?;
    let child = Command::new(exe)
        .arg(SANDBOX_COMMAND)
        .args(first_stage(plan))
        .env_clear()
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::from(written.try_clone()?))
        .stderr(Stdio::from(written))
        .process_group(0)
        .kill_on_drop(plan.isolation == Isolation::Namespaces)
        .spawn()?;
    let pid = child.id();
    let control = Arc::new(ours.try_clone()?);
    let mut line = serde_json::to_vec(plan)?;
    line.push(b'\n');
    let wants_sockets = plan.ports.is_some();
    // As the sandbox does, whose user is the server's.
    let mapped = pid.filter(|_| plan.isolation == Isolation::Namespaces && geteuid().is_root());
    let (ours, sockets, said) =
        tokio::task::spawn_blocking(move || give_plan(ours, &line, mapped, wants_sockets)).await??;
    ours.set_nonblocking(true)?;
    let reports = BufReader::new(Cursor::new(said).chain(UnixStream::from_std(ours)?));
    let ending = Ending { control };
    Ok(Launched { exe: exe.to_owned(), pid, output: Some(output.into()), ending, child, sockets, reports })
}

type Given = (std::os::unix::net::UnixStream, Vec<OwnedFd>, Vec<u8>);

/// Give process `mapped` its users, if there is one to be given some; send the plan, and take the sockets that are the answer
/// to it if there are to be any. Waits where nobody else does.
fn give_plan(
    mut ours: std::os::unix::net::UnixStream,
    line: &[u8],
    mapped: Option<u32>,
    wants_sockets: bool,
) -> io::Result<Given> {
    let mut said =
        mapped.map(|pid| users::give(&ours, pid, caps::PROBE_TIMEOUT)).transpose()?.unwrap_or_default();
    match ours.write_all(line) {
        // It ended before it read: its report says why.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
        _ => {}
    }
    let mut sockets = Vec::new();
    if wants_sockets {
        let (received, more) = network::receive(&ours, caps::PROBE_TIMEOUT)?;
        sockets = received;
        said.extend(more);
    }
    Ok((ours, sockets, said))
}

impl Launched {
    pub(crate) fn ending(&self) -> Ending {
        self.ending.clone()
    }

    pub(crate) fn end(&self) {
        self.ending.end();
    }

    /// What the sandbox says next; `None` when it has ended or speaks another language.
    pub(crate) async fn next_report(&mut self) -> Option<Report> {
        let mut line = Vec::new();
        let read = (&mut self.reports).take(caps::MAX_CONTROL_LINE).read_until(b'\n', &mut line).await;
        read.ok().and_then(|_| serde_json::from_slice(&line).ok())
    }

    /// Wait until the outermost process is reaped, having ended the sandbox; kill it when it takes too long.
    pub(crate) async fn finish(mut self) {
        self.ending.end();
        match tokio::time::timeout(caps::KILL_GRACE, self.child.wait()).await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => tracing::warn!(%error, "could not wait for a function's sandbox"),
            Err(_) => tracing::warn!(pid = ?self.pid, "a function's sandbox does not end; killing it"),
        }
        // Reaped by someone else is as good as killed.
        drop(self.child.kill().await);
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        self.ending.end();
    }
}
