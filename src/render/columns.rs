//! The columns of table, plain and CSV: their names, their cells, their order.

mod cells;
mod sort;

use std::str::FromStr;

pub use sort::SortKey;

use crate::model::{DetailSet, TcpMetric};

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
#[error("no column {0:?}; {near}", near = Column::near(.0))]
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

    /// The columns that a wrong name may mean; they are too many to tell all.
    fn near(name: &str) -> String {
        let wrong = name.trim().to_ascii_lowercase().replace('-', "_");
        let is_near = |known: &&str| {
            let begins_alike = wrong.get(..3).is_some_and(|head| known.starts_with(head));
            begins_alike || (wrong.len() > 1 && known.contains(&wrong))
        };
        let near: Vec<&str> = Column::all().map(Column::name).filter(is_near).collect();
        match near.is_empty() {
            true => "there are proto, state, local, peer, process, user and more: see portstat(1)"
                .to_owned(),
            false => format!("near it are {}", near.join(", ")),
        }
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

#[cfg(test)]
mod tests;
