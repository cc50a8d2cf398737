//! Asks the kernel whether a connect would find a port, without sending a packet.
//!
//! With TCP_FASTOPEN_CONNECT `connect` picks its port and waits with the SYN until there is data
//! to send with it; nothing is written, so nothing is ever sent. The port is ours until the socket
//! is closed, at once. With IP_LOCAL_PORT_RANGE a single port is asked about.
#![allow(unsafe_code)]

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::sys::socket::{SockaddrStorage, bind, connect};

/// Not in libc for every target; `linux/in.h`, since Linux 6.3.
const IP_LOCAL_PORT_RANGE: libc::c_int = 51;
/// `linux/tcp.h`, since Linux 4.11.
const TCP_FASTOPEN_CONNECT: libc::c_int = 30;
/// `linux/tcp.h`, since Linux 4.15.
const TCP_FASTOPEN_NO_COOKIE: libc::c_int = 34;

/// What came of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A connect would find a port.
    Free,
    /// It would fail for want of one.
    Taken,
    /// This kernel does not let a socket choose its range.
    NoSinglePorts,
}

/// Whether a connect would find a port: this one, or any.
pub fn ask_for_port(
    source: IpAddr,
    destination: SocketAddr,
    port: Option<u16>,
) -> io::Result<Answer> {
    let family = match destination {
        SocketAddr::V4(_) => libc::AF_INET,
        SocketAddr::V6(_) => libc::AF_INET6,
    };
    let flags = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: socket takes no pointers.
    let fd = unsafe { libc::socket(family, flags, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: The descriptor was just opened and nothing else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // Refused where the client bit of the sysctl tcp_fastopen is off.
    set(&socket, libc::IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)?;
    set(&socket, libc::IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1)?;
    set(&socket, libc::SOL_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)?;
    if let Some(port) = port {
        let range = u32::from(port) << 16 | u32::from(port);
        match set(&socket, libc::SOL_IP, IP_LOCAL_PORT_RANGE, range) {
            Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => {
                return Ok(Answer::NoSinglePorts);
            }
            set => set?,
        }
    }
    // An address that is not ours fails here, which says nothing of ports.
    let source = SockaddrStorage::from(SocketAddr::new(source, 0));
    bind(socket.as_raw_fd(), &source)?;
    match connect(socket.as_raw_fd(), &SockaddrStorage::from(destination)) {
        Ok(()) => Ok(Answer::Free),
        Err(nix::Error::EADDRNOTAVAIL) => Ok(Answer::Taken),
        // The SYN went out: the kernel does without fast open for now. Ask no more.
        Err(nix::Error::EINPROGRESS) => Err(io::Error::other(
            "the kernel has switched TCP fast open off for a while",
        )),
        Err(error) => Err(error.into()),
    }
}

fn set(socket: &OwnedFd, level: libc::c_int, option: libc::c_int, value: u32) -> io::Result<()> {
    let length = size_of_val(&value) as libc::socklen_t;
    // SAFETY: The pointer is to `length` bytes, which the kernel only reads.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            length,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
