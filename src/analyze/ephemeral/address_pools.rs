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
    any_v4: PortSet,
    any_v6: PortSet,
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
        Sources { of, any_v4, any_v6 }
    }

    fn any(&self, source: Address) -> &PortSet {
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

    /// Ports that an address lacks, and which of them are in TIME-WAIT only.
    fn ports(&self, source: Address, more: Option<&PortSet>) -> (PortSet, PortSet) {
        let mut used = self.any(source).clone();
        more.into_iter().for_each(|more| used.union(more));
        let mut waiting = PortSet::new();
        for record in self
            .of
            .get(&source)
            .into_iter()
            .flatten()
            .copied()
            .flatten()
        {
            if record.is_time_wait() {
                waiting.insert(record.port);
            } else {
                used.insert(record.port);
            }
        }
        waiting.subtract(&used);
        used.union(&waiting);
        (used, waiting)
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
    ) {
        for (kind, sources) in [
            (PoolKind::TcpBind, &self.tcp),
            (PoolKind::UdpBind, &self.udp),
        ] {
            let named = named.map(address);
            let unused = named.filter(|named| !sources.of.contains_key(named));
            let addresses = sources.addresses().chain(unused);
            for source in addresses.filter(|&source| wanted(Some(ip(source)))) {
                pools.push(self.pool(kind, Some(source)));
            }
        }
        if wanted(None) && !self.count.any_udp.is_empty() {
            pools.push(self.pool(PoolKind::UdpAutobind, None));
        }
    }

    /// How many ports a pool has in use.
    pub(super) fn used(&self, key: &PoolKey) -> u32 {
        self.pool(key.kind, key.source.map(address)).used
    }

    fn pool(&self, kind: PoolKind, source: Option<Address>) -> Pool {
        let settings = &self.count.settings;
        let capacity = settings.capacity();
        let (used, waiting, surely, missed) = match (kind, source) {
            (PoolKind::TcpBind, Some(source)) => {
                let forgotten = self.count.forgotten.get(&source);
                let (used, waiting) = self.tcp.ports(source, forgotten);
                (used.len(), waiting.len(), used.len(), settings.missed())
            }
            (PoolKind::UdpBind, Some(source)) => {
                let used = self.udp.ports(source, None).0.len();
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
