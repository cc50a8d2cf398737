//! The pools of `bind` of port 0, one a local address, and UDP's.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::count::{ANY_V4, ANY_V6, Address, Ephemeral, address, ip, is_v4};
use super::pool::{Pool, PoolKey, PoolKind, Trend};
use super::record::Record;
use super::severity::Severity;
use crate::model::PortSet;

/// The ports on local addresses, of TCP and UDP.
pub(super) struct AddressPools<'a> {
    count: &'a Ephemeral,
    tcp: Sources<'a>,
    udp: Sources<'a>,
}

/// Records by local address.
struct Sources<'a> {
    of: BTreeMap<Address, Vec<&'a [Record]>>,
    /// Ports on a wildcard, which every address of the family lacks.
    any_v4: (PortSet, Lacking),
    any_v6: (PortSet, Lacking),
    causes: Causes<'a>,
}

/// By which the ports of TCP are told apart.
#[derive(Clone, Copy)]
struct Causes<'a> {
    listening: &'a PortSet,
    /// Listening, or bound.
    blocked: &'a PortSet,
    /// Presumably bound by a connection before it connected.
    presumed: &'a PortSet,
}

/// Ports that an address lacks.
#[derive(Clone, Copy, Default)]
struct Lacking {
    /// All of them.
    used: u32,
    /// Those that are in TIME-WAIT and nothing else.
    waiting: u32,
    /// Of TCP, by cause; the others are those of connects.
    listening: u32,
    blocked: u32,
    presumed: u32,
}

impl Lacking {
    fn of_udp(used: u32) -> Lacking {
        Lacking {
            used,
            ..Lacking::default()
        }
    }

    fn count(&mut self, port: u16, causes: &Causes<'_>) {
        self.used += 1;
        self.listening += u32::from(causes.listening.contains(port));
        self.blocked += u32::from(causes.blocked.contains(port));
        self.presumed += u32::from(causes.presumed.contains(port));
    }
}

impl<'a> Sources<'a> {
    fn new(
        records: impl Iterator<Item = (Address, &'a [Record])>,
        causes: Causes<'a>,
    ) -> Sources<'a> {
        let mut of: BTreeMap<Address, Vec<&[Record]>> = BTreeMap::new();
        for (source, records) in records {
            of.entry(source).or_default().push(records);
        }
        let mut any_v4 = PortSet::new();
        let mut any_v6 = PortSet::new();
        for record in of.get(&ANY_V4).into_iter().flatten().copied().flatten() {
            any_v4.insert(record.port);
        }
        for record in of.get(&ANY_V6).into_iter().flatten().copied().flatten() {
            any_v6.insert(record.port);
            // `[::]` takes IPv4 along unless it was told not to.
            if !record.is_v6only() {
                any_v4.insert(record.port);
            }
        }
        let counted = |ports: PortSet| {
            let mut lacking = Lacking::default();
            ports.iter().for_each(|port| lacking.count(port, &causes));
            (ports, lacking)
        };
        Sources {
            of,
            any_v4: counted(any_v4),
            any_v6: counted(any_v6),
            causes,
        }
    }

    fn any(&self, source: Address) -> &(PortSet, Lacking) {
        if is_v4(source) {
            &self.any_v4
        } else {
            &self.any_v6
        }
    }

    fn addresses(&self) -> impl Iterator<Item = Address> {
        self.of
            .keys()
            .copied()
            .filter(|&source| source != ANY_V4 && source != ANY_V6)
    }

    fn records(&self, source: Address) -> impl Iterator<Item = Record> {
        let groups = self.of.get(&source).into_iter().flatten();
        groups.flat_map(|records| records.iter().copied())
    }

    /// Ports that an address lacks; `more` are others that it is known to lack. `scratch` is empty
    /// before and after: there may be thousands of addresses, most with a few ports.
    fn lacking(&self, source: Address, more: Option<&PortSet>, scratch: &mut PortSet) -> Lacking {
        let &(ref any, mut lacking) = self.any(source);
        if let Some(more) = more {
            scratch.union(more);
            scratch.subtract(any);
            scratch
                .iter()
                .for_each(|port| lacking.count(port, &self.causes));
        }
        for time_wait in [false, true] {
            let of_kind = self
                .records(source)
                .filter(|record| record.is_time_wait() == time_wait);
            for record in of_kind {
                if !any.contains(record.port) && !scratch.contains(record.port) {
                    scratch.insert(record.port);
                    lacking.count(record.port, &self.causes);
                    lacking.waiting += u32::from(time_wait);
                }
            }
        }
        match more {
            Some(_) => scratch.clear(),
            None => self
                .records(source)
                .for_each(|record| scratch.remove(record.port)),
        }
        lacking
    }
}

impl<'a> AddressPools<'a> {
    /// `presumed` are the ports that connections presumably bound before they connected.
    pub(super) fn new(count: &'a Ephemeral, presumed: &'a PortSet) -> AddressPools<'a> {
        let causes = Causes {
            listening: &count.listening,
            blocked: &count.blocked,
            presumed,
        };
        let tcp = { count.tuples.iter() }.filter(|(tuple, _)| count.concerns_bind(tuple));
        let tcp = tcp.map(|(tuple, records)| (tuple.source, records));
        AddressPools {
            count,
            tcp: Sources::new(tcp, causes),
            udp: Sources::new(count.udp.iter(), causes),
        }
    }

    /// Adds the pools of all addresses that pass, and of `named` even when nothing uses it.
    pub(super) fn add_to(
        &self,
        pools: &mut Vec<Pool>,
        wanted: impl Fn(Option<IpAddr>) -> bool,
        named: Option<IpAddr>,
        scratch: &mut PortSet,
    ) {
        for (kind, sources) in [
            (PoolKind::TcpBind, &self.tcp),
            (PoolKind::UdpBind, &self.udp),
        ] {
            let named = named.map(address);
            let unused = named.filter(|named| !sources.of.contains_key(named));
            let addresses = sources.addresses().chain(unused);
            for source in addresses.filter(|&source| wanted(Some(ip(source)))) {
                pools.push(self.pool(kind, Some(source), scratch));
            }
        }
        if wanted(None) && !self.count.any_udp.is_empty() {
            pools.push(self.pool(PoolKind::UdpAutobind, None, scratch));
        }
    }

    /// How many ports a pool has in use.
    pub(super) fn used(&self, key: &PoolKey, scratch: &mut PortSet) -> u32 {
        self.pool(key.kind, key.source.map(address), scratch).used
    }

    /// The pool of one address, or UDP's of all.
    pub(super) fn pool(
        &self,
        kind: PoolKind,
        source: Option<Address>,
        scratch: &mut PortSet,
    ) -> Pool {
        let missed = self.count.settings.missed();
        let (lacking, surely, missed) = match (kind, source) {
            (PoolKind::TcpBind, Some(source)) => {
                let forgotten = self.count.forgotten.get(&source);
                let lacking = self.tcp.lacking(source, forgotten, scratch);
                (lacking, lacking.used, missed)
            }
            (PoolKind::UdpBind, Some(source)) => {
                let used = self.udp.lacking(source, None, scratch).used;
                (Lacking::of_udp(used), used, 0)
            }
            // A socket of IPv6 alone keeps its port from IPv6 only.
            _ => {
                let used = self.count.any_udp.len();
                (Lacking::of_udp(used), self.count.udp_v4.len(), 0)
            }
        };
        self.pool_of(kind, source.map(ip), lacking, surely, missed)
    }

    /// The pool of a socket that takes every address of its family, `::` those of IPv4 too unless
    /// it is `v6only`: it lacks every port with a socket on one of them.
    pub(super) fn wildcard_pool(&self, kind: PoolKind, any: IpAddr, v6only: bool) -> Pool {
        let is_tcp = kind == PoolKind::TcpBind;
        let (sources, forgotten) = if is_tcp {
            (&self.tcp, self.count.forgotten_ports.clone())
        } else {
            (&self.udp, PortSet::new())
        };
        let mut surely = PortSet::new();
        let mut perhaps = forgotten;
        for (&source, records) in &sources.of {
            for record in records.iter().copied().flatten() {
                let met = match (any, is_v4(source)) {
                    (IpAddr::V4(_), true) => Some(true),
                    (IpAddr::V4(_), false) if record.is_v6only() => Some(false),
                    (IpAddr::V4(_), false) if source == ANY_V6 => Some(true),
                    // Bind of one address made it refuse IPv4; of others no row tells.
                    (IpAddr::V4(_), false) => record.is_bound().then_some(false),
                    (IpAddr::V6(_), true) => Some(!v6only),
                    (IpAddr::V6(_), false) => Some(true),
                };
                match met {
                    Some(true) => surely.insert(record.port),
                    Some(false) => {}
                    None => perhaps.insert(record.port),
                }
            }
        }
        let known = surely.len();
        surely.union(&perhaps);
        let mut lacking = Lacking::default();
        let causes = &sources.causes;
        surely.iter().for_each(|port| lacking.count(port, causes));
        let (lacking, missed) = if is_tcp {
            (lacking, self.count.settings.missed())
        } else {
            (Lacking::of_udp(lacking.used), 0)
        };
        self.pool_of(kind, Some(any), lacking, known, missed)
    }

    /// `surely` are the ports of those it lacks of which that is certain; as many as `missed` a
    /// search may not find.
    fn pool_of(
        &self,
        kind: PoolKind,
        source: Option<IpAddr>,
        lacking: Lacking,
        surely: u32,
        missed: u32,
    ) -> Pool {
        let capacity = self.count.settings.capacity();
        let free = capacity.saturating_sub(lacking.used);
        Pool {
            key: PoolKey {
                kind,
                source,
                destination: None,
            },
            capacity,
            used: lacking.used,
            time_wait: lacking.waiting,
            reclaimable: 0,
            close_wait: 0,
            blocked: lacking.blocked,
            listening: lacking.listening,
            presumed: lacking.presumed,
            bound_first: false,
            free,
            free_min: free.saturating_sub(missed),
            free_max: capacity.saturating_sub(surely),
            severity: Severity::Ok,
            trend: Trend::default(),
        }
    }
}
