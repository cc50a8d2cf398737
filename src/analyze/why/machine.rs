//! What the machine allows.

use crate::analyze::EphemeralSettings;
pub use crate::model::{Ipv6, Route};
use crate::model::{Links, LocalAddresses, Rule};

/// The settings that decide over bind and connect.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Its addresses.
    pub addresses: LocalAddresses,
    /// Its interfaces; `None` where they could not be read.
    pub links: Option<Links>,
    /// `net.ipv4.tcp_l3mdev_accept`: whether TCP sockets of all VRFs share their ports; `None` where
    /// unreadable, which means 0.
    pub shares_vrfs: Option<bool>,
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
    /// The rules that the routes go by, of the family of a connect's destination; none for a bind
    /// or where nobody could be asked.
    pub rules: Vec<Rule>,
}

impl Machine {
    /// The VRF that bind of TCP looks for a port in, of a socket on this interface; 0 for none.
    /// As the kernel's `inet_sk_bound_l3mdev`.
    pub(super) fn vrf_of_port(&self, interface: Option<u32>) -> u32 {
        match self.shares_vrfs {
            Some(true) => 0,
            Some(false) | None => self.vrf_of(interface),
        }
    }

    /// The VRF of an interface; 0 for none.
    pub(super) fn vrf_of(&self, interface: Option<u32>) -> u32 {
        let links = self.links.as_ref();
        links.map_or(0, |links| links.vrf_of(interface))
    }

    /// Whether there is any VRF.
    pub(super) fn has_vrf(&self) -> bool {
        self.links.as_ref().is_some_and(Links::has_vrf)
    }
}
