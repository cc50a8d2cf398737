//! What the kernel announces of sockets that it destroyed: which groups to join, and how its
//! messages are read.
//!
//! Layout: `struct inet_diag_msg`, as in a dump, with the attributes `INET_DIAG_PROTOCOL` and, of
//! TCP, `INET_DIAG_INFO`. Source: `inet_diag_handler_get_info` of net/ipv4/inet_diag.c; the groups
//! are `enum sknetlink_groups` of linux/sock_diag.h, since Linux 4.2.

use super::diag::RowError;
use super::inet_diag;
use crate::model::{DetailSet, Details, Family, Protocol, Queues, Socket, State, Table};

/// Attribute with the number of the protocol, which a message that answers no request needs.
const INET_DIAG_PROTOCOL: u16 = 10;

/// The groups in which the ends of the sockets of these tables are announced, as the mask that
/// joins them. Of others than TCP and UDP the kernel announces nothing.
pub fn groups(tables: &[Table]) -> u32 {
    tables
        .iter()
        .filter_map(|table| group(*table))
        .fold(0, |mask, group| mask | 1 << (group - 1))
}

/// `SKNLGRP_INET_TCP_DESTROY` and those that follow it.
const fn group(table: Table) -> Option<u32> {
    match (table.family, table.protocol) {
        (Family::V4, Protocol::Tcp) => Some(1),
        (Family::V4, Protocol::Udp) => Some(2),
        (Family::V6, Protocol::Tcp) => Some(3),
        (Family::V6, Protocol::Udp) => Some(4),
        _ => None,
    }
}

/// Decodes the body of a message: the socket as it was when it ended, and those of the details
/// asked for that are told. Who made it and its inode are not.
pub fn destroyed(body: &[u8], asked: DetailSet) -> Result<(Socket, Details), RowError> {
    let number = inet_diag::attributes_of(body)
        .find_map(|(kind, value)| (kind == INET_DIAG_PROTOCOL).then(|| value.first().copied())?);
    let protocol = Protocol::WITH_PORTS
        .into_iter()
        .find(|protocol| Some(protocol.ip_number()) == number);
    let Some(protocol) = protocol else {
        // What has no room for the fixed part says so, rather than that it lacks an attribute.
        inet_diag::socket(body, Protocol::Udp)?;
        return Err(RowError::Protocol(number));
    };
    let mut socket = inet_diag::socket(body, protocol)?;
    // In a table a closed socket of TCP is one that is bound; here it is really closed.
    if socket.state == State::BoundInactive {
        socket.state = State::Close;
    }
    socket.queues = queues(&socket);
    socket.uid = Socket::NO_UID;
    Ok((socket, inet_diag::details(body, asked)))
}

/// Of UDP the kernel counts one byte less to be sent than none, as it already gave back what it
/// takes off for the socket itself (`sk_wmem_alloc_get`).
fn queues(socket: &Socket) -> Queues {
    match socket.queues {
        Queues::Bytes { unread, .. } if socket.protocol == Protocol::Udp => Queues::Bytes {
            unread,
            unacknowledged: 0,
        },
        told => told,
    }
}

#[cfg(test)]
mod tests {
    use super::super::netlink::tests::attribute_bytes;
    use super::*;
    use proptest::prelude::*;

    const INET_DIAG_INFO: u16 = 2;

    fn body(family: u8, state: u8, protocol: u8) -> Vec<u8> {
        let mut body = vec![0; inet_diag::ROW_LEN];
        (body[0], body[1]) = (family, state);
        body[4..6].copy_from_slice(&40_000u16.to_be_bytes());
        body[6..8].copy_from_slice(&443u16.to_be_bytes());
        body[8..12].copy_from_slice(&[127, 0, 0, 1]);
        body[44] = 0x55;
        body[60..64].copy_from_slice(&u32::MAX.to_ne_bytes());
        body.extend(attribute_bytes(INET_DIAG_PROTOCOL, &[protocol]));
        body
    }

    #[test]
    fn each_table_has_its_group() {
        let table = |protocol, family| Table { protocol, family };
        let mask = |protocol, family| groups(&[table(protocol, family)]);
        assert_eq!(mask(Protocol::Tcp, Family::V4), 1);
        assert_eq!(mask(Protocol::Udp, Family::V4), 2);
        assert_eq!(mask(Protocol::Tcp, Family::V6), 4);
        assert_eq!(mask(Protocol::Udp, Family::V6), 8);
        assert_eq!(mask(Protocol::Unix, Family::Unix), 0);
        let both = Family::IP.map(|family| table(Protocol::Tcp, family));
        assert_eq!(groups(&both), 5);
    }

    #[test]
    fn a_message_tells_how_a_socket_ended_and_not_whose_it_was() {
        let mut bytes = body(2, 7, 6);
        let mut info = [0; 232];
        info[2] = 3;
        bytes.extend(attribute_bytes(INET_DIAG_INFO, &info));
        let (socket, details) = destroyed(&bytes, DetailSet::ALL).unwrap();
        assert_eq!(
            (socket.protocol, socket.state),
            (Protocol::Tcp, State::Close)
        );
        assert_eq!(socket.inet().unwrap().peer.port, 443);
        assert_eq!((socket.uid, socket.inode), (Socket::NO_UID, 0));
        assert_eq!(socket.cookie, 0x55);
        assert!(details.tcp.unwrap().info.is_some());
        assert!(destroyed(&bytes, DetailSet::NONE).unwrap().1.tcp.is_none());
    }

    #[test]
    fn nothing_is_left_to_send_of_udp() {
        let (socket, _) = destroyed(&body(10, 1, 17), DetailSet::NONE).unwrap();
        assert_eq!(
            (socket.state, socket.queues.send_q()),
            (State::Established, 0)
        );
        assert_eq!(socket.family(), Family::V6);
    }

    #[test]
    fn every_truncation_is_an_error_or_says_less() {
        let mut bytes = body(2, 7, 6);
        let named = bytes.len();
        bytes.extend(attribute_bytes(INET_DIAG_INFO, &[1; 64]));
        for cut in 0..bytes.len() {
            let decoded = destroyed(&bytes[..cut], DetailSet::ALL);
            match cut {
                // The three bytes of padding behind the protocol are not part of it.
                cut if cut >= named - 3 => assert!(decoded.is_ok(), "cut at {cut}"),
                inet_diag::ROW_LEN.. => assert_eq!(decoded, Err(RowError::Protocol(None))),
                _ => assert_eq!(decoded, Err(RowError::Short(cut, inet_diag::ROW_LEN))),
            }
        }
    }

    #[test]
    fn what_was_not_asked_for_is_refused() {
        assert_eq!(
            destroyed(&body(2, 7, 132), DetailSet::NONE),
            Err(RowError::Protocol(Some(132)))
        );
        assert_eq!(
            destroyed(&body(1, 7, 6), DetailSet::NONE),
            Err(RowError::Family(1))
        );
        let mut empty = body(2, 7, 6);
        empty.truncate(inet_diag::ROW_LEN);
        empty.extend(attribute_bytes(INET_DIAG_PROTOCOL, &[]));
        assert_eq!(
            destroyed(&empty, DetailSet::NONE),
            Err(RowError::Protocol(None))
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            lengths in proptest::collection::vec((any::<u16>(), any::<u16>()), 0..8),
            tail in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            let mut bytes = body(10, 7, 6);
            for (length, kind) in lengths {
                bytes.extend(length.to_ne_bytes());
                bytes.extend(kind.to_ne_bytes());
            }
            bytes.extend(tail);
            let _ = destroyed(&bytes, DetailSet::ALL);
        }
    }
}
