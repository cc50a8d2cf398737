//! Sockets that get nothing any more while others that were destroyed stay in their way.
//!
//! A UDP socket that is destroyed is disconnected: it loses its peer and its interface, and its
//! address unless its program has bound that, but it keeps a port that its program has bound.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::IpAddr;

use crate::collect::{Batch, Flow, Method, Receiver, Request, collect_here};
use crate::kernel::Host;
use crate::model::{DetailSet, InetEnds, Protocol, Socket, State, StateSet};

/// Of each socket, how many UDP sockets on its port may get nothing any more once it is destroyed:
/// in the network namespace of this thread, and not to be destroyed themselves. What cannot be
/// read counts as none.
pub(super) fn left_behind_here(host: &Host, sockets: &[Socket]) -> Vec<usize> {
    let ports = sockets.iter().filter_map(bound).map(|ends| ends.local.port);
    let mut look = Look {
        doomed: sockets.iter().map(|socket| socket.cookie).collect(),
        others: ports.map(|port| (port, Vec::new())).collect(),
    };
    if host.is_here() && !look.others.is_empty() {
        let request = Request {
            tables: Protocol::Udp.tables().collect(),
            states: StateSet::EMPTY.with(State::Close),
            details: DetailSet::NONE,
            method: Method::Netlink,
            condition: None,
        };
        // What of it was read is true.
        let _ = collect_here(&Host::Live, &request, &mut look);
    }
    let count = |socket: &Socket| {
        let others = bound(socket).and_then(|ends| look.others.get(&ends.local.port));
        let others = others.into_iter().flatten();
        others.filter(|other| stands_before(socket, other)).count()
    };
    sockets.iter().map(count).collect()
}

/// The ends of a UDP socket that may keep its port.
fn bound(socket: &Socket) -> Option<&InetEnds> {
    let ends = socket.inet()?;
    (socket.protocol == Protocol::Udp && ends.local.port != 0).then_some(ends)
}

/// Whether a socket that was destroyed may get what another one on its port got before.
fn stands_before(socket: &Socket, other: &Other) -> bool {
    let Some(ends) = bound(socket) else {
        return false;
    };
    let is_wildcard = other.addr.is_unspecified();
    let is_alike = ends.local.addr == other.addr;
    other.addr.is_ipv4() == ends.local.addr.is_ipv4()
        && match socket.is_listening() {
            // Of those on one address the kernel still finds the others.
            true if socket.interface == 0 => is_wildcard && is_alike && other.interface == 0,
            _ => is_wildcard || is_alike,
        }
}

/// Another socket without a peer.
struct Other {
    addr: IpAddr,
    interface: u32,
}

/// Looks for the others on some ports.
struct Look {
    doomed: HashSet<u64>,
    others: HashMap<u16, Vec<Other>>,
}

impl Receiver for Look {
    fn begin(&mut self) {}

    fn rows(&mut self, batch: &mut Batch) -> io::Result<Flow> {
        let stay = batch.sockets.iter();
        for socket in stay.filter(|socket| !self.doomed.contains(&socket.cookie)) {
            let Some(ends) = bound(socket) else { continue };
            if let Some(others) = self.others.get_mut(&ends.local.port) {
                others.push(Other {
                    addr: ends.local.addr,
                    interface: socket.interface,
                });
            }
        }
        Ok(Flow::More)
    }

    /// They were there.
    fn take_back(&mut self) -> bool {
        true
    }
}
