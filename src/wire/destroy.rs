//! Requests to destroy one socket of IP, and their answers.
//!
//! The kernel looks for the socket as it would for the receiver of a packet, by addresses, ports
//! and interface; then it compares the cookie. So a request never means another socket than the
//! one that was seen, unless it is for a raw socket: of these the kernel compares no cookies, and
//! whoever asks [looks](find_request) which one it would be.

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST};
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, SOCK_DIAG_BY_FAMILY};

use super::diag;
use super::inet_diag::ROW_LEN;
use super::netlink::{self, Framed, Message, Messages};
use crate::model::{InetEnds, Protocol, Socket, StateSet};

/// Type of a request to destroy a socket, since Linux 4.5.
const SOCK_DESTROY: u16 = 21;
/// `struct inet_diag_req_v2`.
const REQUEST_LEN: usize = 56;
/// Where a header has its sequence number.
const SEQUENCE_AT: usize = 8;
/// Where a row has its cookie.
const COOKIE_AT: usize = 44;

/// The request to destroy this socket and no other; `None` where there can be none: it is no
/// socket of IP, or its cookie is not known.
///
/// `peer_port` is where to look for one without a peer: of several that are bound alike the kernel
/// chooses by the peer, as it does for packets.
pub fn destroy_request(socket: &Socket, sequence: u32, peer_port: u16) -> Option<Vec<u8>> {
    let body = body(socket, peer_port)?;
    let flags = NLM_F_REQUEST | NLM_F_ACK;
    Some(netlink::framed(SOCK_DESTROY, flags, sequence, &body))
}

/// The request for the row of the socket that the kernel finds in the place of this one.
pub fn find_request(socket: &Socket, sequence: u32) -> Option<Vec<u8>> {
    let body = body(socket, 0)?;
    Some(netlink::framed(
        SOCK_DIAG_BY_FAMILY,
        NLM_F_REQUEST,
        sequence,
        &body,
    ))
}

fn body(socket: &Socket, peer_port: u16) -> Option<[u8; REQUEST_LEN]> {
    let InetEnds { local, peer } = socket.inet().filter(|_| socket.cookie != 0)?;
    let mut body = [0; REQUEST_LEN];
    body[0] = match local.addr {
        IpAddr::V4(_) => AF_INET,
        IpAddr::V6(_) => AF_INET6,
    };
    body[1] = socket.protocol.ip_number();
    if socket.protocol == Protocol::Raw {
        // Where others have padding, the protocol of IP, which is what its port is.
        body[3] = u8::try_from(local.port).ok()?;
    }
    body[4..8].copy_from_slice(&StateSet::ALL.bits().to_ne_bytes());
    let peer_port = if peer.is_none() { peer_port } else { peer.port };
    body[8..10].copy_from_slice(&local.port.to_be_bytes());
    body[10..12].copy_from_slice(&peer_port.to_be_bytes());
    for (at, addr) in [(12, local.addr), (28, peer.addr)] {
        match addr {
            IpAddr::V4(addr) => body[at..at + 4].copy_from_slice(&addr.octets()),
            IpAddr::V6(addr) => body[at..at + 16].copy_from_slice(&addr.octets()),
        }
    }
    body[44..48].copy_from_slice(&socket.interface.to_ne_bytes());
    // The low word first, whatever the byte order.
    body[48..52].copy_from_slice(&(socket.cookie as u32).to_ne_bytes());
    body[52..56].copy_from_slice(&((socket.cookie >> 32) as u32).to_ne_bytes());
    Some(body)
}

/// What the kernel said to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The sequence number of the request.
    pub sequence: u32,
    /// What it said.
    pub kind: AnswerKind,
}

/// What the kernel said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerKind {
    /// It is done.
    Done,
    /// A socket with this cookie is there.
    Found(u64),
    /// No, with a positive errno.
    Refused(i32),
}

/// The answers in a chunk; what is cut ends them.
pub fn answers(chunk: &[u8]) -> impl Iterator<Item = Answer> {
    Messages::new(chunk).flatten().filter_map(move |framed| {
        let kind = match framed.message {
            Message::Error(0) => AnswerKind::Done,
            Message::Error(errno) => AnswerKind::Refused(errno.saturating_abs()),
            Message::Row(row) => {
                let fixed = row.first_chunk::<ROW_LEN>()?;
                AnswerKind::Found(diag::cookie_at(fixed, COOKIE_AT))
            }
            _ => return None,
        };
        let sequence = sequence_of(&framed, chunk)?;
        Some(Answer { sequence, kind })
    })
}

fn sequence_of(framed: &Framed<'_>, chunk: &[u8]) -> Option<u32> {
    let field = chunk.get(framed.offset + SEQUENCE_AT..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*field))
}

#[cfg(test)]
mod tests {
    use super::super::inet_diag;
    use super::super::netlink::{HEADER_LEN, framed};
    use super::*;
    use netlink_packet_core::NLMSG_ERROR;
    use proptest::prelude::*;

    /// A row of which every byte of the id is another.
    fn row(family: u8) -> [u8; ROW_LEN] {
        let mut row = [0; ROW_LEN];
        row[0] = family;
        row[1] = 1;
        let addr_len = if family == AF_INET { 4 } else { 16 };
        for at in (4..8)
            .chain(8..8 + addr_len)
            .chain(24..24 + addr_len)
            .chain(40..52)
        {
            row[at] = at as u8;
        }
        row
    }

    #[test]
    fn the_id_of_a_request_is_that_of_the_row_byte_by_byte() {
        for (family, protocol, number) in [
            (AF_INET, Protocol::Tcp, 6),
            (AF_INET6, Protocol::Tcp, 6),
            (AF_INET, Protocol::Udp, 17),
            (AF_INET6, Protocol::Udp, 17),
        ] {
            let row = row(family);
            let socket = inet_diag::socket(&row, protocol).unwrap();
            let request = destroy_request(&socket, 0x0102_0304, 9).unwrap();
            assert_eq!(request.len(), HEADER_LEN + REQUEST_LEN);
            assert_eq!(request[4..6], 21u16.to_ne_bytes());
            assert_eq!(request[6..8], 5u16.to_ne_bytes());
            assert_eq!(request[8..12], 0x0102_0304u32.to_ne_bytes());
            let body = &request[HEADER_LEN..];
            assert_eq!(body[..4], [family, number, 0, 0]);
            assert_eq!(body[8..], row[4..52]);
        }
    }

    #[test]
    fn a_raw_socket_is_looked_for_by_its_protocol_of_ip() {
        let mut row = row(AF_INET);
        row[4..6].copy_from_slice(&58u16.to_be_bytes());
        let socket = inet_diag::socket(&row, Protocol::Raw).unwrap();
        for request in [destroy_request(&socket, 1, 0), find_request(&socket, 1)] {
            assert_eq!(request.unwrap()[HEADER_LEN..][..4], [AF_INET, 255, 0, 58]);
        }
        assert_eq!(find_request(&socket, 1).unwrap()[4..6], 20u16.to_ne_bytes());
    }

    #[test]
    fn only_one_without_a_peer_is_looked_for_elsewhere() {
        let peer_port = |row: &[u8]| {
            let socket = inet_diag::socket(row, Protocol::Tcp).unwrap();
            let request = destroy_request(&socket, 1, 77).unwrap();
            u16::from_be_bytes([request[HEADER_LEN + 10], request[HEADER_LEN + 11]])
        };
        let mut row = row(AF_INET);
        assert_eq!(peer_port(&row), 0x0607);
        row[6..8].fill(0);
        row[24..28].fill(0);
        assert_eq!(peer_port(&row), 77);
    }

    #[test]
    fn without_a_cookie_there_is_no_request() {
        let mut row = row(AF_INET);
        row[44..52].fill(0);
        let socket = inet_diag::socket(&row, Protocol::Tcp).unwrap();
        assert_eq!(destroy_request(&socket, 1, 0), None);
        assert_eq!(find_request(&socket, 1), None);
    }

    #[test]
    fn every_answer_is_told_with_its_request() {
        let error = |sequence, errno: i32| framed(NLMSG_ERROR, 0, sequence, &errno.to_ne_bytes());
        let found = framed(SOCK_DIAG_BY_FAMILY, 0, 9, &row(AF_INET));
        let chunk = [error(7, 0), error(8, -1), found, error(3, i32::MIN)].concat();
        let told: Vec<(u32, AnswerKind)> = answers(&chunk)
            .map(|answer| (answer.sequence, answer.kind))
            .collect();
        let cookie = u64::from(u32::from_ne_bytes([44, 45, 46, 47]))
            | u64::from(u32::from_ne_bytes([48, 49, 50, 51])) << 32;
        let expected = [
            (7, AnswerKind::Done),
            (8, AnswerKind::Refused(1)),
            (9, AnswerKind::Found(cookie)),
            (3, AnswerKind::Refused(i32::MAX)),
        ];
        assert_eq!(told, expected);
        for cut in 0..chunk.len() {
            assert!(answers(&chunk[..cut]).count() < 4);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            answers(&bytes).for_each(drop);
        }
    }
}
