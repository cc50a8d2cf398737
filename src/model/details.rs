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
    /// Whether the kernel chose its port; told only to a filter that asks for it.
    pub autobound: Option<bool>,
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
    /// What unix, packet and netlink sockets tell with `-e`; on the heap likewise.
    pub ends: Option<Box<EndsDetails>>,
}

/// What only sockets beyond IP tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndsDetails {
    /// Of a unix socket.
    Unix(UnixDetails),
    /// Of a packet socket.
    Packet(PacketDetails),
    /// Of a netlink socket.
    Netlink(NetlinkDetails),
}

/// Details of a unix socket. Sources: `UNIX_DIAG_VFS`, `UNIX_DIAG_ICONS`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnixDetails {
    /// The file that is its name.
    pub file: Option<UnixFile>,
    /// Inodes of the sockets that wait to be accepted; `None` where it does not listen.
    pub pending: Option<Vec<u32>>,
}

/// The file that a unix socket is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnixFile {
    /// Its inode in its file system.
    pub inode: u32,
    /// The device of the file system, as the kernel counts: 20 bits of minor below the major.
    pub device: u32,
}

impl UnixFile {
    /// The major number of the device.
    pub const fn major(self) -> u32 {
        self.device >> 20
    }

    /// The minor number of the device.
    pub const fn minor(self) -> u32 {
        self.device & 0xf_ffff
    }
}

/// Details of a packet socket. Sources: `PACKET_DIAG_INFO`, `_RX_RING`, `_TX_RING`, `_FANOUT`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PacketDetails {
    /// What it was set to.
    pub info: Option<PacketInfo>,
    /// The ring it receives by.
    pub rx_ring: Option<PacketRing>,
    /// The ring it sends by.
    pub tx_ring: Option<PacketRing>,
    /// Its group of sockets that share the frames: the id, and from bit 16 how they share.
    pub fanout: Option<u32>,
}

/// How a packet socket was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketInfo {
    /// `PACKET_VERSION`.
    pub version: u32,
    /// `PACKET_COPY_THRESH`, in bytes.
    pub copy_threshold: u32,
    /// `PDI_*`.
    pub flags: u32,
}

impl PacketInfo {
    /// The names of the flags, in the order of their bits.
    pub fn flag_names(self) -> impl Iterator<Item = &'static str> {
        let names = ["running", "auxdata", "origdev", "vnethdr", "loss"];
        names
            .into_iter()
            .enumerate()
            .filter_map(move |(bit, name)| (self.flags & 1 << bit != 0).then_some(name))
    }
}

/// A ring of a packet socket: `struct packet_diag_ring`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketRing {
    /// Bytes of a block.
    pub block_size: u32,
    /// Blocks.
    pub blocks: u32,
    /// Bytes of a frame.
    pub frame_size: u32,
    /// Frames.
    pub frames: u32,
    /// Milliseconds until a block is handed over that is not full.
    pub retire_ms: u32,
    /// `TP_FT_REQ_*`.
    pub features: u32,
}

/// Details of a netlink socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetlinkDetails {
    /// The multicast groups it is in, a bit each, from group 1. Sources: `NETLINK_DIAG_GROUPS`;
    /// `/proc/net/netlink` `Groups`, the first 32 of them.
    pub groups: Vec<u64>,
}

impl NetlinkDetails {
    /// The numbers of its groups.
    pub fn numbers(&self) -> impl Iterator<Item = u64> {
        (0..).zip(&self.groups).flat_map(|(index, word)| {
            let set = (0..64).filter(move |bit| word & 1 << bit != 0);
            set.map(move |bit| index * 64 + bit + 1)
        })
    }

    /// Its first 32 groups, a bit each.
    pub fn first_groups(&self) -> u32 {
        self.groups.first().map_or(0, |word| *word as u32)
    }
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
