//! rtnetlink: requests for routes, and what of a route says which addresses are local.
//!
//! Layout: `struct rtmsg` of linux/rtnetlink.h (family, bits of destination, bits of source, tos,
//! table, protocol, scope, type, flags), then attributes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST};
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6};

use super::netlink::{RTM_GETROUTE, RTM_NEWROUTE, attributes, framed, push_attribute};
use crate::model::{Flow, LocalRoute, Protocol, Way};

/// Length of `struct rtmsg`.
const ROUTE_LEN: usize = 12;
/// The table of what is local, `RT_TABLE_LOCAL`.
const TABLE_LOCAL: u8 = 255;
/// Route type `RTN_LOCAL`: the address of an interface, or a network that leads to this machine.
const LOCAL: u8 = 2;
/// Route type `RTN_BROADCAST`.
const BROADCAST: u8 = 3;
/// Attributes: `RTA_DST`, `RTA_SRC`, `RTA_OIF`, `RTA_PREFSRC`, `RTA_TABLE`.
const DESTINATION: u16 = 1;
const SOURCE: u16 = 2;
const INTERFACE: u16 = 4;
const PREFERRED_SOURCE: u16 = 7;
const TABLE: u16 = 15;
/// Attributes of a request: `RTA_UID`, and since Linux 4.18 `RTA_IP_PROTO`, `RTA_SPORT` and
/// `RTA_DPORT`. Kernels that do not know one pass over it.
const UID: u16 = 25;
const PROTOCOL: u16 = 27;
const SOURCE_PORT: u16 = 28;
const DESTINATION_PORT: u16 = 29;
/// The sequence number of every request; each has a netlink socket of its own.
const SEQUENCE: u32 = 1;

/// The request to dump the routes of IPv4 in the table `local`. Kernels before 4.20 take no note
/// of the table and dump all of them.
pub fn local_routes_request() -> Vec<u8> {
    let body = header(AF_INET, [0, 0], TABLE_LOCAL, 0);
    framed(RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, SEQUENCE, &body)
}

/// The request for the route of one way.
pub fn route_request(way: &Way) -> Vec<u8> {
    let Way {
        destination,
        source,
        interface,
        flow,
    } = *way;
    let source = source.filter(|source| source.is_ipv4() == destination.is_ipv4());
    let (family, bits) = match destination {
        IpAddr::V4(_) => (AF_INET, 32),
        IpAddr::V6(_) => (AF_INET6, 128),
    };
    let source_bits = if source.is_some() { bits } else { 0 };
    let mut body = header(family, [bits, source_bits], 0, 0);
    push_address(&mut body, DESTINATION, destination);
    if let Some(source) = source {
        push_address(&mut body, SOURCE, source);
    }
    if let Some(interface) = interface {
        push_attribute(&mut body, INTERFACE, &interface.to_ne_bytes());
    }
    if let Some(flow) = flow {
        push_flow(&mut body, &flow);
    }
    framed(RTM_GETROUTE, NLM_F_REQUEST, SEQUENCE, &body)
}

fn push_flow(body: &mut Vec<u8>, flow: &Flow) {
    push_attribute(body, UID, &flow.uid.to_ne_bytes());
    let protocol = match flow.protocol {
        Protocol::Udp => libc::IPPROTO_UDP,
        _ => libc::IPPROTO_TCP,
    };
    push_attribute(body, PROTOCOL, &[protocol as u8]);
    if flow.source_port != 0 {
        push_attribute(body, SOURCE_PORT, &flow.source_port.to_be_bytes());
    }
    push_attribute(body, DESTINATION_PORT, &flow.destination_port.to_be_bytes());
}

fn header(family: u8, [destination, source]: [u8; 2], table: u8, kind: u8) -> Vec<u8> {
    let mut body = vec![0; ROUTE_LEN];
    (body[0], body[1], body[2]) = (family, destination, source);
    (body[4], body[7]) = (table, kind);
    body
}

fn push_address(body: &mut Vec<u8>, kind: u16, addr: IpAddr) {
    match addr {
        IpAddr::V4(addr) => push_attribute(body, kind, &addr.octets()),
        IpAddr::V6(addr) => push_attribute(body, kind, &addr.octets()),
    }
}

/// A route that cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// Shorter than the fixed part.
    #[error("route of {0} bytes, less than {ROUTE_LEN}")]
    Short(usize),
    /// More bits than an address has.
    #[error("route to a network of {0} bits")]
    Prefix(u8),
    /// A network without an address.
    #[error("route without destination")]
    NoDestination,
}

/// What a route makes local: `None` for a route that does no such thing, or is of another table.
pub fn local_route(body: &[u8]) -> Result<Option<LocalRoute>, RouteError> {
    let (fixed, rest) = body
        .split_first_chunk::<ROUTE_LEN>()
        .ok_or(RouteError::Short(body.len()))?;
    let [family, prefix, _, _, table, _, _, kind, ..] = *fixed;
    // Tables beyond 255 stand in an attribute, and 252 in their place.
    let table = attribute(rest, TABLE)
        .and_then(word)
        .unwrap_or(u32::from(table));
    if family != AF_INET || table != u32::from(TABLE_LOCAL) || !matches!(kind, LOCAL | BROADCAST) {
        return Ok(None);
    }
    if prefix > 32 {
        return Err(RouteError::Prefix(prefix));
    }
    let network = match attribute(rest, DESTINATION).and_then(<[u8]>::first_chunk::<4>) {
        Some(octets) => Ipv4Addr::from(*octets),
        // Everything is local.
        None if prefix == 0 => Ipv4Addr::UNSPECIFIED,
        None => return Err(RouteError::NoDestination),
    };
    Ok(Some(LocalRoute {
        network,
        prefix,
        interface: attribute(rest, INTERFACE).and_then(word).unwrap_or(0),
    }))
}

/// A message that tells of a local route what [`local_route`] reads, and nothing else.
pub fn local_route_message(route: &LocalRoute) -> Vec<u8> {
    let mut body = header(AF_INET, [route.prefix, 0], TABLE_LOCAL, LOCAL);
    push_address(&mut body, DESTINATION, IpAddr::V4(route.network));
    push_attribute(&mut body, INTERFACE, &route.interface.to_ne_bytes());
    framed(RTM_NEWROUTE, 0, SEQUENCE, &body)
}

/// The address that the kernel takes as the source on a route; `None` where the route does not
/// say.
pub fn preferred_source(body: &[u8]) -> Option<IpAddr> {
    let (fixed, rest) = body.split_first_chunk::<ROUTE_LEN>()?;
    let value = attribute(rest, PREFERRED_SOURCE)?;
    match fixed[0] {
        AF_INET => Some(IpAddr::V4(Ipv4Addr::from(*value.first_chunk::<4>()?))),
        AF_INET6 => Some(IpAddr::V6(Ipv6Addr::from(*value.first_chunk::<16>()?))),
        _ => None,
    }
}

/// Whether a route leads to every host of a network at once.
pub fn is_broadcast(body: &[u8]) -> bool {
    let fixed = body.first_chunk::<ROUTE_LEN>();
    fixed.is_some_and(|fixed| fixed[7] == BROADCAST)
}

/// The interface over which a route leads to others; `None` where it leads to this machine, or does
/// not say.
pub fn outgoing_interface(body: &[u8]) -> Option<u32> {
    let (fixed, rest) = body.split_first_chunk::<ROUTE_LEN>()?;
    let interface = attribute(rest, INTERFACE).and_then(word);
    interface.filter(|_| fixed[7] != LOCAL)
}

fn attribute(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(bytes).find_map(|(kind, value)| (kind == wanted).then_some(value))
}

fn word(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::super::netlink::{HEADER_LEN, Message, Messages};
    use super::*;
    use proptest::prelude::*;

    /// Route type `RTN_UNICAST`.
    const UNICAST: u8 = 1;

    fn to(destination: IpAddr) -> Way {
        Way {
            destination,
            source: None,
            interface: None,
            flow: None,
        }
    }

    const LOOPBACK: LocalRoute = LocalRoute {
        network: Ipv4Addr::new(127, 0, 0, 0),
        prefix: 8,
        interface: 1,
    };

    /// The body of a message.
    fn body(message: &[u8]) -> &[u8] {
        let framed = Messages::new(message).next().unwrap().unwrap();
        let Message::Route(body) = framed.message else {
            unreachable!("{framed:?}")
        };
        body
    }

    #[test]
    fn a_local_route_survives_its_message() {
        let message = local_route_message(&LOOPBACK);
        assert_eq!(local_route(body(&message)), Ok(Some(LOOPBACK)));
    }

    #[test]
    fn only_what_the_table_local_makes_local_is_one() {
        let message = local_route_message(&LOOPBACK);
        let changed = |at: usize, to: u8| {
            let mut body = body(&message).to_vec();
            body[at] = to;
            local_route(&body)
        };
        assert_eq!(changed(7, BROADCAST), Ok(Some(LOOPBACK)));
        // Unicast, multicast, unreachable; the main table; IPv6.
        for (at, to) in [(7, 1), (7, 5), (7, 7), (4, 254), (0, AF_INET6)] {
            assert_eq!(changed(at, to), Ok(None), "{at} {to}");
        }
        assert_eq!(changed(1, 33), Err(RouteError::Prefix(33)));
        let mut other = body(&message).to_vec();
        push_attribute(&mut other, TABLE, &1000u32.to_ne_bytes());
        assert_eq!(local_route(&other), Ok(None));
    }

    #[test]
    fn every_truncation_is_an_error_or_says_less() {
        let message = local_route_message(&LOOPBACK);
        let body = body(&message);
        for cut in 0..body.len() {
            let read = local_route(&body[..cut]);
            match cut {
                0..ROUTE_LEN => assert_eq!(read, Err(RouteError::Short(cut))),
                ROUTE_LEN..20 => assert_eq!(read, Err(RouteError::NoDestination)),
                _ => assert_eq!(read.unwrap().unwrap().interface, 0),
            }
        }
    }

    #[test]
    fn impossible_lengths_end_the_attributes() {
        let message = local_route_message(&LOOPBACK);
        for length in [0u16, 1, 3, 5, 7, 200, u16::MAX] {
            let mut body = body(&message).to_vec();
            body[ROUTE_LEN..ROUTE_LEN + 2].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(
                local_route(&body),
                Err(RouteError::NoDestination),
                "{length}"
            );
        }
    }

    #[test]
    fn everything_may_be_local() {
        let body = header(AF_INET, [0, 0], TABLE_LOCAL, LOCAL);
        let everything = local_route(&body).unwrap().unwrap();
        assert!(everything.contains(Ipv4Addr::new(192, 0, 2, 1)));
    }

    #[test]
    fn the_source_of_a_route_is_told_for_both_families() {
        for addr in ["127.0.0.1", "fe80::1"] {
            let addr: IpAddr = addr.parse().unwrap();
            let request = route_request(&Way {
                source: Some(addr),
                interface: Some(7),
                ..to(addr)
            });
            let mut body = request[HEADER_LEN..].to_vec();
            assert_eq!(preferred_source(&body), None);
            push_address(&mut body, PREFERRED_SOURCE, addr);
            assert_eq!(preferred_source(&body), Some(addr));
            for cut in 0..body.len() {
                assert_eq!(preferred_source(&body[..cut]), None, "{cut}");
            }
        }
    }

    #[test]
    fn a_broadcast_is_told_by_its_type() {
        let of = |kind| header(AF_INET, [32, 0], TABLE_LOCAL, kind);
        assert!(is_broadcast(&of(BROADCAST)) && !is_broadcast(&of(LOCAL)));
        assert!(!is_broadcast(&of(BROADCAST)[..ROUTE_LEN - 1]));
    }

    #[test]
    fn only_routes_to_others_leave_over_an_interface() {
        let over = |kind| {
            let mut body = header(AF_INET6, [128, 0], TABLE_LOCAL, kind);
            push_attribute(&mut body, INTERFACE, &7u32.to_ne_bytes());
            body
        };
        assert_eq!(outgoing_interface(&over(UNICAST)), Some(7));
        assert_eq!(outgoing_interface(&over(LOCAL)), None);
        assert_eq!(outgoing_interface(&over(UNICAST)[..ROUTE_LEN]), None);
    }

    #[test]
    fn a_source_of_the_other_family_is_not_asked_for() {
        let there = to("::1".parse().unwrap());
        let other = Way {
            source: Some(IpAddr::from([127, 0, 0, 1])),
            ..there
        };
        assert_eq!(route_request(&other), route_request(&there));
    }

    #[test]
    fn rules_by_port_protocol_and_user_are_asked_with() {
        let flow = Flow {
            protocol: Protocol::Udp,
            source_port: 0x0102,
            destination_port: 0x0304,
            uid: 7,
        };
        let request = route_request(&Way {
            flow: Some(flow),
            ..to(IpAddr::from([127, 0, 0, 1]))
        });
        let told = |kind| attribute(&request[HEADER_LEN + ROUTE_LEN..], kind);
        assert_eq!(told(UID), Some(&7u32.to_ne_bytes()[..]));
        assert_eq!(told(PROTOCOL), Some(&[17][..]));
        assert_eq!(told(SOURCE_PORT), Some(&[1, 2][..]));
        assert_eq!(told(DESTINATION_PORT), Some(&[3, 4][..]));
        let unbound = Flow {
            source_port: 0,
            ..flow
        };
        let request = route_request(&Way {
            flow: Some(unbound),
            ..to(IpAddr::from([127, 0, 0, 1]))
        });
        let rest = &request[HEADER_LEN + ROUTE_LEN..];
        assert_eq!(attribute(rest, SOURCE_PORT), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = local_route(&bytes);
            let _ = (preferred_source(&bytes), is_broadcast(&bytes));
            let _ = outgoing_interface(&bytes);
        }
    }
}
