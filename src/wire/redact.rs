//! Takes out of a recording what must not, or should not, leave the machine.
//!
//! Keys of TCP MD5 signatures, which the kernel tells root, go always. With `--redact` addresses,
//! names and command lines are replaced, the same ones alike, so that the recording still shows
//! what belongs together.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, INET_DIAG_MD5SIG};

use super::{inet_diag, netlink};
use crate::model::{Family, Table};

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
    /// Replaces the addresses in a chunk of sock_diag messages.
    pub fn chunk(&mut self, chunk: &mut [u8]) {
        each_row(chunk, |row| {
            if row.len() < inet_diag::ROW_LEN {
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

    /// Replaces the addresses in the text of a `/proc/net` table of sockets; a line in which they
    /// cannot be found is left out.
    pub fn table(&mut self, text: &[u8], table: Table) -> Vec<u8> {
        let mut lines = text.split_inclusive(|&byte| byte == b'\n');
        let mut redacted = lines.next().unwrap_or_default().to_vec();
        for line in lines {
            if let Some(line) = self.line(line, table) {
                redacted.extend(line);
            }
        }
        redacted
    }

    fn line(&mut self, line: &[u8], table: Table) -> Option<Vec<u8>> {
        let text = std::str::from_utf8(line).ok()?;
        let mut redacted = text.to_owned();
        let mut columns = text.split_ascii_whitespace().skip(1);
        for _end in ["local", "remote"] {
            let column = columns.next()?;
            let (addr, port) = column.split_once(':')?;
            let new = self.hex_addr(addr, table.family)?;
            // Substitutes are as long as what they replace, so places stay the same.
            let start = column.as_ptr().addr() - text.as_ptr().addr();
            redacted.replace_range(start..start + column.len(), &format!("{new}:{port}"));
        }
        Some(redacted.into_bytes())
    }

    fn hex_addr(&mut self, digits: &str, family: Family) -> Option<String> {
        let word = |digits: &str| u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes);
        let hex = |octets: &[u8; 4]| format!("{:08X}", u32::from_ne_bytes(*octets));
        match family {
            Family::V4 => {
                let new = self.v4(Ipv4Addr::from(word(digits)?));
                Some(hex(&new.octets()))
            }
            Family::V6 => {
                let mut octets = [0; 16];
                for (index, octets) in octets.chunks_exact_mut(4).enumerate() {
                    octets.copy_from_slice(&word(digits.get(index * 8..index * 8 + 8)?)?);
                }
                let new = self.v6(Ipv6Addr::from(octets)).octets();
                Some(
                    new.chunks_exact(4)
                        .filter_map(|octets| octets.first_chunk().map(hex))
                        .collect(),
                )
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Protocol;

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
        assert_eq!(socket.local.addr.to_string(), "10.0.0.1");
        assert_eq!(socket.peer.addr.to_string(), "127.0.0.1");

        let v4 = Table {
            protocol: Protocol::Tcp,
            family: Family::V4,
        };
        let addr = u32::from_ne_bytes([192, 0, 2, 7]);
        let text = format!("  sl head\n   0: {addr:08X}:0016 00000000:0000 0A rest\nbad\n");
        let redacted = String::from_utf8(redactor.table(text.as_bytes(), v4)).unwrap();
        let expected = u32::from_ne_bytes([10, 0, 0, 1]);
        assert_eq!(
            redacted,
            format!("  sl head\n   0: {expected:08X}:0016 00000000:0000 0A rest\n")
        );
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
