//! From the count to the pools, the worst first.

use std::cmp::Ordering;
use std::net::IpAddr;

use super::address_pools::AddressPools;
use super::count::{Ephemeral, Tuple, address, ip};
use super::pool::{Pool, PoolKey, PoolKind, Trend, percent};
use super::record::{Record, Share};
use super::severity::{Severity, Thresholds};
use super::trend;
use crate::model::{Endpoint, PortSet};

/// What is left to destinations without a connection is a pool worth showing when at least one
/// port in this many is taken from all of them.
const TO_ALL: u32 = 20;

/// Which pools are asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ask {
    /// Those of this local address.
    pub source: Option<IpAddr>,
    /// Those towards this address, and port where one is given.
    pub destination: Option<(IpAddr, Option<u16>)>,
}

impl Ask {
    /// All pools.
    pub const ALL: Ask = Ask {
        source: None,
        destination: None,
    };

    fn wants_source(&self, source: Option<IpAddr>) -> bool {
        self.source
            .is_none_or(|wanted| source == Some(wanted.to_canonical()))
    }

    fn wants(&self, key: &PoolKey) -> bool {
        self.wants_source(key.source)
            && match (self.destination, key.destination) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some((addr, port)), Some(destination)) => {
                    addr.to_canonical() == destination.addr
                        && port.is_none_or(|port| port == destination.port)
                }
            }
    }

    /// The pool it names, which is answered for even when nothing uses it.
    fn named(&self) -> Option<PoolKey> {
        let (source, (addr, port)) = self.source.zip(self.destination)?;
        Some(PoolKey {
            kind: PoolKind::TcpConnect,
            source: Some(source.to_canonical()),
            destination: Some(Endpoint {
                addr: addr.to_canonical(),
                port: port?,
            }),
        })
    }
}

/// How the pools stand.
#[derive(Clone, Debug, PartialEq)]
pub struct Findings {
    /// The worst of all pools asked about, whether or not it is among [`pools`](Self::pools).
    pub severity: Severity,
    /// The worst pools.
    pub pools: Vec<Pool>,
    /// The fullest of each kind that has any, in percent.
    pub worst: Vec<(PoolKind, f64)>,
}

/// What all pools of connections share.
pub(super) struct Common {
    capacity: u32,
    /// Free at the least: no socket of any kind has these.
    untouched: u32,
    /// How many ports have a listener or a bound socket, and how many a listener.
    blocked: u32,
    listening: u32,
    /// Ports that connections presumably bound before they connected.
    pub(super) presumed: PortSet,
    presumed_len: u32,
    /// How many ports connects try first.
    first_choices: u32,
    missed: u32,
}

impl Ephemeral {
    /// Judges the pools; keeps the `top` worst.
    pub fn judge(&self, ask: &Ask, thresholds: Thresholds, top: usize) -> Findings {
        let mut scratch = PortSet::new();
        let common = self.common(&mut scratch);
        let mut pools = self.connect_pools(&common, ask, &mut scratch);
        let addresses = AddressPools::new(self, &common.presumed);
        if ask.destination.is_none() {
            let wanted = |source| ask.wants_source(source);
            addresses.add_to(&mut pools, wanted, ask.source, &mut scratch);
        }
        let mut findings = Findings {
            severity: Severity::Ok,
            pools,
            worst: Vec::new(),
        };
        findings.rank(common.capacity, thresholds);
        findings.pools.truncate(top);
        findings
    }

    /// Puts the time left into findings, from an earlier count, `seconds` ago.
    pub fn time_left_since(&self, before: &Ephemeral, seconds: f64, findings: &mut Findings) {
        for pool in &mut findings.pools {
            let (then, now) = (before.used(&pool.key), self.used(&pool.key));
            pool.trend.seconds_to_full = trend::between(then, now, pool.free, seconds);
        }
    }

    /// How many ports a pool has in use; 0 for one that has none.
    fn used(&self, key: &PoolKey) -> u32 {
        let mut scratch = PortSet::new();
        match (key.kind, key.source, key.destination) {
            (PoolKind::TcpConnect, Some(source), Some(destination)) => {
                let tuple = Tuple::new(address(source), &destination);
                self.share(&tuple, &PortSet::new(), &mut scratch).used
            }
            (PoolKind::TcpConnect, ..) => self.blocked.len(),
            _ => AddressPools::new(self, &PortSet::new()).used(key, &mut scratch),
        }
    }

    pub(super) fn share(&self, tuple: &Tuple, presumed: &PortSet, scratch: &mut PortSet) -> Share {
        self.share_of(self.tuples.get(tuple), presumed, scratch)
    }

    fn share_of(&self, records: &[Record], presumed: &PortSet, scratch: &mut PortSet) -> Share {
        Share::of(records, &self.settings, &self.blocked, presumed, scratch)
    }

    pub(super) fn common(&self, scratch: &mut PortSet) -> Common {
        let settings = &self.settings;
        let mut first_choices = settings.first_choices();
        first_choices.subtract(&self.blocked);
        let first_choices = first_choices.len();
        let mut listening = self.listening.clone();
        listening.intersect(settings.drawn());
        let mut presumed = PortSet::new();
        let mut presume = |port: u16| {
            if !settings.is_first_choice(port) {
                presumed.insert(port);
            }
        };
        self.forgotten_ports.iter().for_each(&mut presume);
        let nothing = PortSet::new();
        for (_, records) in self.tuples.iter().filter(|(tuple, _)| !tuple.is_bound()) {
            if !self
                .share_of(records, &nothing, scratch)
                .overflowed(first_choices)
            {
                records.iter().for_each(|record| presume(record.port));
            }
        }
        presumed.subtract(&self.blocked);
        let capacity = settings.capacity();
        Common {
            capacity,
            untouched: capacity - self.any_tcp.len(),
            blocked: self.blocked.len(),
            listening: listening.len(),
            presumed_len: presumed.len(),
            presumed,
            first_choices,
            missed: settings.missed(),
        }
    }

    fn connect_pools(&self, common: &Common, ask: &Ask, scratch: &mut PortSet) -> Vec<Pool> {
        let mut pools = Vec::with_capacity(self.tuples.len());
        for (tuple, records) in self.tuples.iter().filter(|(tuple, _)| !tuple.is_bound()) {
            let key = PoolKey {
                kind: PoolKind::TcpConnect,
                source: Some(ip(tuple.source)),
                destination: Some(Endpoint {
                    addr: ip(tuple.destination),
                    port: tuple.port,
                }),
            };
            if ask.wants(&key) {
                let share = self.share_of(records, &common.presumed, scratch);
                // A listener's own connections take no port from anybody but the listener.
                if share.used > 0 {
                    pools.push(self.connect_pool(key, &share, common));
                }
            }
        }
        if let Some(named) = ask.named()
            && !pools.iter().any(|pool| pool.key == named)
        {
            pools.push(self.connect_pool(named, &Share::default(), common));
        }
        let to_all = PoolKey {
            kind: PoolKind::TcpConnect,
            source: None,
            destination: None,
        };
        let taken = common.blocked + common.presumed_len;
        if ask.wants(&to_all) && taken > 0 && taken >= common.capacity / TO_ALL {
            let mut pool = self.connect_pool(to_all, &Share::default(), common);
            pool.used = pool.blocked;
            pools.push(pool);
        }
        pools
    }

    pub(super) fn connect_pool(&self, key: PoolKey, share: &Share, common: &Common) -> Pool {
        let blocked = common.blocked;
        let free_max = (common.capacity - blocked).saturating_sub(share.held);
        let presumed = common.presumed_len;
        let free = (common.capacity - blocked)
            .saturating_sub(presumed)
            .saturating_sub(share.held_beyond);
        let loopback = [key.source, key.destination.map(|end| end.addr)]
            .into_iter()
            .flatten()
            .any(|addr| addr.is_loopback());
        let trend = if key.destination.is_some() {
            trend::of(share, free, self.settings.time_wait(), loopback)
        } else {
            Trend::default()
        };
        Pool {
            key,
            capacity: common.capacity,
            used: share.used,
            time_wait: share.time_wait,
            reclaimable: share.reclaimable,
            close_wait: share.close_wait,
            blocked,
            listening: common.listening,
            // Of those that are presumed to be bound, some are this pool's own.
            presumed: presumed.saturating_sub(share.held - share.held_beyond),
            bound_first: share.last_choice > share.first_choice
                && !share.overflowed(common.first_choices),
            free,
            free_min: common.untouched.saturating_sub(common.missed),
            free_max,
            severity: Severity::Ok,
            trend,
        }
    }
}

impl Findings {
    /// Judges its pools and sorts them.
    pub(super) fn rank(&mut self, capacity: u32, thresholds: Thresholds) {
        for pool in &mut self.pools {
            pool.severity = thresholds.judge(pool.percent());
        }
        self.pools.sort_by(worst_first);
        self.worst = PoolKind::ALL
            .into_iter()
            .filter_map(|kind| {
                let pool = self.pools.iter().find(|pool| pool.key.kind == kind)?;
                Some((kind, pool.percent()))
            })
            .collect();
        self.severity = match self.pools.first() {
            Some(pool) => pool.severity,
            // Nothing is used; but there may be nothing to use either.
            None => thresholds.judge(percent(capacity, capacity)),
        };
    }
}

/// The fullest first; of equals those that more programs meet, then those with more ports.
fn worst_first(one: &Pool, other: &Pool) -> Ordering {
    let unnamed = |pool: &Pool| pool.key.kind == PoolKind::TcpConnect && pool.key.source.is_none();
    other
        .percent()
        .total_cmp(&one.percent())
        .then(one.key.kind.cmp(&other.key.kind))
        .then(unnamed(one).cmp(&unnamed(other)))
        .then(other.used.cmp(&one.used))
        .then(one.key.cmp(&other.key))
}
