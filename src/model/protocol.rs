//! Which kernel table a socket stands in, and how that table was read.

use std::fmt;

/// What a socket speaks, in the order in which ss lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// Netlink, between processes and the kernel.
    Netlink,
    /// Frames of a link.
    Packet,
    /// Unix, between processes of a machine.
    Unix,
    /// IP without a transport protocol of the kernel's.
    Raw,
    /// User Datagram Protocol.
    Udp,
    /// Transmission Control Protocol.
    Tcp,
}

impl Protocol {
    /// Every protocol, in the order in which they are listed.
    pub const EVERY: [Protocol; 6] = [
        Protocol::Netlink,
        Protocol::Packet,
        Protocol::Unix,
        Protocol::Raw,
        Protocol::Udp,
        Protocol::Tcp,
    ];

    /// Those that have ports, which are shown unless others are asked for.
    pub const WITH_PORTS: [Protocol; 2] = [Protocol::Udp, Protocol::Tcp];

    /// The families in which there are such sockets, in the order in which they are listed.
    pub const fn families(self) -> &'static [Family] {
        match self {
            Protocol::Netlink => &[Family::Netlink],
            Protocol::Packet => &[Family::Packet],
            Protocol::Unix => &[Family::Unix],
            Protocol::Raw | Protocol::Udp | Protocol::Tcp => &Family::IP,
        }
    }

    /// The tables of such sockets.
    pub fn tables(self) -> impl Iterator<Item = Table> {
        self.families().iter().map(move |&family| Table {
            protocol: self,
            family,
        })
    }

    /// The name in every format: `tcp`, `udp`.
    pub const fn name(self) -> &'static str {
        match self {
            Protocol::Netlink => "netlink",
            Protocol::Packet => "packet",
            Protocol::Unix => "unix",
            Protocol::Raw => "raw",
            Protocol::Udp => "udp",
            Protocol::Tcp => "tcp",
        }
    }

    /// The number by which sock_diag knows it: that of the IP header (`IPPROTO_*`).
    pub const fn ip_number(self) -> u8 {
        match self {
            Protocol::Netlink | Protocol::Packet | Protocol::Unix => 0,
            Protocol::Raw => 255,
            Protocol::Udp => 17,
            Protocol::Tcp => 6,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Address family of a socket. A v4-mapped address is family `V6`, as the socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
    /// Unix.
    Unix,
    /// Links.
    Packet,
    /// Netlink.
    Netlink,
}

impl Family {
    /// Both families of IP, in the order in which they are listed.
    pub const IP: [Family; 2] = [Family::V4, Family::V6];

    /// The others.
    pub const BEYOND_IP: [Family; 3] = [Family::Netlink, Family::Packet, Family::Unix];

    /// The name in every format: `ipv4`, `ipv6`.
    pub const fn name(self) -> &'static str {
        match self {
            Family::V4 => "ipv4",
            Family::V6 => "ipv6",
            Family::Unix => "unix",
            Family::Packet => "packet",
            Family::Netlink => "netlink",
        }
    }
}

/// One kernel table of sockets: a protocol in a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Table {
    /// Its protocol.
    pub protocol: Protocol,
    /// Its family.
    pub family: Family,
}

impl Table {
    /// The file that holds it as text, below `/proc/net`.
    pub const fn proc_name(self) -> &'static str {
        match (self.protocol, self.family) {
            (Protocol::Tcp, Family::V6) => "tcp6",
            (Protocol::Tcp, _) => "tcp",
            (Protocol::Udp, Family::V6) => "udp6",
            (Protocol::Udp, _) => "udp",
            (Protocol::Raw, Family::V6) => "raw6",
            (Protocol::Raw, _) => "raw",
            (Protocol::Unix, _) => "unix",
            (Protocol::Packet, _) => "packet",
            (Protocol::Netlink, _) => "netlink",
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.family {
            Family::V4 | Family::V6 => {
                write!(f, "{}/{}", self.protocol.name(), self.family.name())
            }
            Family::Unix | Family::Packet | Family::Netlink => f.write_str(self.protocol.name()),
        }
    }
}

/// How a table was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// sock_diag over netlink: everything the kernel tells.
    Netlink,
    /// `/proc/net`: without bound sockets that do not listen, v6only and devices.
    Proc,
}

impl Source {
    /// The name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Source::Netlink => "netlink",
            Source::Proc => "proc",
        }
    }
}
