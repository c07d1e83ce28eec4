//! The processes between the server and a function.

use super::plan::{Confine, Isolation, Plan, Report, Run};
use super::{FUNCTION_GID, FUNCTION_UID, SANDBOX_COMMAND};
use super::{landlock, mounts, network, seccomp, users};
use crate::groups::ENTRANCE;
use crate::{caps, files};
use millstream_host::{fs, threads};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::{
    Gid, Pid, Uid, close, dup2_stdin, fchown, getegid, geteuid, setgroups, sethostname, setresgid, setresuid,
};
use std::ffi::OsString;
use std::io::{self, BufRead, Read, Write};
use std::os::fd::{AsFd, IntoRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

/// Carries the [`Run`] to the last stage: an environment variable, which other users of the host cannot read.
const RUN_VARIABLE: &str = "MILLSTREAM_SANDBOX_RUN";
const SELF_EXE: &str = "/proc/self/exe";
/// The step without which functions can still be isolated.
pub(super) const ENTER_GROUP: &str = "enter the worker's control group";

/// A step of the set-up that the system refused.
#[derive(Debug)]
pub(super) struct Refused {
    pub step: String,
    pub why: String,
}

/// Names the step that failed.
pub(super) trait Step<T> {
    fn step(self, step: impl Into<String>) -> Result<T, Refused>;
}

impl<T, E: std::fmt::Display> Step<T> for Result<T, E> {
    fn step(self, step: impl Into<String>) -> Result<T, Refused> {
        self.map_err(|error| Refused { step: step.into(), why: error.to_string() })
    }
}

/// Run one stage of a sandbox. `args` are the arguments after [`SANDBOX_COMMAND`].
///
/// To be called first thing in `main`, before any thread is started: the kernel gives a new user namespace only to a
/// process of one thread.
pub fn sandbox_main(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let stage = args.next();
    close_inherited();
    let result = match stage.as_deref().and_then(std::ffi::OsStr::to_str) {
        None => enter_namespaces(CloneFlags::empty()),
        Some("own-network") => enter_namespaces(CloneFlags::CLONE_NEWNET),
        Some("inner") => be_first_process(Confine::Nested),
        Some("inner-of-two") => be_first_process(Confine::Switch),
        Some("process") => supervise_plain_process(),
        Some("run") => become_function(),
        Some(other) => Err(Refused { step: format!("stage {other}"), why: "unknown".to_owned() }),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Refused { step, why }) => {
            // When the server is gone there is nobody left to tell; the exit status says the rest.
            drop(tell(&Report::Refused { step, why }));
            ExitCode::FAILURE
        }
    }
}

/// The server opens its files so that they close here, but whoever started the server may not have.
fn close_inherited() {
    let open = files::list(Path::new("/proc/self/fd")).unwrap_or_default();
    let number = |path: &Path| path.file_name()?.to_str()?.parse::<i32>().ok();
    for fd in open.iter().filter_map(|path| number(path)).filter(|&fd| fd > 2) {
        match close(fd) {
            // The listing's own one is closed already.
            Ok(()) | Err(_) => {}
        }
    }
}

/// Stage 1: everything of its own, as far as an unprivileged process may have it.
fn enter_namespaces(more: CloneFlags) -> Result<(), Refused> {
    let (uid, gid) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER).step("create a user namespace")?;
    let control = UnixStream::from(control().step("duplicate the control socket")?);
    // The server is who started this, so it knows whether it will be asked.
    let stage = if uid.is_root() && users::ask(&control).step("ask for two users")? {
        "inner-of-two"
    } else {
        fs::write(Path::new("/proc/self/setgroups"), b"deny").step("deny setgroups")?;
        fs::write(Path::new("/proc/self/uid_map"), format!("0 {uid} 1").as_bytes()).step("map the user")?;
        fs::write(Path::new("/proc/self/gid_map"), format!("0 {gid} 1").as_bytes()).step("map the group")?;
        "inner"
    };
    unshare(
        CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWUTS
            | more,
    )
    .step("create mount, process, IPC, host-name and network namespaces")?;
    let status = Command::new(SELF_EXE)
        .args([SANDBOX_COMMAND, stage])
        .env_clear()
        .stdin(Stdio::from(OwnedFd::from(control)))
        .status()
        .step("start the first process of the sandbox")?;
    if status.signal().is_some() {
        return Err(Refused { step: "run the sandbox".to_owned(), why: status.to_string() });
    }
    Ok(())
}

/// Stage 2: process 1 of the sandbox.
fn be_first_process(confine: Confine) -> Result<(), Refused> {
    prctl::set_pdeathsig(Signal::SIGKILL).step("die with the parent")?;
    let mut plan = read_plan()?;
    plan.run.confine = confine;
    let entering = plan.group.as_deref().map(start_to_enter).transpose()?;
    if let Some(ports) = &plan.ports {
        let control = UnixStream::from(control().step("duplicate the control socket")?);
        network::set_up(&control, ports)?;
    }
    sethostname("169-254-10-1").step("set the host name")?;
    for text in mounts::build_root(&plan)? {
        tell(&Report::Note { text }).step("report")?;
    }
    // A function has no use for user namespaces of its own, and each is attack surface. Where /proc could not be
    // mounted there is no such knob.
    let more: &[u8] = if confine == Confine::Nested { b"1" } else { b"0" };
    drop(fs::write(Path::new("/proc/sys/user/max_user_namespaces"), more));
    mounts::seal_root()?;
    entering.map_or(Ok(()), entered)?;
    let program = if Path::new(mounts::INNER_EXE).exists() { mounts::INNER_EXE } else { SELF_EXE };
    supervise(&plan.run, program, || {
        // As process 1 this reaches every process of the namespace but itself.
        killed(kill(Pid::from_raw(-1), Signal::SIGKILL));
    })
}

/// Enter a control group, with all that is started from here on. The kernel may let us wait for several milliseconds
/// until every processor has taken note, so the root is built meanwhile; the file is opened while it is still in sight.
fn start_to_enter(group: &Path) -> Result<JoinHandle<io::Result<()>>, Refused> {
    let entrance = std::fs::OpenOptions::new().write(true).open(group.join(ENTRANCE)).step(ENTER_GROUP)?;
    // Zero is whoever writes it.
    threads::spawn("group", move || (&entrance).write_all(b"0")).step(ENTER_GROUP)
}

fn entered(entering: JoinHandle<io::Result<()>>) -> Result<(), Refused> {
    let result = entering.join().unwrap_or_else(|_| Err(io::Error::other("its thread failed")));
    result.step(ENTER_GROUP)
}

/// Stage 2 without namespaces: a supervisor that keeps the function's descendants in reach.
fn supervise_plain_process() -> Result<(), Refused> {
    prctl::set_child_subreaper(true).step("adopt orphans")?;
    let plan = read_plan()?;
    plan.group.as_deref().map(start_to_enter).transpose()?.map_or(Ok(()), entered)?;
    supervise(&plan.run, SELF_EXE, kill_children)
}

/// Start the function, reap until it has ended, report how, and end what it left behind.
fn supervise(run: &Run, program: &str, kill_all: fn()) -> Result<(), Refused> {
    let run = serde_json::to_string(run).step("write the plan of the last stage")?;
    let child = Command::new(program)
        .args([SANDBOX_COMMAND, "run"])
        .env_clear()
        .env(RUN_VARIABLE, run)
        .stdin(Stdio::from(control().step("duplicate the control socket")?))
        .process_group(0)
        .spawn()
        .step("start the last stage")?;
    threads::spawn("control", move || {
        wait_for_closing();
        // What is being started while we kill is caught in the next round; process 1 ends with its function.
        loop {
            kill_all();
            std::thread::sleep(Duration::from_millis(5));
        }
    })
    .step("watch the server")?;
    let function = i32::try_from(child.id()).step("know the function's process")?;
    let report = loop {
        match wait() {
            Ok(WaitStatus::Exited(pid, code)) if pid.as_raw() == function => {
                break Report::Exited { code: Some(code), signal: None };
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid.as_raw() == function => {
                break Report::Exited { code: None, signal: Some(signal as i32) };
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error).step("wait for the function"),
        }
    };
    while !matches!(wait_after(kill_all), Err(Errno::ECHILD)) {}
    tell(&report).step("report the end")
}

fn wait_after(kill_all: fn()) -> nix::Result<WaitStatus> {
    kill_all();
    wait()
}

/// End the children of this process and their process groups; orphans become children in turn.
fn kill_children() {
    let pid = std::process::id();
    let Ok(children) = fs::read_to_string(Path::new(&format!("/proc/{pid}/task/{pid}/children"))) else {
        return;
    };
    for child in children.split_whitespace().filter_map(|pid| pid.parse().ok()).map(Pid::from_raw) {
        killed(killpg(child, Signal::SIGKILL));
        killed(kill(child, Signal::SIGKILL));
    }
}

/// What cannot be killed has ended already.
fn killed(result: nix::Result<()>) {
    match result {
        Ok(()) | Err(_) => {}
    }
}

/// Stage 3: drop what is left of privilege and become the function's runtime.
fn become_function() -> Result<(), Refused> {
    let text = std::env::var(RUN_VARIABLE).step("read the plan of the last stage")?;
    let run: Run = serde_json::from_str(&text).step("read the plan of the last stage")?;
    let control = UnixStream::from(control().step("duplicate the control socket")?);
    let frames = if run.frames { second_output() } else { None };
    confine(run.confine)?;
    setrlimit(Resource::RLIMIT_NOFILE, caps::MAX_OPEN_FILES, caps::MAX_OPEN_FILES)
        .step("limit open files")?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0).step("forbid core files")?;
    prctl::set_no_new_privs().step("give up new privileges")?;
    if let Some(limit) = run.max_file_bytes {
        setrlimit(Resource::RLIMIT_FSIZE, limit, limit).step("limit the size of files")?;
    }
    if run.confine != Confine::No {
        let abi = landlock::restrict().step("restrict the file system")?;
        if run.tell {
            let control = control.try_clone().step("duplicate the control socket")?;
            say(control, &Report::Landlock { abi }).step("report")?;
        }
    }
    prctl::set_pdeathsig(Signal::SIGKILL).step("die with the parent")?;
    let null = std::fs::OpenOptions::new().read(true).open("/dev/null").step("open /dev/null")?;
    dup2_stdin(null.as_fd()).step("close standard input")?;
    std::env::set_current_dir(&run.cwd).step("enter the code's directory")?;
    let Some((program, args)) = run.argv.split_first() else {
        return Err(Refused { step: "find the program".to_owned(), why: "none was named".to_owned() });
    };
    if run.confine != Confine::No {
        seccomp::restrict()?;
    }
    let error = Command::new(program).args(args).env_clear().envs(run.env).envs(frames).exec();
    let why = error
        .raw_os_error()
        .map_or_else(|| error.to_string(), |code| Errno::from_raw(code).desc().to_owned());
    let report = Report::ExecFailed { program: program.clone(), why: why.to_lowercase() };
    say(control, &report).step("report the failed start")
}

/// The pipe of standard output opened once more, and the variable that tells a runtime client of it. A copy of the descriptor
/// would not do: Node.js makes its standard output non-blocking, and a copy with it. `None` where /proc is not there:
/// the client prints then.
fn second_output() -> Option<(&'static str, String)> {
    let output = std::fs::OpenOptions::new().write(true).open("/proc/self/fd/1").ok()?;
    // A descriptor that outlives this program.
    let kept = nix::unistd::dup(&output).ok()?;
    Some(("_LAMBDA_TELEMETRY_LOG_FD", kept.into_raw_fd().to_string()))
}

fn confine(how: Confine) -> Result<(), Refused> {
    let (user, group) = (Uid::from_raw(FUNCTION_UID), Gid::from_raw(FUNCTION_GID));
    match how {
        Confine::No => return Ok(()),
        Confine::Nested => {
            let (uid, gid) = (geteuid(), getegid());
            unshare(CloneFlags::CLONE_NEWUSER).step("create the function's user namespace")?;
            fs::write(Path::new("/proc/self/setgroups"), b"deny").step("deny setgroups to the function")?;
            let map = |id: u32, outer: u32| format!("{id} {outer} 1").into_bytes();
            fs::write(Path::new("/proc/self/uid_map"), &map(FUNCTION_UID, uid.as_raw()))
                .step("map the function's user")?;
            fs::write(Path::new("/proc/self/gid_map"), &map(FUNCTION_GID, gid.as_raw()))
                .step("map the function's group")?;
        }
        Confine::Switch => {
            // So that /dev/stdout and /dev/stderr can be opened.
            fchown(io::stdout(), Some(user), Some(group)).step("give the function its output")?;
            setgroups(&[]).step("leave all groups")?;
            setresgid(group, group, group).step("become the function's group")?;
            setresuid(user, user, user).step("become the function's user")?;
        }
    }
    if processes_are_counted_per_namespace() {
        setrlimit(Resource::RLIMIT_NPROC, caps::MAX_PROCESSES, caps::MAX_PROCESSES)
            .step("limit processes")?;
    }
    Ok(())
}

/// Since Linux 5.14 RLIMIT_NPROC counts within the user namespace; before, it would count every process that the
/// server's user runs on the host.
fn processes_are_counted_per_namespace() -> bool {
    let Ok(release) = fs::read_to_string(Path::new("/proc/sys/kernel/osrelease")) else { return false };
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(5), Some(14))
}

fn read_plan() -> Result<Plan, Refused> {
    let mut line = String::new();
    io::stdin().lock().take(caps::MAX_CONTROL_LINE).read_line(&mut line).step("read the plan")?;
    serde_json::from_str(&line).step("read the plan")
}

/// Returns when the server has closed the control socket or is gone.
fn wait_for_closing() {
    let mut byte = [0];
    loop {
        match io::stdin().read(&mut byte) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

fn control() -> io::Result<OwnedFd> {
    io::stdin().as_fd().try_clone_to_owned()
}

fn tell(report: &Report) -> io::Result<()> {
    say(UnixStream::from(control()?), report)
}

fn say(mut control: UnixStream, report: &Report) -> io::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    control.write_all(&line)
}

/// Which stage the server starts for an isolation.
pub(crate) fn first_stage(plan: &Plan) -> Option<&'static str> {
    match plan.isolation {
        Isolation::Namespaces if plan.ports.is_some() => Some("own-network"),
        Isolation::Namespaces => None,
        Isolation::Process => Some("process"),
    }
}
