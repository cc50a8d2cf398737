//! What to do about a socket in the way, the safest first.

use super::causes::{Scene, is_closing};
use super::conflict::{Address, Conflict, Newcomer, conflict};
use super::lineage::Inherited;
use super::resident::Resident;
use super::{Cause, Existing, Fix};
use crate::model::{Protocol, Socket, State};

/// Whether SO_REUSEADDR on the new socket would end every conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reuse {
    /// It would.
    Helps,
    /// It would if the old sockets have it too, which is not known.
    Perhaps,
    /// It would not, or is set already.
    DoesNot,
}

impl Reuse {
    /// Judges all sockets on the port: with one left, bind fails as before.
    pub(super) fn of(new: &Newcomer, residents: &[Resident<'_>]) -> Reuse {
        if new.has_reuse_address() {
            return Reuse::DoesNot;
        }
        let new = new.reusing_address();
        let mut reuse = Reuse::Helps;
        for resident in residents {
            match conflict(&new, resident) {
                Conflict::No => {}
                Conflict::Assumed(_) | Conflict::Unlikely(_) => reuse = Reuse::Perhaps,
                Conflict::Yes => return Reuse::DoesNot,
            }
        }
        reuse
    }

    const fn fix(self) -> Option<Fix> {
        match self {
            Reuse::Helps => Some(Fix::ReuseAddress),
            Reuse::Perhaps => Some(Fix::ReuseAddressPerhaps),
            Reuse::DoesNot => None,
        }
    }
}

/// The fixes for one socket in conflict.
pub(super) fn fixes(
    scene: &Scene<'_>,
    resident: &Resident<'_>,
    cause: Cause,
    reuse: Reuse,
) -> Vec<Fix> {
    let existing = resident.existing;
    let is_drawn = scene.is_drawn(existing.ends.local.port);
    let mut fixes = Vec::new();
    match cause {
        Cause::Listener | Cause::DualStackListener => {
            fixes.extend(v6only(scene, resident));
            fixes.extend([Fix::AnotherAddress, Fix::StopOwner]);
        }
        Cause::ReuseportGroup | Cause::ReuseportOtherUser => {
            fixes.extend([Fix::AnotherAddress, Fix::SameUser, Fix::StopOwner]);
        }
        Cause::BoundNotListening => {
            fixes.extend(v6only(scene, resident));
            fixes.push(Fix::AnotherAddress);
            fixes.extend(reuse.fix());
            fixes.push(Fix::StopOwner);
        }
        Cause::InheritedByChild => {
            let surely = scene.inherited(&existing.holding) == Some(Inherited::Surely);
            // It may be the server after all.
            fixes.extend((!surely).then_some(Fix::AnotherAddress));
            fixes.extend([Fix::StopOwner, Fix::CloseOnExec]);
            fixes.extend(surely.then_some(Fix::AnotherAddress));
        }
        Cause::Unheld => fixes.extend([Fix::AnotherAddress, Fix::CloseInFlight]),
        Cause::UdpSocket => {
            fixes.extend(v6only(scene, resident));
            fixes.push(Fix::AnotherAddress);
            fixes.extend((is_drawn == Some(true)).then_some(Fix::ReservePort));
            fixes.push(Fix::StopOwner);
        }
        _ => fixes = of_connection(scene, resident, cause, reuse),
    }
    // Last of all where the new socket would take what the old one was to receive.
    if reuse == Reuse::Helps && !fixes.contains(&Fix::ReuseAddress) {
        fixes.push(Fix::ReuseAddress);
    }
    fixes
}

/// Those for a connection, or what is left of one.
fn of_connection(
    scene: &Scene<'_>,
    resident: &Resident<'_>,
    cause: Cause,
    reuse: Reuse,
) -> Vec<Fix> {
    let existing = resident.existing;
    let Existing { socket, ends, .. } = existing;
    let is_drawn = scene.is_drawn(ends.local.port);
    let mut fixes = Vec::new();
    match cause {
        Cause::TimeWait => {
            fixes.extend(reuse.fix());
            let drew = scene.is_outgoing(existing) && is_drawn == Some(true);
            fixes.extend(drew.then_some(Fix::ReservePort));
            fixes.extend(specific_address(scene, existing));
            fixes.extend([Fix::Wait, Fix::Destroy]);
        }
        Cause::OutgoingConnection | Cause::SelfConnect => {
            fixes.extend((is_drawn != Some(false)).then_some(Fix::ReservePort));
            fixes.extend(specific_address(scene, existing));
            fixes.extend(reuse.fix());
            if scene.is_named(ends.local.port) && socket.inode != 0 {
                // To destroy it would end the connection and leave the port bound.
                fixes.push(Fix::StopOwner);
            } else {
                fixes.extend(ending(socket));
            }
        }
        // It goes with its listener, against whom there is help.
        Cause::ConnectionRemains if scene.is_of_blocker(existing) => {}
        _ => {
            fixes.extend(reuse.fix());
            fixes.extend(specific_address(scene, existing));
            fixes.extend(ending(socket));
        }
    }
    fixes
}

/// How a connection ends.
pub(super) fn ending(socket: &Socket) -> Vec<Fix> {
    if is_closing(socket) {
        vec![Fix::Wait, Fix::Destroy]
    } else if socket.inode == 0 {
        // Nobody has accepted it.
        vec![Fix::Destroy]
    } else {
        vec![Fix::CloseConnection]
    }
}

/// Whether it would do that one of the two refuses IPv4.
fn v6only(scene: &Scene<'_>, resident: &Resident<'_>) -> Option<Fix> {
    let new = &scene.new;
    let old = Address::of(resident.existing.ends.local.addr);
    let helps = match old {
        Address::V4(_) => !conflict(&new.refusing_v4(), resident).is_there(),
        Address::V6(addr) => new.is_v4() && addr.is_unspecified(),
    };
    let takes_both = new.takes_every_v6() || matches!(old, Address::V6(_));
    (helps && takes_both).then_some(Fix::V6Only)
}

/// IPv6 connections keep the IPv4 wildcard away, and no other IPv4 address.
fn specific_address(scene: &Scene<'_>, existing: &Existing) -> Option<Fix> {
    let Existing { socket, ends, .. } = existing;
    let is_v6 = matches!(Address::of(ends.local.addr), Address::V6(_));
    let is_connection = socket.protocol == Protocol::Tcp
        && !matches!(socket.state, State::Listen | State::BoundInactive);
    (scene.new.takes_every_v4() && is_v6 && is_connection).then_some(Fix::SpecificAddress)
}
