//! The machine, as far as a benchmark touches it beyond `os`: directories, free room, ports.

#![expect(clippy::disallowed_methods, reason = "a build tool has no disk to simulate")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::os;

pub(crate) fn create_all(path: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))
}

/// Removes a directory with everything in it, if it is there.
pub(crate) fn remove_all(path: &Path) -> anyhow::Result<()> {
    if !path.exists() {
        return Ok(());
    }
    std::fs::remove_dir_all(path).with_context(|| format!("cannot remove {}", path.display()))
}

/// Bytes of the files right in a directory; 0 if there is none.
pub(crate) fn size_of(directory: &Path) -> anyhow::Result<u64> {
    if !directory.is_dir() {
        return Ok(0);
    }
    let mut bytes = 0;
    for entry in
        std::fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?
    {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}

pub(crate) fn sleep(seconds: f64) {
    std::thread::sleep(Duration::from_secs_f64(seconds));
}

/// Bytes that can still be written where `path` is.
pub(crate) fn free_disk(path: &Path) -> anyhow::Result<u64> {
    let mut df = Command::new("df");
    df.args(["--output=avail", "--block-size=1"]).arg(path);
    let printed = os::output(&mut df)?;
    let last = printed.lines().last().unwrap_or_default().trim();
    last.parse().with_context(|| format!("df printed {printed:?}"))
}

/// Bytes of memory that programs can still have.
pub(crate) fn free_memory() -> anyhow::Result<u64> {
    let text = os::read(Path::new("/proc/meminfo"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:")).context("no MemAvailable")?;
    let kib: u64 = line.split_whitespace().next().unwrap_or_default().parse().context("MemAvailable")?;
    Ok(kib << 10)
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen")?;
    Ok(listener.local_addr()?.port())
}

/// Whether somebody listens.
pub(crate) fn is_open(port: u16) -> bool {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok()
}

/// The status of `GET path`; an error if nobody answers.
pub(crate) fn status_of(address: &str, path: &str) -> anyhow::Result<u16> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    let text = String::from_utf8_lossy(&answer);
    let Some(status) = text.split(' ').nth(1) else { bail!("an answer begins with {text:?}") };
    status.parse().with_context(|| format!("an answer begins with {text:?}"))
}

/// The body of `GET path`, which must succeed.
pub(crate) fn get(address: &str, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).with_context(|| format!("GET {path}"))?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.contains(" 200 ") => Ok(body.to_owned()),
        _ => bail!("GET {path} answered {answer:?}"),
    }
}

/// Copies a file and its permissions.
pub(crate) fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

/// Clock ticks in `/proc/<pid>/stat` per second: fixed by Linux's interface to programs, whatever the kernel's own rate.
const TICKS: f64 = 100.0;

/// Seconds of all cores that a process has used, its ended children not among them.
pub(crate) fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let text = os::read(Path::new(&format!("/proc/{pid}/stat")))?;
    // The name in parentheses may hold blanks; what comes after the last one is fields 3 and up.
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<f64>().ok());
    let (user, system) = (ticks(14).context("utime")?, ticks(15).context("stime")?);
    Ok((user + system) / TICKS)
}

/// Resident memory of a process in MB: (now, most so far).
pub(crate) fn memory_of(pid: u32) -> anyhow::Result<(f64, f64)> {
    let text = os::read(Path::new(&format!("/proc/{pid}/status")))?;
    let kib = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    };
    let megabytes = |name| kib(name).map(|kib| kib * 1.024e-3).with_context(|| format!("no {name}"));
    Ok((megabytes("VmRSS:")?, megabytes("VmHWM:")?))
}
