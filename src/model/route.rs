//! How a connect finds its way.

use std::net::IpAddr;

use super::{Errno, Protocol};

/// What the routes say of a destination. Source: `RTM_GETROUTE` of one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// There is one, from this address where the kernel chooses it.
    From(Option<IpAddr>),
    /// There is one, from such an address, and it leads to every host of a network at once.
    Broadcast(Option<IpAddr>),
    /// There is none: ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL …
    None(Errno),
}

impl Route {
    /// The address that the kernel chooses for who names none.
    pub const fn source(self) -> Option<IpAddr> {
        match self {
            Route::From(source) | Route::Broadcast(source) => source,
            Route::None(_) => None,
        }
    }
}

/// What the routes are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// Where to.
    pub destination: IpAddr,
    /// Where from; `None` where the kernel chooses.
    pub source: Option<IpAddr>,
    /// The interface that the socket is bound to.
    pub interface: Option<u32>,
    /// Whose packets these are; `None` where rules of such kind do not matter.
    pub flow: Option<Flow>,
}

/// What rules (`ip rule`) tell packets by, beside addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The local port; 0 where it is not known yet.
    pub source_port: u16,
    /// The port there.
    pub destination_port: u16,
    /// The user.
    pub uid: u32,
}
