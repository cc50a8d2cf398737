//! What is worth knowing beside the verdict of a bind.

use super::conflict::{Newcomer, Sharing, sharing};
use super::resident::Resident;
use super::{Answer, Machine, Note, Outcome};
use crate::model::{Protocol, State};

/// The notes of a bind of a port that was named.
pub(super) fn of_bind(
    answer: &Answer,
    new: &Newcomer,
    residents: &[Resident<'_>],
    machine: &Machine,
) -> Vec<Note> {
    let mut notes = Vec::new();
    if answer.outcome == Outcome::Free {
        of_sharing(new, residents, &mut notes);
    }
    if let Some(ports) = &machine.ports {
        let port = answer.query.port;
        if ports.contains(port) {
            notes.push(Note::DrawnByKernel);
        } else if ports.reserved_ports().contains(port) {
            notes.push(Note::Reserved);
        }
    }
    notes
}

/// What comes of having the port together with others.
fn of_sharing(new: &Newcomer, residents: &[Resident<'_>], notes: &mut Vec<Note>) {
    let mut members = 0;
    for resident in residents {
        let socket = &resident.existing.socket;
        let serves = socket.is_listening();
        match (socket.protocol, sharing(new, resident)) {
            (_, Some(Sharing::Port)) if serves && new.is_at(resident.existing) => members += 1,
            (Protocol::Tcp, Some(Sharing::Address)) if socket.state == State::BoundInactive => {
                notes.push(Note::ListenMayFail {
                    socket: resident.index,
                });
            }
            // Everybody has a copy of what is sent to many.
            (Protocol::Udp, Some(Sharing::Address))
                if serves && !new.is_multicast() && new.precedes(resident.existing) =>
            {
                notes.push(Note::TakesDatagrams {
                    socket: resident.index,
                });
            }
            _ => {}
        }
    }
    if members > 0 {
        notes.push(Note::JoinsGroup { members });
    }
}
