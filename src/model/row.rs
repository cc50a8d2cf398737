//! A socket with all that is printed of it.

use std::ops::Deref;

use super::{Destruction, Details, Fate, InetEnds, Namespace, Owners, Socket};

/// A socket and what was joined to it. Everything is borrowed from the caches of the run.
#[derive(Clone, Debug)]
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
    /// What only a socket without addresses has; on the heap, as most have them.
    pub beyond_ip: Option<Box<BeyondIp<'a>>>,
    /// Name of the interface it is bound to.
    pub interface: Option<&'a [u8]>,
    /// Service of its local port.
    pub local_service: Option<&'a str>,
    /// Service of its peer's port.
    pub peer_service: Option<&'a str>,
    /// Host names of both ends, when asked for.
    pub hosts: HostNames<'a>,
    /// Its network namespace, when asked for.
    pub namespace: Option<&'a Namespace>,
    /// What became of it, where it was to be destroyed before it is printed.
    pub fate: Option<Fate>,
    /// How it ended, of a socket that is no more.
    pub destruction: Option<&'a Destruction>,
}

/// What was joined to a socket without addresses.
#[derive(Clone, Debug)]
pub struct BeyondIp<'a> {
    /// Its name, of a unix socket that has one.
    pub name: Option<&'a [u8]>,
    /// Name of the unix socket that it is connected to, where that has one and was asked for.
    pub peer_name: Option<&'a [u8]>,
    /// Who holds the unix socket that it is connected to.
    pub peer_owners: Owners<'a>,
    /// Name of the process whose pid is its port id, of a netlink socket.
    pub port_process: Option<&'a [u8]>,
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
            beyond_ip: None,
            interface: None,
            local_service: None,
            peer_service: None,
            hosts: HostNames {
                local: None,
                peer: None,
            },
            namespace: None,
            fate: None,
            destruction: None,
        }
    }

    /// The user who made the socket; `None` where the kernel keeps none: what is left of a
    /// connection in TIME-WAIT, or not yet one, says 0 of both user and inode.
    pub const fn uid(&self) -> Option<u32> {
        match (self.socket.uid, self.socket.inode) {
            (0, 0) | (Socket::NO_UID, _) => None,
            (uid, _) => Some(uid),
        }
    }

    /// Its name, of a unix socket that has one.
    pub fn name(&self) -> Option<&'a [u8]> {
        self.beyond_ip.as_ref()?.name
    }

    /// Name of the unix socket that it is connected to.
    pub fn peer_name(&self) -> Option<&'a [u8]> {
        self.beyond_ip.as_ref()?.peer_name
    }

    /// Who holds the unix socket that it is connected to.
    pub fn peer_owners(&self) -> Owners<'a> {
        let beyond_ip = self.beyond_ip.as_ref();
        beyond_ip.map_or(Owners::Unasked, |beyond_ip| beyond_ip.peer_owners)
    }

    /// The service the socket is about: its own port's when it has a name, else its peer's.
    pub fn service(&self) -> Option<&'a str> {
        self.local_service.or(self.peer_service)
    }
}

/// The row of a socket that has addresses and ports.
#[derive(Clone, Debug)]
pub struct InetRow<'a> {
    row: Row<'a>,
    /// Those of the socket.
    pub ends: &'a InetEnds,
}

impl<'a> InetRow<'a> {
    /// `None` for a row of any other socket.
    pub fn new(row: Row<'a>) -> Option<InetRow<'a>> {
        let ends = row.socket.inet()?;
        Some(InetRow { row, ends })
    }
}

impl<'a> Deref for InetRow<'a> {
    type Target = Row<'a>;

    fn deref(&self) -> &Row<'a> {
        &self.row
    }
}
