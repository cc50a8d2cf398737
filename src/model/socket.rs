//! A socket, as one row of a kernel table.

use super::{Endpoint, Family, Protocol, Queues, State, Table, Timer};

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
    /// Its own end.
    pub local: Endpoint,
    /// The other end; the wildcard and port 0 when there is none.
    pub peer: Endpoint,
    /// Index of the interface it is bound to, 0 for none. Source: `idiag_if`.
    pub interface: u32,
    /// What waits in it.
    pub queues: Queues,
    /// The timer it waits on; `None` when no timer runs.
    pub timer: Option<Timer>,
    /// User who made it; 0 in TIME-WAIT.
    pub uid: u32,
    /// Inode by which processes hold it; 0 when none can (TIME-WAIT, orphan, not yet accepted).
    pub inode: u64,
    /// The kernel's own number of the socket, unique while the machine runs; 0 from `/proc`.
    pub cookie: u64,
}

// The listing holds or streams up to a million of these.
const _: () = assert!(size_of::<Socket>() <= 128);

impl Socket {
    /// Its address family.
    pub const fn family(&self) -> Family {
        self.local.family()
    }

    /// The table it stands in.
    pub const fn table(&self) -> Table {
        Table {
            protocol: self.protocol,
            family: self.family(),
        }
    }

    /// Whether it waits for others: a TCP listener, or UDP without a peer.
    pub fn is_listening(&self) -> bool {
        matches!(self.state, State::Listen | State::Close)
    }
}
