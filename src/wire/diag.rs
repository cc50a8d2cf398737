//! sock_diag of every protocol: which request asks for a table, and how its rows are read.

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST};
use netlink_packet_sock_diag::constants::SOCK_DIAG_BY_FAMILY;

use super::tcp_info::word;
use super::{inet_diag, netlink, netlink_diag, packet_diag, unix_diag};
use crate::model::{
    DetailSet, Details, Ends, Family, Memory, Names, Protocol, Socket, StateSet, Table,
};

/// The sequence number of every request; each dump has a netlink socket of its own.
pub(super) const SEQUENCE: u32 = 1;

/// A row that cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// Shorter than the fixed part.
    #[error("row of {0} bytes, less than {1}")]
    Short(usize, usize),
    /// Of another address family than its table.
    #[error("row of address family {0}")]
    Family(u8),
    /// Of a protocol that was not asked for, or of none.
    #[error("row of protocol {}", .0.map_or("none".to_owned(), |number| number.to_string()))]
    Protocol(Option<u8>),
}

/// The request to dump the sockets of a table that are in one of the states.
///
/// The kernel leaves out what `program` rejects; an empty one rejects nothing. Only tables of IP
/// know programs.
pub fn dump_request(table: Table, states: StateSet, details: DetailSet, program: &[u8]) -> Vec<u8> {
    match table.protocol {
        Protocol::Tcp | Protocol::Udp | Protocol::Raw => {
            inet_diag::dump_request(table, states, details, program)
        }
        Protocol::Unix => unix_diag::dump_request(states, details),
        Protocol::Packet => packet_diag::dump_request(details),
        Protocol::Netlink => netlink_diag::dump_request(details),
    }
}

/// Whether the kernel runs a program on the sockets of a protocol before it reports them: those
/// of IP.
pub const fn takes_program(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Tcp | Protocol::Udp | Protocol::Raw)
}

/// The family of a row of a protocol; `None` when it cannot be a row.
#[inline]
pub fn family(row: &[u8], protocol: Protocol) -> Option<Family> {
    if takes_program(protocol) {
        return inet_diag::family(row);
    }
    match protocol {
        Protocol::Unix => unix_diag::is_row(row).then_some(Family::Unix),
        Protocol::Packet => packet_diag::is_row(row).then_some(Family::Packet),
        _ => netlink_diag::is_row(row).then_some(Family::Netlink),
    }
}

/// Decodes a row of a protocol; its name, if it has one, is kept in `names`.
#[inline]
pub fn socket(row: &[u8], protocol: Protocol, names: &mut Names) -> Result<Socket, RowError> {
    if takes_program(protocol) {
        return inet_diag::socket(row, protocol);
    }
    match protocol {
        Protocol::Unix => unix_diag::socket(row, names),
        Protocol::Packet => packet_diag::socket(row),
        _ => netlink_diag::socket(row),
    }
}

/// Decodes the attributes of a row that are asked for; a recording has more.
pub fn details(row: &[u8], protocol: Protocol, asked: DetailSet) -> Details {
    match protocol {
        Protocol::Tcp | Protocol::Udp | Protocol::Raw => inet_diag::details(row, asked),
        Protocol::Unix => unix_diag::details(row, asked),
        Protocol::Packet => packet_diag::details(row, asked),
        Protocol::Netlink => netlink_diag::details(row, asked),
    }
}

/// The messages of a chunk of netlink sockets but for those of one port id, and how many those
/// are.
pub fn without_port(chunk: &[u8], port: u32) -> (Vec<u8>, u64) {
    let (mut others, mut left_out) = (Vec::with_capacity(chunk.len()), 0);
    let mut rest = chunk;
    while let Some(length) = netlink::message_length(rest) {
        let end = netlink::align(length).clamp(netlink::HEADER_LEN, rest.len());
        let (message, behind) = rest.split_at(end);
        let body = &message[netlink::HEADER_LEN..];
        let is_row = u16::from_ne_bytes([message[4], message[5]]) == SOCK_DIAG_BY_FAMILY;
        match netlink_diag::socket(body).map(|socket| socket.ends) {
            Ok(Ends::Netlink(ends)) if is_row && ends.port == port => left_out += 1,
            _ => others.extend_from_slice(message),
        }
        rest = behind;
    }
    others.extend_from_slice(rest);
    (others, left_out)
}

/// A request for a dump with this body.
pub(super) fn request(body: &[u8]) -> Vec<u8> {
    netlink::framed(
        SOCK_DIAG_BY_FAMILY,
        NLM_F_REQUEST | NLM_F_DUMP,
        SEQUENCE,
        body,
    )
}

/// The fixed part of a row, and its attributes.
pub(super) fn split<const N: usize>(row: &[u8], family: u8) -> Result<(&[u8; N], &[u8]), RowError> {
    let (fixed, attributes) = row
        .split_first_chunk::<N>()
        .ok_or(RowError::Short(row.len(), N))?;
    match fixed.first() {
        Some(&found) if found != family => Err(RowError::Family(found)),
        _ => Ok((fixed, attributes)),
    }
}

/// The word at an offset of a fixed part; 0 beyond its end.
pub(super) fn word_at(fixed: &[u8], at: usize) -> u32 {
    fixed.get(at..).and_then(word).unwrap_or_default()
}

/// The cookie at an offset: two words, the low one first whatever the byte order.
pub(super) fn cookie_at(fixed: &[u8], at: usize) -> u64 {
    u64::from(word_at(fixed, at)) | u64::from(word_at(fixed, at + 4)) << 32
}

/// Reads `SK_MEMINFO_*`, of which older kernels send less.
pub(super) fn memory(value: &[u8]) -> Option<Memory> {
    let at = |index: usize| value.get(4 * index..).and_then(word);
    Some(Memory {
        rmem_alloc: at(0)?,
        rcvbuf: at(1)?,
        wmem_alloc: at(2)?,
        sndbuf: at(3)?,
        fwd_alloc: at(4)?,
        wmem_queued: at(5)?,
        optmem: at(6)?,
        backlog: at(7),
        drops: at(8),
    })
}

#[cfg(test)]
mod tests {
    use super::super::netlink::framed;
    use super::*;

    #[test]
    fn only_the_rows_of_a_port_are_left_out() {
        let row = |port: u8| {
            let mut row = [0; 28];
            (row[0], row[4]) = (16, port);
            framed(20, 2, 1, &row)
        };
        let end = framed(3, 2, 1, &[0; 4]);
        let chunk = [row(1), row(2), row(1), row(3), end.clone()].concat();
        let left = [row(2), row(3), end].concat();
        let port = u32::from_ne_bytes([1, 0, 0, 0]);
        assert_eq!(without_port(&chunk, port), (left, 2));
        for cut in 0..chunk.len() {
            without_port(&chunk[..cut], port);
        }
    }
}
