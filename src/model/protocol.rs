//! Which kernel table a socket stands in, and how that table was read.

use std::fmt;

/// Transport protocol of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// User Datagram Protocol.
    Udp,
    /// Transmission Control Protocol.
    Tcp,
}

impl Protocol {
    /// Every protocol, in the order in which they are listed (ss's: UDP first).
    pub const ALL: [Protocol; 2] = [Protocol::Udp, Protocol::Tcp];

    /// The name in every format: `tcp`, `udp`.
    pub const fn name(self) -> &'static str {
        match self {
            Protocol::Udp => "udp",
            Protocol::Tcp => "tcp",
        }
    }

    /// The number in the IP header (`IPPROTO_*`).
    pub const fn ip_number(self) -> u8 {
        match self {
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
}

impl Family {
    /// Both families, in the order in which they are listed.
    pub const ALL: [Family; 2] = [Family::V4, Family::V6];

    /// The name in every format: `ipv4`, `ipv6`.
    pub const fn name(self) -> &'static str {
        match self {
            Family::V4 => "ipv4",
            Family::V6 => "ipv6",
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
            (Protocol::Tcp, Family::V4) => "tcp",
            (Protocol::Tcp, Family::V6) => "tcp6",
            (Protocol::Udp, Family::V4) => "udp",
            (Protocol::Udp, Family::V6) => "udp6",
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.protocol.name(), self.family.name())
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
