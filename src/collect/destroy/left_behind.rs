//! Sockets that get nothing any more while others that were destroyed stay in their way.

use std::collections::{HashMap, HashSet};
use std::io;

use super::alike::stays_in_the_way;
use crate::collect::{Batch, Flow, Method, Receiver, Request, collect_here};
use crate::kernel::Host;
use crate::model::{DetailSet, Endpoint, Protocol, Socket, State, StateSet, Table};

/// Where a UDP socket without a peer is bound: its own end, and its interface.
type Place = (Endpoint, u32);

fn place(socket: &Socket) -> Option<Place> {
    let ends = socket.inet()?;
    stays_in_the_way(socket).then_some((ends.local, socket.interface))
}

/// Of each socket that stays in the way of others once it is destroyed, how many those are: bound
/// alike, in the network namespace of this thread, and not to be destroyed themselves. What cannot
/// be read counts as none.
pub(super) fn left_behind_here(host: &Host, sockets: &[Socket]) -> Vec<usize> {
    let mut look = Look {
        doomed: sockets.iter().map(|socket| socket.cookie).collect(),
        others: sockets.iter().filter_map(place).map(|it| (it, 0)).collect(),
    };
    if host.is_here() && !look.others.is_empty() {
        let request = Request {
            tables: Protocol::Udp.tables().collect::<Vec<Table>>(),
            states: StateSet::EMPTY.with(State::Close),
            details: DetailSet::NONE,
            method: Method::Netlink,
            condition: None,
        };
        // What of it was read is true.
        let _ = collect_here(&Host::Live, &request, &mut look);
    }
    let others = |socket| place(socket).and_then(|place| look.others.get(&place));
    let counts = sockets.iter().map(|socket| others(socket).copied());
    counts.map(Option::unwrap_or_default).collect()
}

/// Counts the sockets at some places.
struct Look {
    doomed: HashSet<u64>,
    others: HashMap<Place, usize>,
}

impl Receiver for Look {
    fn begin(&mut self) {}

    fn rows(&mut self, batch: &mut Batch) -> io::Result<Flow> {
        let stay = batch.sockets.iter();
        for socket in stay.filter(|socket| !self.doomed.contains(&socket.cookie)) {
            if let Some(count) = place(socket).and_then(|place| self.others.get_mut(&place)) {
                *count += 1;
            }
        }
        Ok(Flow::More)
    }

    /// They were there.
    fn take_back(&mut self) -> bool {
        true
    }
}
