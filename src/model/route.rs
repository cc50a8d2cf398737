//! How a connect finds its way.

use std::net::IpAddr;

use super::Errno;

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
