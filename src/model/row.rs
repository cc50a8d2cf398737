//! A socket with all that is printed of it.

use super::{Details, Owners, Socket};

/// A socket and what was joined to it. Everything is borrowed from the caches of the run.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The socket.
    pub socket: &'a Socket,
    /// Its details, when asked for.
    pub details: Option<&'a Details>,
    /// Path of its cgroup, when details were asked for and the id is one of this machine's.
    pub cgroup: Option<&'a [u8]>,
    /// Who holds it.
    pub owners: Owners<'a>,
    /// Name of its user.
    pub user: Option<&'a str>,
    /// Name of the interface it is bound to.
    pub interface: Option<&'a [u8]>,
    /// Service of its local port.
    pub local_service: Option<&'a str>,
    /// Service of its peer's port.
    pub peer_service: Option<&'a str>,
    /// Host names of both ends, when asked for.
    pub hosts: HostNames<'a>,
}

/// Host names of the two ends of a socket.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostNames<'a> {
    /// Of its own address.
    pub local: Option<&'a [u8]>,
    /// Of its peer's.
    pub peer: Option<&'a [u8]>,
}

impl<'a> Row<'a> {
    /// A socket about which nothing else is known.
    pub const fn bare(socket: &'a Socket) -> Row<'a> {
        Row {
            socket,
            details: None,
            cgroup: None,
            owners: Owners::Unasked,
            user: None,
            interface: None,
            local_service: None,
            peer_service: None,
            hosts: HostNames {
                local: None,
                peer: None,
            },
        }
    }

    /// The user who made the socket; `None` where the kernel keeps none: what is left of a
    /// connection in TIME-WAIT, or not yet one, says 0 of both user and inode.
    pub const fn uid(&self) -> Option<u32> {
        match (self.socket.uid, self.socket.inode) {
            (0, 0) => None,
            (uid, _) => Some(uid),
        }
    }

    /// The service the socket is about: its own port's when it has a name, else its peer's.
    pub fn service(&self) -> Option<&'a str> {
        self.local_service.or(self.peer_service)
    }
}
