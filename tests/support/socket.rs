//! Sockets opened step by step, where `std` would take several at once.

#![allow(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::ffi::OsString;
use std::io;
use std::mem;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::sockopt::{BindToDevice, Ipv6V6Only};
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, Shutdown, SockFlag, SockType, SockaddrStorage, getsockname,
    getsockopt, recv, send, setsockopt,
};

use super::rows;
use super::waiting::wait_until;

/// TCP states by the kernel's numbers, as `TCP_INFO` tells them.
pub const ESTABLISHED: u8 = 1;
pub const SYN_SENT: u8 = 2;
pub const CLOSE_WAIT: u8 = 8;

/// A new socket for addresses of the family of `ip`.
pub fn open(kind: SockType, ip: IpAddr) -> OwnedFd {
    let family = match ip {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    nix::sys::socket::socket(family, kind, SockFlag::SOCK_CLOEXEC, None).unwrap()
}

/// A new MPTCP socket for IPv4.
pub fn open_mptcp() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    // SAFETY: socket takes no pointers.
    let fd = unsafe { libc::socket(libc::AF_INET, kind, libc::IPPROTO_MPTCP) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: The descriptor was just opened and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Binds; the error when the address is taken.
pub fn bind(fd: &OwnedFd, address: SocketAddr) -> Result<(), Errno> {
    nix::sys::socket::bind(fd.as_raw_fd(), &SockaddrStorage::from(address))
}

/// Lets connections wait, `backlog` + 1 at most.
pub fn listen(fd: &OwnedFd, backlog: i32) -> Result<(), Errno> {
    nix::sys::socket::listen(fd, Backlog::new(backlog).unwrap())
}

/// Connects, and waits until it is done unless the socket is non-blocking.
pub fn connect(fd: &OwnedFd, address: SocketAddr) -> Result<(), Errno> {
    nix::sys::socket::connect(fd.as_raw_fd(), &SockaddrStorage::from(address))
}

/// The next connection of a listener.
pub fn accept(listener: &OwnedFd) -> OwnedFd {
    let listener = TcpListener::from(listener.try_clone().unwrap());
    OwnedFd::from(listener.accept().unwrap().0)
}

/// Its own address.
pub fn local_address(fd: &OwnedFd) -> SocketAddr {
    let address: SockaddrStorage = getsockname(fd.as_raw_fd()).unwrap();
    match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
        (Some(v4), _) => SocketAddr::from((v4.ip(), v4.port())),
        (_, Some(v6)) => SocketAddr::from((v6.ip(), v6.port())),
        (None, None) => panic!("{address:?}"),
    }
}

/// Binds it to a device.
pub fn bind_to_device(fd: &OwnedFd, name: &str) {
    setsockopt(fd, BindToDevice, &OsString::from(name)).unwrap();
}

/// Binds it to the loopback device.
pub fn bind_to_loopback(fd: &OwnedFd) {
    setsockopt(fd, BindToDevice, &OsString::from("lo")).unwrap();
}

/// Refuses IPv4, or takes it.
pub fn set_v6only(fd: &OwnedFd, v6only: bool) {
    setsockopt(fd, Ipv6V6Only, &v6only).unwrap();
}

/// Does not wait in any call.
pub fn set_nonblocking(fd: &OwnedFd) {
    TcpListener::from(fd.try_clone().unwrap())
        .set_nonblocking(true)
        .unwrap();
}

/// Leaves connections half open until data comes, for that many seconds.
pub fn set_defer_accept(fd: &OwnedFd, seconds: libc::c_int) {
    // SAFETY: The kernel reads the integer it is pointed to, as many bytes as it is told.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_DEFER_ACCEPT,
            (&raw const seconds).cast(),
            size_of_val(&seconds) as libc::socklen_t,
        )
    };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}

/// Sends all of the bytes.
pub fn write(fd: &OwnedFd, bytes: &[u8]) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let sent = send(fd.as_raw_fd(), rest, MsgFlags::MSG_NOSIGNAL).unwrap();
        rest = &rest[sent..];
    }
}

/// Says that no more will be sent.
pub fn end(fd: &OwnedFd) {
    nix::sys::socket::shutdown(fd.as_raw_fd(), Shutdown::Write).unwrap();
}

/// Waits for the peer's end; it must have sent nothing that was not read.
pub fn await_end(fd: &OwnedFd) {
    let mut byte = [0];
    let received = recv(fd.as_raw_fd(), &mut byte, MsgFlags::MSG_PEEK).unwrap();
    assert_eq!(received, 0, "the peer sent something");
}

/// What the kernel tells of a TCP socket.
pub fn tcp_info(fd: BorrowedFd<'_>) -> libc::tcp_info {
    // SAFETY: tcp_info is made of integers, for which all zeros is a valid value.
    let mut info: libc::tcp_info = unsafe { mem::zeroed() };
    let mut length = size_of_val(&info) as libc::socklen_t;
    // SAFETY: The kernel writes no more than `length` bytes, which is the size of `info`.
    let result = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        )
    };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
    info
}

/// Waits until a TCP socket is in a state.
pub fn await_state(fd: &OwnedFd, state: u8) {
    wait_until("a TCP state", || tcp_info(fd.as_fd()).tcpi_state == state);
}

/// Waits until that many connections wait at a listener.
pub fn await_pending(listener: &OwnedFd, pending: u32) {
    // Of a listener the field tells how many connections wait to be accepted.
    wait_until("waiting connections", || {
        tcp_info(listener.as_fd()).tcpi_unacked == pending
    });
}

/// Its address as ss writes it.
pub fn shown(fd: &OwnedFd) -> String {
    let address = local_address(fd);
    let device = getsockopt(fd, BindToDevice).unwrap();
    let v6only = address.is_ipv6() && getsockopt(fd, Ipv6V6Only).unwrap();
    let device = device.to_str().unwrap().trim_end_matches('\0');
    rows::shown(
        address.ip(),
        Some(device).filter(|device| !device.is_empty()),
        address.port(),
        v6only,
    )
}
