//! Which of the sockets that were read a filter lets pass: first by what they tell of themselves,
//! then, where it asks for that, by their names and by who holds them.

use super::annotate::Annotator;
use super::context::Context;
use crate::collect::{Batch, Report, namespaces};
use crate::filter::{Expression, Judge, Query, Test};
use crate::model::{Details, Family, Gap, Namespace, NetnsId, Owners, Row, Socket, Source, Table};

/// Decides on sockets by themselves.
pub(super) type Pass<'a> = &'a dyn Fn(&Socket, Option<&Details>) -> bool;

/// A filter that is ready to be applied.
pub(super) struct Sieve<'q> {
    condition: Option<&'q Expression>,
    /// What of the condition a socket tells alone; `None` when every socket may pass.
    alone: Option<Expression>,
    /// Whether that is not all: names or owners decide.
    asks_more: bool,
    /// Whether names do.
    asks_names: bool,
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
            alone: condition.and_then(|condition| condition.judged_by(Judge::OF_SOCKETS)),
            asks_more: query.asks(&|test| test.needs_owners() || test.needs_names()),
            asks_names: query.asks(&Test::needs_names),
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

    /// Whether more decides than what sockets tell alone.
    pub(super) const fn asks_more(&self) -> bool {
        self.asks_more
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
        if let Some(condition) = self.condition.filter(|_| self.asks_more) {
            batch.retain(start, |socket, details, name| {
                condition.holds(&Row {
                    owners: annotator.owners(socket),
                    beyond_ip: self.asks_names.then(|| annotator.names(socket, name)),
                    ..self.row(socket, details)
                })
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
        self.condition.is_none_or(|condition| {
            condition.holds(&Row {
                owners,
                ..self.row(socket, details)
            })
        })
    }

    /// Whether a socket passes where tests that ask for more than is known of it pass nothing;
    /// `known` is what is left of a condition then.
    pub(super) fn passes_for_certain(
        &self,
        known: &dyn Fn(&Expression) -> Expression,
        socket: &Socket,
        details: Option<&Details>,
        owners: Owners<'_>,
    ) -> bool {
        let known = self.condition.map(known);
        let row = Row {
            owners,
            ..self.row(socket, details)
        };
        known.is_none_or(|known| known.holds(&row))
    }

    fn row<'a>(&'a self, socket: &'a Socket, details: Option<&'a Details>) -> Row<'a> {
        Row {
            details,
            namespace: self.namespaces.get(usize::from(socket.netns)),
            ..Row::bare(socket)
        }
    }

    /// What the filter asks for and was not told, where the tables were read so.
    pub(super) fn gaps(&self, report: &Report) -> Vec<Gap> {
        let Some(condition) = self.condition else {
            return Vec::new();
        };
        let asks = condition.find(&|test| test.judge() == Judge::NewKernel);
        // Of others than sockets of IP the kernel tells no more.
        let is_proc = |(table, source): &(Table, Source)| {
            *source == Source::Proc && Family::IP.contains(&table.family)
        };
        let mut gaps = Vec::new();
        if asks.is_some() && report.sources.iter().any(is_proc) {
            gaps.push(Gap::Untold {
                what: "devices, marks or cgroups",
                reason: "/proc/net does not tell them",
            });
        }
        // It may be one of those of which not even the inode may be read.
        // A mount tells which one it keeps, and not which processes are in that.
        let is_told = |id| {
            let mut namespaces = self.namespaces.iter();
            namespaces.any(|namespace| namespace.is(id) && namespace.pid.is_some())
        };
        let is_unknown = |test: &Test| match test {
            Test::Netns(id @ NetnsId::Inode(_)) => !is_told(*id),
            _ => false,
        };
        let hides_one = |namespace: &Namespace| namespace.inode.is_none();
        if self.namespaces.iter().any(hides_one) && condition.find(&is_unknown).is_some() {
            gaps.push(Gap::Untold {
                what: "network namespaces",
                reason: "which one it is cannot be told of those that may not be entered",
            });
        }
        gaps
    }
}
