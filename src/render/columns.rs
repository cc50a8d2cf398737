//! The columns of table, plain and CSV: their names, their cells, their order.

mod asked;
mod cells;
mod detail;
mod sort;
mod value;

use std::str::FromStr;

pub use detail::Detail;
pub use sort::SortKey;

use crate::model::TcpMetric;

macro_rules! columns {
    ($($(#[$doc:meta])* $column:ident $name:literal,)*) => {
        /// What a column shows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Column {
            $($(#[$doc])* $column,)*
            /// A detail.
            Detail(Detail),
            /// A number that TCP tells.
            Metric(TcpMetric),
        }

        impl Column {
            /// Every column but those of details.
            const FIXED: [Column; [$($name),*].len()] = [$(Column::$column),*];

            /// The name by which it is asked for, and its heading in CSV.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Column::$column => $name,)*
                    Column::Detail(detail) => detail.name(),
                    Column::Metric(metric) => metric.name(),
                }
            }
        }
    };
}

columns! {
    /// `tcp`, `udp`.
    Proto "proto",
    /// `ipv4`, `ipv6`.
    Family "family",
    /// ss's name of the state.
    State "state",
    /// Bytes to read, or connections to accept.
    RecvQ "recv_q",
    /// Bytes not acknowledged, or the most connections that may wait.
    SendQ "send_q",
    /// Local address and port.
    Local "local",
    /// Local address.
    LocalAddr "local_addr",
    /// Local port, a number.
    LocalPort "local_port",
    /// Peer's address and port.
    Peer "peer",
    /// Peer's address.
    PeerAddr "peer_addr",
    /// Peer's port, a number.
    PeerPort "peer_port",
    /// Service of the local port, or else of the peer's.
    Service "service",
    /// Service of the local port.
    LocalService "local_service",
    /// Service of the peer's port.
    PeerService "peer_service",
    /// IANA's class of the local port.
    Class "class",
    /// IANA's class of the peer's port.
    PeerClass "peer_class",
    /// Interface it is bound to.
    Iface "iface",
    /// Whether an IPv6 socket refuses IPv4.
    V6only "v6only",
    /// Processes that hold it.
    Process "process",
    /// Their pids.
    Pid "pid",
    /// Their names.
    Comm "comm",
    /// The descriptors by which they hold it.
    Fd "fd",
    /// Whether the owners are known, and if not, why.
    OwnersStatus "owners_status",
    /// Files they run.
    Exe "exe",
    /// systemd units they run in.
    Unit "unit",
    /// Containers they run in.
    Container "container",
    /// Name of its user, or the number.
    User "user",
    /// Number of its user.
    Uid "uid",
    /// Its inode.
    Inode "inode",
    /// The kernel's number of it.
    Cookie "cookie",
    /// Name of its network namespace, or the inode.
    Netns "netns",
    /// Inode of its network namespace.
    NetnsInode "netns_inode",
    /// Container whose network namespace that is.
    NetnsContainer "netns_container",
    /// When it was destroyed.
    At "at",
    /// The state in which it was last seen before.
    LastState "last_state",
    /// The timer it waits on.
    Timer "timer",
    /// What that timer is for.
    TimerKind "timer_kind",
    /// When it fires, in milliseconds.
    TimerExpires "timer_expires_ms",
    /// Retransmissions so far.
    TimerRetransmits "timer_retransmits",
    /// What a unix or packet socket carries.
    Kind "kind",
    /// Name of a unix socket.
    Path "path",
    /// Name of the one it is connected to.
    PeerPath "peer_path",
    /// Inode of the one it is connected to.
    PeerInode "peer_inode",
    /// Processes that hold the one it is connected to.
    PeerProcess "peer_process",
    /// Name of what a packet or netlink socket speaks.
    LocalProtocol "local_protocol",
    /// Number of that.
    LocalProtocolNumber "local_protocol_number",
    /// Port id of a netlink socket.
    LocalPortId "local_port_id",
    /// Port id that it is connected to.
    PeerPortId "peer_port_id",
    /// Multicast group that it sends to.
    PeerGroup "peer_group",
}

/// A name that is no column's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no column {0:?}; {near}", near = Column::near(.0))]
pub struct UnknownColumn(pub String);

impl Column {
    /// Every column.
    pub fn all() -> impl Iterator<Item = Column> {
        let details = Detail::ALL.map(Column::Detail);
        let metrics = TcpMetric::ALL.map(Column::Metric);
        Column::FIXED.into_iter().chain(details).chain(metrics)
    }

    /// Its heading in a table: `RECV-Q`.
    pub fn heading(self) -> String {
        let name = match self {
            // Those of tables, for which a terminal is narrow.
            Column::Metric(TcpMetric::SndCwnd) => "cwnd",
            Column::Metric(TcpMetric::TotalRetrans) => "retrans",
            Column::Metric(TcpMetric::BytesAcked) => "acked",
            Column::Metric(TcpMetric::BytesReceived) => "received",
            Column::Detail(Detail::WmemAlloc) => "wmem_alloc",
            Column::Detail(Detail::FwdAlloc) => "fwd_alloc",
            Column::Detail(Detail::Optmem) => "optmem",
            Column::Detail(Detail::Backlog) => "backlog",
            Column::Detail(Detail::BbrBandwidth) => "bbr_bandwidth",
            other => other.name(),
        };
        name.to_ascii_uppercase().replace('_', "-")
    }

    /// The columns that a wrong name may mean; they are too many to tell all.
    fn near(name: &str) -> String {
        let wrong = name.trim().to_ascii_lowercase().replace('-', "_");
        let is_near = |known: &&str| {
            let begins_alike = wrong.get(..3).is_some_and(|head| known.starts_with(head));
            let is_part = |part: &str| wrong.len() > 2 && part.starts_with(&wrong);
            begins_alike || known.split('_').any(is_part)
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
                | Column::Comm
                | Column::Fd
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
            Column::User
                | Column::Uid
                | Column::Inode
                | Column::V6only
                | Column::Detail(Detail::Mark | Detail::Cgroup | Detail::CgroupId)
        )
    }

    /// Whether it shows the name of a service.
    pub const fn needs_services(self) -> bool {
        matches!(
            self,
            Column::Service | Column::LocalService | Column::PeerService
        )
    }

    /// Whether it shows what its network namespace is.
    pub const fn needs_namespaces(self) -> bool {
        matches!(
            self,
            Column::Netns | Column::NetnsInode | Column::NetnsContainer
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
mod leaves;
#[cfg(test)]
mod tests;
