//! Rows of sock_diag on their way into a batch, each socket once.

use std::io;

use super::bad::BadPlaces;
use super::batch::{Batch, Flow, Receiver};
use super::cookies::CookieSet;
use super::{Request, Walk};
use crate::model::{Details, Ends, Gap, Protocol};
use crate::wire::diag;

/// Takes rows, and keeps those that were asked for.
pub(super) struct Rows<'a> {
    request: &'a Request,
    walk: Walk,
    protocol: Protocol,
    seen: CookieSet,
    batch: Batch,
    handed_on: u64,
    bad: BadPlaces,
    /// Port id of the netlink socket by which they come.
    own_port: Option<u32>,
    /// Whether the kernel chose the ports of all sockets that come now; `None` when that is not
    /// known.
    pub(super) autobound: Option<bool>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(request: &'a Request, walk: Walk) -> Rows<'a> {
        Rows {
            request,
            walk,
            protocol: walk.protocol(),
            seen: CookieSet::default(),
            batch: Batch::default(),
            handed_on: 0,
            bad: BadPlaces::default(),
            own_port: None,
            autobound: None,
        }
    }

    /// Leaves out the netlink socket by which the rows come.
    pub(super) fn leave_out(&mut self, own_port: Option<u32>) {
        self.own_port = own_port;
    }

    /// The protocol of the rows.
    pub(super) const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Takes a row; `place` is where it begins.
    pub(super) fn add(&mut self, row: &[u8], place: u64) {
        let socket = match diag::socket(row, self.protocol, &mut self.batch.names) {
            Ok(socket) => socket,
            Err(error) => return self.bad.add(place, || error.to_string()),
        };
        // A recording holds both families and all states.
        if !self.walk.covers(socket.family()) || !self.request.states.contains(socket.state) {
            return;
        }
        if let Ends::Netlink(ends) = &socket.ends
            && self.own_port == Some(ends.port)
        {
            return;
        }
        if socket.cookie != 0 && !self.seen.insert(socket.cookie) {
            return;
        }
        self.batch.sockets.push(socket);
        if !self.request.details.is_empty() {
            self.batch.details.push(Details {
                autobound: self.autobound,
                ..diag::details(row, self.protocol, self.request.details)
            });
        }
    }

    /// Notes something other than a row that made no sense.
    pub(super) fn add_bad(&mut self, place: u64, reason: impl FnOnce() -> String) {
        self.bad.add(place, reason);
    }

    /// Hands on what was taken since the last time.
    pub(super) fn hand_on(&mut self, receiver: &mut impl Receiver) -> io::Result<Flow> {
        if self.batch.sockets.is_empty() {
            self.batch.clear();
            return Ok(Flow::More);
        }
        self.handed_on += self.batch.sockets.len() as u64;
        let flow = receiver.rows(&mut self.batch);
        self.batch.clear();
        flow
    }

    /// How many rows were handed on.
    pub(super) const fn handed_on(&self) -> u64 {
        self.handed_on
    }

    /// Forgets what made no sense, as it is read again.
    pub(super) fn begin_again(&mut self) {
        self.bad = BadPlaces::default();
        self.batch.clear();
    }

    /// What made no sense; `name` is that of the dump.
    pub(super) fn gaps(&self, name: &str) -> Vec<Gap> {
        let gap = self.bad.gap("sockets", name.to_owned(), "byte");
        gap.into_iter().collect()
    }
}
