//! One look at all sockets: counted as they come, none kept.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use crate::analyze::{Ephemeral, EphemeralSettings, Summary};
use crate::collect::{Batch, Flow, Receiver, Report, Request, collect};
use crate::command::context::{Context, Error};
use crate::model::{DetailSet, Endpoint, Family, Protocol, Queues, State, StateSet, Table};
use crate::render::ephemeral::Backlog;

/// Listeners whose queues are told; more would be no metrics any more.
const MOST_BACKLOGS: usize = 4096;

/// What was seen.
pub(super) struct Look {
    pub(super) ephemeral: Ephemeral,
    pub(super) summary: Summary,
    /// The queue of each listener; of several on one port the fullest.
    pub(super) backlogs: Vec<(Endpoint, Backlog)>,
    pub(super) report: Report,
    at: Instant,
}

impl Look {
    /// Looks at all sockets there are.
    pub(super) fn at(context: &Context, settings: &EphemeralSettings) -> Result<Look, Error> {
        // UDP first, as in listings: what `begin` keeps a copy of is then still small.
        let request = Request {
            tables: Protocol::ALL
                .into_iter()
                .flat_map(|protocol| Family::ALL.map(|family| Table { protocol, family }))
                .collect(),
            states: StateSet::ALL,
            details: DetailSet::NONE,
            method: context.method,
            condition: None,
        };
        let mut counts = Counts {
            now: Counted {
                ephemeral: Ephemeral::new(settings.clone()),
                summary: Summary::default(),
                backlogs: BTreeMap::new(),
            },
            before: None,
        };
        let report = collect(&context.host, &request, &mut counts)?;
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
            at: Instant::now(),
        })
    }

    /// How long after another this look was.
    pub(super) fn since(&self, other: &Look) -> Duration {
        self.at.saturating_duration_since(other.at)
    }

    /// Whether anything listens inside the range.
    pub(super) fn has_exposed(&self) -> bool {
        !self.ephemeral.exposed().is_empty()
    }
}

#[derive(Clone)]
struct Counted {
    ephemeral: Ephemeral,
    summary: Summary,
    backlogs: BTreeMap<Endpoint, Backlog>,
}

struct Counts {
    now: Counted,
    before: Option<Counted>,
}

impl Receiver for Counts {
    fn begin(&mut self) {
        self.before = Some(self.now.clone());
    }

    fn rows(&mut self, batch: &mut Batch) -> io::Result<Flow> {
        for socket in &batch.sockets {
            self.now.ephemeral.add(socket);
            self.now.summary.add(socket);
            if socket.protocol == Protocol::Tcp
                && socket.state == State::Listen
                && let Queues::Backlog {
                    pending,
                    max: Some(max),
                } = socket.queues
                && self.now.backlogs.len() < MOST_BACKLOGS
            {
                let fullest = self.now.backlogs.entry(socket.local).or_default();
                if u64::from(pending) * u64::from(fullest.max)
                    >= u64::from(fullest.pending) * u64::from(max)
                {
                    *fullest = Backlog { pending, max };
                }
            }
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
