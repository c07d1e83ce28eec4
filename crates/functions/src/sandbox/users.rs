//! Who a sandbox's users are on the host, where the server is root: only from outside may a user namespace be given more
//! than one user, so the sandbox asks the server, over the control socket and before anything else is said on it.

use super::{FUNCTION_GID, FUNCTION_UID, NOBODY};
use millstream_host::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// The namespace is there. No report begins so.
const ASK: u8 = b'?';
/// It has two users; or none, as where the server is root of a container only.
const GIVEN: u8 = b'2';
const REFUSED: u8 = b'0';

/// Inside, in the new namespace: whether it has root and the function's user now.
pub(super) fn ask(mut control: &UnixStream) -> io::Result<bool> {
    control.write_all(&[ASK])?;
    let mut answer = [REFUSED];
    control.read_exact(&mut answer)?;
    Ok(answer == [GIVEN])
}

/// Outside: wait until process `pid` has its namespace, and give it root and the function's user, who is nobody on the
/// host. What comes instead of the question is the beginning of a report, and is returned.
pub(super) fn give(mut control: &UnixStream, pid: u32, within: Duration) -> io::Result<Vec<u8>> {
    let mut byte = [0];
    control.set_read_timeout(Some(within))?;
    let size = loop {
        match control.read(&mut byte) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    control.set_read_timeout(None)?;
    if byte[..size] != [ASK] {
        return Ok(byte[..size].to_vec());
    }
    // Without them the sandbox is set up with one user.
    let answer = if map_two_users(pid).is_ok() { GIVEN } else { REFUSED };
    match control.write_all(&[answer]) {
        // It ended meanwhile: its report says why.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(Vec::new()),
    }
}

fn map_two_users(pid: u32) -> io::Result<()> {
    let process = Path::new("/proc").join(pid.to_string());
    let map =
        |kind: &str, id: u32| fs::write(&process.join(kind), format!("0 0 1\n{id} {NOBODY} 1\n").as_bytes());
    map("uid_map", FUNCTION_UID)?;
    map("gid_map", FUNCTION_GID)
}

#[cfg(test)]
mod tests {
    use super::{ask, give};
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    const WITHIN: Duration = Duration::from_mins(1);

    #[test]
    fn whoever_asks_has_an_answer() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let asking = millstream_host::threads::spawn("asks", move || ask(&theirs)).unwrap();
        // No process has this number, so nothing can be given.
        assert!(give(&ours, u32::MAX, WITHIN).unwrap().is_empty());
        assert!(!asking.join().unwrap().unwrap());
    }

    #[test]
    fn a_report_in_the_place_of_the_question_is_not_lost() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"{}").unwrap();
        assert_eq!(give(&ours, u32::MAX, WITHIN).unwrap(), b"{");
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        assert!(give(&ours, u32::MAX, WITHIN).unwrap().is_empty(), "it has ended");
    }
}
