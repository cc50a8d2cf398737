//! Lines of the tables of sockets in `/proc/net`, after proc_pid_net(5).
//!
//! Columns of `tcp`, `udp` and `raw`: `sl local rem st tx_queue:rx_queue tr:when retrnsmt uid timeout inode …`; addresses
//! are words in the machine's byte order, in hex, ports in hex.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{proc_netlink, proc_packet, proc_unix};
use crate::model::{
    DetailSet, Details, Endpoint, Ends, Family, Names, Protocol, Queues, Socket, State, Table,
    Timer, TimerKind,
};

/// Milliseconds in a clock tick as user space sees it (`USER_HZ` is 100 everywhere).
const TICK_MS: u32 = 10;

/// A line that is no socket; holds the column that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unreadable column {0}")]
pub struct LineError(pub &'static str);

/// Whether the line is the heading.
pub fn is_heading(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    [&b"sl"[..], b"sk", b"Num"]
        .iter()
        .any(|first| line.starts_with(first))
}

/// Whether a line only goes on with the one before: the kernel prints the paths of unix sockets as
/// they are, and a path may hold newlines.
pub fn goes_on(line: &[u8], table: Table) -> bool {
    table.protocol == Protocol::Unix && proc_unix::head(line).is_err()
}

/// Parses one line; the name in it, if there is one, is kept in `names`.
pub fn socket(line: &[u8], table: Table, names: &mut Names) -> Result<Socket, LineError> {
    match table.protocol {
        Protocol::Tcp | Protocol::Udp | Protocol::Raw => inet_socket(line, table),
        Protocol::Unix => proc_unix::socket(line, names),
        Protocol::Packet => proc_packet::socket(line),
        Protocol::Netlink => proc_netlink::socket(line),
    }
}

/// What a line tells of the details that are asked for, which is next to nothing.
pub fn details(line: &[u8], table: Table, asked: DetailSet) -> Details {
    match table.protocol {
        Protocol::Netlink if asked.extended => proc_netlink::details(line),
        _ => Details::default(),
    }
}

/// The columns of a line, each taken by its name.
pub(super) struct Columns<I>(I);

impl<'a> Columns<()> {
    pub(super) fn of(line: &'a [u8]) -> Columns<impl Iterator<Item = &'a [u8]>> {
        let columns = line.split(u8::is_ascii_whitespace);
        Columns(columns.filter(|column| !column.is_empty()))
    }
}

impl<'a, I: Iterator<Item = &'a [u8]>> Columns<I> {
    pub(super) fn next(&mut self, name: &'static str) -> Result<&'a [u8], LineError> {
        self.0.next().ok_or(LineError(name))
    }

    /// The next column, a number of digits of a base.
    pub(super) fn number(&mut self, name: &'static str, base: u32) -> Result<u64, LineError> {
        number(self.next(name)?, base).ok_or(LineError(name))
    }

    /// The next column, a number in a narrower type.
    pub(super) fn narrow<N: TryFrom<u64>>(
        &mut self,
        name: &'static str,
        base: u32,
    ) -> Result<N, LineError> {
        N::try_from(self.number(name, base)?).map_err(|_| LineError(name))
    }
}

/// Parses one line of TCP, UDP or raw IP.
pub fn inet_socket(line: &[u8], table: Table) -> Result<Socket, LineError> {
    let mut columns = Columns::of(line);
    let mut next = |name| columns.next(name);

    next("sl")?;
    let local = endpoint(next("local_address")?, table.family).ok_or(LineError("local_address"))?;
    let peer = endpoint(next("rem_address")?, table.family).ok_or(LineError("rem_address"))?;
    let state = hex(next("st")?)
        .and_then(|number| u8::try_from(number).ok())
        .ok_or(LineError("st"))?;
    let (send, receive) = hex_pair(next("tx_queue")?).ok_or(LineError("tx_queue"))?;
    let (timer, when) = hex_pair(next("tr")?).ok_or(LineError("tr"))?;
    let retransmits = hex(next("retrnsmt")?).ok_or(LineError("retrnsmt"))?;
    let uid = decimal(next("uid")?).ok_or(LineError("uid"))?;
    let probes = decimal(next("timeout")?).ok_or(LineError("timeout"))?;
    let inode = decimal(next("inode")?).ok_or(LineError("inode"))?;

    let state = match table.protocol {
        Protocol::Tcp => State::from_kernel_tcp(state),
        _ => State::from_kernel(state),
    };
    Ok(Socket {
        protocol: table.protocol,
        state,
        v6only: None,
        ends: Ends::inet(local, peer),
        interface: 0,
        queues: match state {
            State::Listen => Queues::Backlog {
                pending: receive,
                max: None,
            },
            _ => Queues::Bytes {
                unread: receive,
                unacknowledged: send,
            },
        },
        timer: TimerKind::from_kernel(u8::try_from(timer).map_err(|_| LineError("tr"))?).map(
            |kind| Timer {
                kind,
                expires_ms: when.saturating_mul(TICK_MS),
                // As sock_diag tells it: these two timers count probes, the others segments.
                retransmits: match kind {
                    TimerKind::Keepalive | TimerKind::Persist => {
                        u8::try_from(probes).unwrap_or(u8::MAX)
                    }
                    _ => u8::try_from(retransmits).unwrap_or(u8::MAX),
                },
            },
        ),
        uid: u32::try_from(uid).map_err(|_| LineError("uid"))?,
        inode,
        cookie: 0,
        netns: 0,
    })
}

fn endpoint(text: &[u8], family: Family) -> Option<Endpoint> {
    let colon = text.iter().position(|&byte| byte == b':')?;
    let (addr, port) = (&text[..colon], &text[colon + 1..]);
    let addr = match family {
        Family::V6 => {
            if addr.len() != 32 {
                return None;
            }
            let mut octets = [0; 16];
            for (octets, digits) in octets.chunks_exact_mut(4).zip(addr.chunks_exact(8)) {
                octets.copy_from_slice(&word(digits)?);
            }
            IpAddr::V6(Ipv6Addr::from(octets))
        }
        _ => IpAddr::V4(Ipv4Addr::from(word(addr)?)),
    };
    let port = match port.len() {
        4 => u16::try_from(hex(port)?).ok()?,
        _ => return None,
    };
    Some(Endpoint { addr, port })
}

/// Eight hex digits: a 32-bit word of an address that lies in memory in network order.
fn word(digits: &[u8]) -> Option<[u8; 4]> {
    (digits.len() == 8).then(|| hex(digits).map(u32::to_ne_bytes))?
}

fn hex_pair(text: &[u8]) -> Option<(u32, u32)> {
    let colon = text.iter().position(|&byte| byte == b':')?;
    Some((hex(&text[..colon])?, hex(&text[colon + 1..])?))
}

fn hex(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    digits.iter().try_fold(0, |number: u32, &digit| {
        Some(number << 4 | char::from(digit).to_digit(16)?)
    })
}

fn decimal(digits: &[u8]) -> Option<u64> {
    number(digits, 10)
}

pub(super) fn number(digits: &[u8], base: u32) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, &digit| {
        number
            .checked_mul(u64::from(base))?
            .checked_add(u64::from(char::from(digit).to_digit(base)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TCP: Table = Table {
        protocol: Protocol::Tcp,
        family: Family::V4,
    };

    #[test]
    fn a_listener() {
        let line = b"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000  1000        0 54321 1 0000000000000000 100 0 0 10 0";
        let socket = inet_socket(line, TCP).unwrap();
        assert_eq!(socket.state, State::Listen);
        assert_eq!(socket.uid, 1000);
        assert_eq!(socket.inode, 54321);
        assert_eq!(
            socket.queues,
            Queues::Backlog {
                pending: 3,
                max: None
            }
        );
        assert_eq!(socket.timer, None);
        if cfg!(target_endian = "little") {
            let local = socket.inet().unwrap().local;
            assert_eq!(local.addr, IpAddr::from([127, 0, 0, 1]));
        }
        assert_eq!(socket.inet().unwrap().local.port, 8080);
    }

    #[test]
    fn a_time_wait_connection_over_ipv6() {
        let line = b"   7: 00000000000000000000000001000000:C350 00000000000000000000000001000000:01BB 06 00000000:00000000 03:00000FA0 00000000     0        0 0 3 0000000000000000";
        let table = Table {
            protocol: Protocol::Tcp,
            family: Family::V6,
        };
        let socket = inet_socket(line, table).unwrap();
        assert_eq!(socket.state, State::TimeWait);
        let timer = socket.timer.unwrap();
        assert_eq!(
            (timer.kind, timer.expires_ms),
            (TimerKind::Timewait, 40_000)
        );
        if cfg!(target_endian = "little") {
            let peer = socket.inet().unwrap().peer;
            assert_eq!(peer.addr, IpAddr::V6(Ipv6Addr::LOCALHOST));
        }
    }

    #[test]
    fn keepalive_and_persist_count_probes() {
        for (timer, counted) in [("01", 5), ("02", 7), ("04", 7)] {
            let line = format!(
                "0: 0100007F:0016 0100007F:0017 01 00000000:00000000 {timer}:00000064 00000005 0 7 9"
            );
            let timer = inet_socket(line.as_bytes(), TCP).unwrap().timer.unwrap();
            assert_eq!((timer.retransmits, timer.expires_ms), (counted, 1000));
        }
    }

    #[test]
    fn a_bad_line_names_its_column() {
        for (line, column) in [
            (&b"garbage"[..], "local_address"),
            (b"0: 0100007F:1F90", "rem_address"),
            (b"0: 0100007F:1F90 0100007F:1F9 0A", "rem_address"),
            (b"0: 0100007F:1F90 0100007F:1F90 FFF", "st"),
            (b"0: 0100007F:1F90 0100007F:1F90 0A 0", "tx_queue"),
            (
                b"0: 0100007F:1F90 0100007F:1F90 0A 0:0 0:0 0 0 0 -1",
                "inode",
            ),
        ] {
            assert_eq!(
                inet_socket(line, TCP),
                Err(LineError(column)),
                "{}",
                String::from_utf8_lossy(line)
            );
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            for table in Protocol::EVERY.into_iter().flat_map(Protocol::tables) {
                let _ = socket(&line, table, &mut Names::default());
                let _ = details(&line, table, DetailSet::ALL);
            }
        }

        #[test]
        fn no_near_miss_makes_it_panic(line in "[ 0-9A-F:]{0,120}") {
            for table in Protocol::EVERY.into_iter().flat_map(Protocol::tables) {
                let _ = socket(line.as_bytes(), table, &mut Names::default());
            }
        }
    }
}
