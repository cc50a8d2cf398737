//! Rows of sock_diag on their way into a batch, each socket once.

use std::io;

use super::batch::{Batch, Flow, Receiver};
use super::cookies::CookieSet;
use super::{Request, Walk};
use crate::model::Gap;
use crate::wire::inet_diag;

/// Takes rows, and keeps those that were asked for.
pub(super) struct Rows<'a> {
    request: &'a Request,
    walk: Walk,
    seen: CookieSet,
    batch: Batch,
    handed_on: u64,
    bad: BadRows,
}

impl<'a> Rows<'a> {
    pub(super) fn new(request: &'a Request, walk: Walk) -> Rows<'a> {
        Rows {
            request,
            walk,
            seen: CookieSet::default(),
            batch: Batch::default(),
            handed_on: 0,
            bad: BadRows::default(),
        }
    }

    /// Takes a row; `place` is where it begins.
    pub(super) fn add(&mut self, row: &[u8], place: u64) {
        let socket = match inet_diag::socket(row, self.walk.protocol()) {
            Ok(socket) => socket,
            Err(error) => return self.bad.add(place, || error.to_string()),
        };
        // A recording holds both families and all states.
        if !self.walk.covers(socket.family()) || !self.request.states.contains(socket.state) {
            return;
        }
        if socket.cookie != 0 && !self.seen.insert(socket.cookie) {
            return;
        }
        self.batch.sockets.push(socket);
        if !self.request.details.is_empty() {
            self.batch
                .details
                .push(inet_diag::details(row, self.request.details));
        }
    }

    /// Notes something other than a row that made no sense.
    pub(super) fn add_bad(&mut self, place: u64, reason: impl FnOnce() -> String) {
        self.bad.add(place, reason);
    }

    /// Hands on what was taken since the last time.
    pub(super) fn hand_on(&mut self, receiver: &mut impl Receiver) -> io::Result<Flow> {
        if self.batch.sockets.is_empty() {
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
        self.bad = BadRows::default();
        self.batch.clear();
    }

    /// What made no sense; `name` is that of the dump.
    pub(super) fn gaps(self, name: &str) -> Vec<Gap> {
        let gap = self.bad.first.map(|(place, reason)| Gap::Garbled {
            what: "sockets",
            place: name.to_owned(),
            first: format!("byte {place}"),
            count: self.bad.count,
            reason,
        });
        gap.into_iter().collect()
    }
}

/// Rows that made no sense: the first one's place and reason, and their number.
#[derive(Default)]
struct BadRows {
    first: Option<(u64, String)>,
    count: u64,
}

impl BadRows {
    fn add(&mut self, place: u64, reason: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.is_none() {
            self.first = Some((place, reason()));
        }
    }
}
