//! A receiver that keeps all rows, for what cannot be told before the last one came.

use std::io;

use super::context::Context;
use super::request::connection_tables;
use crate::analyze::{Ephemeral, EphemeralSettings, Severity, Summary, Verdict};
use crate::collect::{Batch, Flow, Receiver, Request, collect};
use crate::model::{DetailSet, Gap, Protocol, Socket, StateSet, Table};

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

/// Counts the connections of a host whose listing does not show them all; adds to the gaps of the
/// listing what was not seen of them.
pub(super) fn count_connections(
    context: &Context,
    settings: EphemeralSettings,
    gaps: &mut Vec<Gap>,
) -> Option<Verdict> {
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
    match collect(&context.host, &request, &mut hold) {
        Ok(report) => {
            let verdict = hold.counts.ephemeral.map(|count| count.verdict());
            let verdict = credible(verdict, &report.gaps);
            for gap in report.gaps.into_iter().filter(loses_connections) {
                if !gaps.iter().any(|known| covers(known, &gap)) {
                    gaps.push(gap);
                }
            }
            verdict
        }
        Err(error) => {
            gaps.push(Gap::Unreadable {
                what: "verdict on ephemeral ports",
                place: "tcp".to_owned(),
                reason: error.to_string(),
            });
            None
        }
    }
}

/// The tables less those that could not be read.
pub(super) fn tables_read(tables: &[Table], gaps: &[Gap]) -> Vec<Table> {
    let is_unread = |wanted: &Table| {
        gaps.iter()
            .any(|gap| matches!(gap, Gap::Unread { table, .. } if table == wanted))
    };
    let read = tables.iter().copied().filter(|table| !is_unread(table));
    read.collect()
}

/// The verdict, unless it says that all is well of connections that were not all seen.
pub(super) fn credible(verdict: Option<Verdict>, gaps: &[Gap]) -> Option<Verdict> {
    let blind = gaps.iter().any(loses_connections);
    verdict.filter(|verdict| !blind || verdict.severity > Severity::Ok)
}

fn loses_connections(gap: &Gap) -> bool {
    let is_tcp = |table: &Table| table.protocol == Protocol::Tcp;
    match gap {
        Gap::Unread { table, .. } => is_tcp(table),
        Gap::Broken { tables, .. } => tables.iter().any(is_tcp),
        // Sockets that are bound and no more are no connections.
        Gap::Fallback { .. } => false,
        other => other.loses_sockets(),
    }
}

/// Whether a gap says all that the other says.
fn covers(known: &Gap, other: &Gap) -> bool {
    match (known, other) {
        (Gap::Broken { tables, .. }, Gap::Broken { tables: same, .. }) => tables == same,
        _ => known == other,
    }
}
