//! What waits in a socket.

/// The two queues of a socket, under what they mean in its state.
///
/// ss prints both meanings as Recv-Q and Send-Q; only `render` does so here.
/// Sources: `idiag_rqueue`/`idiag_wqueue`; `/proc/net/tcp` `rx_queue`/`tx_queue`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queues {
    /// Bytes received and not read by the owner; bytes sent and not acknowledged by the peer.
    Bytes {
        /// Received, not yet read.
        unread: u32,
        /// Sent, not yet acknowledged (UDP: not yet sent).
        unacknowledged: u32,
    },
    /// Connections of a listener.
    Backlog {
        /// Connections that wait to be accepted.
        pending: u32,
        /// The most that may wait; `None` from `/proc`, which does not tell.
        max: Option<u32>,
    },
}

impl Queues {
    /// ss's Recv-Q.
    pub const fn recv_q(self) -> u32 {
        match self {
            Queues::Bytes { unread, .. } => unread,
            Queues::Backlog { pending, .. } => pending,
        }
    }

    /// ss's Send-Q.
    pub const fn send_q(self) -> u32 {
        match self {
            Queues::Bytes { unacknowledged, .. } => unacknowledged,
            Queues::Backlog { max: Some(max), .. } => max,
            Queues::Backlog { max: None, .. } => 0,
        }
    }
}
