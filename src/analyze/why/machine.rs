//! What the machine allows.

use crate::analyze::EphemeralSettings;
use crate::model::LocalAddresses;
pub use crate::model::{Ipv6, Route};

/// The settings that decide over bind and connect.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Its addresses.
    pub addresses: LocalAddresses,
    /// Ports below need CAP_NET_BIND_SERVICE; `None` where unreadable, which means 1024.
    /// Source: `net.ipv4.ip_unprivileged_port_start`.
    pub unprivileged_port_start: Option<u32>,
    /// `net.ipv4.ip_nonlocal_bind`; `None` where unreadable, which means 0.
    pub nonlocal_v4: Option<bool>,
    /// `net.ipv6.ip_nonlocal_bind`; `None` where unreadable, which means 0.
    pub nonlocal_v6: Option<bool>,
    /// `net.ipv4.ip_autobind_reuse`; `None` where unreadable.
    pub autobind_reuse: Option<bool>,
    /// Whether IPV6_V6ONLY of the query is a guess, as the question does not say and
    /// `net.ipv6.bindv6only` is unreadable.
    pub guesses_v6only: bool,
    /// How IPv6 stands.
    pub ipv6: Ipv6,
    /// Whether it is off on the one interface that the address in question belongs to, as `::1`
    /// to `lo`. Source: `net.ipv6.conf.NAME.disable_ipv6`.
    pub is_ipv6_off_there: bool,
    /// Whether TCP sockets may be there that are bound, do not listen and are not listed.
    pub hides_bound: bool,
    /// The limits of the ephemeral ports; `None` where they cannot be read.
    pub ports: Option<EphemeralSettings>,
    /// What the routes say of a connect's destination; `None` for a bind or where nobody could be
    /// asked.
    pub route: Option<Route>,
}
