//! rtnetlink: interfaces and their addresses.
//!
//! Layout: `struct ifinfomsg` of linux/rtnetlink.h (family, padding, type, index, flags, change) and
//! `struct ifaddrmsg` of linux/if_addr.h (family, bits, flags, scope, index), then attributes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST};
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6};

use super::netlink::{attributes, framed};
use crate::model::Link;

/// Types of requests: `RTM_GETLINK`, `RTM_GETADDR`.
const RTM_GETLINK: u16 = 18;
const RTM_GETADDR: u16 = 22;
/// Length of `struct ifinfomsg`.
const LINK_LEN: usize = 16;
/// Length of `struct ifaddrmsg`.
const ADDRESS_LEN: usize = 8;
/// Flags of an interface: `IFF_UP`, `IFF_LOOPBACK`.
const UP: u32 = 1;
const LOOPBACK: u32 = 8;
/// Attributes of an interface: `IFLA_IFNAME`, `IFLA_MASTER`, `IFLA_LINKINFO`, and in that
/// `IFLA_INFO_KIND`, `IFLA_INFO_SLAVE_KIND`.
const NAME: u16 = 3;
const MASTER: u16 = 10;
const LINK_INFO: u16 = 18;
const KIND: u16 = 1;
const SLAVE_KIND: u16 = 4;
/// Attributes of an address: `IFA_ADDRESS`, and of IPv4 `IFA_LOCAL`, which differs from it where the
/// other end of a link has an address, too.
const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;
/// What is a flag in the type of an attribute, `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
const TYPE_FLAGS: u16 = 0xc000;
/// The sequence number of every request; each has a netlink socket of its own.
const SEQUENCE: u32 = 1;

/// The request to dump the interfaces.
pub fn links_request() -> Vec<u8> {
    let flags = NLM_F_REQUEST | NLM_F_DUMP;
    framed(RTM_GETLINK, flags, SEQUENCE, &[0; LINK_LEN])
}

/// The request to dump the addresses of all interfaces.
pub fn addresses_request() -> Vec<u8> {
    let flags = NLM_F_REQUEST | NLM_F_DUMP;
    framed(RTM_GETADDR, flags, SEQUENCE, &[0; ADDRESS_LEN])
}

/// An interface, without its addresses; `None` for a message that cannot be one.
pub fn link(body: &[u8]) -> Option<Link> {
    let (fixed, rest) = body.split_first_chunk::<LINK_LEN>()?;
    let index = word(&fixed[4..])?;
    let flags = word(&fixed[8..])?;
    let info = attribute(rest, LINK_INFO).unwrap_or_default();
    let is_of_vrf = |kind| attribute(info, kind).is_some_and(|kind| text(kind) == b"vrf");
    let vrf = if is_of_vrf(KIND) {
        Some(index)
    } else if is_of_vrf(SLAVE_KIND) {
        attribute(rest, MASTER).and_then(word)
    } else {
        None
    };
    Some(Link {
        index,
        name: text(attribute(rest, NAME).unwrap_or_default()).to_vec(),
        is_up: flags & UP != 0,
        is_loopback: flags & LOOPBACK != 0,
        vrf,
        addresses: Vec::new(),
    })
}

/// An address: index of its interface, the address, and how many bits its network has; `None` for
/// a message that cannot be one.
pub fn interface_address(body: &[u8]) -> Option<(u32, IpAddr, u8)> {
    let (fixed, rest) = body.split_first_chunk::<ADDRESS_LEN>()?;
    let index = word(&fixed[4..])?;
    let value = attribute(rest, LOCAL).or_else(|| attribute(rest, ADDRESS))?;
    let addr = match fixed[0] {
        AF_INET => Ipv4Addr::from(*value.first_chunk::<4>()?).into(),
        AF_INET6 => Ipv6Addr::from(*value.first_chunk::<16>()?).into(),
        _ => return None,
    };
    Some((index, addr, fixed[1]))
}

fn attribute(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(bytes).find_map(|(kind, value)| (kind & !TYPE_FLAGS == wanted).then_some(value))
}

fn word(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

/// A text without the zero at its end.
fn text(value: &[u8]) -> &[u8] {
    value.split(|byte| *byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::netlink::push_attribute;
    use super::*;
    use proptest::prelude::*;

    fn message(index: u32, flags: u32, info: &[(u16, &[u8])], master: Option<u32>) -> Vec<u8> {
        let mut body = vec![0; LINK_LEN];
        body[4..8].copy_from_slice(&index.to_ne_bytes());
        body[8..12].copy_from_slice(&flags.to_ne_bytes());
        push_attribute(&mut body, NAME, b"name\0");
        if let Some(master) = master {
            push_attribute(&mut body, MASTER, &master.to_ne_bytes());
        }
        let mut nested = Vec::new();
        for (kind, value) in info {
            push_attribute(&mut nested, *kind, value);
        }
        push_attribute(&mut body, LINK_INFO | 0x8000, &nested);
        body
    }

    #[test]
    fn an_interface_has_a_name_and_may_be_up() {
        let told = link(&message(7, UP | LOOPBACK, &[], None)).unwrap();
        assert_eq!((told.index, &told.name[..]), (7, &b"name"[..]));
        assert!(told.is_up && told.is_loopback && told.vrf.is_none());
        assert!(!link(&message(7, 0, &[], None)).unwrap().is_up);
    }

    #[test]
    fn only_a_vrf_makes_those_below_it_belong_to_one() {
        let vrf = |info: &[(u16, &[u8])], master| link(&message(7, 1, info, master)).unwrap().vrf;
        assert_eq!(vrf(&[(KIND, b"vrf\0")], None), Some(7));
        assert_eq!(
            vrf(&[(KIND, b"veth\0"), (SLAVE_KIND, b"vrf\0")], Some(9)),
            Some(9)
        );
        assert_eq!(
            vrf(&[(KIND, b"veth\0"), (SLAVE_KIND, b"bridge\0")], Some(9)),
            None
        );
        assert_eq!(vrf(&[(SLAVE_KIND, b"vrf")], None), None);
        assert_eq!(vrf(&[(KIND, b"vrfx\0")], None), None);
    }

    #[test]
    fn an_address_is_told_with_its_interface_and_network() {
        let mut body = vec![AF_INET, 24, 0, 0, 5, 0, 0, 0];
        body[4..8].copy_from_slice(&5u32.to_ne_bytes());
        push_attribute(&mut body, ADDRESS, &[10, 0, 0, 2]);
        assert_eq!(
            interface_address(&body),
            Some((5, [10, 0, 0, 2].into(), 24))
        );
        push_attribute(&mut body, LOCAL, &[10, 0, 0, 1]);
        assert_eq!(
            interface_address(&body),
            Some((5, [10, 0, 0, 1].into(), 24))
        );
        body[0] = AF_INET6;
        assert_eq!(interface_address(&body), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = (link(&bytes), interface_address(&bytes));
        }
    }
}
