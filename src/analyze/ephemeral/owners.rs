//! Whose sockets a pool's are, and which listeners lie inside the range.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::count::{ANY_V4, ANY_V6, Ephemeral, Tuple, address, ip};
use super::pool::{PoolKey, PoolKind};
use super::record::Record;

/// The ports of a pool that a process holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerShare {
    /// The process.
    pub pid: u32,
    /// Its name, as the kernel keeps it: bytes that may be anything.
    pub comm: Vec<u8>,
    /// How many ports. A port may have several holders.
    pub ports: u32,
}

/// A port that something listens on and that connects may draw all the same, once its listener
/// is gone: it cannot come back while a connection has the port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposed {
    /// The port.
    pub port: u16,
    /// The addresses it is listened on.
    pub addresses: Vec<IpAddr>,
    /// The sockets.
    pub inodes: Vec<u64>,
}

impl Ephemeral {
    /// The sockets of a pool that a process can hold: inode and port.
    pub fn sockets_of(&self, key: &PoolKey) -> Vec<(u64, u16)> {
        let held = |records: &[Record]| -> Vec<(u64, u16)> {
            let held = records.iter().filter(|record| record.inode != 0);
            held.map(|record| (record.inode.into(), record.port))
                .collect()
        };
        let source = key.source.map(address);
        let here = |on: u128| on == ANY_V4 || on == ANY_V6 || Some(on) == source;
        match (key.kind, source, key.destination) {
            (PoolKind::TcpConnect, Some(source), Some(destination)) => {
                held(self.tuples.get(&Tuple::new(source, &destination)))
            }
            (PoolKind::TcpConnect, ..) => {
                let bound = self.tuples.iter().filter(|(tuple, _)| tuple.is_bound());
                bound.flat_map(|(_, records)| held(records)).collect()
            }
            (PoolKind::TcpBind, ..) => {
                let on = self.tuples.iter().filter(|(tuple, _)| here(tuple.source));
                on.flat_map(|(_, records)| held(records)).collect()
            }
            (PoolKind::UdpBind, ..) => {
                let on = self.udp.iter().filter(|(source, _)| here(*source));
                on.flat_map(|(_, records)| held(records)).collect()
            }
            (PoolKind::UdpAutobind, ..) => self
                .udp
                .iter()
                .flat_map(|(_, records)| held(records))
                .collect(),
        }
    }

    /// Listeners on ports that may be drawn, by port.
    pub fn exposed(&self) -> Vec<Exposed> {
        let mut ports: BTreeMap<u16, Exposed> = BTreeMap::new();
        for (tuple, records) in self.tuples.iter().filter(|(tuple, _)| tuple.is_bound()) {
            let listening = records
                .iter()
                .filter(|record| self.listening.contains(record.port));
            for record in listening {
                let exposed = ports.entry(record.port).or_insert_with(|| Exposed {
                    port: record.port,
                    addresses: Vec::new(),
                    inodes: Vec::new(),
                });
                let addr = ip(tuple.source);
                if !exposed.addresses.contains(&addr) {
                    exposed.addresses.push(addr);
                }
                exposed.inodes.push(record.inode.into());
            }
        }
        let mut exposed: Vec<Exposed> = ports.into_values().collect();
        exposed
            .iter_mut()
            .for_each(|exposed| exposed.addresses.sort());
        exposed
    }
}

/// Who holds most ports, and how many: pid and ports. `holders` are the inodes of sockets and
/// pids, in order.
pub fn most_ports(sockets: &[(u64, u16)], holders: &[(u64, u32)]) -> Vec<(u32, u32)> {
    let holding = |&(inode, port)| {
        let first = holders.partition_point(|holder| holder.0 < inode);
        let its = holders[first..].iter();
        its.take_while(move |holder| holder.0 == inode)
            .map(move |holder| (holder.1, port))
    };
    let mut held: Vec<(u32, u16)> = sockets.iter().flat_map(holding).collect();
    held.sort_unstable();
    held.dedup();
    let of_one = held.chunk_by(|one, other| one.0 == other.0);
    let mut most: Vec<(u32, u32)> = of_one
        .map(|ports| (ports[0].0, ports.len() as u32))
        .collect();
    most.sort_by_key(|&(pid, ports)| (std::cmp::Reverse(ports), pid));
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_holder_of_a_port_counts_it_once() {
        let holders = [(1, 7), (1, 8), (2, 8), (3, 8), (4, 9)];
        let sockets = [(1, 40000), (2, 40002), (3, 40002), (9, 40004)];
        assert_eq!(most_ports(&sockets, &holders), [(8, 2), (7, 1)]);
    }
}
