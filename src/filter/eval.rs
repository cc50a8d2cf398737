//! Expression to a verdict on a socket.

use std::net::IpAddr;

use super::{Comparison, End, Expression, Glob, Prefix, Test};
use crate::model::{Endpoint, Ends, Process, Row, Socket};

/// The kernel keeps this much of a process's name.
const COMM_LEN: usize = 15;
/// Length of a container's id.
const ID_LEN: usize = 64;

impl Expression {
    /// Whether it holds for the socket of a row, as far as the row tells.
    pub fn holds(&self, row: &Row<'_>) -> bool {
        match self {
            Expression::And(parts) => parts.iter().all(|part| part.holds(row)),
            Expression::Or(parts) => parts.iter().any(|part| part.holds(row)),
            Expression::Not(inner) => !inner.holds(row),
            Expression::Test(test) => test.passes(row),
        }
    }
}

impl Test {
    /// What is not known passes no test.
    fn passes(&self, row: &Row<'_>) -> bool {
        let socket = row.socket;
        match *self {
            Test::Port {
                end,
                comparison,
                port,
            } => end
                .of(socket)
                .is_some_and(|found| comparison.holds(found.port, port)),
            Test::Family(family) => socket.family() == family,
            Test::Kind(kind) => match &socket.ends {
                Ends::Unix(ends) => ends.kind == kind,
                Ends::Packet(ends) => ends.kind == kind,
                Ends::Inet(_) | Ends::Netlink(_) => false,
            },
            Test::Address { end, prefix, port } => end.of(socket).is_some_and(|found| {
                port.is_none_or(|port| port == found.port)
                    && prefix.is_none_or(|prefix| prefix.contains(found.addr))
            }),
            Test::Name { end, ref glob } => has_name(row, end, glob),
            Test::FrameProtocol(protocol) => {
                matches!(&socket.ends, Ends::Packet(ends) if ends.protocol == protocol)
            }
            Test::NetlinkProtocol(protocol) => {
                matches!(&socket.ends, Ends::Netlink(ends) if ends.protocol == protocol)
            }
            Test::PortId {
                end,
                comparison,
                port,
            } => end
                .port_id(socket)
                .is_some_and(|found| comparison.holds(found, port)),
            Test::Autobound(range) => socket.inet().is_some_and(|ends| {
                let told = row.details.and_then(|details| details.autobound);
                told.unwrap_or(true) && range.contains(ends.local.port)
            }),
            Test::Interface(index) => socket.interface == index,
            // As in ss, a mark that is not told is none.
            Test::Mark { mark, mask } => {
                let found = row.details.and_then(|details| details.mark);
                found.unwrap_or(0) & mask == mark
            }
            Test::Cgroup(id) => row
                .details
                .is_some_and(|details| details.cgroup == Some(id)),
            Test::Uid { comparison, uid } => {
                row.uid().is_some_and(|found| comparison.holds(found, uid))
            }
            Test::Inode { comparison, inode } => comparison.holds(socket.inode, inode),
            Test::Netns(id) => row.namespace.is_some_and(|namespace| namespace.is(id)),
            Test::Pid { comparison, pid } => row
                .owners
                .iter()
                .any(|owner| comparison.holds(owner.holder.pid, pid)),
            Test::Comm(ref name) => held_by(row, |process| is_comm(&process.comm, name)),
            Test::Unit(ref name) => held_by(row, |process| {
                process
                    .unit
                    .as_ref()
                    .is_some_and(|unit| is_unit(unit, name))
            }),
            Test::Container(ref name) => held_by(row, |process| {
                let mut containers = process.containers.iter();
                containers.any(|container| is_container(container, name))
            }),
        }
    }
}

/// Whether a unix socket, or the one it is connected to, has such a name. One without has an empty
/// one.
fn has_name(row: &Row<'_>, end: End, glob: &Glob) -> bool {
    let Some(names) = &row.beyond_ip else {
        return false;
    };
    let name = match end {
        End::Local => names.name,
        End::Peer => names.peer_name,
    };
    row.socket.unix().is_some() && glob.matches(name.unwrap_or_default())
}

/// Whether one of a socket's owners is such a process.
fn held_by(row: &Row<'_>, is_meant: impl Fn(&Process) -> bool) -> bool {
    row.owners.iter().any(|owner| is_meant(owner.process))
}

/// The kernel cuts names; whoever asks for one may write it whole.
fn is_comm(found: &[u8], wanted: &[u8]) -> bool {
    found == wanted || (found.len() == COMM_LEN && wanted.starts_with(found))
}

/// As systemctl does, a service is known by its name alone.
fn is_unit(found: &[u8], wanted: &[u8]) -> bool {
    found == wanted || found.strip_suffix(b".service") == Some(wanted)
}

/// Ids may be cut, as container tools show them; names may not.
fn is_container(found: &[u8], wanted: &[u8]) -> bool {
    let is_id = found.len() >= ID_LEN && found.iter().all(u8::is_ascii_hexdigit);
    found == wanted || (is_id && !wanted.is_empty() && found.starts_with(wanted))
}

impl End {
    /// This end; `None` of a socket without addresses and ports.
    fn of(self, socket: &Socket) -> Option<&Endpoint> {
        let ends = socket.inet()?;
        Some(match self {
            End::Local => &ends.local,
            End::Peer => &ends.peer,
        })
    }

    /// The port id at this end of a netlink socket; `None` where nothing is.
    fn port_id(self, socket: &Socket) -> Option<u32> {
        let Ends::Netlink(ends) = &socket.ends else {
            return None;
        };
        match self {
            End::Local => Some(ends.port),
            End::Peer => ends.peer.map(|peer| peer.port),
        }
    }
}

impl Comparison {
    fn holds<N: Ord>(self, found: N, wanted: N) -> bool {
        match self {
            Comparison::Equal => found == wanted,
            Comparison::NotEqual => found != wanted,
            Comparison::Less => found < wanted,
            Comparison::LessOrEqual => found <= wanted,
            Comparison::Greater => found > wanted,
            Comparison::GreaterOrEqual => found >= wanted,
        }
    }
}

impl Prefix {
    /// Whether the address is in the prefix.
    pub fn contains(&self, addr: IpAddr) -> bool {
        match (self.addr(), addr) {
            (IpAddr::V4(wanted), IpAddr::V4(found)) => same_bits(
                u128::from(wanted.to_bits()),
                u128::from(found.to_bits()),
                32 - self.length(),
            ),
            (IpAddr::V4(_), IpAddr::V6(found)) => found
                .to_ipv4_mapped()
                .is_some_and(|found| self.contains(IpAddr::V4(found))),
            (IpAddr::V6(wanted), IpAddr::V6(found)) => {
                same_bits(wanted.to_bits(), found.to_bits(), 128 - self.length())
            }
            (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// Whether two numbers agree in all but their lowest `free` bits.
fn same_bits(one: u128, other: u128, free: u8) -> bool {
    (one ^ other).checked_shr(u32::from(free)).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests;
