//! Lines of `/proc/net/if_inet6`: the IPv6 addresses of interfaces.
//!
//! Columns, all in hex but the last: address, index of the interface, bits of the prefix, scope,
//! flags, name of the interface. Source: `if6_seq_show` of net/ipv6/addrconf.c.

use std::net::Ipv6Addr;

use crate::model::LocalV6;

/// Flags of an address, after linux/if_addr.h.
const OPTIMISTIC: u32 = 0x04;
const DAD_FAILED: u32 = 0x08;
const TENTATIVE: u32 = 0x40;

/// A line that is no address; holds the column that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unreadable column {0}")]
pub struct LineError(pub &'static str);

/// A line, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The address.
    pub addr: Ipv6Addr,
    /// Index of its interface.
    pub interface: u32,
    /// How many bits of it are the network's.
    pub prefix: u32,
    /// What it is good for: the host, the link, everywhere.
    pub scope: u32,
    /// Its flags.
    pub flags: u32,
    /// Name of the interface.
    pub name: &'a [u8],
}

impl<'a> Line<'a> {
    /// Parses a line.
    pub fn parse(line: &'a [u8]) -> Result<Line<'a>, LineError> {
        let mut columns = line
            .split(u8::is_ascii_whitespace)
            .filter(|column| !column.is_empty());
        let addr = columns.next().and_then(address);
        let addr = addr.ok_or(LineError("address"))?;
        let mut number = |name| columns.next().and_then(hex).ok_or(LineError(name));
        let [interface, prefix, scope, flags] = [
            number("ifindex")?,
            number("prefix_len")?,
            number("scope")?,
            number("flags")?,
        ];
        Ok(Line {
            addr,
            interface,
            prefix,
            scope,
            flags,
            name: columns.next().unwrap_or_default(),
        })
    }

    /// The address as bind sees it.
    pub fn local(&self) -> LocalV6 {
        let has = |flag| self.flags & flag != 0;
        LocalV6 {
            addr: self.addr,
            interface: self.interface,
            tentative: has(TENTATIVE) && !has(OPTIMISTIC),
            duplicate: has(DAD_FAILED),
        }
    }

    /// The line as the kernel writes it, with its end.
    pub fn text(&self) -> Vec<u8> {
        let mut text = format!(
            "{:032x} {:02x} {:02x} {:02x} {:02x} ",
            self.addr.to_bits(),
            self.interface,
            self.prefix,
            self.scope,
            self.flags
        )
        .into_bytes();
        text.resize(text.len() + 8usize.saturating_sub(self.name.len()), b' ');
        text.extend_from_slice(self.name);
        text.push(b'\n');
        text
    }
}

/// Thirty-two hex digits, in the order in which an address is written.
fn address(digits: &[u8]) -> Option<Ipv6Addr> {
    let digits: &[u8; 32] = digits.try_into().ok()?;
    let bits = digits.iter().try_fold(0u128, |bits, &digit| {
        Some(bits << 4 | u128::from(char::from(digit).to_digit(16)?))
    })?;
    Some(Ipv6Addr::from_bits(bits))
}

fn hex(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    digits.iter().try_fold(0, |number: u32, &digit| {
        Some(number << 4 | char::from(digit).to_digit(16)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LINE: &[u8] = b"fe80000000000000021122fffe334455 02 40 20 80     eth0\n";

    #[test]
    fn a_line_survives() {
        let line = Line::parse(LINE).unwrap();
        assert_eq!(line.text(), LINE);
        assert_eq!(
            line.local(),
            LocalV6 {
                addr: "fe80::211:22ff:fe33:4455".parse().unwrap(),
                interface: 2,
                tentative: false,
                duplicate: false,
            }
        );
    }

    #[track_caller]
    fn check(flags: &str, tentative: bool, duplicate: bool) {
        let line = format!("20010db8000000000000000000000001 1ff 40 00 {flags} averyverylongname");
        let local = Line::parse(line.as_bytes()).unwrap().local();
        assert_eq!(
            (local.tentative, local.duplicate, local.interface),
            (tentative, duplicate, 0x1ff),
            "{flags}"
        );
    }

    #[test]
    fn an_optimistic_address_is_ready() {
        check("80", false, false);
        check("c0", true, false);
        check("44", false, false);
        check("c8", true, true);
        check("01", false, false);
    }

    #[test]
    fn every_truncation_is_an_error_with_its_column_or_says_less() {
        for cut in 0..LINE.len() {
            match (Line::parse(&LINE[..cut]), cut) {
                (Err(LineError("address")), 0..32)
                | (Err(LineError("ifindex")), 32..34)
                | (Err(LineError("prefix_len")), 34..37)
                | (Err(LineError("scope")), 37..40)
                | (Err(LineError("flags")), 40..43) => {}
                // A number may be cut as well.
                (Ok(_), 43..) => {}
                (read, _) => unreachable!("{cut}: {read:?}"),
            }
        }
    }

    #[test]
    fn hostile_columns_are_errors() {
        for (line, column) in [
            (
                &b"+e80000000000000021122fffe334455 02 40 20 80 eth0"[..],
                "address",
            ),
            (
                b"fe80000000000000021122fffe3344556 02 40 20 80 eth0",
                "address",
            ),
            (
                b"fe80000000000000021122fffe334455 100000000 40 20 80",
                "ifindex",
            ),
            (b"fe80000000000000021122fffe334455 -1 40 20 80", "ifindex"),
            (b"fe80000000000000021122fffe334455 02 40 20 \xff", "flags"),
        ] {
            assert_eq!(Line::parse(line), Err(LineError(column)));
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(
            line in proptest::collection::vec(any::<u8>(), 0..100),
            near in "[0-9a-f]{30,34}[ 0-9a-fx]{0,40}",
        ) {
            let _ = Line::parse(&line);
            let _ = Line::parse(near.as_bytes());
        }
    }
}
