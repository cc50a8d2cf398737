//! A receiver that keeps all rows, for what cannot be told before the last one came.

use std::io;

use super::context::Context;
use super::request::{all_tables, missing_tables, sees_whole_tables};
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

/// How the ephemeral ports stand, whatever a listing shows: what it read is counted already, as
/// far as that is whole tables, and the others are read now. `None` when they cannot be read.
pub(super) fn whole_verdict(
    context: &Context,
    request: &Request,
    counted: Option<Ephemeral>,
    settings: EphemeralSettings,
) -> Option<Verdict> {
    let (counted, missing) = match counted {
        Some(counted) if sees_whole_tables(request) => (counted, missing_tables(request)),
        _ => (Ephemeral::new(settings), all_tables()),
    };
    if missing.is_empty() {
        return Some(counted.verdict());
    }
    let request = Request {
        tables: missing,
        states: StateSet::ALL,
        details: DetailSet::NONE,
        method: context.method,
        condition: None,
    };
    let mut hold = Hold::new(&|_| false, Some(counted));
    // Why it cannot be read is said by the listing itself.
    collect(&context.host, &request, &mut hold).ok()?;
    hold.counts.ephemeral.map(|count| count.verdict())
}
