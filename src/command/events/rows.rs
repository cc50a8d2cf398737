//! From what was announced to what is printed.

use std::io::{self, Write};

use super::arrivals::Arrival;
use super::ends::{are_reset, restored, without_ends};
use super::look::Looker;
use crate::cli::ListPlan;
use crate::collect::Request;
use crate::command::annotate::Annotator;
use crate::command::context::Context;
use crate::command::outcome::Error;
use crate::command::sieve::Sieve;
use crate::command::stream::Writer;
use crate::command::wants::Wants;
use crate::filter::Query;
use crate::join::{LastSeen, Look, SocketKey};
use crate::model::{Destruction, Details, Gap, Owners, Row, Socket, StateSet};

/// Sockets of which names are remembered: of users, interfaces, cgroups and hosts.
const MOST_REMEMBERED: usize = 1 << 16;

/// Writes rows as soon as they are there.
pub(super) struct Printer {
    writer: Writer,
    is_quiet: bool,
    has_begun: bool,
    text: Vec<u8>,
}

impl Printer {
    pub(super) fn new(context: &Context, plan: &ListPlan, request: &Request) -> Printer {
        Printer {
            writer: Writer::new(context, plan, request),
            is_quiet: plan.quiet,
            has_begun: false,
            text: Vec::new(),
        }
    }

    /// Prints what stands before the first row: whoever sees it may rely on all that follows.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        if self.has_begun || self.is_quiet {
            return Ok(());
        }
        self.has_begun = true;
        self.writer.finish(&mut self.text);
        self.flush()
    }

    fn rows(&mut self, rows: &[Row<'_>]) -> io::Result<()> {
        self.writer.rows(rows, &mut self.text);
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(&self.text)?;
        self.text.clear();
        out.flush()
    }
}

/// Decides on arrivals, and joins to them what is known.
pub(super) struct Rows<'a> {
    sieve: Sieve<'a>,
    /// The states in which a socket must have been seen last.
    states: Option<StateSet>,
    annotator: Annotator<'a>,
    /// Whether owners were looked for, and whether they are printed.
    asks_owners: bool,
    prints_owners: bool,
    is_quiet: bool,
    printed: usize,
}

/// A socket that is to be printed.
struct Ended<'a> {
    socket: Socket,
    details: Details,
    destruction: Destruction,
    owners: Owners<'a>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(
        context: &'a Context,
        plan: &ListPlan,
        request: &'a Request,
        query: &'a Query,
        looker: &Looker,
    ) -> Rows<'a> {
        // Who holds what is asked long before.
        let wants = Wants {
            owners: false,
            judged_owners: false,
            ..Wants::of(plan, query)
        };
        Rows {
            sieve: Sieve::new(context, query),
            states: query.states,
            annotator: Annotator::new(context, request, wants),
            asks_owners: looker.looks_for_owners(),
            prints_owners: plan.needs_owners(),
            is_quiet: plan.quiet,
            printed: 0,
        }
    }

    /// Prints those that pass; whether there were any.
    pub(super) fn print(
        &mut self,
        arrivals: Vec<Arrival>,
        look: &Look,
        printer: &mut Printer,
    ) -> Result<bool, Error> {
        let ended: Vec<Ended<'_>> = arrivals
            .into_iter()
            .map(|arrival| self.with_last_seen(arrival, look))
            .filter(|ended| self.passes(ended))
            .collect();
        if ended.is_empty() || self.is_quiet {
            return Ok(!ended.is_empty());
        }
        let sockets: Vec<Socket> = ended.iter().map(|ended| ended.socket).collect();
        self.annotator.prepare(&sockets);
        let rows: Vec<Row<'_>> = ended
            .iter()
            .map(|ended| Row {
                owners: match self.prints_owners {
                    true => ended.owners,
                    false => Owners::Unasked,
                },
                destruction: Some(&ended.destruction),
                ..self.annotator.row(&ended.socket, Some(&ended.details))
            })
            .collect();
        printer.rows(&rows)?;
        self.printed += rows.len();
        Ok(true)
    }

    /// Adds what the kernel does not announce, where it was seen before.
    fn with_last_seen<'l>(&self, arrival: Arrival, look: &'l Look) -> Ended<'l> {
        let Arrival {
            mut socket,
            mut details,
            namespace,
            at,
        } = arrival;
        let cookie = socket.cookie;
        let seen: Option<&LastSeen> = look.find(&SocketKey { namespace, cookie });
        if let Some(seen) = seen {
            (socket.uid, socket.inode, socket.v6only) = (seen.uid, seen.inode, seen.v6only);
            (details.mark, details.cgroup) = (seen.mark, seen.cgroup);
            socket.ends = restored(&socket, &seen.ends);
        }
        Ended {
            socket,
            details,
            destruction: Destruction {
                at,
                last_state: seen.map(|seen| seen.state),
            },
            owners: match seen {
                _ if !self.asks_owners => Owners::Unasked,
                Some(seen) => seen.owners.owners(),
                None => Owners::Unseen,
            },
        }
    }

    /// As everywhere, what is not known passes no test: nor does a state that was not seen.
    fn passes(&self, ended: &Ended<'_>) -> bool {
        let last_state = ended.destruction.last_state;
        let state_passes = self
            .states
            .is_none_or(|states| last_state.is_some_and(|state| states.contains(state)));
        let (socket, details) = (&ended.socket, Some(&ended.details));
        let passes = || match are_reset(socket) {
            false => self.sieve.passes(socket, details, ended.owners),
            true => self.sieve.passes_for_certain(
                &|condition| without_ends(condition, socket),
                socket,
                details,
                ended.owners,
            ),
        };
        state_passes && passes()
    }

    /// Whether names were learnt for so many that it is time to forget them, and learn anew what
    /// may have changed.
    pub(super) const fn are_stale(&self) -> bool {
        self.printed >= MOST_REMEMBERED
    }

    /// What could not be joined.
    pub(super) fn gaps(&self) -> Vec<Gap> {
        self.annotator.gaps()
    }
}
