//! Interfaces, as far as they decide over bind and connect.

use std::net::IpAddr;

/// An interface. Source: `RTM_NEWLINK`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: Vec<u8>,
    /// Whether it is switched on. Source: IFF_UP.
    pub is_up: bool,
    /// Whether it is loopback. Source: IFF_LOOPBACK.
    pub is_loopback: bool,
    /// The VRF that it is, or belongs to; `None` where it has to do with none.
    /// Sources: IFLA_INFO_KIND, IFLA_INFO_SLAVE_KIND, IFLA_MASTER.
    pub vrf: Option<u32>,
    /// Its addresses, each with how many bits its network has. Source: `RTM_NEWADDR`.
    pub addresses: Vec<(IpAddr, u8)>,
}

impl Link {
    /// Whether it has an address, or has it as soon as it is up.
    fn has(&self, addr: IpAddr) -> bool {
        self.is_loopback && addr.is_loopback() || self.addresses.iter().any(|(own, _)| *own == addr)
    }

    /// Whether an address is of one of its networks.
    fn leads_to(&self, addr: IpAddr) -> bool {
        self.has(addr) || { self.addresses.iter() }.any(|(own, bits)| in_network(addr, *own, *bits))
    }
}

/// Whether two addresses have so many bits in common.
pub(super) fn in_network(addr: IpAddr, network: IpAddr, bits: u8) -> bool {
    let (one, other, width) = match (addr, network) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (one.to_bits().into(), other.to_bits().into(), 32),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits(), other.to_bits(), 128),
        _ => return false,
    };
    let rest = width - u32::from(bits).min(width);
    let differs: u128 = one ^ other;
    differs.checked_shr(rest).unwrap_or(0) == 0
}

/// The interfaces of a network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links(Vec<Link>);

impl Links {
    /// Those that are there.
    pub const fn new(links: Vec<Link>) -> Links {
        Links(links)
    }

    /// The one of an index.
    pub fn get(&self, index: u32) -> Option<&Link> {
        self.0.iter().find(|link| link.index == index)
    }

    /// Index of the VRF of an interface; 0 for an interface that belongs to none, or for none.
    pub fn vrf_of(&self, interface: Option<u32>) -> u32 {
        let link = interface.and_then(|index| self.get(index));
        link.and_then(|link| link.vrf).unwrap_or(0)
    }

    /// Whether there is any VRF.
    pub fn has_vrf(&self) -> bool {
        self.0.iter().any(|link| link.vrf.is_some())
    }

    /// An interface that is down and has the address.
    pub fn down_with(&self, addr: IpAddr) -> Option<&Link> {
        self.0.iter().find(|link| !link.is_up && link.has(addr))
    }

    /// An interface that is down and leads to the address; for a socket that is bound to an
    /// interface this one, or one of the VRF that it is.
    pub fn down_towards(&self, addr: IpAddr, bound_to: Option<u32>) -> Option<&Link> {
        let serves = |link: &Link| {
            bound_to.is_none_or(|bound| link.index == bound || link.vrf == Some(bound))
        };
        { self.0.iter() }.find(|link| !link.is_up && serves(link) && link.leads_to(addr))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(index: u32, addresses: &[(&str, u8)]) -> Link {
        let parsed = { addresses.iter() }.map(|(addr, bits)| (addr.parse().unwrap(), *bits));
        Link {
            index,
            addresses: parsed.collect(),
            ..Link::default()
        }
    }

    #[test]
    fn an_interface_that_is_down_keeps_its_addresses_and_networks() {
        let loopback = Link {
            is_loopback: true,
            ..link(1, &[])
        };
        let up = Link {
            is_up: true,
            ..link(2, &[("10.0.0.1", 8)])
        };
        let down = link(3, &[("10.9.0.1", 24), ("2001:db8::1", 64), ("0.0.0.0", 0)]);
        let links = Links::new(vec![loopback, up, down]);
        let with = |addr: &str| links.down_with(addr.parse().unwrap()).map(|one| one.index);
        let over = |addr: &str, bound_to| {
            let found = links.down_towards(addr.parse().unwrap(), bound_to);
            found.map(|one| one.index)
        };
        let towards = |addr: &str| over(addr, None);
        assert_eq!((with("127.0.0.1"), with("::1")), (Some(1), Some(1)));
        assert_eq!((with("10.9.0.1"), with("10.9.0.2")), (Some(3), None));
        assert_eq!((towards("10.9.0.2"), with("10.0.0.1")), (Some(3), None));
        assert_eq!(towards("2001:db8::2"), Some(3));
        assert_eq!(over("2001:db8::2", Some(3)), Some(3));
        assert_eq!(over("2001:db8::2", Some(2)), None);
        assert_eq!(towards("2001:db8:0:1::2"), None);
        // A network of no bits has every address of its family.
        assert_eq!(towards("192.0.2.1"), Some(3));
    }

    #[test]
    fn interfaces_have_the_vrf_that_they_are_or_belong_to() {
        let of = |index, vrf| Link {
            vrf,
            ..link(index, &[])
        };
        let links = Links::new(vec![of(1, None), of(5, Some(5)), of(6, Some(5))]);
        let told = [None, Some(1), Some(5), Some(6), Some(9)].map(|one| links.vrf_of(one));
        assert_eq!(told, [0, 0, 5, 5, 0]);
        assert!(links.has_vrf() && !Links::default().has_vrf());
    }
}
