//! Asking the kernel for one TCP connection (sock_diag(7)). Its tables in /proc tell the same, but reading them takes
//! milliseconds, and more with each connection of the machine.

use nix::libc;
use rustix::io::Errno;
use rustix::net::{
    self, AddressFamily, Protocol, RawProtocol, RecvFlags, SendFlags, SocketFlags, SocketType,
};
use std::net::SocketAddrV4;

/// A request: the headers of a netlink message and of `inet_diag_req_v2`, and the addresses of the socket.
const REQUEST_BYTES: u32 = 16 + 8 + 48;
const BY_FAMILY: u16 = 20;
const IS_REQUEST: u16 = 1;
const IS_ERROR: u16 = 2;
/// Where an `inet_diag_msg` has its ports and its inode, after the header of its message.
const SOURCE_PORT: usize = 16 + 4;
const TARGET_PORT: usize = SOURCE_PORT + 2;
const INODE: usize = 16 + 68;

/// The inode of the socket whose own address is `from` and whose other end is `to`; `None` if there is no such connection.
/// An error says that the kernel does not answer such questions.
pub(super) fn inode_of(from: SocketAddrV4, to: SocketAddrV4) -> rustix::io::Result<Option<u32>> {
    let protocol = RawProtocol::new(libc::NETLINK_SOCK_DIAG.unsigned_abs()).map(Protocol::from_raw);
    let socket = net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
    net::send(&socket, &request(from, to), SendFlags::empty())?;
    let mut answer = [0_u8; 1024];
    // The kernel has answered before the sending returns.
    let (_, size) = net::recv(&socket, &mut answer[..], RecvFlags::DONTWAIT)?;
    read(answer.get(..size).unwrap_or_default(), from, to)
}

fn request(from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
    const ANY_STATE: u32 = u32::MAX;
    const NO_COOKIE: [u8; 8] = [0xff; 8];
    let mut message = Vec::with_capacity(REQUEST_BYTES as usize);
    // Length, type, flags, sequence number, sender.
    message.extend(REQUEST_BYTES.to_ne_bytes());
    message.extend(BY_FAMILY.to_ne_bytes());
    message.extend(IS_REQUEST.to_ne_bytes());
    message.extend([0; 8]);
    // Family, protocol, what is to be told besides, padding. A socket for both versions of IP is found by this one too.
    message.extend([libc::AF_INET, libc::IPPROTO_TCP, 0, 0].map(|byte| byte.to_le_bytes()[0]));
    message.extend(ANY_STATE.to_ne_bytes());
    // Ports and addresses as on the wire, each address with room for one of IPv6; the interface, and no cookie.
    message.extend(from.port().to_be_bytes());
    message.extend(to.port().to_be_bytes());
    for address in [from, to] {
        message.extend(address.ip().octets());
        message.extend([0; 12]);
    }
    message.extend([0; 4]);
    message.extend(NO_COOKIE);
    message
}

fn read(answer: &[u8], from: SocketAddrV4, to: SocketAddrV4) -> rustix::io::Result<Option<u32>> {
    let two = |at: usize| answer.get(at..at + 2)?.try_into().ok();
    let four = |at: usize| answer.get(at..at + 4)?.try_into().ok();
    match two(4).map(u16::from_ne_bytes) {
        Some(IS_ERROR) => match four(16).map(i32::from_ne_bytes) {
            Some(code) if -code == libc::ENOENT => Ok(None),
            Some(code) if code < 0 => Err(Errno::from_raw_os_error(-code)),
            _ => Err(Errno::PROTO),
        },
        Some(BY_FAMILY) => {
            // Where there is no such connection, one who listens at its address may be found instead.
            let ports = (two(SOURCE_PORT).map(u16::from_be_bytes), two(TARGET_PORT).map(u16::from_be_bytes));
            let is_it = ports == (Some(from.port()), Some(to.port()));
            let inode = four(INODE).map(u32::from_ne_bytes).ok_or(Errno::PROTO)?;
            // One that its process has closed belongs to nobody.
            Ok((is_it && inode != 0).then_some(inode))
        }
        _ => Err(Errno::PROTO),
    }
}

#[cfg(test)]
mod tests {
    use super::inode_of;
    use rustix::io::Errno;
    use std::net::{SocketAddr, SocketAddrV4, TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    fn v4(address: SocketAddr) -> SocketAddrV4 {
        match address {
            SocketAddr::V4(address) => address,
            SocketAddr::V6(address) => SocketAddrV4::new(address.ip().to_ipv4().unwrap(), address.port()),
        }
    }

    fn held(stream: &TcpStream) -> String {
        std::fs::read_link(format!("/proc/self/fd/{}", stream.as_raw_fd())).unwrap().display().to_string()
    }

    #[test]
    fn each_end_of_a_connection_is_found_and_nothing_else() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let local = v4(listener.local_addr().unwrap());
        let there = TcpStream::connect(local).unwrap();
        let (here, peer) = listener.accept().unwrap();
        let peer = v4(peer);
        let found = match inode_of(peer, local) {
            Err(Errno::OPNOTSUPP | Errno::PROTONOSUPPORT | Errno::NOENT) => {
                println!("SKIPPED: this kernel has no sock_diag");
                return;
            }
            found => found.unwrap().unwrap(),
        };
        assert_eq!(format!("socket:[{found}]"), held(&there));
        assert_eq!(format!("socket:[{}]", inode_of(local, peer).unwrap().unwrap()), held(&here));
        let nobody = SocketAddrV4::new([127, 0, 0, 2].into(), peer.port());
        assert_eq!(inode_of(nobody, local), Ok(None));
        // Only the listener is at that address.
        assert_eq!(inode_of(local, nobody), Ok(None));
    }

    #[test]
    fn a_socket_for_both_versions_of_ip_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let local = v4(listener.local_addr().unwrap());
        let mapped = SocketAddr::new(local.ip().to_ipv6_mapped().into(), local.port());
        let Ok(there) = TcpStream::connect(mapped) else {
            println!("SKIPPED: this machine has no IPv6");
            return;
        };
        if let Ok(found) = inode_of(v4(there.local_addr().unwrap()), local) {
            assert_eq!(format!("socket:[{}]", found.unwrap()), held(&there));
        }
    }
}
