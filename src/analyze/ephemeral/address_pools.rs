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
    /// Ports on a wildcard, which every address of the family lacks, and their number.
    any_v4: (PortSet, u32),
    any_v6: (PortSet, u32),
}

/// Ports that an address lacks.
struct Lacking {
    /// All of them.
    used: u32,
    /// Those that are in TIME-WAIT and nothing else.
    waiting: u32,
}

impl<'a> Sources<'a> {
    fn new(records: impl Iterator<Item = (Address, &'a [Record])>) -> Sources<'a> {
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
            let count = ports.len();
            (ports, count)
        };
        Sources {
            of,
            any_v4: counted(any_v4),
            any_v6: counted(any_v6),
        }
    }

    fn any(&self, source: Address) -> &(PortSet, u32) {
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
        let (any, any_len) = self.any(source);
        let mut used = *any_len;
        if let Some(more) = more {
            scratch.union(more);
            scratch.subtract(any);
            used += scratch.len();
        }
        let mut waiting = 0;
        for time_wait in [false, true] {
            let of_kind = self
                .records(source)
                .filter(|record| record.is_time_wait() == time_wait);
            for record in of_kind {
                if !any.contains(record.port) && !scratch.contains(record.port) {
                    scratch.insert(record.port);
                    used += 1;
                    waiting += u32::from(time_wait);
                }
            }
        }
        match more {
            Some(_) => scratch.clear(),
            None => self
                .records(source)
                .for_each(|record| scratch.remove(record.port)),
        }
        Lacking { used, waiting }
    }
}

impl<'a> AddressPools<'a> {
    pub(super) fn new(count: &'a Ephemeral) -> AddressPools<'a> {
        let tcp = count.tuples.iter();
        AddressPools {
            count,
            tcp: Sources::new(tcp.map(|(tuple, records)| (tuple.source, records))),
            udp: Sources::new(count.udp.iter()),
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

    fn pool(&self, kind: PoolKind, source: Option<Address>, scratch: &mut PortSet) -> Pool {
        let settings = &self.count.settings;
        let capacity = settings.capacity();
        let (used, waiting, surely, missed) = match (kind, source) {
            (PoolKind::TcpBind, Some(source)) => {
                let forgotten = self.count.forgotten.get(&source);
                let Lacking { used, waiting } = self.tcp.lacking(source, forgotten, scratch);
                (used, waiting, used, settings.missed())
            }
            (PoolKind::UdpBind, Some(source)) => {
                let used = self.udp.lacking(source, None, scratch).used;
                (used, 0, used, 0)
            }
            // A socket of IPv6 alone keeps its port from IPv6 only.
            _ => (self.count.any_udp.len(), 0, self.count.udp_v4.len(), 0),
        };
        let free = capacity.saturating_sub(used);
        Pool {
            key: PoolKey {
                kind,
                source: source.map(ip),
                destination: None,
            },
            capacity,
            used,
            time_wait: waiting,
            reclaimable: 0,
            close_wait: 0,
            blocked: 0,
            presumed: 0,
            bound_first: kind == PoolKind::TcpBind,
            free,
            free_min: free.saturating_sub(missed),
            free_max: capacity.saturating_sub(surely),
            severity: Severity::Ok,
            trend: Trend::default(),
        }
    }
}
