//! inet_diag: the request for a dump of TCP or UDP sockets, and its rows.
//!
//! Layout: `struct inet_diag_req_v2` and `struct inet_diag_msg` of linux/inet_diag.h, then
//! attributes. Rows of older kernels are shorter and carry fewer attributes, those of newer ones
//! more; the fixed part has been the same since 2.6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{Emitable, NLM_F_DUMP, NLM_F_REQUEST};
use netlink_packet_sock_diag::constants::{
    AF_INET, AF_INET6, INET_DIAG_BBRINFO, INET_DIAG_CLASS_ID, INET_DIAG_CONG, INET_DIAG_DCTCPINFO,
    INET_DIAG_INFO, INET_DIAG_MARK, INET_DIAG_MD5SIG, INET_DIAG_SHUTDOWN, INET_DIAG_SKMEMINFO,
    INET_DIAG_SKV6ONLY, INET_DIAG_TCLASS, INET_DIAG_TOS, INET_DIAG_VEGASINFO,
};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, SocketId, StateFlags};

use super::diag::{RowError, SEQUENCE, memory, request};
use super::netlink::{self, TCPDIAG_GETSOCK, attributes, push_attribute};
use super::tcp_info::{self, long, word};
use crate::model::{
    CongestionName, DetailSet, Details, Endpoint, Ends, Family, Protocol, Queues, Socket, State,
    StateSet, Table, TcpDetails, Timer, TimerKind,
};

/// Length of the fixed part of a row.
pub const ROW_LEN: usize = 72;
/// Attribute with the id of the socket's cgroup, newer than the constants of the crate.
const INET_DIAG_CGROUP_ID: u16 = 21;
/// Attribute with what is layered upon TCP, newer likewise.
const INET_DIAG_ULP_INFO: u16 = 19;
/// Attribute of a request that holds a program.
const INET_DIAG_REQ_BYTECODE: u16 = 1;
/// `struct inet_diag_req`: four bytes, a sockid of 48, states, and a word that is not read.
const TCP_REQUEST_LEN: usize = 60;

/// The bits that ask for details; of others the kernel tells unasked.
fn extensions(details: DetailSet) -> ExtensionFlags {
    if details == DetailSet::ALL {
        return ExtensionFlags::all();
    }
    let mut flags = ExtensionFlags::empty();
    flags.set(ExtensionFlags::SHUTDOWN, details.extended);
    flags.set(ExtensionFlags::SKMEMINFO, details.memory);
    // The bit of Vegas is that of every congestion control's own block.
    let info = ExtensionFlags::INFO | ExtensionFlags::CONG | ExtensionFlags::VEGASINFO;
    flags.set(info, details.info);
    flags.set(ExtensionFlags::TOS | ExtensionFlags::TCLASS, details.tos);
    flags
}

/// The request to dump the sockets of a table that are in one of the states.
///
/// The kernel leaves out what `program` rejects; an empty one rejects nothing.
pub fn dump_request(table: Table, states: StateSet, details: DetailSet, program: &[u8]) -> Vec<u8> {
    let header = InetRequest {
        family: match table.family {
            Family::V6 => AF_INET6,
            _ => AF_INET,
        },
        protocol: table.protocol.ip_number(),
        extensions: extensions(details),
        states: StateFlags::from_bits_retain(kernel_mask(table.protocol, states)),
        socket_id: match table.family {
            Family::V6 => SocketId::new_v6(),
            _ => SocketId::new_v4(),
        },
    };
    let mut body = vec![0; header.buffer_len()];
    header.emit(&mut body);
    push_program(&mut body, program);
    request(&body)
}

/// The request to dump the TCP sockets of both families in one walk over the kernel's table.
///
/// This is the request of before Linux 3.3 (`struct inet_diag_req`), which knows TCP only. The
/// newer one is answered for one family at a time, and each answer walks the whole table.
pub fn tcp_request(states: StateSet, details: DetailSet, program: &[u8]) -> Vec<u8> {
    let mut body = vec![0; TCP_REQUEST_LEN];
    // idiag_family, idiag_src_len and idiag_dst_len are not read; the sockid stays empty.
    body[3] = extensions(details).bits();
    let mask = kernel_mask(Protocol::Tcp, states);
    body[52..56].copy_from_slice(&mask.to_ne_bytes());
    push_program(&mut body, program);
    netlink::framed(TCPDIAG_GETSOCK, NLM_F_REQUEST | NLM_F_DUMP, SEQUENCE, &body)
}

/// Appends a program as the attribute INET_DIAG_REQ_BYTECODE.
fn push_program(body: &mut Vec<u8>, program: &[u8]) {
    if !program.is_empty() {
        push_attribute(body, INET_DIAG_REQ_BYTECODE, program);
    }
}

/// The mask to send. No TCP row is ever in CLOSE, but its bit makes the kernel walk every
/// connection, which `-l` must not cost.
fn kernel_mask(protocol: Protocol, states: StateSet) -> u32 {
    match protocol {
        Protocol::Tcp => states.without(StateSet::EMPTY.with(State::Close)).bits(),
        _ => states.bits(),
    }
}

/// The family of a row; `None` when it cannot be a row.
pub fn family(row: &[u8]) -> Option<Family> {
    match row.first_chunk::<ROW_LEN>()?[0] {
        AF_INET => Some(Family::V4),
        AF_INET6 => Some(Family::V6),
        _ => None,
    }
}

/// Decodes the fixed part of a row and the attributes that belong to the socket itself.
pub fn socket(row: &[u8], protocol: Protocol) -> Result<Socket, RowError> {
    let (fixed, attributes) = row
        .split_first_chunk::<ROW_LEN>()
        .ok_or(RowError::Short(row.len(), ROW_LEN))?;
    let port = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
    let word =
        |at: usize| u32::from_ne_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
    let family = match fixed[0] {
        AF_INET => Family::V4,
        AF_INET6 => Family::V6,
        other => return Err(RowError::Family(other)),
    };
    let addr = |at: usize| match family {
        Family::V6 => {
            let mut octets = [0; 16];
            octets.copy_from_slice(&fixed[at..at + 16]);
            IpAddr::V6(Ipv6Addr::from(octets))
        }
        _ => IpAddr::V4(Ipv4Addr::new(
            fixed[at],
            fixed[at + 1],
            fixed[at + 2],
            fixed[at + 3],
        )),
    };
    let state = match protocol {
        Protocol::Tcp => State::from_kernel_tcp(fixed[1]),
        _ => State::from_kernel(fixed[1]),
    };
    Ok(Socket {
        protocol,
        state,
        v6only: match family {
            Family::V6 => attribute(attributes, INET_DIAG_SKV6ONLY)
                .and_then(<[u8]>::first)
                .map(|&flag| flag != 0),
            _ => None,
        },
        ends: Ends::inet(
            Endpoint {
                addr: addr(8),
                port: port(4),
            },
            Endpoint {
                addr: addr(24),
                port: port(6),
            },
        ),
        interface: word(40),
        queues: queues(state, word(56), word(60)),
        timer: TimerKind::from_kernel(fixed[2]).map(|kind| Timer {
            kind,
            expires_ms: word(52),
            retransmits: fixed[3],
        }),
        uid: word(64),
        inode: u64::from(word(68)),
        // Two 32-bit words, the low one first whatever the byte order.
        cookie: u64::from(word(44)) | u64::from(word(48)) << 32,
        netns: 0,
    })
}

fn queues(state: State, receive: u32, send: u32) -> Queues {
    match state {
        State::Listen => Queues::Backlog {
            pending: receive,
            max: Some(send),
        },
        _ => Queues::Bytes {
            unread: receive,
            unacknowledged: send,
        },
    }
}

/// Decodes the attributes of a row that are asked for; a recording has more.
pub fn details(row: &[u8], asked: DetailSet) -> Details {
    let mut details = Details::default();
    for (kind, value) in attributes_of(row) {
        match kind {
            INET_DIAG_MARK if asked.extended => details.mark = word(value),
            INET_DIAG_SHUTDOWN if asked.extended => details.shutdown = value.first().copied(),
            INET_DIAG_CGROUP_ID if asked.extended => details.cgroup = long(value),
            INET_DIAG_TOS if asked.tos => details.tos = value.first().copied(),
            INET_DIAG_TCLASS if asked.tos => details.traffic_class = value.first().copied(),
            INET_DIAG_CLASS_ID if asked.tos => details.class_id = word(value),
            INET_DIAG_SKMEMINFO if asked.memory => details.memory = memory(value),
            INET_DIAG_INFO | INET_DIAG_CONG | INET_DIAG_VEGASINFO | INET_DIAG_DCTCPINFO
            | INET_DIAG_BBRINFO | INET_DIAG_ULP_INFO | INET_DIAG_MD5SIG
                if asked.info =>
            {
                let tcp = details
                    .tcp
                    .get_or_insert_with(|| Box::new(TcpDetails::EMPTY));
                take_tcp(tcp, kind, value);
            }
            _ => {}
        }
    }
    details
}

/// The attributes behind the fixed part of a row.
pub(super) fn attributes_of(row: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    attributes(row.get(ROW_LEN..).unwrap_or_default())
}

/// Takes an attribute that only TCP has. A block too short to be one says nothing.
fn take_tcp(tcp: &mut TcpDetails, kind: u16, value: &[u8]) {
    match kind {
        INET_DIAG_INFO => tcp.info = Some(tcp_info::tcp_info(value)),
        INET_DIAG_CONG => tcp.congestion = CongestionName::new(value),
        INET_DIAG_VEGASINFO => tcp.control = tcp_info::vegas(value),
        INET_DIAG_DCTCPINFO => tcp.control = tcp_info::dctcp(value),
        INET_DIAG_BBRINFO => tcp.control = tcp_info::bbr(value),
        INET_DIAG_ULP_INFO => tcp.ulp = Some(Box::new(tcp_info::ulp(value))),
        INET_DIAG_MD5SIG => tcp.md5_peers = tcp_info::md5_peers(value),
        _ => {}
    }
}

fn attribute(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(bytes).find_map(|(kind, value)| (kind == wanted).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::super::netlink::tests::attribute_bytes;
    use super::*;
    use netlink_packet_core::Parseable;
    use netlink_packet_sock_diag::inet::InetResponse;
    use proptest::prelude::*;

    fn row(family: u8, state: u8) -> Vec<u8> {
        let mut row = vec![0; ROW_LEN];
        row[0] = family;
        row[1] = state;
        row[4..6].copy_from_slice(&8080u16.to_be_bytes());
        row[6..8].copy_from_slice(&443u16.to_be_bytes());
        row[8..12].copy_from_slice(&[127, 0, 0, 1]);
        row[24..28].copy_from_slice(&[10, 0, 0, 5]);
        row[44..48].copy_from_slice(&0x55u32.to_ne_bytes());
        row[68..72].copy_from_slice(&4242u32.to_ne_bytes());
        row
    }

    #[test]
    fn a_time_wait_row_keeps_its_expiry() {
        let mut row = row(AF_INET, 6);
        row[2] = 3;
        row[52..56].copy_from_slice(&41_000u32.to_ne_bytes());
        let socket = socket(&row, Protocol::Tcp).unwrap();
        assert_eq!(
            socket.timer,
            Some(Timer {
                kind: TimerKind::Timewait,
                expires_ms: 41_000,
                retransmits: 0
            })
        );
        let ends = socket.inet().unwrap();
        assert_eq!((ends.local.port, ends.peer.port), (8080, 443));
        assert_eq!(socket.inode, 4242);
        assert_eq!(socket.cookie, 0x55);
    }

    #[test]
    fn the_mask_has_bit_13_and_spares_tcp_the_closed_state() {
        let mask = |protocol, states| {
            let table = Table {
                protocol,
                family: Family::V4,
            };
            let request = dump_request(table, states, DetailSet::NONE, &[]);
            u32::from_ne_bytes([request[20], request[21], request[22], request[23]])
        };
        assert_ne!(mask(Protocol::Tcp, StateSet::ALL) & 1 << 13, 0);
        assert_eq!(mask(Protocol::Tcp, StateSet::LISTENING), 1 << 10);
        assert_eq!(mask(Protocol::Udp, StateSet::LISTENING), 1 << 10 | 1 << 7);
        assert_eq!(mask(Protocol::Tcp, StateSet::BOUND), 1 << 13);
    }

    #[test]
    fn unknown_attributes_are_passed_over_and_cut_ones_end_the_walk() {
        let mut bytes = row(AF_INET6, 10);
        bytes.extend(attribute_bytes(999, &[1; 40]));
        bytes.extend(attribute_bytes(INET_DIAG_SKV6ONLY, &[1]));
        assert_eq!(socket(&bytes, Protocol::Tcp).unwrap().v6only, Some(true));
        for cut in ROW_LEN..bytes.len() {
            let socket = socket(&bytes[..cut], Protocol::Tcp).unwrap();
            assert_eq!(socket.state, State::Listen);
        }
        for cut in 0..ROW_LEN {
            assert_eq!(
                socket(&bytes[..cut], Protocol::Tcp),
                Err(RowError::Short(cut, ROW_LEN))
            );
        }
    }

    #[test]
    fn extended_attributes_are_read() {
        let mut bytes = row(AF_INET, 1);
        bytes.extend(attribute_bytes(INET_DIAG_SHUTDOWN, &[2]));
        bytes.extend(attribute_bytes(INET_DIAG_MARK, &7u32.to_ne_bytes()));
        bytes.extend(attribute_bytes(INET_DIAG_CGROUP_ID, &99u64.to_ne_bytes()));
        assert_eq!(
            details(&bytes, DetailSet::ALL),
            Details {
                mark: Some(7),
                cgroup: Some(99),
                shutdown: Some(2),
                ..Details::default()
            }
        );
        assert_eq!(details(&bytes, DetailSet::NONE), Details::default());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = socket(&bytes, Protocol::Tcp);
            let _ = details(&bytes, DetailSet::ALL);
            netlink::Messages::new(&bytes).for_each(drop);
        }

        /// `netlink-packet-sock-diag` as a second opinion on the same rows.
        #[test]
        fn the_crate_decodes_rows_alike(
            mut bytes in proptest::collection::vec(any::<u8>(), ROW_LEN..=ROW_LEN),
            v6 in any::<bool>(),
        ) {
            bytes[0] = if v6 { AF_INET6 } else { AF_INET };
            let ours = socket(&bytes, Protocol::Udp).unwrap();
            let theirs = InetResponse::parse(&bytes).unwrap().header;
            let ends = ours.inet().unwrap();
            prop_assert_eq!(ends.local.addr, theirs.socket_id.source_address);
            prop_assert_eq!(ends.peer.addr, theirs.socket_id.destination_address);
            prop_assert_eq!(ends.local.port, theirs.socket_id.source_port);
            prop_assert_eq!(ends.peer.port, theirs.socket_id.destination_port);
            prop_assert_eq!(ours.interface, theirs.socket_id.interface_id);
            prop_assert_eq!(ours.uid, theirs.uid);
            prop_assert_eq!(ours.inode, u64::from(theirs.inode));
            prop_assert_eq!(ours.queues.recv_q(), theirs.recv_queue);
            prop_assert_eq!(ours.queues.send_q(), theirs.send_queue);
        }
    }
}
