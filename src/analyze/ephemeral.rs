//! Whether connects are about to run out of local ports.
//!
//! `connect()` draws a local port for each (source, destination, destination port) out of
//! `ip_local_port_range` less `ip_local_reserved_ports`; a port may serve any number of different
//! destinations at once. So what counts is the fullest such tuple, never the number of sockets.
//! Reads nothing: limits arrive in [`EphemeralSettings`].

use std::collections::HashMap;
use std::net::IpAddr;

use crate::model::{Endpoint, PortRange, PortSet, Protocol, Socket, State};

/// From here on a connect takes the kernel a hundred times longer to find a port.
const NOTICE_PERCENT: f64 = 50.0;
/// Warning and critical of the listing; the same as the defaults for alerts.
const WARNING_PERCENT: f64 = 80.0;
const CRITICAL_PERCENT: f64 = 95.0;
/// Tuples that are counted at once; with more, see [`Ephemeral::add`].
const MOST_TUPLES: usize = 16_384;

/// The ports that `connect()` may draw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EphemeralSettings {
    range: PortRange,
    reserved: PortSet,
}

impl EphemeralSettings {
    /// `ip_local_port_range` and `ip_local_reserved_ports`.
    pub const fn new(range: PortRange, reserved: PortSet) -> EphemeralSettings {
        EphemeralSettings { range, reserved }
    }

    /// The range, reserved ports included.
    pub const fn range(&self) -> PortRange {
        self.range
    }

    /// How many ports of the range are reserved.
    pub fn reserved(&self) -> u32 {
        self.reserved.count_in(self.range)
    }

    /// How many ports there are to draw.
    pub fn capacity(&self) -> u32 {
        self.range.len() - self.reserved()
    }

    /// Whether the port is one that may be drawn.
    pub fn contains(&self, port: u16) -> bool {
        self.range.contains(port) && !self.reserved.contains(port)
    }
}

/// A pool of ports: those of one source towards one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Tuple {
    source: IpAddr,
    destination: Endpoint,
}

impl Tuple {
    /// IPv4 and v4-mapped sockets share their ports.
    fn of(socket: &Socket) -> Tuple {
        Tuple {
            source: socket.local.addr.to_canonical(),
            destination: Endpoint {
                addr: socket.peer.addr.to_canonical(),
                port: socket.peer.port,
            },
        }
    }
}

/// Counts ports in one pass over the sockets.
#[derive(Clone, Debug)]
pub struct Ephemeral {
    settings: EphemeralSettings,
    used: HashMap<Tuple, u32>,
    time_wait: HashMap<Tuple, u32>,
    /// How much a count may be too low, because tuples were forgotten.
    forgotten: u32,
}

/// The pool with the fewest free ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FullestPool {
    /// The source address.
    pub source: IpAddr,
    /// The destination.
    pub destination: Endpoint,
    /// Local ports that connections to it hold, in any state.
    pub used: u32,
    /// How many of them are in TIME-WAIT.
    pub time_wait: u32,
}

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// The range, reserved ports included.
    pub range: PortRange,
    /// How many ports there are to draw.
    pub capacity: u32,
    /// The fullest pool; `None` when no connection holds an ephemeral port.
    pub fullest: Option<FullestPool>,
    /// Percentage of the capacity that it uses.
    pub percent: f64,
    /// How bad that is.
    pub severity: Severity,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Less than half of the ports are in use.
    Ok,
    /// More than half: connects become slow.
    Notice,
    /// 80 % and more.
    Warning,
    /// 95 % and more.
    Critical,
}

impl Severity {
    fn of(percent: f64) -> Severity {
        if percent >= CRITICAL_PERCENT {
            Severity::Critical
        } else if percent >= WARNING_PERCENT {
            Severity::Warning
        } else if percent >= NOTICE_PERCENT {
            Severity::Notice
        } else {
            Severity::Ok
        }
    }

    /// The name in every format.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Ok => "ok",
            Severity::Notice => "notice",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

impl Ephemeral {
    /// A count that has seen nothing.
    pub fn new(settings: EphemeralSettings) -> Ephemeral {
        Ephemeral {
            settings,
            used: HashMap::new(),
            time_wait: HashMap::new(),
            forgotten: 0,
        }
    }

    /// Counts a socket.
    ///
    /// Within a tuple the kernel gives out each local port once, so rows are ports. A server with
    /// a million clients has as many tuples of one port each; beyond a bound every count is
    /// lowered by one and the empty ones forgotten, so that memory stays small and no count is
    /// too low by more than sockets / 16,384.
    pub fn add(&mut self, socket: &Socket) {
        if socket.protocol != Protocol::Tcp
            || matches!(socket.state, State::Listen | State::BoundInactive)
            || !self.settings.contains(socket.local.port)
        {
            return;
        }
        let tuple = Tuple::of(socket);
        *self.used.entry(tuple).or_default() += 1;
        if socket.state == State::TimeWait {
            *self.time_wait.entry(tuple).or_default() += 1;
        }
        if self.used.len() > MOST_TUPLES {
            self.forgotten += 1;
            self.used.retain(|_, count| {
                *count -= 1;
                *count > 0
            });
            self.time_wait
                .retain(|tuple, _| self.used.contains_key(tuple));
        }
    }

    /// How it stands now.
    pub fn verdict(&self) -> Verdict {
        let capacity = self.settings.capacity();
        // Ties go to the smaller tuple, so that the answer does not change from run to run.
        let fullest = self
            .used
            .iter()
            .max_by(|(tuple, used), (other, more)| used.cmp(more).then(other.cmp(tuple)))
            .map(|(tuple, used)| {
                let used = used + self.forgotten;
                let time_wait = self.time_wait.get(tuple).copied().unwrap_or(0);
                FullestPool {
                    source: tuple.source,
                    destination: tuple.destination,
                    used,
                    time_wait: time_wait.min(used),
                }
            });
        let used = fullest.map_or(0, |pool| pool.used);
        let percent = match capacity {
            // No port at all: the first connect fails.
            0 => 100.0,
            capacity => (100.0 * f64::from(used) / f64::from(capacity)).min(100.0),
        };
        Verdict {
            range: self.settings.range(),
            capacity,
            fullest,
            percent,
            severity: Severity::of(percent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Queues;

    fn settings(first: u16, last: u16, reserved: &[u16]) -> EphemeralSettings {
        let mut set = PortSet::new();
        reserved.iter().for_each(|&port| set.insert(port));
        EphemeralSettings::new(PortRange::new(first, last).unwrap(), set)
    }

    fn row(state: State, local: (&str, u16), peer: (&str, u16)) -> Socket {
        let endpoint = |(addr, port): (&str, u16)| Endpoint {
            addr: addr.parse().unwrap(),
            port,
        };
        Socket {
            protocol: Protocol::Tcp,
            state,
            v6only: None,
            local: endpoint(local),
            peer: endpoint(peer),
            interface: 0,
            queues: Queues::Bytes {
                unread: 0,
                unacknowledged: 0,
            },
            timer: None,
            uid: 0,
            inode: 0,
            cookie: 0,
        }
    }

    #[test]
    fn clients_of_a_server_use_no_ephemeral_port() {
        let mut count = Ephemeral::new(settings(40000, 40019, &[]));
        for client in 0..2000 {
            count.add(&row(
                State::Established,
                ("10.0.0.1", 443),
                ("10.0.0.2", 1024 + client),
            ));
        }
        assert_eq!(count.verdict().fullest, None);
        assert_eq!(count.verdict().severity, Severity::Ok);
    }

    #[test]
    fn twenty_ports_of_twenty_to_one_destination_are_critical() {
        let mut count = Ephemeral::new(settings(40000, 40019, &[]));
        for port in 40000..40020 {
            let state = if port % 2 == 0 {
                State::TimeWait
            } else {
                State::Established
            };
            // v4 and v4-mapped share.
            let source = if port < 40010 {
                "127.0.0.1"
            } else {
                "::ffff:127.0.0.1"
            };
            count.add(&row(state, (source, port), ("127.0.0.1", 9000)));
            count.add(&row(state, ("127.0.0.1", port), ("127.0.0.1", 9001 + port)));
        }
        let verdict = count.verdict();
        let fullest = verdict.fullest.unwrap();
        assert_eq!((fullest.used, fullest.time_wait), (20, 10));
        assert_eq!(fullest.destination.port, 9000);
        assert_eq!(verdict.severity, Severity::Critical);
    }

    #[test]
    fn reserved_ports_lessen_the_capacity() {
        let count = Ephemeral::new(settings(
            40000,
            40019,
            &[40000, 40001, 40002, 40003, 40004, 40010, 5],
        ));
        assert_eq!(count.verdict().capacity, 14);
        let none = Ephemeral::new(settings(7, 7, &[7]));
        assert_eq!(none.verdict().severity, Severity::Critical);
    }

    #[test]
    fn a_million_tuples_do_not_hide_the_full_one() {
        let mut count = Ephemeral::new(settings(32768, 60999, &[]));
        for client in 0..200_000u32 {
            let peer = std::net::Ipv4Addr::from(0x0a00_0000 + client).to_string();
            count.add(&row(State::Established, ("10.9.9.9", 40000), (&peer, 5)));
            if client < 25_000 {
                let port = 32768 + u16::try_from(client).unwrap();
                count.add(&row(State::TimeWait, ("10.9.9.9", port), ("10.9.9.8", 80)));
            }
        }
        let verdict = count.verdict();
        let fullest = verdict.fullest.unwrap();
        assert_eq!(fullest.destination.port, 80);
        assert!(fullest.used.abs_diff(25_000) <= 20, "{fullest:?}");
        assert!(count.used.len() <= MOST_TUPLES);
    }
}
