//! A pool in which no port is left: whose sockets have its ports, and when the first is free.

use std::collections::BTreeMap;
use std::time::Duration;

use super::count::{ANY_V4, ANY_V6, Address, Ephemeral, Tuple, address, is_v4};
use super::pool::{PoolKey, PoolKind};
use super::record::Record;
use crate::model::{PortSet, Protocol, Socket, State};

impl Ephemeral {
    /// The sockets because of which a pool has no port left, as far as a process can hold them:
    /// inode and port. Of connects these are the pool's own, and whatever has its other ports.
    /// `v6only` matters of a bind to `::`: whether it refuses IPv4.
    pub fn sockets_in_way(&self, key: &PoolKey, v6only: bool) -> Vec<(u64, u16)> {
        let PoolKind::TcpConnect = key.kind else {
            let met = |on: Address| meets(key, v6only, on);
            return match key.kind {
                PoolKind::TcpBind => {
                    self.held(|tuple| self.concerns_bind(tuple) && met(tuple.source))
                }
                _ => {
                    let udp = self.udp.iter().filter(|(source, _)| met(*source));
                    udp.flat_map(|(_, records)| held(records)).collect()
                }
            };
        };
        let own = own_tuple(key);
        let is_own = |tuple: &Tuple| Some(*tuple) == own;
        let mut own_ports = PortSet::new();
        for (_, records) in self.tuples.iter().filter(|(tuple, _)| is_own(tuple)) {
            { records.iter() }.for_each(|record| own_ports.insert(record.port));
        }
        let mut others = self.held(|tuple| !is_own(tuple));
        others.retain(|(_, port)| !own_ports.contains(*port));
        let mut sockets = self.held(is_own);
        sockets.append(&mut others);
        sockets
    }

    fn held(&self, wanted: impl Fn(&Tuple) -> bool) -> Vec<(u64, u16)> {
        let wanted = self.tuples.iter().filter(|(tuple, _)| wanted(tuple));
        wanted.flat_map(|(_, records)| held(records)).collect()
    }

    /// Begins to look for the time when the first port of a pool is free that has none left:
    /// sockets in TIME-WAIT are [added](FirstFree::add) to it. `v6only` as above.
    pub fn first_free(&self, key: &PoolKey, v6only: bool) -> FirstFree<'_> {
        let mut waiting = PortSet::new();
        let mut taken = PortSet::new();
        let mut add = |records: &[Record]| {
            for record in records {
                let set = match record.is_time_wait() {
                    true => &mut waiting,
                    false => &mut taken,
                };
                set.insert(record.port);
            }
        };
        let is_in = |tuple: &Tuple| match key.kind {
            PoolKind::TcpConnect => Some(*tuple) == own_tuple(key),
            PoolKind::TcpBind => self.concerns_bind(tuple) && meets(key, v6only, tuple.source),
            // UDP has no such state.
            PoolKind::UdpAutobind | PoolKind::UdpBind => false,
        };
        for (_, records) in self.tuples.iter().filter(|(tuple, _)| is_in(tuple)) {
            add(records);
        }
        if key.kind == PoolKind::TcpConnect {
            taken.union(&self.blocked);
            taken.union(&self.common(&mut PortSet::new()).presumed);
        }
        waiting.subtract(&taken);
        FirstFree {
            count: self,
            key: *key,
            v6only,
            waiting,
            times: BTreeMap::new(),
        }
    }
}

/// When the first port of a pool is free that has none left, as far as TIME-WAIT tells.
#[derive(Debug)]
pub struct FirstFree<'e> {
    count: &'e Ephemeral,
    key: PoolKey,
    v6only: bool,
    /// Ports that nothing keeps from the pool but TIME-WAIT.
    waiting: PortSet,
    /// Until when each of them is kept, in milliseconds.
    times: BTreeMap<u16, u32>,
}

impl FirstFree<'_> {
    /// Whether there is any port that TIME-WAIT alone keeps.
    pub fn is_any(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Takes a socket in TIME-WAIT into account, if it has such a port.
    pub fn add(&mut self, socket: &Socket) {
        let Some(ends) = socket.inet().filter(|_| is_time_wait(socket)) else {
            return;
        };
        let tuple = self.count.tuple_of(socket, ends);
        let connects = self.key.kind == PoolKind::TcpConnect;
        let is_in = match connects {
            true => Some(tuple) == own_tuple(&self.key),
            false => {
                self.count.concerns_bind(&tuple) && meets(&self.key, self.v6only, tuple.source)
            }
        };
        if !is_in || !self.waiting.contains(ends.local.port) {
            return;
        }
        let Some(timer) = socket.timer else {
            // Nobody can tell of this one.
            self.waiting.remove(ends.local.port);
            return;
        };
        let reuse = self.count.settings.time_wait();
        let early = reuse.reclaimed_in(socket).filter(|_| connects);
        let time = early.unwrap_or(timer.expires_ms).min(timer.expires_ms);
        let until = self.times.entry(ends.local.port).or_default();
        *until = time.max(*until);
    }

    /// The time until the first of them is free; `None` where that cannot be told.
    pub fn within(&self) -> Option<Duration> {
        let known = self.times.iter();
        let known = known.filter(|(port, _)| self.waiting.contains(**port));
        let first = known.map(|(_, time)| *time).min()?;
        Some(Duration::from_millis(first.into()))
    }
}

fn is_time_wait(socket: &Socket) -> bool {
    socket.protocol == Protocol::Tcp && socket.state == State::TimeWait
}

/// The tuple of a pool of connects; `None` of what is left to every destination.
fn own_tuple(key: &PoolKey) -> Option<Tuple> {
    let (source, destination) = key.source.zip(key.destination)?;
    Some(Tuple::new(address(source), &destination))
}

/// Whether a socket on an address keeps its port from a pool of bind, or of all UDP.
fn meets(key: &PoolKey, v6only: bool, on: Address) -> bool {
    match key.source.map(address) {
        None => true,
        Some(ANY_V6) => !v6only || !is_v4(on),
        Some(ANY_V4) => is_v4(on) || on == ANY_V6,
        Some(source) => on == source || on == ANY_V4 || on == ANY_V6,
    }
}

fn held(records: &[Record]) -> impl Iterator<Item = (u64, u16)> {
    let held = records.iter().filter(|record| record.inode != 0);
    held.map(|record| (record.inode.into(), record.port))
}
