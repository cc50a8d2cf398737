//! A socket, as one row of a kernel table.

use super::{Ends, Family, InetEnds, Protocol, Queues, SocketKind, State, Table, Timer, UnixEnds};

/// One socket. A plain value without heap memory, so that a million of them cost what they weigh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Its protocol.
    pub protocol: Protocol,
    /// Its state.
    pub state: State,
    /// Whether an IPv6 socket refuses IPv4; `None` where that was not told (IPv4, connections,
    /// `/proc`). Source: `INET_DIAG_SKV6ONLY`.
    pub v6only: Option<bool>,
    /// Its own end and the other one.
    pub ends: Ends,
    /// Index of the interface it is bound to, 0 for none. Sources: `idiag_if`; `pdi_index`.
    pub interface: u32,
    /// What waits in it.
    pub queues: Queues,
    /// The timer it waits on; `None` when no timer runs.
    pub timer: Option<Timer>,
    /// User who made it; 0 in TIME-WAIT, [`Socket::NO_UID`] where that is not told.
    pub uid: u32,
    /// Inode by which processes hold it; 0 when none can (TIME-WAIT, orphan, not yet accepted).
    pub inode: u64,
    /// The kernel's own number of the socket, unique while the machine runs; 0 from `/proc`.
    pub cookie: u64,
    /// Which of the network namespaces that are looked at it is in: 0, but where these are several.
    pub netns: u16,
}

// The listing holds or streams up to a million of these.
const _: () = assert!(size_of::<Socket>() <= 128);

impl Socket {
    /// Nobody's number: `/proc/net/unix` and netlink_diag tell of no user.
    pub const NO_UID: u32 = u32::MAX;

    /// Its address family.
    pub const fn family(&self) -> Family {
        self.ends.family()
    }

    /// Its addresses and ports; `None` of a socket that has none.
    pub const fn inet(&self) -> Option<&InetEnds> {
        match &self.ends {
            Ends::Inet(ends) => Some(ends),
            _ => None,
        }
    }

    /// Its name and peer; `None` of any but a unix socket.
    pub const fn unix(&self) -> Option<&UnixEnds> {
        match &self.ends {
            Ends::Unix(ends) => Some(ends),
            _ => None,
        }
    }

    /// Whether it has another end that is known.
    pub fn has_peer(&self) -> bool {
        match &self.ends {
            Ends::Inet(ends) => !ends.peer.is_none(),
            Ends::Unix(ends) => ends.peer != 0,
            Ends::Packet(_) => false,
            Ends::Netlink(ends) => ends.peer.is_some(),
        }
    }

    /// What it carries, where its protocol does not say so.
    pub const fn kind(&self) -> Option<SocketKind> {
        match &self.ends {
            Ends::Unix(ends) => Some(ends.kind),
            Ends::Packet(ends) => Some(ends.kind),
            Ends::Inet(_) | Ends::Netlink(_) => None,
        }
    }

    /// Whether it is the kernel's own, which no process holds.
    pub const fn is_kernels(&self) -> bool {
        matches!(&self.ends, Ends::Netlink(ends) if ends.port == 0)
    }

    /// The table it stands in.
    pub const fn table(&self) -> Table {
        Table {
            protocol: self.protocol,
            family: self.family(),
        }
    }

    /// Whether it waits for others: a listener, UDP or raw IP without a peer, a unix socket for
    /// datagrams that others know by its name.
    pub fn is_listening(&self) -> bool {
        match self.state {
            State::Listen => true,
            State::Close => match &self.ends {
                Ends::Inet(_) => true,
                Ends::Unix(ends) => ends.kind == SocketKind::Datagram && ends.name.is_some(),
                Ends::Packet(_) | Ends::Netlink(_) => false,
            },
            _ => false,
        }
    }
}
