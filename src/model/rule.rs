//! Rules of the routes, as far as they make an answer of the routes uncertain.

use std::net::IpAddr;

use super::{PortRange, Protocol, in_network};

/// A rule (`ip rule`). Source: `RTM_NEWRULE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Whether it refuses with ENETUNREACH what it is for. Source: `FR_ACT_UNREACHABLE`.
    pub is_unreachable: bool,
    /// The network that it is for, with its bits; `None` for every destination.
    pub to: Option<(IpAddr, u8)>,
    /// The protocol that it is for, by its number in IP; `None` for all.
    pub protocol: Option<u8>,
    /// The local ports that it is for; `None` for all.
    pub source_ports: Option<PortRange>,
}

impl Rule {
    /// Whether it may decide over a way to this address by this protocol.
    pub fn concerns(&self, to: IpAddr, protocol: Protocol) -> bool {
        let number = match protocol {
            Protocol::Udp => 17,
            _ => 6,
        };
        self.protocol.is_none_or(|own| own == number) && { self.to }
            .is_none_or(|(network, bits)| in_network(to, network, bits))
    }
}
