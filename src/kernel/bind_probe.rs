//! Asks the kernel whether a bind would succeed, by doing it and undoing it at once.
//!
//! No listener that is there notices. But for the moment of it the port is taken: a server that
//! starts just then may fail, so this is never done unasked. SO_REUSEPORT is never set, as it
//! changes what the kernel keeps of the port; UDP never shares its port, as it would take
//! datagrams of whoever has it.

use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::BindToDevice;
use rustix::net::sockopt::{
    set_ip_freebind, set_ipv6_freebind, set_ipv6_v6only, set_socket_reuseaddr,
};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};

use super::errno::errno;
use super::names::name_of_interface;
use crate::model::Errno;

/// Of what kind the socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindKind {
    /// TCP.
    Tcp,
    /// TCP with SO_REUSEADDR.
    TcpReuseAddress,
    /// UDP.
    Udp,
}

/// A bind to be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BindAttempt {
    /// Of what kind the socket is.
    pub kind: BindKind,
    /// The address.
    pub addr: IpAddr,
    /// The port; 0 lets the kernel draw one.
    pub port: u16,
    /// IPV6_V6ONLY, of an IPv6 socket.
    pub v6only: bool,
    /// The interface: the scope of a link-local address, else SO_BINDTODEVICE.
    pub device: Option<u32>,
    /// IP_FREEBIND.
    pub free_bind: bool,
}

/// What the kernel says to a bind: nothing, or an errno, be it of `socket`, `bind` or the device.
/// The outer error is that of an attempt that could not be made.
pub fn try_bind(attempt: &BindAttempt) -> io::Result<Result<(), Errno>> {
    let family = match attempt.addr {
        IpAddr::V4(_) => AddressFamily::INET,
        IpAddr::V6(_) => AddressFamily::INET6,
    };
    let kind = match attempt.kind {
        BindKind::Tcp | BindKind::TcpReuseAddress => SocketType::STREAM,
        BindKind::Udp => SocketType::DGRAM,
    };
    let socket = match socket_with(family, kind, SocketFlags::CLOEXEC, None) {
        Err(rustix::io::Errno::AFNOSUPPORT) => return Ok(Err(Errno::FamilyNotSupported)),
        socket => socket?,
    };
    if attempt.kind == BindKind::TcpReuseAddress {
        set_socket_reuseaddr(&socket, true)?;
    }
    if attempt.addr.is_ipv6() {
        set_ipv6_v6only(&socket, attempt.v6only)?;
    }
    if attempt.free_bind {
        allow_foreign(&socket, attempt.addr.is_ipv6())?;
    }
    let (address, device) = scoped(attempt.addr, attempt.port, attempt.device);
    if let Some(index) = device
        && let Err(errno) = bind_to_device(&socket, index)?
    {
        return Ok(Err(errno));
    }
    Ok(bind(&socket, &address).map_err(|error| errno(error.raw_os_error())))
}

/// Sets IP_FREEBIND.
pub(super) fn allow_foreign(socket: impl AsFd, is_v6: bool) -> io::Result<()> {
    match is_v6 {
        false => set_ip_freebind(socket, true)?,
        true => set_ipv6_freebind(socket, true)?,
    }
    Ok(())
}

/// Sets SO_BINDTODEVICE; the inner error is that of an interface that is gone.
pub(super) fn bind_to_device(socket: &impl AsFd, index: u32) -> io::Result<Result<(), Errno>> {
    let Some(name) = name_of_interface(index) else {
        return Ok(Err(Errno::NoDevice));
    };
    setsockopt(socket, BindToDevice, &OsString::from_vec(name))?;
    Ok(Ok(()))
}

/// The address, with the interface in it where it is its scope; else the interface apart.
pub(super) fn scoped(addr: IpAddr, port: u16, device: Option<u32>) -> (SocketAddr, Option<u32>) {
    match (addr, device) {
        (IpAddr::V6(addr), Some(scope)) if has_scope(addr) => (
            SocketAddr::V6(SocketAddrV6::new(addr, port, 0, scope)),
            None,
        ),
        (addr, device) => (SocketAddr::new(addr, port), device),
    }
}

/// Whether the kernel takes the interface out of `sin6_scope_id`.
const fn has_scope(addr: Ipv6Addr) -> bool {
    addr.is_unicast_link_local()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener, UdpSocket};
    use std::time::{Duration, Instant};

    const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn attempt(kind: BindKind, port: u16) -> BindAttempt {
        BindAttempt {
            kind,
            addr: LOCALHOST,
            port,
            v6only: false,
            device: None,
            free_bind: false,
        }
    }

    #[track_caller]
    fn check(attempt: BindAttempt, expected: Result<(), Errno>) {
        assert_eq!(try_bind(&attempt).unwrap(), expected, "{attempt:?}");
    }

    #[test]
    fn a_taken_port_is_taken_and_stays_with_its_owner() {
        let listener = TcpListener::bind((LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        check(attempt(BindKind::Tcp, port), Err(Errno::AddressInUse));
        check(
            attempt(BindKind::TcpReuseAddress, port),
            Err(Errno::AddressInUse),
        );
        let client = std::net::TcpStream::connect((LOCALHOST, port)).unwrap();
        let (_, peer) = listener.accept().unwrap();
        assert_eq!(peer, client.local_addr().unwrap());

        let udp = UdpSocket::bind((LOCALHOST, 0)).unwrap();
        let port = udp.local_addr().unwrap().port();
        check(attempt(BindKind::Udp, port), Err(Errno::AddressInUse));
    }

    #[test]
    fn a_port_is_free_again_after_the_attempt() {
        for kind in [BindKind::Tcp, BindKind::TcpReuseAddress, BindKind::Udp] {
            check(attempt(kind, 0), Ok(()));
        }
        let listener = TcpListener::bind((LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        for _ in 0..2 {
            // What other tests start holds what was open until it is another program.
            let began = Instant::now();
            while try_bind(&attempt(BindKind::Tcp, port)).unwrap() == Err(Errno::AddressInUse) {
                assert!(
                    began.elapsed() < Duration::from_secs(120),
                    "it is never free"
                );
                std::thread::yield_now();
            }
        }
    }

    #[test]
    fn a_foreign_address_is_bound_freely_only() {
        let foreign = BindAttempt {
            addr: IpAddr::from([192, 0, 2, 5]),
            ..attempt(BindKind::Tcp, 0)
        };
        check(foreign, Err(Errno::AddressNotAvailable));
        let free_bind = true;
        check(
            BindAttempt {
                free_bind,
                ..foreign
            },
            Ok(()),
        );
    }

    #[test]
    fn a_device_that_is_gone_is_said_to_be() {
        let device = Some(i32::MAX as u32);
        check(
            BindAttempt {
                device,
                ..attempt(BindKind::Tcp, 0)
            },
            Err(Errno::NoDevice),
        );
        let scoped = BindAttempt {
            addr: "fe80::1".parse().unwrap(),
            device,
            ..attempt(BindKind::Tcp, 0)
        };
        let said = try_bind(&scoped).unwrap();
        assert!(
            matches!(said, Err(Errno::NoDevice | Errno::FamilyNotSupported)),
            "{said:?}"
        );
    }
}
