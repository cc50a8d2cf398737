//! A pool of ports, and how it stands.

use std::net::IpAddr;

use super::severity::{Severity, Thresholds};
use crate::model::Endpoint;

/// Who draws from a pool, and so what shares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PoolKind {
    /// `connect`, and `bind` of port 0 with IP_BIND_ADDRESS_NO_PORT: a source towards one
    /// destination.
    TcpConnect,
    /// `bind` of port 0, and `listen` without `bind`: a local address, whatever the destination.
    TcpBind,
    /// `connect` and `sendto` of UDP without `bind`: the whole network namespace, or as much of it
    /// as the wildcard of one family meets.
    UdpAutobind,
    /// `bind` of port 0 of UDP: a local address.
    UdpBind,
}

impl PoolKind {
    /// Every kind, in the order in which equals are shown.
    pub const ALL: [PoolKind; 4] = [
        PoolKind::TcpConnect,
        PoolKind::TcpBind,
        PoolKind::UdpAutobind,
        PoolKind::UdpBind,
    ];

    /// The name in every format.
    pub const fn name(self) -> &'static str {
        match self {
            PoolKind::TcpConnect => "tcp-connect",
            PoolKind::TcpBind => "tcp-bind",
            PoolKind::UdpAutobind => "udp-autobind",
            PoolKind::UdpBind => "udp-bind",
        }
    }
}

/// Which pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolKey {
    /// Who draws from it.
    pub kind: PoolKind,
    /// The local address, or the wildcard of a family; `None` where the pool is not one address's.
    /// IPv4 where it is v4-mapped.
    pub source: Option<IpAddr>,
    /// The destination of `tcp-connect`; `None` for what is left to every destination that has
    /// no connection yet.
    pub destination: Option<Endpoint>,
}

/// How a pool stands. All counts are distinct ports.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// Which.
    pub key: PoolKey,
    /// Ports there would be if nothing used any.
    pub capacity: u32,
    /// Ports that its own sockets hold, in any state.
    pub used: u32,
    /// How many of them are in TIME-WAIT.
    pub time_wait: u32,
    /// How many of those a connect may take over.
    pub reclaimable: u32,
    /// How many are of connections that the peer has closed and the owner has not.
    pub close_wait: u32,
    /// Ports it lacks because something listens on them or is bound to them. Of connects they are
    /// others' and not among those used; of `bind` they are.
    pub blocked: u32,
    /// Of these, ports with a listener.
    pub listening: u32,
    /// Ports it presumably lacks because connections bound them before they connected: others' or
    /// its own as above.
    pub presumed: u32,
    /// Whether its own connections seem to have bound their ports before they connected.
    pub bound_first: bool,
    /// Free ports, as well as can be told.
    pub free: u32,
    /// Not fewer than these are free.
    pub free_min: u32,
    /// Not more than these are free.
    pub free_max: u32,
    /// How bad that is.
    pub severity: Severity,
    /// Where it is going.
    pub trend: Trend,
}

/// Where a pool is going.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Trend {
    /// Connections that end a second, as TIME-WAIT tells; `None` where it tells nothing.
    pub rate: Option<f64>,
    /// Ports in use when as many have come as go, at this rate.
    pub steady: Option<f64>,
    /// Seconds until no port is free; `None` when that is not to be expected.
    pub seconds_to_full: Option<f64>,
}

impl Pool {
    /// The share of the capacity that is not free, in percent. Without any capacity the first
    /// connect fails, so that is all of it.
    pub fn percent(&self) -> f64 {
        percent(self.capacity, self.free)
    }

    /// The same if no more than what is surely free is free.
    pub fn percent_at_worst(&self) -> f64 {
        percent(self.capacity, self.free_min)
    }

    /// The same where the kernel was asked and found no port: what seemed free to a connect is
    /// bound by others.
    pub(in crate::analyze) fn found_empty(self) -> Pool {
        let presumed = match self.key.kind {
            PoolKind::TcpConnect => self.free_max,
            _ => self.presumed,
        };
        Pool {
            presumed,
            free: 0,
            free_min: 0,
            free_max: 0,
            severity: Thresholds::DEFAULT.judge(100.0),
            ..self
        }
    }

    /// Whether connects have become slow, without an alarm.
    pub const fn is_notice(&self) -> bool {
        matches!(self.severity, Severity::Notice)
    }
}

pub(super) fn percent(capacity: u32, free: u32) -> f64 {
    match capacity {
        0 => 100.0,
        _ => 100.0 * f64::from(capacity.saturating_sub(free)) / f64::from(capacity),
    }
}
