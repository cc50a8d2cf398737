//! What is read of a socket only when asked for; kept beside the socket, so that a plain listing
//! stays small.

use super::TcpDetails;

/// Which details are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DetailSet {
    /// Mark, cgroup, directions shut down (`-e`).
    pub extended: bool,
    /// Memory (`-m`).
    pub memory: bool,
    /// TCP's own account (`-i`).
    pub info: bool,
    /// Type of service, traffic class (`--tos`).
    pub tos: bool,
}

impl DetailSet {
    /// None.
    pub const NONE: DetailSet = DetailSet {
        extended: false,
        memory: false,
        info: false,
        tos: false,
    };

    /// Every one, for a recording.
    pub const ALL: DetailSet = DetailSet {
        extended: true,
        memory: true,
        info: true,
        tos: true,
    };

    /// Whether none is asked for.
    pub fn is_empty(self) -> bool {
        self == DetailSet::NONE
    }

    /// What is in either.
    pub const fn union(self, other: DetailSet) -> DetailSet {
        DetailSet {
            extended: self.extended || other.extended,
            memory: self.memory || other.memory,
            info: self.info || other.info,
            tos: self.tos || other.tos,
        }
    }
}

/// Details of one socket. What was not asked for, or is not told of such a socket, is `None`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// `SO_MARK`; told only to those with CAP_NET_ADMIN, and only when it is not 0.
    pub mark: Option<u32>,
    /// Id of the cgroup the socket was made in: the inode of its folder in cgroup2.
    pub cgroup: Option<u64>,
    /// Directions shut down: bit 0 receive, bit 1 send.
    pub shutdown: Option<u8>,
    /// `IP_TOS`: the byte of the IPv4 header.
    pub tos: Option<u8>,
    /// `IPV6_TCLASS`: the byte of the IPv6 header.
    pub traffic_class: Option<u8>,
    /// Priority of the socket, or the class that net_cls gave its cgroup.
    pub class_id: Option<u32>,
    /// Memory it uses and may use.
    pub memory: Option<Memory>,
    /// What TCP tells of itself; on the heap, as it is twenty times as large as all else.
    pub tcp: Option<Box<TcpDetails>>,
}

/// Memory of a socket in bytes, as charged, with overheads: `SK_MEMINFO_*` of linux/sock_diag.h.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Received and not yet read.
    pub rmem_alloc: u32,
    /// The most that may be received (`SO_RCVBUF`).
    pub rcvbuf: u32,
    /// Given to the layers below and not yet sent.
    pub wmem_alloc: u32,
    /// The most that may be queued to send (`SO_SNDBUF`).
    pub sndbuf: u32,
    /// Set aside for either direction.
    pub fwd_alloc: u32,
    /// Queued to send, or sent and not acknowledged.
    pub wmem_queued: u32,
    /// Options and filters.
    pub optmem: u32,
    /// Received while the socket was busy; since Linux 2.6.35.
    pub backlog: Option<u32>,
    /// Packets dropped for want of memory; since Linux 4.7.
    pub drops: Option<u32>,
}
