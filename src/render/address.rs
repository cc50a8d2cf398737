//! Addresses, ports and numbers, written without the machinery of `format!`.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};

use super::escape;
use crate::model::{Endpoint, InetEnds, Protocol, Row};

/// Appends a number.
pub(super) fn push_number(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends an address, without brackets.
pub(super) fn push_addr(out: &mut Vec<u8>, addr: IpAddr) {
    match addr {
        IpAddr::V4(addr) => push_v4(out, addr),
        IpAddr::V6(addr) => match addr.to_ipv4_mapped() {
            Some(mapped) => {
                out.extend_from_slice(b"::ffff:");
                push_v4(out, mapped);
            }
            None => {
                // Writing to memory does not fail.
                let _ = write!(out, "{addr}");
            }
        },
    }
}

fn push_v4(out: &mut Vec<u8>, addr: Ipv4Addr) {
    // Put together on the stack: one copy rather than seven.
    let mut text = *b"255.255.255.255";
    let mut length = 0;
    let mut push = |byte: u8| {
        text[length] = byte;
        length += 1;
    };
    for (index, octet) in addr.octets().into_iter().enumerate() {
        if index > 0 {
            push(b'.');
        }
        if octet >= 100 {
            push(b'0' + octet / 100);
        }
        if octet >= 10 {
            push(b'0' + octet / 10 % 10);
        }
        push(b'0' + octet % 10);
    }
    out.extend_from_slice(&text[..length]);
}

/// Appends `addr:port` as one word: IPv6 in brackets.
pub(super) fn push_endpoint(out: &mut Vec<u8>, endpoint: &Endpoint) {
    push_bracketed(out, endpoint.addr);
    out.push(b':');
    push_number(out, endpoint.port);
}

fn push_bracketed(out: &mut Vec<u8>, addr: IpAddr) {
    match addr {
        IpAddr::V4(_) => push_addr(out, addr),
        IpAddr::V6(_) => {
            out.push(b'[');
            push_addr(out, addr);
            out.push(b']');
        }
    }
}

/// Which end of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Local,
    Peer,
}

impl Side {
    /// This one of both ends.
    pub(super) const fn of(self, ends: &InetEnds) -> &Endpoint {
        match self {
            Side::Local => &ends.local,
            Side::Peer => &ends.peer,
        }
    }

    pub(super) const fn service<'a>(self, row: &Row<'a>) -> Option<&'a str> {
        match self {
            Side::Local => row.local_service,
            Side::Peer => row.peer_service,
        }
    }
}

/// Appends the address of an end as ss shows it: `*` for the wildcard of a dual-stack socket,
/// brackets, the device, the host name where one was asked for.
pub(super) fn push_ss_addr(out: &mut Vec<u8>, row: &Row<'_>, side: Side, endpoint: &Endpoint) {
    let host = match side {
        Side::Local => row.hosts.local,
        Side::Peer => row.hosts.peer,
    };
    if let Some(host) = host {
        escape::push_word(out, host);
    } else if matches!(endpoint.addr, IpAddr::V6(_))
        && endpoint.is_wildcard()
        && row.socket.v6only != Some(true)
    {
        out.push(b'*');
    } else {
        push_bracketed(out, endpoint.addr);
    }
    if side == Side::Local && row.socket.interface != 0 {
        out.push(b'%');
        push_interface(out, row);
    }
}

/// Appends the name of the interface, or its number where it has none any more.
pub(super) fn push_interface(out: &mut Vec<u8>, row: &Row<'_>) {
    match row.interface {
        Some(name) => escape::push_word(out, name),
        None => {
            out.extend_from_slice(b"if");
            push_number(out, row.socket.interface);
        }
    }
}

/// Appends the port of an end as ss shows it: `*` for none, its service when `named`.
pub(super) fn push_ss_port(
    out: &mut Vec<u8>,
    row: &Row<'_>,
    side: Side,
    endpoint: &Endpoint,
    named: bool,
) {
    let port = endpoint.port;
    match side.service(row) {
        _ if port == 0 => out.push(b'*'),
        Some(name) if named => escape::push_word(out, name.as_bytes()),
        None if named && row.socket.protocol == Protocol::Raw => {
            out.extend_from_slice(b"ipproto-");
            push_number(out, port);
        }
        _ => push_number(out, port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn addresses_are_written_as_std_writes_them(v6 in any::<u128>(), v4 in any::<u32>()) {
            for addr in [
                IpAddr::from(v6.to_be_bytes()),
                IpAddr::from(Ipv4Addr::from(v4)),
                IpAddr::from(Ipv4Addr::from(v4).to_ipv6_mapped()),
            ] {
                let mut out = Vec::new();
                push_addr(&mut out, addr);
                prop_assert_eq!(String::from_utf8(out).unwrap(), addr.to_string());
            }
        }
    }
}
