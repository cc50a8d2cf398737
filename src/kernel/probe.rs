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

use super::bind_probe::{allow_foreign, bind_to_device, scoped};
use super::errno::errno;
use crate::model::{Call, Errno};

/// Not in libc for every target; `linux/in.h`, since Linux 6.3.
const IP_LOCAL_PORT_RANGE: libc::c_int = 51;
/// `linux/tcp.h`, since Linux 4.11.
const TCP_FASTOPEN_CONNECT: libc::c_int = 30;
/// `linux/tcp.h`, since Linux 4.15.
const TCP_FASTOPEN_NO_COOKIE: libc::c_int = 34;

/// A connect of TCP to be tried, whose port the kernel draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectAttempt {
    /// The address that it is bound to before, without a port; `None` where the routes choose it.
    pub source: Option<IpAddr>,
    /// Where to.
    pub destination: SocketAddr,
    /// The interface that it is bound to: the scope of a link-local source, else SO_BINDTODEVICE.
    pub device: Option<u32>,
    /// The scope of a link-local destination.
    pub scope: Option<u32>,
    /// IP_FREEBIND.
    pub free_bind: bool,
    /// The only port that may be drawn; `None` for any.
    pub port: Option<u16>,
}

/// What came of drawing a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// A connect would find one.
    Found,
    /// A call fails, whatever the reason.
    Refused(Call, Errno),
    /// This kernel does not let a socket choose its range.
    NoSinglePorts,
}

impl Draw {
    /// What it is where connect finds no port, and where that is not what fails otherwise.
    pub const NO_PORT: Draw = Draw::Refused(Call::Connect, Errno::AddressNotAvailable);
}

/// Lets connect draw a port. The error is that of an attempt that could not be made.
pub fn try_connect(attempt: &ConnectAttempt) -> io::Result<Draw> {
    let socket = match open(attempt.destination) {
        Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {
            return Ok(Draw::Refused(Call::Bind, Errno::FamilyNotSupported));
        }
        socket => socket?,
    };
    // Refused where the client bit of the sysctl tcp_fastopen is off.
    set(&socket, libc::IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)?;
    set(&socket, libc::IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1)?;
    set(&socket, libc::SOL_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)?;
    if let Some(port) = attempt.port {
        let range = u32::from(port) << 16 | u32::from(port);
        match set(&socket, libc::SOL_IP, IP_LOCAL_PORT_RANGE, range) {
            Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => {
                return Ok(Draw::NoSinglePorts);
            }
            set => set?,
        }
    }
    let to = attempt.destination;
    let (destination, _) = scoped(to.ip(), to.port(), attempt.scope);
    let source = attempt.source.map(|addr| scoped(addr, 0, attempt.device));
    let device = source.map_or(attempt.device, |(_, device)| device);
    if let Some(index) = device
        && let Err(errno) = bind_to_device(&socket, index)?
    {
        return Ok(Draw::Refused(Call::Bind, errno));
    }
    if attempt.free_bind {
        allow_foreign(&socket, to.is_ipv6())?;
    }
    if let Some((source, _)) = source
        && let Err(error) = bind(socket.as_raw_fd(), &SockaddrStorage::from(source))
    {
        return Ok(Draw::Refused(Call::Bind, errno(error as i32)));
    }
    match connect(socket.as_raw_fd(), &SockaddrStorage::from(destination)) {
        Ok(()) => Ok(Draw::Found),
        // The SYN went out: the kernel does without fast open for now. Ask no more.
        Err(nix::Error::EINPROGRESS) => Err(io::Error::other(
            "the kernel has switched TCP fast open off for a while",
        )),
        Err(error) => Ok(Draw::Refused(Call::Connect, errno(error as i32))),
    }
}

fn open(destination: SocketAddr) -> io::Result<OwnedFd> {
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
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
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
