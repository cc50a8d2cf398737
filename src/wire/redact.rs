//! Takes out of a recording what must not, or should not, leave the machine.
//!
//! Keys of TCP MD5 signatures, which the kernel tells root, go always. With `--redact` addresses,
//! names and command lines are replaced, the same ones alike, so that the recording still shows
//! what belongs together.

mod local;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, INET_DIAG_MD5SIG};

use super::{inet_diag, netlink, proc_net};
use crate::model::{Family, Protocol, Table};

/// Replaces the same text or address by the same substitute, for one recording.
#[derive(Debug, Default)]
pub struct Redactor {
    v4: HashMap<Ipv4Addr, Ipv4Addr>,
    v6: HashMap<Ipv6Addr, Ipv6Addr>,
    names: HashMap<Vec<u8>, String>,
}

/// Overwrites the signature keys in a chunk of messages.
pub fn scrub_keys(chunk: &mut [u8]) {
    each_row(chunk, |row| {
        let Some(mut rest) = row.get_mut(inet_diag::ROW_LEN..) else {
            return;
        };
        while let Some(header) = rest.first_chunk::<4>() {
            let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
            let kind = u16::from_ne_bytes([header[2], header[3]]) & 0x3fff;
            let Some(value) = rest.get_mut(4..length) else {
                return;
            };
            if kind == INET_DIAG_MD5SIG {
                value.fill(0);
            }
            let next = netlink::align(length).min(rest.len());
            rest = &mut rest[next..];
        }
    });
}

/// Calls `change` with the body of every row in a chunk.
fn each_row(chunk: &mut [u8], mut change: impl FnMut(&mut [u8])) {
    let mut start = 0;
    while let Some(length) = chunk.get(start..).and_then(netlink::message_length) {
        let Some(message) = chunk.get_mut(start..start.saturating_add(length)) else {
            return;
        };
        if length < netlink::HEADER_LEN {
            return;
        }
        if matches!(u16::from_ne_bytes([message[4], message[5]]), 18 | 20) {
            change(&mut message[netlink::HEADER_LEN..]);
        }
        start += netlink::align(length);
    }
}

impl Redactor {
    /// Replaces addresses and names in a chunk of sock_diag messages.
    pub fn messages(&mut self, chunk: &mut Vec<u8>, protocol: Protocol) {
        match protocol {
            Protocol::Tcp | Protocol::Udp | Protocol::Raw => self.chunk(chunk),
            _ => *chunk = self.beyond_ip_chunk(chunk, protocol),
        }
    }

    /// Replaces the addresses in a chunk of sock_diag messages.
    fn chunk(&mut self, chunk: &mut [u8]) {
        each_row(chunk, |row| {
            // Of what is no row nobody knows what it tells.
            if row.len() < inet_diag::ROW_LEN || !matches!(row[0], AF_INET | AF_INET6) {
                row.fill(0);
                return;
            }
            for at in [8, 24] {
                match row[0] {
                    AF_INET => {
                        let octets = [row[at], row[at + 1], row[at + 2], row[at + 3]];
                        let new = self.v4(Ipv4Addr::from(octets));
                        row[at..at + 4].copy_from_slice(&new.octets());
                    }
                    AF_INET6 => {
                        let mut octets = [0; 16];
                        octets.copy_from_slice(&row[at..at + 16]);
                        let new = self.v6(Ipv6Addr::from(octets));
                        row[at..at + 16].copy_from_slice(&new.octets());
                    }
                    _ => {}
                }
            }
        });
    }

    /// A line of a `/proc/net` table of sockets with its addresses and names replaced. `None` for a line that
    /// is neither a socket nor the heading, as nobody knows what such a line tells.
    pub fn line(&mut self, line: &[u8], table: Table) -> Option<Vec<u8>> {
        if proc_net::is_heading(line) {
            return line.iter().all(is_of_heading).then(|| line.to_vec());
        }
        if !Family::IP.contains(&table.family) {
            return self.beyond_ip_line(line, table);
        }
        let socket = proc_net::inet_socket(line, table).ok()?;
        let ends = socket.inet()?;
        // Substitutes are as long as what they replace, so columns stay where they are.
        let [slot, local, peer, rest] = pieces(line)?;
        let mut redacted = slot.to_vec();
        for (piece, end) in [(local, ends.local), (peer, ends.peer)] {
            let colon = piece.iter().position(|&byte| byte == b':')?;
            let (before, port) = piece.split_at(colon);
            let blank = before.len() - before.trim_ascii_start().len();
            redacted.extend_from_slice(&before[..blank]);
            redacted.extend_from_slice(hex(self.addr(end.addr)).as_bytes());
            redacted.extend_from_slice(port);
        }
        redacted.extend_from_slice(rest);
        Some(redacted)
    }

    /// The substitute of an address. Wildcards and loopback say nothing of a machine and stay.
    pub fn addr(&mut self, addr: IpAddr) -> IpAddr {
        match addr {
            IpAddr::V4(addr) => IpAddr::V4(self.v4(addr)),
            IpAddr::V6(addr) => IpAddr::V6(self.v6(addr)),
        }
    }

    fn v4(&mut self, addr: Ipv4Addr) -> Ipv4Addr {
        if addr.is_unspecified() || addr.is_loopback() || addr.is_broadcast() {
            return addr;
        }
        let next = u32::try_from(self.v4.len()).unwrap_or(u32::MAX) & 0x00ff_ffff;
        *self
            .v4
            .entry(addr)
            .or_insert_with(|| Ipv4Addr::from(0x0a00_0000 | next.saturating_add(1)))
    }

    fn v6(&mut self, addr: Ipv6Addr) -> Ipv6Addr {
        if addr.is_unspecified() || addr.is_loopback() {
            return addr;
        }
        if let Some(mapped) = addr.to_ipv4_mapped() {
            return self.v4(mapped).to_ipv6_mapped();
        }
        // A link-local address stays one, as it means something different.
        let prefix: u128 = if addr.is_unicast_link_local() {
            0xfe80 << 112
        } else {
            0xfd00 << 112
        };
        let next = self.v6.len() as u128 + 1;
        *self
            .v6
            .entry(addr)
            .or_insert_with(|| Ipv6Addr::from(prefix | next))
    }

    /// The substitute of a name: `kind-1`, `kind-2`, … Empty stays empty.
    pub fn name(&mut self, kind: &str, name: &[u8]) -> String {
        if name.is_empty() {
            return String::new();
        }
        let key = [kind.as_bytes(), b"\0", name].concat();
        let next = self.names.len() + 1;
        self.names
            .entry(key)
            .or_insert_with(|| format!("{kind}-{next}"))
            .clone()
    }
}

/// An address as `/proc/net` writes it.
fn hex(addr: IpAddr) -> String {
    let words = |octets: &[u8]| {
        octets
            .chunks_exact(4)
            .filter_map(<[u8]>::first_chunk)
            .map(|word| format!("{:08X}", u32::from_ne_bytes(*word)))
            .collect()
    };
    match addr {
        IpAddr::V4(addr) => words(&addr.octets()),
        IpAddr::V6(addr) => words(&addr.octets()),
    }
}

/// The slot, the two ends and the rest of a line, with the blanks before them; `None` when the
/// first or the last might hold an address of their own.
fn pieces(line: &[u8]) -> Option<[&[u8]; 4]> {
    let (slot, rest) = cut_column(line);
    let (local, rest) = cut_column(rest);
    let (peer, rest) = cut_column(rest);
    let slot_is_number = slot
        .trim_ascii_start()
        .strip_suffix(b":")
        .is_some_and(|number| number.iter().all(u8::is_ascii_digit));
    let columns = rest
        .split(u8::is_ascii_whitespace)
        .filter(|column| !column.is_empty());
    // State, queues and timer were read as such.
    (slot_is_number && columns.skip(3).all(is_number)).then_some([slot, local, peer, rest])
}

/// The first column, with the blanks before it, and what follows it.
fn cut_column(line: &[u8]) -> (&[u8], &[u8]) {
    let blank = line.len() - line.trim_ascii_start().len();
    let length = line[blank..].iter().position(u8::is_ascii_whitespace);
    line.split_at(length.map_or(line.len(), |length| blank + length))
}

/// Whether a column behind the timer is a number, as all of the kernel's are; a pointer has
/// sixteen digits.
pub(super) fn is_number(column: &[u8]) -> bool {
    let digits = column.strip_prefix(b"-").unwrap_or(column);
    digits.len() <= 16 && digits.iter().all(u8::is_ascii_hexdigit)
}

/// Whether a byte of the heading can be part of the kernel's, which has neither digits nor dots.
fn is_of_heading(byte: &u8) -> bool {
    byte.is_ascii_alphabetic() || byte.is_ascii_whitespace() || b"_->".contains(byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const V4: Table = Table {
        protocol: Protocol::Tcp,
        family: Family::V4,
    };
    const V6: Table = Table {
        protocol: Protocol::Tcp,
        family: Family::V6,
    };

    fn message(attribute: u16) -> Vec<u8> {
        let mut body = vec![0; inet_diag::ROW_LEN];
        body[0] = AF_INET;
        body[8..12].copy_from_slice(&[192, 0, 2, 7]);
        body[24..28].copy_from_slice(&[127, 0, 0, 1]);
        body.extend(12u16.to_ne_bytes());
        body.extend(attribute.to_ne_bytes());
        body.extend([0xaa; 8]);
        netlink::framed(20, 0, 1, &body)
    }

    #[test]
    fn keys_go_and_other_attributes_stay() {
        let mut chunk = message(INET_DIAG_MD5SIG);
        chunk.extend(message(2));
        scrub_keys(&mut chunk);
        assert_eq!(chunk.iter().filter(|&&byte| byte == 0xaa).count(), 8);
        for cut in 0..chunk.len() {
            scrub_keys(&mut chunk[..cut]);
        }
    }

    #[test]
    fn addresses_are_replaced_alike_in_messages_and_in_proc() {
        let mut redactor = Redactor::default();
        let mut chunk = message(2);
        redactor.chunk(&mut chunk);
        let socket = inet_diag::socket(&chunk[16..], Protocol::Tcp).unwrap();
        let ends = socket.inet().unwrap();
        assert_eq!(ends.local.addr.to_string(), "10.0.0.1");
        assert_eq!(ends.peer.addr.to_string(), "127.0.0.1");

        let addr = u32::from_ne_bytes([192, 0, 2, 7]);
        let rest = "0A 00000000:00000000 00:00000000 00000000  1000        0 7 1 0 100 -1\n";
        let text = format!("   0: {addr:08X}:0016 00000000:0000 {rest}");
        let expected = u32::from_ne_bytes([10, 0, 0, 1]);
        assert_eq!(
            redactor.line(text.as_bytes(), V4).unwrap(),
            format!("   0: {expected:08X}:0016 00000000:0000 {rest}").as_bytes()
        );
    }

    #[test]
    fn a_v6_line_keeps_its_columns() {
        let line = b"  12: B80D01200000000000000000 05000000:0016 x";
        assert_eq!(Redactor::default().line(line, V6), None);
        let addr: Ipv6Addr = "2001:db8::5".parse().unwrap();
        let line = |addr: Ipv6Addr| {
            let addr = hex(IpAddr::V6(addr));
            format!("  12: {addr}:0016 {addr}:BEEF 01 00:00 00:00 0 0 0 7 1 ffff888000000000\n")
        };
        let redacted = Redactor::default().line(line(addr).as_bytes(), V6).unwrap();
        let expected = line("fd00::1".parse().unwrap());
        assert_eq!(String::from_utf8(redacted).unwrap(), expected);
    }

    #[test]
    fn a_line_that_may_hold_an_address_elsewhere_is_left_out() {
        let good = "0: 0100007F:0016 070200C0:0016 01 00:00 00:00 0 0 0 7";
        assert!(Redactor::default().line(good.as_bytes(), V4).is_some());
        for line in [
            "sl 192.0.2.7",
            "sl 070200C0:0016",
            "192.0.2.7: 0100007F:0016 070200C0:0016 01 00:00 00:00 0 0 0 7",
            "0: 0100007F:0016 070200C0:0016 01 00:00 00:00 0 0 0 7 192.0.2.7",
            "0: 0100007F:0016 070200C0:0016 01 00:00 00:00 0 0 0 7 070200C0:0016",
            "0: 0100007F:0016 070200C0:0016 01 00:00 00:00 0 0 0 7 2001:db8::zz",
            "0: 0100007F:0016 0000000070200C0:0016 01 00:00 00:00 0 0 0 7",
            "0: 0100007F:0016 +70200C0:0016 01 00:00 00:00 0 0 0 7",
            "0: 0100007F:0016 70200C0:0016 01 00:00 00:00 0 0 0 7",
            "0: 0100007F:0016 \u{e9}70200C0:0016 01 00:00 00:00 0 0 0 7",
            "0: \u{e9}:0016 0100007F:0016",
            "0: 0100007F:0016",
            "0:",
            "",
        ] {
            assert_eq!(
                Redactor::default().line(line.as_bytes(), V4),
                None,
                "{line}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(
            line in "[ 0-9A-F:+\u{e9}\u{1f600}]{0,120}",
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            for table in [V4, V6] {
                let _ = Redactor::default().line(line.as_bytes(), table);
                let _ = Redactor::default().line(&bytes, table);
            }
        }
    }

    #[test]
    fn nothing_stays_of_a_row_that_is_none() {
        let row = [AF_INET, 1, 0, 0, 0, 22, 0, 22, 192, 0, 2, 7];
        let mut other = message(2)[16..].to_vec();
        other[0] = 1;
        for body in [&row[..], &other] {
            let mut chunk = netlink::framed(20, 0, 1, body);
            Redactor::default().chunk(&mut chunk);
            assert!(chunk[16..].iter().all(|&byte| byte == 0), "{chunk:?}");
        }
    }

    #[test]
    fn v6_kinds_stay_what_they_are() {
        let mut redactor = Redactor::default();
        let mut new = |addr: &str| redactor.addr(addr.parse().unwrap()).to_string();
        assert_eq!(new("::1"), "::1");
        assert_eq!(new("2001:db8::5"), "fd00::1");
        assert_eq!(new("fe80::5"), "fe80::2");
        assert_eq!(new("::ffff:192.0.2.9"), "::ffff:10.0.0.1");
        assert_eq!(new("192.0.2.9"), "10.0.0.1");
        assert_eq!(new("2001:db8::5"), "fd00::1");
    }

    #[test]
    fn names_are_numbered_by_kind() {
        let mut redactor = Redactor::default();
        let one = redactor.name("process", b"nginx");
        assert_eq!(one, redactor.name("process", b"nginx"));
        assert_ne!(one, redactor.name("process", b"redis"));
        assert_eq!(redactor.name("user", b""), "");
    }
}
