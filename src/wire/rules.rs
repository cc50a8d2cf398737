//! rtnetlink: rules of the routes.
//!
//! Layout: `struct fib_rule_hdr` of linux/fib_rules.h (family, bits of destination, bits of source,
//! tos, table, two reserved, action, flags), then attributes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST};
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6};

use super::netlink::{attributes, framed};
use crate::model::{PortRange, Rule};

/// Type of a request: `RTM_GETRULE`.
const RTM_GETRULE: u16 = 34;
/// Length of `struct fib_rule_hdr`.
const RULE_LEN: usize = 12;
/// Action `FR_ACT_UNREACHABLE`.
const UNREACHABLE: u8 = 7;
/// Attributes: `FRA_DST`, and since Linux 4.17 `FRA_IP_PROTO` and `FRA_SPORT_RANGE`.
const DESTINATION: u16 = 1;
const PROTOCOL: u16 = 22;
const SOURCE_PORTS: u16 = 23;
/// The sequence number of every request; each has a netlink socket of its own.
const SEQUENCE: u32 = 1;

/// The request to dump the rules of one family.
pub fn rules_request(is_ipv4: bool) -> Vec<u8> {
    let mut body = [0; RULE_LEN];
    body[0] = if is_ipv4 { AF_INET } else { AF_INET6 };
    framed(RTM_GETRULE, NLM_F_REQUEST | NLM_F_DUMP, SEQUENCE, &body)
}

/// A rule; `None` for a message that cannot be one.
pub fn rule(body: &[u8]) -> Option<Rule> {
    let (fixed, rest) = body.split_first_chunk::<RULE_LEN>()?;
    let [family, bits, _, _, _, _, _, action, ..] = *fixed;
    let attribute = |wanted| attributes(rest).find_map(|(kind, it)| (kind == wanted).then_some(it));
    let network: Option<IpAddr> = attribute(DESTINATION).and_then(|value| match family {
        AF_INET => Some(Ipv4Addr::from(*value.first_chunk::<4>()?).into()),
        AF_INET6 => Some(Ipv6Addr::from(*value.first_chunk::<16>()?).into()),
        _ => None,
    });
    Some(Rule {
        is_unreachable: action == UNREACHABLE,
        to: network.map(|network| (network, bits)),
        protocol: attribute(PROTOCOL).and_then(|value| value.first().copied()),
        source_ports: attribute(SOURCE_PORTS).and_then(range),
    })
}

/// `struct fib_rule_port_range`.
fn range(value: &[u8]) -> Option<PortRange> {
    let [a, b, c, d] = *value.first_chunk::<4>()?;
    PortRange::new(u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d]))
}

#[cfg(test)]
mod tests {
    use super::super::netlink::push_attribute;
    use super::*;
    use crate::model::Protocol;
    use proptest::prelude::*;

    #[test]
    fn what_a_rule_is_for() {
        let mut body = vec![0; RULE_LEN];
        (body[0], body[1], body[7]) = (AF_INET, 24, UNREACHABLE);
        push_attribute(&mut body, DESTINATION, &[10, 0, 0, 0]);
        push_attribute(&mut body, PROTOCOL, &[17]);
        let ports = [5000u16.to_ne_bytes(), 5001u16.to_ne_bytes()].concat();
        push_attribute(&mut body, SOURCE_PORTS, &ports);
        let rule = rule(&body).unwrap();
        assert!(rule.is_unreachable);
        assert_eq!(rule.source_ports, PortRange::new(5000, 5001));
        let concerns = |to: &str, protocol| rule.concerns(to.parse().unwrap(), protocol);
        assert!(concerns("10.0.0.9", Protocol::Udp));
        assert!(!concerns("10.0.0.9", Protocol::Tcp));
        assert!(!concerns("10.0.1.9", Protocol::Udp));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = rule(&bytes);
        }
    }
}
