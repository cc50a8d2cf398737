//! One look at all sockets: counted as they come, none kept.

use std::collections::BTreeMap;
use std::io;
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use crate::analyze::{Ephemeral, EphemeralSettings, Summary};
use crate::collect::{Batch, Flow, Receiver, Report, collect};
use crate::command::context::Context;
use crate::command::outcome::Error;
use crate::command::request::{all_tables, whole};
use crate::command::shares::Owners;
use crate::model::{Endpoint, Protocol, Queues, State};
use crate::render::ephemeral::Backlog;

/// Listeners whose queues are told; more would be no metrics any more.
const MOST_BACKLOGS: usize = 4096;

/// What was seen.
pub(super) struct Look<'c> {
    pub(super) ephemeral: Ephemeral,
    pub(super) summary: Summary,
    /// The queue of each listener; of several on one port the fullest.
    pub(super) backlogs: Vec<(Endpoint, Backlog)>,
    pub(super) report: Report,
    /// The owners, where they were looked for meanwhile.
    pub(super) owners: Option<Owners<'c>>,
    at: Instant,
}

impl<'c> Look<'c> {
    /// Looks at all sockets there are, and through the processes as soon as `wants_owners` says
    /// that their names will be asked for: the kernel walks its tables meanwhile.
    pub(super) fn at(
        context: &'c Context,
        settings: &EphemeralSettings,
        wants_owners: impl Fn(&Ephemeral) -> bool,
    ) -> Result<Look<'c>, Error> {
        // UDP first, as in listings: what `begin` keeps a copy of is then still small.
        let request = whole(context, all_tables());
        let now = Counted {
            ephemeral: Ephemeral::new(settings.clone()),
            summary: Summary::default(),
            backlogs: BTreeMap::new(),
        };
        thread::scope(|scope| {
            let mut counts = Counts {
                now,
                before: None,
                scan: Scan::Later(context, scope),
                wants_owners,
            };
            let report = collect(&context.host, &request, &mut counts)?;
            let at = Instant::now();
            let Counted {
                ephemeral,
                summary,
                backlogs,
            } = counts.now;
            Ok(Look {
                ephemeral,
                summary,
                backlogs: backlogs.into_iter().collect(),
                report,
                owners: counts.scan.finish(),
                at,
            })
        })
    }

    /// How long after another this look was.
    pub(super) fn since(&self, other: &Look<'_>) -> Duration {
        self.at.saturating_duration_since(other.at)
    }
}

#[derive(Clone)]
struct Counted {
    ephemeral: Ephemeral,
    summary: Summary,
    backlogs: BTreeMap<Endpoint, Backlog>,
}

struct Counts<'scope, 'c, W> {
    now: Counted,
    before: Option<Counted>,
    scan: Scan<'scope, 'c>,
    wants_owners: W,
}

/// A look through the processes.
enum Scan<'scope, 'c> {
    Later(&'c Context, &'scope Scope<'scope, 'c>),
    Begun(ScopedJoinHandle<'scope, Owners<'c>>),
    /// There is no thread to be had.
    Impossible,
}

impl<'c> Scan<'_, 'c> {
    fn begin(&mut self) {
        if let Scan::Later(context, scope) = *self {
            let scan = move || Owners::scan(context);
            *self = match thread::Builder::new().spawn_scoped(scope, scan) {
                Ok(thread) => Scan::Begun(thread),
                Err(_) => Scan::Impossible,
            };
        }
    }

    fn finish(self) -> Option<Owners<'c>> {
        match self {
            Scan::Begun(thread) => thread.join().ok(),
            Scan::Later(..) | Scan::Impossible => None,
        }
    }
}

impl<W: Fn(&Ephemeral) -> bool> Receiver for Counts<'_, '_, W> {
    fn begin(&mut self) {
        self.before = Some(self.now.clone());
    }

    fn rows(&mut self, batch: &mut Batch) -> io::Result<Flow> {
        for socket in &batch.sockets {
            self.now.ephemeral.add(socket);
            self.now.summary.add(socket);
            if socket.protocol == Protocol::Tcp
                && socket.state == State::Listen
                && let Some(ends) = socket.inet()
                && let Queues::Backlog {
                    pending,
                    max: Some(max),
                } = socket.queues
                && self.now.backlogs.len() < MOST_BACKLOGS
            {
                let fullest = self.now.backlogs.entry(ends.local).or_default();
                if u64::from(pending) * u64::from(fullest.max)
                    >= u64::from(fullest.pending) * u64::from(max)
                {
                    *fullest = Backlog { pending, max };
                }
            }
        }
        if (self.wants_owners)(&self.now.ephemeral) {
            self.scan.begin();
        }
        Ok(Flow::More)
    }

    fn take_back(&mut self) -> bool {
        if let Some(before) = self.before.clone() {
            self.now = before;
        }
        true
    }
}
