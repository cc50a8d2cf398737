//! What a socket allows others, which no dump tells.

/// The flags of a socket that decide whether another may share its port. `None` is one that
/// could not be read: sockets without a process have nobody to ask, and not every process may be
/// asked.
///
/// Sources: `getsockopt` on a copy of the owner's descriptor, or `struct sock_common` by BPF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketFlags {
    /// SO_REUSEADDR.
    pub reuse_address: Option<bool>,
    /// SO_REUSEPORT.
    pub reuse_port: Option<bool>,
    /// IPV6_V6ONLY; binding a specific IPv6 address sets it.
    pub v6only: Option<bool>,
}
