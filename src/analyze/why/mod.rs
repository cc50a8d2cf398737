//! Whether a bind or a connect would succeed, and if not, what is in its way.
//!
//! What the kernel checks is checked here in its order: the address and the privilege, then who
//! has the port already, or the pool it is drawn from, and for a connect the way and whether the
//! connection is the only one of its kind. Of what fails, the causes are told, and what helps.
//!
//! Reads nothing: sockets, their flags and holders, and the machine's settings come in.

mod address;
mod answer;
mod bind;
mod causes;
mod check;
mod conflict;
mod connect;
mod fixes;
mod heed;
mod lineage;
mod machine;
mod notes;
mod pools;
mod query;
mod resident;

pub use answer::{Answer, Assumption, Blocker, Cause, Fix, Note, Outcome};
pub use heed::{Heard, heed};
pub use machine::{Ipv6, Machine, Route};
pub use query::{Operation, Query, User, reached};

use std::net::{IpAddr, Ipv4Addr};

use crate::analyze::Ephemeral;
use crate::model::{Errno, InetEnds, Lineage, Socket, SocketFlags};

/// A socket of TCP or UDP that is there, with what was learnt of it.
#[derive(Clone, Debug)]
pub struct Existing {
    socket: Socket,
    /// Those of the socket.
    ends: InetEnds,
    /// Its flags, as far as they could be read.
    pub flags: SocketFlags,
    /// Its holders.
    pub holding: Holding,
}

impl Existing {
    /// `None` for a socket without addresses and ports.
    pub fn new(socket: Socket, flags: SocketFlags, holding: Holding) -> Option<Existing> {
        Some(Existing {
            ends: *socket.inet()?,
            socket,
            flags,
            holding,
        })
    }
}

/// Who holds a socket, as far as it matters to the verdict.
#[derive(Clone, Debug, Default)]
pub enum Holding {
    /// Nobody looked, or nobody may look.
    #[default]
    Unknown,
    /// No process can: TIME-WAIT, an orphan, not yet accepted.
    Nobody,
    /// All processes were read, and none holds it.
    Unheld,
    /// These do.
    By(Vec<(u32, Lineage)>),
}

/// What a prediction goes by.
#[derive(Clone, Copy)]
struct Situation<'a> {
    existing: &'a [Existing],
    machine: &'a Machine,
    ports: Option<&'a Ephemeral>,
    complete: bool,
}

/// Predicts. `existing` are sockets of the query's protocol in its network namespace, in any
/// order: for a bind all those on its port, for a connect those on its local port where it has
/// one; `ports` has counted all sockets where the kernel is to draw a port, and tells elsewhere,
/// where it is given, on which ports somebody listens. `complete` is false when some of them may
/// not have been seen.
pub fn predict(
    query: &Query,
    existing: &[Existing],
    machine: &Machine,
    ports: Option<&Ephemeral>,
    complete: bool,
) -> Answer {
    let situation = Situation {
        existing,
        machine,
        ports,
        complete,
    };
    match query.operation {
        Operation::Bind => {
            let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
            bind::predict(query, query.addr.unwrap_or(any), &situation)
        }
        Operation::Connect {
            destination,
            binds_first,
        } => connect::predict(query, destination, binds_first, &situation),
    }
}

#[cfg(test)]
mod tests;
