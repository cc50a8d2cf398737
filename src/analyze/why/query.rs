//! What is asked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::{Endpoint, Protocol};

/// A bind or a connect that somebody means to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Which of the two.
    pub operation: Operation,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The local address; `None` only for a connect whose source the routes choose and for which
    /// none was found.
    pub addr: Option<IpAddr>,
    /// The local port; 0 lets the kernel draw one.
    pub port: u16,
    /// The interface it is bound to (SO_BINDTODEVICE, or the scope of a link-local address).
    pub device: Option<u32>,
    /// Whether that is the scope of the destination and nothing else, so that only connect binds
    /// the socket to it.
    pub device_by_destination: bool,
    /// SO_REUSEADDR.
    pub reuse_address: bool,
    /// SO_REUSEPORT.
    pub reuse_port: bool,
    /// IPV6_V6ONLY of an IPv6 socket; the machine's default where the question does not say.
    pub v6only: bool,
    /// IP_FREEBIND.
    pub free_bind: bool,
    /// Who asks.
    pub user: User,
}

impl Query {
    /// Whether the socket is one of IPv6.
    pub fn is_ipv6(&self) -> bool {
        let addr = match self.operation {
            Operation::Bind => self.addr,
            Operation::Connect { destination, .. } => self.addr.or(Some(destination.addr)),
        };
        addr.is_some_and(|addr| addr.is_ipv6())
    }

    /// The interface that the socket is bound to when it gets its address.
    pub fn device_at_bind(&self) -> Option<u32> {
        self.device.filter(|_| !self.device_by_destination)
    }

    /// The interface that it is bound to when the kernel draws its port. Connect of TCP heeds the
    /// scope of the destination before, connect of UDP afterwards.
    pub fn device_at_draw(&self) -> Option<u32> {
        match (self.operation, self.protocol) {
            (Operation::Connect { binds_first, .. }, Protocol::Tcp) if !binds_first => self.device,
            _ => self.device_at_bind(),
        }
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `bind`, and for TCP `listen`.
    Bind,
    /// `connect`. With a local port, `bind` of it comes first; with `binds_first` also of port 0.
    Connect {
        /// Where to.
        destination: Endpoint,
        /// Whether the source was given with port 0: bound without IP_BIND_ADDRESS_NO_PORT.
        binds_first: bool,
    },
}

/// Where a connect really leads: nowhere is here. `source` is the address it is bound to.
pub fn reached(destination: IpAddr, source: Option<IpAddr>) -> IpAddr {
    let source = source.filter(|source| !source.is_unspecified());
    match (destination, source) {
        (IpAddr::V4(Ipv4Addr::UNSPECIFIED), Some(source)) => source,
        (IpAddr::V4(Ipv4Addr::UNSPECIFIED), None) => Ipv4Addr::LOCALHOST.into(),
        (IpAddr::V6(Ipv6Addr::UNSPECIFIED), _) => Ipv6Addr::LOCALHOST.into(),
        (IpAddr::V6(addr), source) => match (addr.to_ipv4_mapped(), source) {
            (Some(Ipv4Addr::UNSPECIFIED), Some(source)) => source,
            (Some(Ipv4Addr::UNSPECIFIED), None) => Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(),
            _ => destination,
        },
        _ => destination,
    }
}

/// Who binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// The user.
    pub uid: u32,
    /// Whether several users may appear under this uid, as those of whom a user namespace knows
    /// nothing do. Sources: `kernel.overflowuid`, `/proc/self/uid_map`.
    pub is_anonymous: bool,
    /// Whether the user has CAP_NET_BIND_SERVICE over the network namespace; `None` where that
    /// is not known, as of another user that is not root.
    pub may_bind_low: Option<bool>,
}
