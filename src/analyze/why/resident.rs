//! The sockets that bind finds on the port, with what is known of their flags, and what follows from
//! other things that are known.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv6Addr};

use super::conflict::Address;
use super::{Existing, Machine, Query};
use crate::model::{Protocol, Socket, SocketFlags, State, TimerKind};

/// An existing socket, as bind sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resident<'a> {
    pub(super) index: usize,
    pub(super) existing: &'a Existing,
    /// Its flags: what was read, and what follows from other things that are known.
    pub(super) flags: SocketFlags,
    /// Whether it listens together with others.
    pub(super) is_in_group: bool,
    /// Whether it is a connection, and whoever listens where it came to refuses IPv4: it does, too,
    /// unless another listener was there before.
    pub(super) is_of_v6only: bool,
    /// The VRF whose port it has; 0 for none.
    pub(super) vrf: u32,
}

/// The sockets on the port that keep it, with what is known of their flags.
pub(super) fn residents<'a>(
    query: &Query,
    existing: &'a [Existing],
    machine: &Machine,
) -> Vec<Resident<'a>> {
    let here = |existing: &Existing| {
        existing.socket.protocol == query.protocol
            && existing.ends.local.port == query.port
            && keeps_port(&existing.socket)
    };
    let mut residents: Vec<Resident<'a>> = existing
        .iter()
        .enumerate()
        .filter(|(_, existing)| here(existing))
        .map(|(index, existing)| Resident {
            index,
            existing,
            flags: SocketFlags {
                v6only: v6only(existing),
                ..existing.flags
            },
            is_in_group: false,
            is_of_v6only: false,
            vrf: match query.protocol {
                Protocol::Tcp => machine.vrf_of_port(Some(existing.socket.interface)),
                _ => 0,
            },
        })
        .collect();
    let refuse_v4 = v6only_listeners(&residents);
    for resident in &mut residents {
        let Existing { socket, ends, .. } = resident.existing;
        let came_from = |at: IpAddr| refuse_v4.contains(&(at, socket.interface));
        let any = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        resident.is_of_v6only =
            !ends.peer.is_none() && (came_from(ends.local.addr) || came_from(any));
    }
    // Several listen on one address only together.
    let mut listeners: HashMap<(IpAddr, u32), u32> = HashMap::new();
    let listens = |resident: &Resident<'_>| resident.existing.socket.state == State::Listen;
    let place = |resident: &Resident<'_>| {
        let Existing { socket, ends, .. } = resident.existing;
        (ends.local.addr, socket.interface)
    };
    for resident in residents.iter().filter(|resident| listens(resident)) {
        *listeners.entry(place(resident)).or_default() += 1;
    }
    for resident in residents.iter_mut().filter(|resident| listens(resident)) {
        if listeners.get(&place(resident)).is_some_and(|&all| all > 1) {
            resident.flags.reuse_port.get_or_insert(true);
            resident.is_in_group = true;
        }
    }
    residents
}

/// Addresses on which somebody listens who refuses IPv4, and the interfaces of connections from
/// there.
fn v6only_listeners(residents: &[Resident<'_>]) -> HashSet<(IpAddr, u32)> {
    let listeners = residents.iter().filter(|resident| {
        resident.existing.socket.state == State::Listen && resident.flags.v6only == Some(true)
    });
    listeners
        .map(|resident| {
            let Existing { socket, ends, .. } = resident.existing;
            (ends.local.addr, socket.interface)
        })
        .collect()
}

/// Whether a socket stands among those that bind compares with. A half-open connection does not
/// while it is only a request in its listener's queue, which no process can hold.
fn keeps_port(socket: &Socket) -> bool {
    socket.state != State::SynRecv || socket.inode != 0
}

/// Whether it refuses IPv4, as far as that can be known.
fn v6only(existing: &Existing) -> Option<bool> {
    let socket = &existing.socket;
    let known = socket.v6only.or(existing.flags.v6only);
    match Address::of(existing.ends.local.addr) {
        // It has IPv4 of its own.
        Address::V4(_) => Some(false),
        Address::V6(addr) if addr.is_unspecified() => known,
        // Bind of a specific address sets it; connections have what they were made with.
        Address::V6(_) => {
            let bound = matches!(
                socket.state,
                State::Listen | State::BoundInactive | State::Close
            );
            known.or(bound.then_some(true))
        }
    }
}

/// Whether it is in TIME-WAIT, or in the FIN-WAIT-2 that the kernel keeps in the same small form.
pub(super) fn is_time_wait(socket: &Socket) -> bool {
    let by_timer = || {
        socket
            .timer
            .is_some_and(|timer| timer.kind == TimerKind::Timewait)
    };
    socket.state == State::TimeWait || (socket.state == State::FinWait2 && by_timer())
}
