//! One end of a socket.

use std::net::IpAddr;

use super::Family;

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// The address as the socket has it: a v4-mapped one stays IPv6.
    pub addr: IpAddr,
    /// The port, 0 when there is none.
    pub port: u16,
}

impl Endpoint {
    /// Whether the address is `0.0.0.0` or `::`.
    pub fn is_wildcard(&self) -> bool {
        self.addr.is_unspecified()
    }

    /// Whether there is no address and no port: the peer of a socket without one.
    pub fn is_none(&self) -> bool {
        self.port == 0 && self.is_wildcard()
    }

    /// The family of the address.
    pub const fn family(&self) -> Family {
        match self.addr {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }
}
