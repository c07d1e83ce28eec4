//! Who is at the other end of a connection to a worker's Runtime API.
//!
//! Functions share the host's loopback interface, so one could ask for another's invocations. A connection is taken
//! only if its socket belongs to a process of the worker itself.

use crate::files;
use crate::memory::Tree;
use millstream_host::fs;
use std::net::SocketAddr;
use std::path::Path;

/// Whether the connection from `peer` to our port `local` was made by a process of `tree`. Where the kernel does not let
/// us look into one of the worker's own processes, the answer is yes: other functions cannot bring that about.
pub(super) fn is_own(tree: Tree, peer: SocketAddr, local: SocketAddr) -> bool {
    let Some(inode) = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(Path::new(table)).ok())
        .find_map(|table| inode_of(&table, peer.port(), local.port()).map(ToOwned::to_owned))
    else {
        return false;
    };
    let socket = format!("socket:[{inode}]");
    tree.processes().into_iter().any(|pid| match files::list(Path::new(&format!("/proc/{pid}/fd"))) {
        Ok(open) => {
            open.iter().any(|fd| std::fs::read_link(fd).is_ok_and(|target| target == Path::new(&socket)))
        }
        Err(error) => error.kind() == std::io::ErrorKind::PermissionDenied,
    })
}

/// The socket of the line with these ports in a table of TCP connections. Both addresses are loopback ones.
fn inode_of(table: &str, from: u16, to: u16) -> Option<&str> {
    let (from, to) = (format!(":{from:04X}"), format!(":{to:04X}"));
    table.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let is_it = fields.nth(1)?.ends_with(&from) && fields.next()?.ends_with(&to);
        // sl, local, remote, state, queues, timer, retransmits, uid, timeout, inode
        is_it.then(|| fields.nth(6)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::{inode_of, is_own};
    use crate::memory::Tree;
    use crate::sandbox::Isolation;
    use std::net::{TcpListener, TcpStream};
    use std::process::{Command, Stdio};

    #[test]
    fn a_table_names_the_socket_of_two_ports() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             \x20  0: 0100007F:1F90 0100007F:A001 01 00000000:00000000 00:00000000 00000000  1000        0 111 1\n\
             \x20  1: 0100007F:A001 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 222 1\n";
        assert_eq!(inode_of(table, 0xA001, 0x1F90), Some("222"));
        assert_eq!(inode_of(table, 0x1F90, 0xA001), Some("111"));
        assert_eq!(inode_of(table, 1, 2), None);
    }

    #[test]
    fn a_connection_of_another_process_is_not_the_workers_own() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let local = listener.local_addr().unwrap();
        let stream = TcpStream::connect(local).unwrap();
        let peer = stream.local_addr().unwrap();
        // A worker whose only function process is a `sleep` that has no connection.
        let mut worker =
            Command::new("sh").args(["-c", "sleep 1000 & wait"]).stdin(Stdio::null()).spawn().unwrap();
        let tree = Tree { pid: worker.id(), isolation: Isolation::Process };
        while tree.processes().is_empty() {
            std::thread::yield_now();
        }
        assert!(!is_own(tree, peer, local));
        let sleeps = tree.processes();
        worker.kill().unwrap();
        worker.wait().unwrap();
        for pid in sleeps {
            let pid = nix::unistd::Pid::from_raw(pid.try_into().unwrap());
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
        }
    }
}
