//! Which addresses are this machine's, as bind decides it.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The addresses of a network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalAddresses {
    /// Routes of the table `local`: addresses, broadcast addresses, whole networks such as
    /// 127.0.0.0/8. `None` where they could not be read.
    pub v4: Option<Vec<LocalRoute>>,
    /// IPv6 addresses; `None` where they could not be read. Empty on a machine without IPv6.
    pub v6: Option<Vec<LocalV6>>,
}

/// A route that leads to this machine. Source: `RTM_GETROUTE` of the table `local`, types `local`
/// and `broadcast`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalRoute {
    /// Where it leads.
    pub network: Ipv4Addr,
    /// How many bits of it count.
    pub prefix: u8,
    /// Index of the interface that has the address.
    pub interface: u32,
}

impl LocalRoute {
    /// Whether an address lies in it.
    pub fn contains(&self, addr: Ipv4Addr) -> bool {
        let mask = match self.prefix {
            0 => 0,
            bits => u32::MAX << (32 - u32::from(bits.min(32))),
        };
        addr.to_bits() & mask == self.network.to_bits() & mask
    }
}

/// An IPv6 address of an interface. Source: `/proc/net/if_inet6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalV6 {
    /// The address.
    pub addr: Ipv6Addr,
    /// Index of its interface.
    pub interface: u32,
    /// Not yet known to be nobody else's, and so not yet to be bound. Source: IFA_F_TENTATIVE
    /// without IFA_F_OPTIMISTIC.
    pub tentative: bool,
    /// Found to be somebody else's: it stays tentative. Source: IFA_F_DADFAILED.
    pub duplicate: bool,
}

/// How IPv6 stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ipv6 {
    /// The kernel has it.
    #[default]
    On,
    /// `net.ipv6.conf.all.disable_ipv6` is 1: no address is local but `::`.
    Disabled,
    /// The kernel has none: no IPv6 socket can be made.
    Absent,
}
