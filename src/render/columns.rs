//! The columns of table, plain and CSV: their names, their cells, their order.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::str::FromStr;

use super::address::{Side, push_addr, push_interface, push_number, push_ss_addr, push_ss_port};
use super::clock::{push_timer, utc};
use super::{ends, escape};
use crate::model::{
    DetailSet, Owner, Owners, PortClass, Protocol, Row, TcpMetric, TimerKind, short_container,
};

/// Processes that a cell of a table names before it counts the rest.
const MOST_NAMED: usize = 8;

/// What a column shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Column {
    /// `tcp`, `udp`.
    Proto,
    /// `ipv4`, `ipv6`.
    Family,
    /// ss's name of the state.
    State,
    /// Bytes to read, or connections to accept.
    RecvQ,
    /// Bytes not acknowledged, or the most connections that may wait.
    SendQ,
    /// Local address and port.
    Local,
    /// Local address.
    LocalAddr,
    /// Local port, a number.
    LocalPort,
    /// Peer's address and port.
    Peer,
    /// Peer's address.
    PeerAddr,
    /// Peer's port, a number.
    PeerPort,
    /// Service of the local port, or else of the peer's.
    Service,
    /// IANA's class of the local port.
    Class,
    /// Interface it is bound to.
    Iface,
    /// Whether an IPv6 socket refuses IPv4.
    V6only,
    /// Processes that hold it.
    Process,
    /// Their pids.
    Pid,
    /// Whether the owners are known, and if not, why.
    OwnersStatus,
    /// Files they run.
    Exe,
    /// systemd units they run in.
    Unit,
    /// Containers they run in.
    Container,
    /// Name of its user, or the number.
    User,
    /// Number of its user.
    Uid,
    /// Its inode.
    Inode,
    /// The kernel's number of it.
    Cookie,
    /// Name of its network namespace, or the inode.
    Netns,
    /// When it was destroyed.
    At,
    /// The state in which it was last seen before.
    LastState,
    /// The timer it waits on.
    Timer,
    /// Bytes received and not yet read, with overheads.
    Rmem,
    /// The most of them.
    Rcvbuf,
    /// Bytes queued to send, with overheads.
    Wmem,
    /// The most of them.
    Sndbuf,
    /// Packets dropped for want of memory.
    Drops,
    /// Type of service, or traffic class.
    Tos,
    /// Congestion control.
    Congestion,
    /// What a unix or packet socket carries.
    Kind,
    /// Name of a unix socket.
    Path,
    /// Name of the one it is connected to.
    PeerPath,
    /// Inode of the one it is connected to.
    PeerInode,
    /// Processes that hold the one it is connected to.
    PeerProcess,
    /// A number that TCP tells.
    Metric(TcpMetric),
}

/// A name that is no column's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no column {0:?}; there are {names}", names = Column::names())]
pub struct UnknownColumn(pub String);

impl Column {
    /// Every column but TCP's numbers.
    const FIXED: [Column; 41] = [
        Column::Proto,
        Column::Family,
        Column::State,
        Column::RecvQ,
        Column::SendQ,
        Column::Local,
        Column::LocalAddr,
        Column::LocalPort,
        Column::Peer,
        Column::PeerAddr,
        Column::PeerPort,
        Column::Service,
        Column::Class,
        Column::Iface,
        Column::V6only,
        Column::Process,
        Column::Pid,
        Column::OwnersStatus,
        Column::Exe,
        Column::Unit,
        Column::Container,
        Column::User,
        Column::Uid,
        Column::Inode,
        Column::Cookie,
        Column::Netns,
        Column::At,
        Column::LastState,
        Column::Timer,
        Column::Rmem,
        Column::Rcvbuf,
        Column::Wmem,
        Column::Sndbuf,
        Column::Drops,
        Column::Tos,
        Column::Congestion,
        Column::Kind,
        Column::Path,
        Column::PeerPath,
        Column::PeerInode,
        Column::PeerProcess,
    ];

    /// Those that CSV has of sockets beyond IP.
    pub(super) const BEYOND_IP: [Column; 7] = [
        Column::Kind,
        Column::Local,
        Column::Peer,
        Column::Path,
        Column::PeerPath,
        Column::PeerInode,
        Column::PeerProcess,
    ];

    /// Every column.
    pub fn all() -> impl Iterator<Item = Column> {
        Column::FIXED
            .into_iter()
            .chain(TcpMetric::ALL.map(Column::Metric))
    }

    /// The columns that a flag for details adds.
    pub fn of_details(asked: DetailSet) -> impl Iterator<Item = Column> {
        let extended = [Column::Uid, Column::Inode, Column::Class];
        let memory = [
            Column::Rmem,
            Column::Rcvbuf,
            Column::Wmem,
            Column::Sndbuf,
            Column::Drops,
        ];
        let info = [
            Column::Congestion,
            Column::Metric(TcpMetric::Rtt),
            Column::Metric(TcpMetric::SndCwnd),
            Column::Metric(TcpMetric::TotalRetrans),
            Column::Metric(TcpMetric::BytesAcked),
            Column::Metric(TcpMetric::BytesReceived),
        ];
        let of =
            |asked: bool, columns: &[Column]| if asked { columns.to_vec() } else { Vec::new() };
        [
            of(asked.extended, &extended),
            of(asked.memory, &memory),
            of(asked.info, &info),
            of(asked.tos, &[Column::Tos]),
        ]
        .into_iter()
        .flatten()
    }

    /// The details that it needs.
    pub const fn details(self) -> DetailSet {
        let mut details = DetailSet::NONE;
        match self {
            Column::Rmem | Column::Rcvbuf | Column::Wmem | Column::Sndbuf | Column::Drops => {
                details.memory = true;
            }
            Column::Congestion | Column::Metric(_) => details.info = true,
            Column::Tos => details.tos = true,
            _ => {}
        }
        details
    }

    /// The name by which it is asked for, and its heading in CSV.
    pub const fn name(self) -> &'static str {
        match self {
            Column::Proto => "proto",
            Column::Family => "family",
            Column::State => "state",
            Column::RecvQ => "recv_q",
            Column::SendQ => "send_q",
            Column::Local => "local",
            Column::LocalAddr => "local_addr",
            Column::LocalPort => "local_port",
            Column::Peer => "peer",
            Column::PeerAddr => "peer_addr",
            Column::PeerPort => "peer_port",
            Column::Service => "service",
            Column::Class => "class",
            Column::Iface => "iface",
            Column::V6only => "v6only",
            Column::Process => "process",
            Column::Pid => "pid",
            Column::OwnersStatus => "owners_status",
            Column::Exe => "exe",
            Column::Unit => "unit",
            Column::Container => "container",
            Column::User => "user",
            Column::Uid => "uid",
            Column::Inode => "inode",
            Column::Cookie => "cookie",
            Column::Netns => "netns",
            Column::At => "at",
            Column::LastState => "last_state",
            Column::Timer => "timer",
            Column::Rmem => "rmem",
            Column::Rcvbuf => "rcvbuf",
            Column::Wmem => "wmem",
            Column::Sndbuf => "sndbuf",
            Column::Drops => "drops",
            Column::Tos => "tos",
            Column::Congestion => "congestion",
            Column::Kind => "kind",
            Column::Path => "path",
            Column::PeerPath => "peer_path",
            Column::PeerInode => "peer_inode",
            Column::PeerProcess => "peer_process",
            Column::Metric(metric) => metric.name(),
        }
    }

    /// Its heading in a table: `RECV-Q`.
    pub fn heading(self) -> String {
        let name = match self {
            // Those of `-i`, for which a terminal is narrow.
            Column::Metric(TcpMetric::SndCwnd) => "cwnd",
            Column::Metric(TcpMetric::TotalRetrans) => "retrans",
            Column::Metric(TcpMetric::BytesAcked) => "acked",
            Column::Metric(TcpMetric::BytesReceived) => "received",
            other => other.name(),
        };
        name.to_ascii_uppercase().replace('_', "-")
    }

    fn names() -> String {
        Column::all()
            .map(Column::name)
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// Whether it needs to know who holds the socket.
    pub const fn needs_owners(self) -> bool {
        matches!(
            self,
            Column::Process
                | Column::Pid
                | Column::OwnersStatus
                | Column::Exe
                | Column::Unit
                | Column::Container
                | Column::PeerProcess
        )
    }

    /// Whether tables tell it, but not the kernel when it destroys a socket.
    pub const fn is_told_by_tables(self) -> bool {
        matches!(
            self,
            Column::User | Column::Uid | Column::Inode | Column::V6only
        )
    }

    /// Whether it shows what is known of the other unix socket.
    pub const fn needs_unix_peers(self) -> bool {
        matches!(self, Column::Peer | Column::PeerPath | Column::PeerProcess)
    }

    /// A width that fits most cells, where that is known without them.
    pub(super) const fn usual_width(self) -> usize {
        match self {
            Column::Local | Column::Peer => "255.255.255.255:65535".len(),
            Column::LocalAddr | Column::PeerAddr => "255.255.255.255".len(),
            Column::At => "2026-11-20T12:00:00.123Z".len(),
            Column::State | Column::LastState => "FIN-WAIT-1".len(),
            _ => 0,
        }
    }

    /// Whether its cells may be broken where a table is too wide.
    pub(super) const fn may_be_wrapped(self) -> bool {
        matches!(
            self,
            Column::Process | Column::PeerProcess | Column::Exe | Column::Unit | Column::Container
        )
    }

    /// Whether it shows the name of a host where there is one.
    pub const fn has_host(self) -> bool {
        matches!(self, Column::Local | Column::Peer)
    }

    /// Whether it needs more of a process than its name.
    pub const fn needs_process_details(self) -> bool {
        matches!(self, Column::Exe | Column::Unit | Column::Container)
    }

    /// Appends the cell, which is empty where there is nothing to say.
    pub fn push(self, out: &mut Vec<u8>, row: &Row<'_>) {
        let socket = row.socket;
        match self {
            Column::Proto => out.extend_from_slice(socket.protocol.name().as_bytes()),
            Column::Family => out.extend_from_slice(socket.family().name().as_bytes()),
            Column::State => out.extend_from_slice(socket.state.name().as_bytes()),
            Column::RecvQ => push_number(out, socket.queues.recv_q()),
            Column::SendQ => push_number(out, socket.queues.send_q()),
            Column::Local => push_end(out, row, Side::Local),
            Column::Peer => push_end(out, row, Side::Peer),
            Column::LocalAddr | Column::LocalPort | Column::PeerAddr | Column::PeerPort => {
                self.push_endpoint(out, row);
            }
            Column::Service => {
                escape::push_terminal(out, row.service().unwrap_or_default().as_bytes());
            }
            Column::Class => {
                // The port of a raw socket is a protocol of IP.
                let ends = socket.inet().filter(|_| socket.protocol != Protocol::Raw);
                let class = ends.map_or("", |ends| PortClass::of(ends.local.port).name());
                out.extend_from_slice(class.as_bytes());
            }
            Column::Iface if socket.interface == 0 => {}
            Column::Iface => push_interface(out, row),
            Column::V6only => out.extend_from_slice(match socket.v6only {
                Some(true) => b"true",
                Some(false) => b"false",
                None => b"",
            }),
            Column::Process => push_processes(out, &row.owners),
            Column::Pid => push_each(out, row, |out, owner| {
                push_number(out, owner.holder.pid);
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
            Column::Uid => {
                if let Some(uid) = row.uid() {
                    push_number(out, uid);
                }
            }
            Column::Inode if socket.inode == 0 => {}
            Column::Inode => push_number(out, socket.inode),
            Column::Cookie if socket.cookie == 0 => {}
            Column::Cookie => push_number(out, socket.cookie),
            Column::Netns => {
                if let Some(namespace) = row.namespace {
                    escape::push_terminal(out, &namespace.label());
                }
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
            Column::Congestion => {
                let tcp = row.details.and_then(|details| details.tcp.as_deref());
                if let Some(name) = tcp.and_then(|tcp| tcp.congestion.as_ref()) {
                    escape::push_terminal(out, name.as_bytes());
                }
            }
            Column::Kind => {
                let name = socket.kind().map_or("", |kind| kind.name());
                out.extend_from_slice(name.as_bytes());
            }
            Column::Path => push_path(out, row.name()),
            Column::PeerPath => push_path(out, row.peer_name()),
            Column::PeerInode => {
                if let Some(ends) = socket.unix().filter(|ends| ends.peer != 0) {
                    push_number(out, ends.peer);
                }
            }
            Column::PeerProcess => {
                if socket.unix().is_some() && socket.has_peer() {
                    push_processes(out, &row.peer_owners());
                }
            }
            Column::Rmem
            | Column::Rcvbuf
            | Column::Wmem
            | Column::Sndbuf
            | Column::Drops
            | Column::Tos
            | Column::Metric(_) => {
                if let Some(number) = self.detail(row) {
                    push_number(out, number);
                }
            }
        }
    }

    /// Appends one half of an end; nothing of sockets that have none.
    fn push_endpoint(self, out: &mut Vec<u8>, row: &Row<'_>) {
        let Some(ends) = row.socket.inet() else {
            return;
        };
        match self {
            Column::LocalAddr => push_addr(out, ends.local.addr),
            Column::LocalPort => push_number(out, ends.local.port),
            Column::PeerAddr if !ends.peer.is_none() => push_addr(out, ends.peer.addr),
            Column::PeerPort if !ends.peer.is_none() => push_number(out, ends.peer.port),
            _ => {}
        }
    }

    /// The number of a column that shows a detail.
    fn detail(self, row: &Row<'_>) -> Option<u64> {
        let details = row.details?;
        let memory = details.memory;
        match self {
            Column::Rmem => memory.map(|memory| u64::from(memory.rmem_alloc)),
            Column::Rcvbuf => memory.map(|memory| u64::from(memory.rcvbuf)),
            Column::Wmem => memory.map(|memory| u64::from(memory.wmem_queued)),
            Column::Sndbuf => memory.map(|memory| u64::from(memory.sndbuf)),
            Column::Drops => memory?.drops.map(u64::from),
            Column::Tos => details.tos.or(details.traffic_class).map(u64::from),
            Column::Metric(metric) => details.tcp.as_ref()?.info.as_ref()?.get(metric),
            _ => None,
        }
    }

    /// Whether a cell says nothing that would be missed in a table.
    pub fn is_idle(self, row: &Row<'_>, cell: &[u8]) -> bool {
        match self {
            Column::RecvQ | Column::SendQ | Column::Drops => cell == b"0" || cell.is_empty(),
            Column::Metric(TcpMetric::TotalRetrans) => cell == b"0" || cell.is_empty(),
            Column::Peer => !row.socket.has_peer() || cell.is_empty(),
            Column::Process | Column::PeerProcess => cell.is_empty() || cell == b"-",
            _ => cell.is_empty(),
        }
    }

    /// What `--sort` goes by; `None` where the column has nothing to say of the row.
    pub fn sort_key(self, row: &Row<'_>) -> Option<SortKey> {
        let socket = row.socket;
        let number = |number: u64| Some(SortKey::Number(number));
        let told = |told: u64| Some(told).filter(|&told| told != 0).map(SortKey::Number);
        let local = socket.inet().map(|ends| ends.local);
        let peer = socket.inet().map(|ends| ends.peer);
        let peer = peer.filter(|peer| !peer.is_none());
        match self {
            Column::Local | Column::Peer if local.is_none() => self.text_key(row),
            Column::RecvQ => number(u64::from(socket.queues.recv_q())),
            Column::SendQ => number(u64::from(socket.queues.send_q())),
            Column::Local => local.map(|end| SortKey::Endpoint(end.addr, end.port)),
            Column::LocalAddr => local.map(|end| SortKey::Endpoint(end.addr, 0)),
            Column::LocalPort => local.map(|end| SortKey::Number(u64::from(end.port))),
            Column::Peer => peer.map(|peer| SortKey::Endpoint(peer.addr, peer.port)),
            Column::PeerAddr => peer.map(|peer| SortKey::Endpoint(peer.addr, 0)),
            Column::PeerPort => peer.map(|peer| SortKey::Number(u64::from(peer.port))),
            Column::Pid => {
                let first = row.owners.iter().next();
                first.map(|owner| SortKey::Number(u64::from(owner.holder.pid)))
            }
            Column::Uid => row.uid().map(|uid| SortKey::Number(u64::from(uid))),
            Column::Inode => told(socket.inode),
            Column::Cookie => told(socket.cookie),
            Column::PeerInode => told(socket.unix().map_or(0, |ends| u64::from(ends.peer))),
            Column::Timer => socket
                .timer
                .map(|timer| SortKey::Number(u64::from(timer.expires_ms))),
            Column::Rmem
            | Column::Rcvbuf
            | Column::Wmem
            | Column::Sndbuf
            | Column::Drops
            | Column::Tos
            | Column::Metric(_) => self.detail(row).map(SortKey::Number),
            Column::Congestion
            | Column::Proto
            | Column::Family
            | Column::State
            | Column::Service
            | Column::Class
            | Column::Iface
            | Column::V6only
            | Column::At
            | Column::LastState
            | Column::Netns
            | Column::Process
            | Column::OwnersStatus
            | Column::Exe
            | Column::Unit
            | Column::Container
            | Column::User
            | Column::Kind
            | Column::Path
            | Column::PeerPath
            | Column::PeerProcess => self.text_key(row),
        }
    }

    /// The text of the cell, where it says something.
    fn text_key(self, row: &Row<'_>) -> Option<SortKey> {
        let mut cell = Vec::new();
        self.push(&mut cell, row);
        let says_nothing = cell.is_empty() || (self == Column::Process && cell == b"-");
        (!says_nothing).then_some(SortKey::Text(cell))
    }
}

/// What a row is sorted by: numbers as numbers, addresses as addresses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SortKey {
    /// A number.
    Number(u64),
    /// An address, then a port; IPv4 before IPv6.
    Endpoint(IpAddr, u16),
    /// Text.
    Text(Vec<u8>),
}

impl FromStr for Column {
    type Err = UnknownColumn;

    /// Reads a name; `recv-q` and `RECV_Q` are the same.
    fn from_str(text: &str) -> Result<Column, UnknownColumn> {
        let name = text.trim().to_ascii_lowercase().replace('-', "_");
        let heading = name.replace('_', "-").to_ascii_uppercase();
        Column::all()
            .find(|column| column.name() == name || column.heading() == heading)
            .ok_or_else(|| UnknownColumn(text.to_owned()))
    }
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

#[cfg(test)]
mod tests;
