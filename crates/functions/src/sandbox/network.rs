//! A network of a sandbox's own: nothing but a loopback interface, on which it finds its Runtime API and, if it may have
//! it, the server's endpoint.
//!
//! The sockets on which these listen are made inside, where only the function can reach them, and handed to the server
//! over the control socket before anything else is said on it. So no other function can reach this one's Runtime API, and
//! this one reaches nothing else.

use super::init::{Refused, Step};
use rustix::io::Errno;
use rustix::net::{
    self, AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, sockopt,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Where a function with a network of its own finds its Runtime API; AWS's own number.
pub(crate) const RUNTIME_API_PORT: u16 = 9001;
/// Sockets that a sandbox hands over at most.
const SOCKETS: usize = 2;
/// What the message with the sockets says: an empty line to whoever reads lines.
const HERE: u8 = b'\n';

/// Inside: bring the loopback interface up, listen, and hand the sockets over.
pub(super) fn set_up(control: &UnixStream, ports: &[u16]) -> Result<(), Refused> {
    raise_loopback().step("bring up the sandbox's own network")?;
    let listen = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port));
    let sockets: Vec<TcpListener> =
        ports.iter().map(listen).collect::<io::Result<_>>().step("listen in the sandbox's own network")?;
    let fds: Vec<_> = sockets.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&fds));
    net::sendmsg(control, &[IoSlice::new(&[HERE])], &mut ancillary, SendFlags::NOSIGNAL)
        .step("hand over the sockets of the sandbox's own network")
        .map(drop)
}

/// `ip link set lo up`, in the words of rtnetlink(7).
fn raise_loopback() -> rustix::io::Result<()> {
    const NEW_LINK: u16 = 16;
    const REQUEST_WITH_ANSWER: u16 = 1 | 4;
    const LOOPBACK: i32 = 1;
    const UP: u32 = 1;
    // Its protocol 0 is that of routes and links.
    let socket = net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    let mut message = Vec::with_capacity(32);
    // Length, type, flags, sequence number, sender.
    message.extend(32_u32.to_ne_bytes());
    message.extend(NEW_LINK.to_ne_bytes());
    message.extend(REQUEST_WITH_ANSWER.to_ne_bytes());
    message.extend([0; 8]);
    // Family and type of the interface, which the kernel knows; its index; its flags and which of them change.
    message.extend([0; 4]);
    message.extend(LOOPBACK.to_ne_bytes());
    message.extend(UP.to_ne_bytes());
    message.extend(UP.to_ne_bytes());
    net::send(&socket, &message, SendFlags::empty())?;
    let mut answer = [0_u8; 64];
    let (_, size) = net::recv(&socket, &mut answer[..], RecvFlags::empty())?;
    // After its own header an answer has the error, negated.
    match answer.get(16..20).filter(|_| size >= 20).and_then(|bytes| bytes.try_into().ok()) {
        Some(code) => match i32::from_ne_bytes(code) {
            0 => Ok(()),
            error => Err(Errno::from_raw_os_error(-error)),
        },
        None => Err(Errno::PROTO),
    }
}

/// Outside: take the sockets. What comes instead of them is the beginning of a report, and is returned.
pub(super) fn receive(control: &UnixStream, within: Duration) -> io::Result<(Vec<OwnedFd>, Vec<u8>)> {
    sockopt::set_socket_timeout(control, sockopt::Timeout::Recv, Some(within))?;
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let flags = RecvFlags::CMSG_CLOEXEC;
        match net::recvmsg(control, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, flags) {
            Err(Errno::INTR) => {}
            other => break other?,
        }
    };
    sockopt::set_socket_timeout(control, sockopt::Timeout::Recv, None)?;
    let mut sockets = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            sockets.extend(fds);
        }
    }
    let said = if sockets.is_empty() { byte[..received.bytes].to_vec() } else { Vec::new() };
    Ok((sockets, said))
}

#[cfg(test)]
mod tests {
    use super::{HERE, receive};
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    #[test]
    fn a_report_in_the_place_of_sockets_is_not_lost() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"{}").unwrap();
        let (sockets, said) = receive(&ours, Duration::from_mins(1)).unwrap();
        assert_eq!((sockets.len(), said.as_slice()), (0, &b"{"[..]));
        drop(theirs);
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        let (sockets, said) = receive(&ours, Duration::from_mins(1)).unwrap();
        assert!(sockets.is_empty() && said.is_empty());
        assert_eq!(HERE, b'\n');
    }
}
