//! The one pass over the sockets.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};

use super::hash::Keyed;
use super::record::{Record, blocks};
use super::settings::EphemeralSettings;
use crate::model::{Endpoint, InetEnds, PortSet, Protocol, Socket, State};

/// Groups that are kept at once; with more, see [`Groups::purge`].
const MOST_GROUPS: usize = 16_384;
/// Records that are kept at once, 2 MiB: nine full pools of the kernel's own range.
const MOST_RECORDS: usize = 1 << 18;
/// More records than a group can have ports: one port stands in it again and again.
const MOST_IN_GROUP: usize = 1 << 17;
/// Addresses whose forgotten ports are remembered, at 8 KiB each.
const MOST_FORGOTTEN: usize = 32;

/// An address, IPv4 as v4-mapped: both draw from the same pools.
pub(super) type Address = u128;

pub(super) const fn address(addr: IpAddr) -> Address {
    match addr {
        IpAddr::V4(addr) => addr.to_ipv6_mapped().to_bits(),
        IpAddr::V6(addr) => addr.to_bits(),
    }
}

pub(super) const fn ip(address: Address) -> IpAddr {
    Ipv6Addr::from_bits(address).to_canonical()
}

/// `::`.
pub(super) const ANY_V6: Address = 0;
/// `0.0.0.0`.
pub(super) const ANY_V4: Address = 0xffff << 32;

pub(super) const fn is_v4(address: Address) -> bool {
    address >> 32 == 0xffff
}

/// What connects draw for: the ports of a source towards one destination. Listeners and bound
/// sockets stand under their own address and no destination. Sockets that are bound to an interface
/// which is not the asker's stand apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Tuple {
    pub(super) source: Address,
    pub(super) destination: Address,
    pub(super) port: u16,
    pub(super) apart: bool,
}

impl Tuple {
    pub(super) const fn new(source: Address, destination: &Endpoint) -> Tuple {
        Tuple {
            source,
            destination: address(destination.addr),
            port: destination.port,
            apart: false,
        }
    }

    pub(super) const fn bound(source: Address) -> Tuple {
        Tuple {
            source,
            destination: ANY_V6,
            port: 0,
            apart: false,
        }
    }

    pub(super) const fn is_bound(&self) -> bool {
        self.destination == ANY_V6 && self.port == 0
    }
}

/// Records under their keys, of bounded size.
#[derive(Clone, Debug)]
pub(super) struct Groups<K> {
    groups: HashMap<K, Vec<Record>, Keyed>,
    records: usize,
}

impl<K> Default for Groups<K> {
    fn default() -> Groups<K> {
        Groups {
            groups: HashMap::default(),
            records: 0,
        }
    }
}

impl<K: Copy + Eq + Hash> Groups<K> {
    /// Adds a record; returns how many its group has now.
    fn add(&mut self, key: K, record: Record) -> usize {
        let group = self.groups.entry(key).or_default();
        if group.len() >= MOST_IN_GROUP {
            let before = group.len();
            group.sort_unstable();
            group.dedup_by_key(|record| record.port);
            self.records -= before - group.len();
        }
        group.push(record);
        self.records += 1;
        group.len()
    }

    fn is_full(&self) -> bool {
        self.groups.len() > MOST_GROUPS || self.records > MOST_RECORDS
    }

    /// Forgets the smaller half of the groups, handing each to `forget`.
    ///
    /// A server with a million clients on a port of the range makes a million groups of one
    /// port. A group is forgotten only while at least half of all are no larger, so a full one
    /// stays, and loses at most the few ports it had before it stood out.
    fn purge(&mut self, mut forget: impl FnMut(K, &[Record])) {
        let mut sizes: Vec<usize> = self.groups.values().map(Vec::len).collect();
        let middle = sizes.len() / 2;
        let (_, &mut median, _) = sizes.select_nth_unstable(middle);
        // Of groups that are all alike, half.
        let mut alike = sizes.iter().filter(|&&size| size == median).count() / 2 + 1;
        self.groups.retain(|&key, records| {
            let goes = records.len() < median || (records.len() == median && alike > 0);
            if records.len() == median {
                alike = alike.saturating_sub(1);
            }
            if goes {
                forget(key, records);
            }
            !goes
        });
        self.records = self.groups.values().map(Vec::len).sum();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (K, &[Record])> {
        self.groups
            .iter()
            .map(|(&key, records)| (key, records.as_slice()))
    }

    pub(super) fn get(&self, key: &K) -> &[Record] {
        self.groups.get(key).map_or(&[], Vec::as_slice)
    }

    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }
}

/// Counts ports in one pass over the sockets; what it comes to is judged afterwards.
#[derive(Clone, Debug)]
pub struct Ephemeral {
    pub(super) settings: EphemeralSettings,
    /// The interface of the socket that ports are counted for, 0 for none; `None` where they are
    /// counted for nobody in particular, and interfaces make no difference.
    asker: Option<u32>,
    capacity: usize,
    /// TCP by what connects draw for.
    pub(super) tuples: Groups<Tuple>,
    /// Ports with any TCP socket.
    pub(super) any_tcp: PortSet,
    /// Ports with a listener or a bound socket, on any address of any family.
    pub(super) blocked: PortSet,
    /// Ports with a listener, in the range or not.
    pub(super) listening: PortSet,
    /// UDP by local address.
    pub(super) udp: Groups<Address>,
    /// Ports with any UDP socket, and with one that keeps IPv4 from them.
    pub(super) any_udp: PortSet,
    pub(super) udp_v4: PortSet,
    /// TCP ports by source of what was forgotten.
    pub(super) forgotten: HashMap<Address, PortSet>,
    /// Ports of all that was forgotten.
    pub(super) forgotten_ports: PortSet,
    /// Whether something listens on a port that may be drawn.
    listens_inside: bool,
    /// Whether a pool of connections seems to be half full.
    fills: bool,
}

impl Ephemeral {
    /// A count that has seen nothing.
    pub fn new(settings: EphemeralSettings) -> Ephemeral {
        Ephemeral {
            capacity: settings.capacity() as usize,
            settings,
            asker: None,
            tuples: Groups::default(),
            any_tcp: PortSet::new(),
            blocked: PortSet::new(),
            listening: PortSet::new(),
            udp: Groups::default(),
            any_udp: PortSet::new(),
            udp_v4: PortSet::new(),
            forgotten: HashMap::new(),
            forgotten_ports: PortSet::new(),
            listens_inside: false,
            fills: false,
        }
    }

    /// The same, of what is left to one socket: bound to this interface (SO_BINDTODEVICE), or to
    /// none. It does not meet those that are bound to another.
    pub fn for_socket(settings: EphemeralSettings, interface: Option<u32>) -> Ephemeral {
        Ephemeral {
            asker: Some(interface.unwrap_or(0)),
            ..Ephemeral::new(settings)
        }
    }

    /// Whether the connection of a socket may be made once more by the asker: one without an
    /// interface is everybody's, one with an interface is for those that have the same.
    fn is_apart(&self, socket: &Socket) -> bool {
        let asker = self.asker;
        asker.is_some_and(|asker| socket.interface != 0 && socket.interface != asker)
    }

    /// Whether bind does not look at sockets that are apart: to a socket without an interface it
    /// refuses their ports all the same.
    pub(super) fn binds_apart(&self) -> bool {
        self.asker.is_some_and(|asker| asker != 0)
    }

    /// What a connection is counted under.
    pub(super) fn tuple_of(&self, socket: &Socket, ends: &InetEnds) -> Tuple {
        let source = address(ends.local.addr);
        let tuple = match blocks(socket) {
            true => Tuple::bound(source),
            false => Tuple::new(source, &ends.peer),
        };
        Tuple {
            apart: self.is_apart(socket),
            ..tuple
        }
    }

    /// Whether bind of an address looks at what is counted under this.
    pub(super) fn concerns_bind(&self, tuple: &Tuple) -> bool {
        !(tuple.apart && self.binds_apart())
    }

    /// Counts a socket.
    pub fn add(&mut self, socket: &Socket) {
        let Some(ends) = socket.inet() else {
            return;
        };
        let port = ends.local.port;
        let tcp = socket.protocol == Protocol::Tcp;
        if tcp && socket.state == State::Listen {
            self.listening.insert(port);
        }
        if !self.settings.contains(port) {
            return;
        }
        if tcp {
            self.add_tcp(socket, ends);
        } else if socket.protocol == Protocol::Udp {
            self.add_udp(socket, ends);
        }
    }

    fn add_tcp(&mut self, socket: &Socket, ends: &InetEnds) {
        let port = ends.local.port;
        self.any_tcp.insert(port);
        if blocks(socket) {
            self.blocked.insert(port);
            self.listens_inside |= socket.state == State::Listen;
        }
        let tuple = self.tuple_of(socket, ends);
        let record = Record::of(socket, port, &self.settings);
        let used = self.tuples.add(tuple, record);
        self.fills |= 2 * used >= self.capacity;
        if self.tuples.is_full() {
            let binds_apart = self.binds_apart();
            let (forgotten, ports) = (&mut self.forgotten, &mut self.forgotten_ports);
            self.tuples.purge(|tuple, records| {
                let known = (forgotten.len() < MOST_FORGOTTEN
                    || forgotten.contains_key(&tuple.source))
                    && !(tuple.apart && binds_apart);
                let mut of_source = known.then(|| forgotten.entry(tuple.source).or_default());
                for record in records {
                    ports.insert(record.port);
                    if let Some(of_source) = &mut of_source {
                        of_source.insert(record.port);
                    }
                }
            });
        }
    }

    fn add_udp(&mut self, socket: &Socket, ends: &InetEnds) {
        if self.binds_apart() && self.is_apart(socket) {
            return;
        }
        let port = ends.local.port;
        self.any_udp.insert(port);
        if socket.v6only != Some(true) {
            self.udp_v4.insert(port);
        }
        let record = Record::of(socket, port, &self.settings);
        self.udp.add(address(ends.local.addr), record);
        if self.udp.is_full() {
            self.udp.purge(|_, _| {});
        }
    }

    /// Whether something listens on a port that may be drawn; known before the last socket.
    pub const fn listens_inside(&self) -> bool {
        self.listens_inside
    }

    /// Whether it looks, before the last socket, as if a pool of connections were half full.
    pub const fn fills(&self) -> bool {
        self.fills
    }

    /// The limits it counts against.
    pub const fn settings(&self) -> &EphemeralSettings {
        &self.settings
    }
}
