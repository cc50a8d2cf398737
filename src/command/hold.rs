//! A receiver that keeps all rows, for what cannot be told before the last one came.

use std::io;

use super::context::Context;
use super::request::connection_tables;
use crate::analyze::{Ephemeral, EphemeralSettings, Summary, Verdict};
use crate::collect::{Batch, Flow, Receiver, Request, collect};
use crate::model::{DetailSet, Socket, StateSet};

/// Keeps the sockets that pass, and counts all.
pub(super) struct Hold<'a> {
    /// Which sockets to keep.
    pub(super) pass: &'a dyn Fn(&Socket) -> bool,
    /// The sockets kept.
    pub(super) kept: Batch,
    /// Counts of all that came.
    pub(super) counts: Counts,
    before: Option<(usize, Counts)>,
}

/// Counts of sockets, kept or not.
#[derive(Clone, Default)]
pub(super) struct Counts {
    /// By table and state.
    pub(super) summary: Summary,
    /// Of ephemeral ports; `None` when nobody asks.
    pub(super) ephemeral: Option<Ephemeral>,
}

impl Counts {
    /// Counts the sockets.
    pub(super) fn add(&mut self, sockets: &[Socket]) {
        for socket in sockets {
            self.summary.add(socket);
        }
        if let Some(ephemeral) = &mut self.ephemeral {
            sockets.iter().for_each(|socket| ephemeral.add(socket));
        }
    }
}

impl<'a> Hold<'a> {
    pub(super) fn new(pass: &'a dyn Fn(&Socket) -> bool, ephemeral: Option<Ephemeral>) -> Hold<'a> {
        Hold {
            pass,
            kept: Batch::default(),
            counts: Counts {
                summary: Summary::default(),
                ephemeral,
            },
            before: None,
        }
    }
}

impl Receiver for Hold<'_> {
    fn begin(&mut self) {
        self.before = Some((self.kept.sockets.len(), self.counts.clone()));
    }

    fn rows(&mut self, batch: &mut Batch) -> io::Result<Flow> {
        self.counts.add(&batch.sockets);
        self.kept.append_if(batch, self.pass);
        Ok(Flow::More)
    }

    fn take_back(&mut self) -> bool {
        if let Some((length, counts)) = self.before.clone() {
            self.kept.truncate(length);
            self.counts = counts;
        }
        true
    }
}

/// Counts the connections of a host whose listing does not show them all; `None` when they cannot
/// be read.
pub(super) fn count_connections(context: &Context, settings: EphemeralSettings) -> Option<Verdict> {
    let request = Request {
        tables: connection_tables(),
        states: StateSet::ALL
            .without(StateSet::LISTENING)
            .without(StateSet::BOUND),
        details: DetailSet::NONE,
        method: context.method,
        condition: None,
    };
    let mut hold = Hold::new(&|_| false, Some(Ephemeral::new(settings)));
    // Why it cannot be read is said by the listing itself.
    collect(&context.host, &request, &mut hold).ok()?;
    hold.counts.ephemeral.map(|count| count.verdict())
}
