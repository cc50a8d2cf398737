//! What is read of a socket only when asked for; kept beside the socket, so that a plain listing
//! stays small.

/// Details of one socket (`-e`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// `SO_MARK`; told only to those with CAP_NET_ADMIN, and only when it is not 0.
    pub mark: Option<u32>,
    /// Id of the cgroup the socket was made in: the inode of its folder in cgroup2.
    pub cgroup: Option<u64>,
    /// Directions shut down: bit 0 receive, bit 1 send.
    pub shutdown: Option<u8>,
}
