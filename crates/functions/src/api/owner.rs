//! Who is at the other end of a connection to a worker's Runtime API.
//!
//! Functions share the host's loopback interface, so one could ask for another's invocations. A connection is taken
//! only if its socket belongs to a process of the worker itself.

use super::diag;
use crate::files;
use crate::memory::Tree;
use millstream_host::fs;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::Path;

/// Whether the connection from `peer` to our address `local` was made by a process of `tree`. Where the kernel does not
/// let us look into one of the worker's own processes, the answer is yes: other functions cannot bring that about.
///
/// All of 127.0.0.0/8 is this host, so two sockets may have one port: only connections from 127.0.0.1 are taken, and
/// they are told apart by their whole addresses.
pub(super) fn is_own(tree: Tree, peer: SocketAddr, local: SocketAddr) -> bool {
    let (SocketAddr::V4(peer), SocketAddr::V4(local)) = (peer, local) else { return false };
    if *peer.ip() != Ipv4Addr::LOCALHOST {
        return false;
    }
    // Some kernels, and the profiles of some containers, have no such question; the tables are everywhere.
    let inode = diag::inode_of(peer, local).unwrap_or_else(|_| from_tables(peer, local));
    let Some(inode) = inode else { return false };
    let socket = format!("socket:[{inode}]");
    tree.processes().into_iter().any(|pid| match files::list(Path::new(&format!("/proc/{pid}/fd"))) {
        Ok(open) => {
            open.iter().any(|fd| std::fs::read_link(fd).is_ok_and(|target| target == Path::new(&socket)))
        }
        Err(error) => error.kind() == std::io::ErrorKind::PermissionDenied,
    })
}

fn from_tables(from: SocketAddrV4, to: SocketAddrV4) -> Option<u32> {
    inode_of(&connections(), from, to)?.parse().ok()
}

/// The kernel's tables of TCP connections, one after the other. A socket for both versions of IP is in the second.
fn connections() -> String {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(Path::new(table)).ok())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The socket whose own address is `from` and whose other end is `to`; `None` also if the table names more than one.
fn inode_of(table: &str, from: SocketAddrV4, to: SocketAddrV4) -> Option<&str> {
    let (from, to) = (written(from), written(to));
    let found: BTreeSet<&str> = table
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let (own, other) = (fields.nth(1)?, fields.next()?);
            let is_it = from.iter().zip(&to).any(|(from, to)| own == from && other == to);
            // sl, local, remote, state, queues, timer, retransmits, uid, timeout, inode
            is_it.then(|| fields.nth(6)).flatten()
        })
        .collect();
    // A table that changes while it is read may show one socket twice, but never two sockets.
    if found.len() == 1 { found.into_iter().next() } else { None }
}

/// An address as the kernel writes it, in its table for IPv4 and, mapped, in that for IPv6: the bytes are in network
/// order, read as numbers of this machine.
fn written(address: SocketAddrV4) -> [String; 2] {
    let number = u32::from_ne_bytes(address.ip().octets());
    let mapped = u32::from_ne_bytes([0, 0, 0xff, 0xff]);
    let port = address.port();
    [format!("{number:08X}:{port:04X}"), format!("{:016X}{mapped:08X}{number:08X}:{port:04X}", 0)]
}

#[cfg(test)]
mod tests {
    use super::{inode_of, is_own};
    use crate::memory::Tree;
    use crate::sandbox::Isolation;
    use std::net::{SocketAddr, SocketAddrV4};
    use std::process::{Command, Stdio};
    use tokio::net::{TcpListener, TcpSocket};

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn line(own: &str, other: &str, inode: u32) -> String {
        format!("   0: {own} {other} 01 00000000:00000000 00:00000000 00000000  1000        0 {inode} 1\n")
    }

    fn v4(text: &str) -> SocketAddrV4 {
        text.parse().unwrap()
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_table_names_the_socket_of_two_addresses() {
        let table = HEAD.to_owned()
            + &line("0200007F:A001", "0100007F:1F90", 333)
            + &line("0100007F:1F90", "0100007F:A001", 111)
            + &line("0100007F:A001", "0100007F:1F90", 222)
            + &line("0000000000000000FFFF00000100007F:A002", "0000000000000000FFFF00000100007F:1F90", 444);
        let (api, worker) = (v4("127.0.0.1:8080"), v4("127.0.0.1:40961"));
        assert_eq!(inode_of(&table, worker, api), Some("222"));
        assert_eq!(inode_of(&table, api, worker), Some("111"));
        assert_eq!(inode_of(&table, v4("127.0.0.2:40961"), api), Some("333"));
        assert_eq!(inode_of(&table, v4("127.0.0.1:40962"), api), Some("444"));
        assert_eq!(inode_of(&table, v4("127.0.0.3:40961"), api), None);
        let again = table.clone() + &line("0100007F:A001", "0100007F:1F90", 222);
        assert_eq!(inode_of(&again, worker, api), Some("222"), "the same socket, seen twice");
        let two = table + &line("0100007F:A001", "0100007F:1F90", 555);
        assert_eq!(inode_of(&two, worker, api), None);
    }

    /// Connect from `from` and hold both ends.
    async fn connected(listener: &TcpListener, from: SocketAddr) -> [tokio::net::TcpStream; 2] {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(from).unwrap();
        let to = listener.local_addr().unwrap();
        let (ours, theirs) = tokio::join!(socket.connect(to), listener.accept());
        [ours.unwrap(), theirs.unwrap().0]
    }

    #[tokio::test]
    async fn only_connections_of_the_worker_from_127_0_0_1_are_its_own() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let local = listener.local_addr().unwrap();
        // Whoever started this process plays the sandbox, and this process the function.
        let tree = Tree { pid: std::os::unix::process::parent_id(), isolation: Isolation::Process };
        let [own, _at_server] = connected(&listener, "127.0.0.1:0".parse().unwrap()).await;
        let peer = own.local_addr().unwrap();
        assert!(is_own(tree, peer, local));
        let thief = SocketAddr::new([127, 0, 0, 2].into(), peer.port());
        let [_held, at_server] = connected(&listener, thief).await;
        assert_eq!(at_server.peer_addr().unwrap(), thief);
        assert!(!is_own(tree, thief, local));
        assert!(is_own(tree, peer, local), "the thief does not disturb the worker's own");
    }

    #[tokio::test]
    async fn a_connection_of_another_process_is_not_the_workers_own() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let local = listener.local_addr().unwrap();
        let [stream, _at_server] = connected(&listener, "127.0.0.1:0".parse().unwrap()).await;
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
