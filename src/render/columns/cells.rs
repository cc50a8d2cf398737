//! What stands in a column of a row.

use std::collections::{HashMap, HashSet};

use super::super::address::{
    Side, push_addr, push_interface, push_number, push_ss_addr, push_ss_port,
};
use super::super::clock::{push_timer, utc};
use super::super::{ends, escape};
use super::{Column, Detail};
use crate::model::{
    Endpoint, Ends, Owner, Owners, PortClass, Protocol, Row, TcpMetric, TimerKind, short_container,
};

/// Processes that a cell of a table names before it counts the rest.
const MOST_NAMED: usize = 8;

impl Column {
    /// Appends the cell, which is empty where there is nothing to say.
    pub fn push(self, out: &mut Vec<u8>, row: &Row<'_>) {
        let socket = row.socket;
        match self {
            Column::Proto => out.extend_from_slice(socket.protocol.name().as_bytes()),
            Column::Family => out.extend_from_slice(socket.family().name().as_bytes()),
            Column::State => out.extend_from_slice(socket.state.name().as_bytes()),
            Column::Local => push_end(out, row, Side::Local),
            Column::Peer => push_end(out, row, Side::Peer),
            Column::LocalAddr => push_half(out, socket.inet().map(|ends| ends.local)),
            Column::PeerAddr => push_half(out, peer(row)),
            Column::Service => {
                escape::push_terminal(out, row.service().unwrap_or_default().as_bytes());
            }
            Column::Class => push_class(out, row, socket.inet().map(|ends| ends.local)),
            Column::PeerClass => push_class(out, row, peer(row)),
            Column::LocalService => {
                escape::push_terminal(out, row.local_service.unwrap_or_default().as_bytes());
            }
            Column::PeerService => {
                escape::push_terminal(out, row.peer_service.unwrap_or_default().as_bytes());
            }
            Column::Iface if socket.interface == 0 => {}
            Column::Iface => push_interface(out, row),
            Column::V6only => out.extend_from_slice(match socket.v6only {
                Some(true) => b"true",
                Some(false) => b"false",
                None => b"",
            }),
            Column::Netns => {
                if let Some(namespace) = row.namespace {
                    escape::push_terminal(out, &namespace.label());
                }
            }
            Column::NetnsContainer => {
                let container = row.namespace.and_then(|it| it.container.as_deref());
                escape::push_terminal(out, container.unwrap_or_default());
            }
            Column::At => {
                if let Some(destruction) = row.destruction {
                    out.extend_from_slice(utc(destruction.at).as_bytes());
                }
            }
            Column::LastState => {
                let last_state = row.destruction.and_then(|end| end.last_state);
                if let Some(state) = last_state {
                    out.extend_from_slice(state.name().as_bytes());
                }
            }
            Column::Timer => push_timer_cell(out, row),
            Column::TimerKind => {
                let name = socket.timer.map_or("", |timer| timer.kind.name());
                out.extend_from_slice(name.as_bytes());
            }
            Column::LocalProtocol => {
                let name = ends::protocol_name(&socket.ends).unwrap_or_default();
                out.extend_from_slice(name.as_bytes());
            }
            Column::Detail(detail) => {
                if let Some(value) = detail.value(row) {
                    value.push(out);
                }
            }
            Column::Kind => {
                let name = socket.kind().map_or("", |kind| kind.name());
                out.extend_from_slice(name.as_bytes());
            }
            Column::Path => push_path(out, row.name()),
            Column::PeerPath => push_path(out, row.peer_name()),
            Column::Process
            | Column::Pid
            | Column::Comm
            | Column::Fd
            | Column::OwnersStatus
            | Column::Exe
            | Column::Unit
            | Column::Container
            | Column::User
            | Column::PeerProcess => self.push_owners(out, row),
            Column::RecvQ
            | Column::SendQ
            | Column::LocalPort
            | Column::PeerPort
            | Column::Uid
            | Column::Inode
            | Column::Cookie
            | Column::PeerInode
            | Column::NetnsInode
            | Column::TimerExpires
            | Column::TimerRetransmits
            | Column::LocalProtocolNumber
            | Column::LocalPortId
            | Column::PeerPortId
            | Column::PeerGroup
            | Column::Metric(_) => {
                if let Some(number) = self.number(row) {
                    push_number(out, number);
                }
            }
        }
    }

    /// Appends whose the socket is, or the other end.
    fn push_owners(self, out: &mut Vec<u8>, row: &Row<'_>) {
        match self {
            Column::Process => match row.owners {
                // Its ends tell whose it is.
                Owners::Unheld if row.socket.is_kernels() => out.push(b'-'),
                ref owners => push_processes(out, owners),
            },
            Column::Pid => push_each(out, row, |out, owner| {
                push_number(out, owner.holder.pid);
            }),
            Column::Comm => push_each(out, row, |out, owner| {
                push_listed(out, &owner.process.comm);
            }),
            Column::Fd => push_each(out, row, |out, owner| {
                push_number(out, owner.holder.fd);
            }),
            Column::OwnersStatus => {
                out.extend_from_slice(row.owners.status().unwrap_or_default().as_bytes());
            }
            Column::Exe => push_each(out, row, |out, owner| {
                push_listed(out, owner.process.exe.as_deref().unwrap_or_default());
            }),
            Column::Unit => push_each(out, row, |out, owner| {
                push_listed(out, owner.process.unit.as_deref().unwrap_or_default());
            }),
            Column::Container => push_each(out, row, |out, owner| {
                push_listed(out, owner.process.container().map_or(b"", short_container));
            }),
            Column::User => match (row.user, row.uid()) {
                (Some(user), _) => escape::push_terminal(out, user.as_bytes()),
                (None, Some(uid)) => push_number(out, uid),
                (None, None) => {}
            },
            Column::PeerProcess if row.socket.unix().is_some() && row.socket.has_peer() => {
                push_processes(out, &row.peer_owners());
            }
            _ => {}
        }
    }

    /// The number in it; `None` of a column that shows no number, and where there is none to say.
    pub(super) fn number(self, row: &Row<'_>) -> Option<u64> {
        let socket = row.socket;
        let told = |number: u64| Some(number).filter(|&number| number != 0);
        match self {
            Column::RecvQ => Some(u64::from(socket.queues.recv_q())),
            Column::SendQ => Some(u64::from(socket.queues.send_q())),
            Column::LocalPort => socket.inet().map(|ends| u64::from(ends.local.port)),
            Column::PeerPort => peer(row).map(|peer| u64::from(peer.port)),
            Column::Uid => row.uid().map(u64::from),
            Column::Inode => told(socket.inode),
            Column::Cookie => told(socket.cookie),
            Column::PeerInode => told(u64::from(socket.unix()?.peer)),
            Column::NetnsInode => row.namespace?.inode,
            Column::TimerExpires => Some(u64::from(socket.timer?.expires_ms)),
            Column::TimerRetransmits => Some(u64::from(socket.timer?.retransmits)),
            Column::LocalProtocolNumber
            | Column::LocalPortId
            | Column::PeerPortId
            | Column::PeerGroup => self.number_beyond_ip(&socket.ends),
            Column::Detail(detail) => detail.value(row)?.number(),
            Column::Metric(metric) => row.details?.tcp.as_ref()?.info.as_ref()?.known(metric),
            _ => None,
        }
    }

    /// A number of a packet or netlink socket.
    fn number_beyond_ip(self, ends: &Ends) -> Option<u64> {
        match (self, ends) {
            (Column::LocalProtocolNumber, Ends::Packet(ends)) => Some(u64::from(ends.protocol)),
            (Column::LocalProtocolNumber, Ends::Netlink(ends)) => Some(u64::from(ends.protocol)),
            (Column::LocalPortId, Ends::Netlink(ends)) => Some(u64::from(ends.port)),
            (Column::PeerPortId, Ends::Netlink(ends)) => Some(u64::from(ends.peer?.port)),
            (Column::PeerGroup, Ends::Netlink(ends)) => Some(u64::from(ends.peer?.group)),
            _ => None,
        }
    }

    /// Whether a cell says nothing that would be missed in a table.
    pub fn is_idle(self, row: &Row<'_>, cell: &[u8]) -> bool {
        match self {
            Column::RecvQ
            | Column::SendQ
            | Column::Metric(TcpMetric::TotalRetrans)
            | Column::Detail(Detail::Mark | Detail::Drops | Detail::Backlog)
            | Column::Detail(Detail::WmemAlloc | Detail::FwdAlloc | Detail::Optmem)
            | Column::Detail(Detail::TrafficClass | Detail::ClassId | Detail::CopyThreshold)
            | Column::Detail(Detail::RxRingRetire | Detail::RxRingFeatures)
            | Column::Detail(Detail::TxRingRetire | Detail::TxRingFeatures) => {
                cell == b"0" || cell.is_empty()
            }
            Column::V6only => cell != b"true",
            Column::Detail(Detail::Shutdown) => cell == b"none" || cell.is_empty(),
            Column::Peer => !row.socket.has_peer() || cell.is_empty(),
            Column::Process | Column::PeerProcess => cell.is_empty() || cell == b"-",
            _ => cell.is_empty(),
        }
    }
}

/// The other end of a socket with addresses, where there is one.
pub(super) fn peer(row: &Row<'_>) -> Option<Endpoint> {
    let ends = row.socket.inet()?;
    (!ends.peer.is_none()).then_some(ends.peer)
}

/// The address of an end.
fn push_half(out: &mut Vec<u8>, end: Option<Endpoint>) {
    if let Some(end) = end {
        push_addr(out, end.addr);
    }
}

/// The class of a port; of a raw socket that is a protocol of IP, and has none.
fn push_class(out: &mut Vec<u8>, row: &Row<'_>, end: Option<Endpoint>) {
    let end = end.filter(|_| row.socket.protocol != Protocol::Raw);
    let class = end.map_or("", |end| PortClass::of(end.port).name());
    out.extend_from_slice(class.as_bytes());
}

/// A name of a unix socket.
fn push_path(out: &mut Vec<u8>, name: Option<&[u8]>) {
    ends::push_name(out, name.unwrap_or_default(), escape::push_terminal);
}

fn push_end(out: &mut Vec<u8>, row: &Row<'_>, side: Side) {
    let Some(ends) = row.socket.inet() else {
        return ends::push_end(out, row, side);
    };
    push_ss_addr(out, row, side, side.of(ends));
    out.push(b':');
    push_ss_port(out, row, side, side.of(ends), false);
}

/// What `each` writes of every owner, once, with commas between.
fn push_each(out: &mut Vec<u8>, row: &Row<'_>, each: impl Fn(&mut Vec<u8>, Owner<'_>)) {
    let mut seen = HashSet::new();
    for owner in row.owners.iter() {
        let mut cell = Vec::new();
        each(&mut cell, owner);
        if cell.is_empty() || seen.contains(&cell) {
            continue;
        }
        if !seen.is_empty() {
            out.push(b',');
        }
        out.extend_from_slice(&cell);
        seen.insert(cell);
    }
}

/// A name in a list with commas.
fn push_listed(out: &mut Vec<u8>, name: &[u8]) {
    escape::push_without(out, name, b",");
}

/// Processes as a person reads them: `nginx[812,813]`, or why there are none.
///
/// What stands around names is escaped in them, so that a name is no owner: `x\x5b1\x5d[7]`.
fn push_processes(out: &mut Vec<u8>, owners: &Owners<'_>) {
    match owners {
        Owners::Unasked => return,
        Owners::None => return out.push(b'-'),
        Owners::Hidden => return out.extend_from_slice(b"(hidden)"),
        Owners::Unseen => return out.extend_from_slice(b"(unseen)"),
        Owners::Unheld => return out.extend_from_slice(b"(unheld)"),
        Owners::Known { .. } => {}
    }
    let mut named: Vec<(&[u8], Vec<u32>)> = Vec::new();
    let mut places: HashMap<&[u8], usize> = HashMap::new();
    for owner in owners.iter() {
        let (comm, pid) = (&owner.process.comm[..], owner.holder.pid);
        let place = *places.entry(comm).or_insert(named.len());
        match named.get_mut(place) {
            // The descriptors of a process come one after another.
            Some((_, pids)) if pids.last() == Some(&pid) => {}
            Some((_, pids)) => pids.push(pid),
            None => named.push((comm, vec![pid])),
        }
    }
    for (index, (comm, pids)) in named.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        escape::push_without(out, comm, b"[](),=");
        out.push(b'[');
        for (index, pid) in pids.iter().take(MOST_NAMED).enumerate() {
            if index > 0 {
                out.push(b',');
            }
            push_number(out, *pid);
        }
        if pids.len() > MOST_NAMED {
            out.extend_from_slice(b",+");
            push_number(out, pids.len() - MOST_NAMED);
        }
        out.push(b']');
    }
}

fn push_timer_cell(out: &mut Vec<u8>, row: &Row<'_>) {
    let Some(timer) = row.socket.timer else {
        return;
    };
    out.extend_from_slice(timer.kind.name().as_bytes());
    out.extend_from_slice(b", ");
    push_timer(out, timer.expires_ms);
    if timer.retransmits > 0 && timer.kind != TimerKind::Timewait {
        out.extend_from_slice(b", x");
        push_number(out, timer.retransmits);
    }
}
