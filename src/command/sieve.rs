//! Which of the sockets that were read a filter lets pass: first by what they tell of themselves,
//! then, where it asks for that, by who holds them.

use super::annotate::Annotator;
use super::context::Context;
use crate::collect::{Batch, Report, namespaces};
use crate::filter::{Expression, Judge, Query, Test};
use crate::model::{Details, Family, Gap, Namespace, Owners, Row, Socket, Source, Table};

/// Decides on sockets by themselves.
pub(super) type Pass<'a> = &'a dyn Fn(&Socket, Option<&Details>) -> bool;

/// A filter that is ready to be applied.
pub(super) struct Sieve<'q> {
    condition: Option<&'q Expression>,
    /// What of the condition a socket tells alone; `None` when every socket may pass.
    alone: Option<Expression>,
    /// Whether that is not all.
    asks_owners: bool,
    /// The network namespaces that are read, by the number that sockets have of theirs; none where
    /// they do not matter.
    namespaces: Vec<Namespace>,
}

impl<'q> Sieve<'q> {
    pub(super) fn new(context: &Context, query: &'q Query) -> Sieve<'q> {
        let condition = query.condition.as_ref();
        let asks_netns = query.asks(&|test| matches!(test, Test::Netns(_)));
        Sieve {
            condition,
            alone: condition.and_then(|condition| condition.judged_by(Judge::WITHOUT_OWNERS)),
            asks_owners: query.asks(&Test::needs_owners),
            namespaces: match (asks_netns, context.is_everywhere()) {
                (false, _) => Vec::new(),
                (true, true) => namespaces(&context.host),
                (true, false) => vec![Namespace {
                    inode: context.host.netns(),
                    ..Namespace::default()
                }],
            },
        }
    }

    /// Whether owners decide.
    pub(super) const fn asks_owners(&self) -> bool {
        self.asks_owners
    }

    /// Whether a socket passes, as far as it tells alone.
    pub(super) fn may_pass(&self, socket: &Socket, details: Option<&Details>) -> bool {
        let Some(alone) = &self.alone else {
            return true;
        };
        alone.holds(&self.row(socket, details))
    }

    /// Prepares rows of a batch, from `start` on, that may pass, and leaves those that do.
    pub(super) fn sift(&self, annotator: &mut Annotator<'_>, batch: &mut Batch, start: usize) {
        annotator.prepare(&batch.sockets[start..]);
        if let Some(condition) = self.condition.filter(|_| self.asks_owners) {
            batch.retain(start, |socket, details| {
                self.holds(condition, socket, details, annotator.owners(socket))
            });
        }
    }

    /// Whether a socket passes wholly, held by these.
    pub(super) fn passes(
        &self,
        socket: &Socket,
        details: Option<&Details>,
        owners: Owners<'_>,
    ) -> bool {
        self.condition
            .is_none_or(|condition| self.holds(condition, socket, details, owners))
    }

    fn holds(
        &self,
        condition: &Expression,
        socket: &Socket,
        details: Option<&Details>,
        owners: Owners<'_>,
    ) -> bool {
        condition.holds(&Row {
            owners,
            ..self.row(socket, details)
        })
    }

    fn row<'a>(&'a self, socket: &'a Socket, details: Option<&'a Details>) -> Row<'a> {
        Row {
            details,
            namespace: self.namespaces.get(usize::from(socket.netns)),
            ..Row::bare(socket)
        }
    }

    /// What the filter asks for and was not told, where the tables were read so.
    pub(super) fn gap(&self, report: &Report) -> Option<Gap> {
        let asks = self
            .condition?
            .find(&|test| test.judge() == Judge::NewKernel);
        // Of others than sockets of IP the kernel tells no more.
        let is_proc = |(table, source): &(Table, Source)| {
            *source == Source::Proc && Family::IP.contains(&table.family)
        };
        let untold = asks.is_some() && report.sources.iter().any(is_proc);
        untold.then_some(Gap::Untold {
            what: "devices, marks or cgroups",
            reason: "/proc/net does not tell them",
        })
    }
}
