//! A receiver that keeps all rows, for what cannot be told before the last one came.

use std::io;

use super::context::Context;
use super::ports::PortCounts;
use super::request::{all_tables, missing_tables, sees_whole_tables, whole};
use super::sieve::Pass;
use crate::analyze::{EphemeralSettings, Severity, Summary, Verdict};
use crate::collect::{Batch, Flow, Receiver, Request, collect};
use crate::model::{Gap, Socket, Table, UnseenNamespaces};

/// Keeps the sockets that pass, and counts all.
pub(super) struct Hold<'a> {
    /// Which sockets to keep.
    pub(super) pass: Pass<'a>,
    /// The sockets kept.
    pub(super) kept: Batch,
    /// Counts of all that came.
    pub(super) counts: Counts<'a>,
    before: Option<(usize, Counts<'a>)>,
}

/// Counts of sockets, kept or not.
#[derive(Clone, Default)]
pub(super) struct Counts<'a> {
    /// By table and state.
    pub(super) summary: Summary,
    /// Of ephemeral ports; `None` when nobody asks.
    pub(super) ephemeral: Option<PortCounts<'a>>,
}

impl Counts<'_> {
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
    pub(super) fn new(pass: Pass<'a>, ephemeral: Option<PortCounts<'a>>) -> Hold<'a> {
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
/// far as that is whole tables, and the others are read now. Adds to the gaps of the listing what
/// was not seen of them.
pub(super) fn whole_verdict(
    context: &Context,
    request: &Request,
    counted: Option<PortCounts<'_>>,
    settings: EphemeralSettings,
    gaps: &mut Vec<Gap>,
) -> Option<Verdict> {
    let (counted, missing) = match counted {
        // What is missing would come when the counts are over with every other namespace.
        Some(counted)
            if sees_whole_tables(request)
                && (!context.is_everywhere() || missing_tables(request).is_empty()) =>
        {
            (counted, missing_tables(request))
        }
        _ => (PortCounts::new(context, settings), all_tables()),
    };
    if missing.is_empty() {
        return credible(counted.verdict()?, gaps);
    }
    let request = whole(context, missing);
    let mut hold = Hold::new(&|_, _| false, Some(counted));
    match collect(&context.host, &request, &mut hold) {
        Ok(report) => {
            for gap in report.gaps.into_iter().filter(hides_ports) {
                if !gaps.iter().any(|known| covers(known, &gap)) {
                    gaps.push(gap);
                }
            }
            credible(hold.counts.ephemeral?.verdict()?, gaps)
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

/// The verdict, unless it says that all is well of sockets that were not all seen.
pub(super) fn credible(verdict: Verdict, gaps: &[Gap]) -> Option<Verdict> {
    let blind = gaps.iter().any(hides_ports);
    (!blind || verdict.severity > Severity::Ok).then_some(verdict)
}

/// Whether a gap may hide ports in use.
pub(super) fn hides_ports(gap: &Gap) -> bool {
    match gap {
        // Sockets that are bound and no more are few; what a filter passes over is counted.
        Gap::Fallback { .. } | Gap::Untold { .. } => false,
        Gap::Namespaces {
            why: UnseenNamespaces::Beside { .. },
            ..
        } => false,
        Gap::Within { gap, .. } => hides_ports(gap),
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
