//! Clients that draw local ports: by `connect()`, by `bind(address, 0)`, or by name.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sys::socket::sockopt::{IpBindAddressNoPort, Linger, ReuseAddr};
use nix::sys::socket::{SockType, setsockopt};

use super::socket::{accept, await_end, bind, connect, listen, local_address, open, set_v6only};
use super::waiting::wait_until;
use super::{namespace, proc_net};

/// Where the local end of a client comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `connect()` chooses address and port.
    Any,
    /// `bind(address, 0)` with `IP_BIND_ADDRESS_NO_PORT`: `connect()` chooses the port.
    NoPort(IpAddr),
    /// `bind(address, 0)`, which takes a port for itself alone.
    Held(IpAddr),
    /// `bind(address, port)`.
    Exactly(SocketAddr),
}

/// Both ends of a connection.
#[derive(Debug)]
pub struct Connection {
    pub client: OwnedFd,
    pub server: OwnedFd,
}

impl Connection {
    /// The client's end closes first, and stays behind in TIME-WAIT.
    pub fn close_actively(self) {
        let (own, server) = (local_address(&self.client), self.orphan());
        drop(server);
        await_row("TIME-WAIT", own);
    }

    /// The client's end is closed, and stays behind in FIN-WAIT-2 until the server's is.
    pub fn orphan(self) -> OwnedFd {
        let own = local_address(&self.client);
        drop(self.client);
        await_end(&self.server);
        await_row("FIN-WAIT-2", own);
        self.server
    }
}

/// Listeners on every address, IPv4 and IPv6.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<OwnedFd>,
}

impl Server {
    /// Listeners on these ports.
    pub fn on(ports: &[u16]) -> Server {
        let listener = |&port: &u16| {
            let fd = open(SockType::Stream, Ipv6Addr::UNSPECIFIED.into());
            set_v6only(&fd, false);
            setsockopt(&fd, ReuseAddr, &true).unwrap();
            bind(&fd, SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))).unwrap();
            listen(&fd, 4096).unwrap();
            fd
        };
        Server {
            listeners: ports.iter().map(listener).collect(),
        }
    }

    /// A connection to one of the listeners.
    pub fn dial(&self, source: Source, to: SocketAddr) -> Result<Connection, Errno> {
        let client = dial(SockType::Stream, source, to)?;
        let server = accept(self.listener(to));
        Ok(Connection { client, server })
    }

    /// The listener that answers there.
    #[track_caller]
    pub fn listener(&self, to: SocketAddr) -> &OwnedFd {
        let mut listeners = self.listeners.iter();
        let found = listeners.find(|listener| local_address(listener).port() == to.port());
        found.unwrap()
    }

    /// Connections until there are no more, and the reason.
    pub fn fill(&self, source: Source, to: SocketAddr) -> (Vec<Connection>, Errno) {
        fill(|| self.dial(source, to))
    }

    /// So many connections.
    #[track_caller]
    pub fn dial_many(&self, count: usize, source: Source, to: SocketAddr) -> Vec<Connection> {
        (0..count).map(|_| self.dial(source, to).unwrap()).collect()
    }

    /// How many connections there is room for; they are gone afterwards.
    pub fn room(&self, source: Source, to: SocketAddr) -> (usize, Errno) {
        let (made, error) = self.fill(source, to);
        let count = made.len();
        made.into_iter().for_each(reset);
        (count, error)
    }
}

/// A socket that is connected from there.
pub fn dial(kind: SockType, source: Source, to: SocketAddr) -> Result<OwnedFd, Errno> {
    let fd = open(kind, to.ip());
    bind_source(&fd, source)?;
    connect(&fd, to)?;
    Ok(fd)
}

/// Binds a new socket as the source says.
pub fn bind_source(fd: &OwnedFd, source: Source) -> Result<(), Errno> {
    match source {
        Source::Any => Ok(()),
        Source::NoPort(ip) => {
            setsockopt(fd, IpBindAddressNoPort, &true).unwrap();
            bind(fd, SocketAddr::new(ip, 0))
        }
        Source::Held(ip) => bind(fd, SocketAddr::new(ip, 0)),
        Source::Exactly(address) => bind(fd, address),
    }
}

/// A socket of that kind bound to any port of an address.
pub fn take_port(kind: SockType, ip: IpAddr) -> Result<OwnedFd, Errno> {
    let fd = open(kind, ip);
    bind_source(&fd, Source::Held(ip))?;
    Ok(fd)
}

/// Takes again and again until there is no more, and the reason.
pub fn fill<T>(mut take: impl FnMut() -> Result<T, Errno>) -> (Vec<T>, Errno) {
    let mut taken = Vec::new();
    loop {
        match take() {
            Ok(one) => taken.push(one),
            Err(error) => return (taken, error),
        }
        assert!(taken.len() < 10_000, "there is no end to it");
    }
}

/// Ends a connection so that nothing of it stays behind.
pub fn reset(connection: Connection) {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(&connection.client, Linger, &linger).unwrap();
}

/// Waits until there is a TCP socket in a state (ss's name) at a local address.
#[track_caller]
pub fn await_row(state: &str, local: SocketAddr) {
    let local = super::rows::shown(local.ip(), None, local.port(), false);
    wait_until(state, || {
        proc_net::rows()
            .iter()
            .any(|row| row.proto == "tcp" && row.state == state && row.local == local)
    });
}

/// Sets the ports that `connect()` and `bind(address, 0)` draw from in this network namespace.
pub fn set_port_range(first: u16, last: u16) {
    namespace::sysctl("net.ipv4.ip_local_port_range", &format!("{first}\t{last}"));
}
