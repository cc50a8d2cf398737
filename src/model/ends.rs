//! The two ends of a socket, as what it speaks has them.

use std::num::NonZeroU16;

use super::{Endpoint, Family};

/// The ends of a socket. Only those of [`Ends::Inet`] are addresses and ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// TCP, UDP, raw IP.
    Inet(InetEnds),
    /// Unix.
    Unix(UnixEnds),
    /// Packets of a link.
    Packet(PacketEnds),
    /// Netlink.
    Netlink(NetlinkEnds),
}

/// Addresses and ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InetEnds {
    /// Its own end. A raw socket's port is the number of its IP protocol, as in the kernel.
    pub local: Endpoint,
    /// The other end; the wildcard and port 0 when there is none.
    pub peer: Endpoint,
}

/// A name, and a peer known by its inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnixEnds {
    /// What it carries.
    pub kind: SocketKind,
    /// Where its name stands in the [`Names`] that came with it; `None` for one without a name.
    pub name: Option<NameSpan>,
    /// Inode of the socket it is connected to; 0 for none, for one that nobody has accepted yet,
    /// and from `/proc/net/unix`, which does not tell.
    pub peer: u32,
}

/// What a packet socket receives; the interface is the socket's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketEnds {
    /// Whether it sees the header of the link.
    pub kind: SocketKind,
    /// The protocol of the frames (`ETH_P_*`); 3 for all, 0 for none.
    pub protocol: u16,
}

/// A port of a netlink protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetlinkEnds {
    /// The protocol (`NETLINK_*`).
    pub protocol: u8,
    /// Its port id; 0 is the kernel's. Those of processes are mostly pids.
    pub port: u32,
    /// What it is connected to; `None` for nothing, and from `/proc`, which does not tell.
    pub peer: Option<NetlinkPeer>,
}

/// What a netlink socket sends to unless told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetlinkPeer {
    /// The port id.
    pub port: u32,
    /// The number of the group.
    pub group: u32,
}

impl Ends {
    /// Addresses and ports.
    pub const fn inet(local: Endpoint, peer: Endpoint) -> Ends {
        Ends::Inet(InetEnds { local, peer })
    }

    /// The family of the addresses.
    pub const fn family(&self) -> Family {
        match self {
            Ends::Inet(ends) => ends.local.family(),
            others => others.family_beyond_ip(),
        }
    }

    /// Out of the way of the many that are asked.
    #[cold]
    const fn family_beyond_ip(&self) -> Family {
        match self {
            Ends::Inet(ends) => ends.local.family(),
            Ends::Unix(_) => Family::Unix,
            Ends::Packet(_) => Family::Packet,
            Ends::Netlink(_) => Family::Netlink,
        }
    }
}

/// What a socket carries, under the kernel's numbers (`SOCK_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SocketKind {
    /// 1: a stream of bytes.
    Stream,
    /// 2: datagrams; of packet sockets, without the header of the link.
    Datagram,
    /// 3: packets as they are on the link.
    Raw,
    /// 5: packets in order.
    Sequence,
    /// Any other number.
    Unknown(u8),
}

impl SocketKind {
    /// From the kernel's number.
    pub const fn from_kernel(number: u8) -> SocketKind {
        match number {
            1 => SocketKind::Stream,
            2 => SocketKind::Datagram,
            3 => SocketKind::Raw,
            5 => SocketKind::Sequence,
            other => SocketKind::Unknown(other),
        }
    }

    /// The name in every format but plain.
    pub const fn name(self) -> &'static str {
        match self {
            SocketKind::Stream => "stream",
            SocketKind::Datagram => "dgram",
            SocketKind::Raw => "raw",
            SocketKind::Sequence => "seqpacket",
            SocketKind::Unknown(_) => "unknown",
        }
    }
}

/// Where a name stands in its [`Names`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameSpan {
    start: u32,
    length: NonZeroU16,
}

/// Names of unix sockets, behind one another, so that sockets stay without heap memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(Vec<u8>);

impl Names {
    /// Keeps a name: the bytes of `sun_path`, an abstract one with the zero it begins with. `None`
    /// for an empty one, and beyond 4 GiB of them.
    pub fn push(&mut self, name: &[u8]) -> Option<NameSpan> {
        let span = NameSpan {
            start: u32::try_from(self.0.len()).ok()?,
            length: NonZeroU16::new(u16::try_from(name.len()).ok()?)?,
        };
        self.0.extend_from_slice(name);
        Some(span)
    }

    /// The name at a place; empty when the place is none of these names'.
    pub fn get(&self, span: NameSpan) -> &[u8] {
        let start = span.start as usize;
        let end = start + usize::from(span.length.get());
        self.0.get(start..end).unwrap_or_default()
    }

    /// Forgets all and keeps the memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_where_they_were_put() {
        let mut names = Names::default();
        let spans = [&b"/run/a"[..], b"\0b", b"\xff\n"].map(|name| (name, names.push(name)));
        for (name, span) in spans {
            assert_eq!(names.get(span.unwrap()), name);
        }
        assert_eq!(names.push(b""), None);
        assert_eq!(names.push(&[1; 1 << 16]), None);
        assert!(Names::default().get(spans[0].1.unwrap()).is_empty());
    }
}
