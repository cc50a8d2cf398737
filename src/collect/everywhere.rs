//! The tables of every network namespace, several at once, handed on one namespace after another.
//!
//! What is read ahead waits in short queues, so that the memory does not grow with the number of
//! namespaces or sockets.

use std::io;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver as Queue, SyncSender, sync_channel};

use super::namespaces::namespaces_of;
use super::{Batch, CollectError, Flow, Receiver, Report, Request, collect_here};
use crate::kernel::{Everywhere, Host, Space};
use crate::model::{EntryRights, Gap, Namespace, UnseenNamespaces};

/// Messages of a namespace that wait to be taken.
const MOST_WAITING: usize = 4;

/// What comes out of a namespace.
enum Message {
    /// A table begins.
    Begin,
    Rows(Batch),
    /// Whether the rows since the beginning can be taken back.
    TakeBack(SyncSender<bool>),
    Done {
        outcome: Result<Report, CollectError>,
        /// What it takes to enter it, where it was only seen from outside.
        beside: Option<EntryRights>,
    },
    /// Nobody came there.
    Unvisited(io::Error),
}

/// Reads what is asked for of every namespace.
pub(super) fn collect_everywhere(
    everywhere: &Everywhere,
    request: &Request,
    receiver: &mut impl Receiver,
) -> Result<Report, CollectError> {
    let queue = |_| sync_channel(MOST_WAITING);
    let (senders, queues): (Vec<_>, Vec<_>) = everywhere.spaces().iter().map(queue).unzip();
    let senders: Vec<Mutex<Option<SyncSender<Message>>>> = senders
        .into_iter()
        .map(|sender| Mutex::new(Some(sender)))
        .collect();
    let work = |number: usize, host: io::Result<Host>| {
        let slot = senders
            .get(number)
            .and_then(|slot| slot.lock().ok()?.take());
        let (Some(to), Ok(netns)) = (slot, u16::try_from(number)) else {
            return false;
        };
        let relay = &mut Relay { to: &to, netns };
        let message = match (host, everywhere.spaces().get(number)) {
            (Ok(host), Some(space)) => look(space, &host, request, relay),
            (Ok(_), None) => return false,
            (Err(error), _) => Message::Unvisited(error),
        };
        to.send(message).is_ok()
    };
    let took = everywhere.visit_all(work, || take_all(everywhere, queues, receiver));
    match took {
        Ok(report) => report,
        Err(error) => Err(CollectError::Nothing {
            reasons: vec![format!("no thread to enter a network namespace: {error}")],
        }),
    }
}

/// What comes last out of a namespace, after its rows.
fn look(space: &Space, host: &Host, request: &Request, relay: &mut Relay<'_>) -> Message {
    let outcome = collect_here(host, request, relay);
    let beside = match host {
        Host::Beside(beside) => Some(beside.lacks()),
        _ => None,
    };
    let has_ended = || beside.is_some() && space.has_ended();
    let is_unread = |gap: &Gap| matches!(gap, Gap::Unread { .. });
    let outcome = match outcome {
        // What could not be read of one that ended meanwhile was not there any more.
        Ok(mut report) if report.gaps.iter().any(is_unread) && has_ended() => {
            report.gaps.retain(|gap| !is_unread(gap));
            Ok(report)
        }
        Err(CollectError::Nothing { .. }) if has_ended() => {
            return Message::Unvisited(io::ErrorKind::NotFound.into());
        }
        outcome => outcome,
    };
    Message::Done { outcome, beside }
}

/// Hands on rows from another thread.
struct Relay<'a> {
    to: &'a SyncSender<Message>,
    netns: u16,
}

impl Receiver for Relay<'_> {
    fn begin(&mut self) {
        // That nobody listens any more is seen with the first rows.
        let _ = self.to.send(Message::Begin);
    }

    fn rows(&mut self, batch: &mut Batch) -> io::Result<Flow> {
        let mut batch = std::mem::take(batch);
        for socket in &mut batch.sockets {
            socket.netns = self.netns;
        }
        Ok(match self.to.send(Message::Rows(batch)) {
            Ok(()) => Flow::More,
            Err(_) => Flow::Enough,
        })
    }

    fn take_back(&mut self) -> bool {
        let (answer, answered) = sync_channel(1);
        let asked = self.to.send(Message::TakeBack(answer));
        asked.is_ok() && answered.recv().unwrap_or(false)
    }
}

/// Takes what comes, one namespace after another.
fn take_all(
    everywhere: &Everywhere,
    queues: Vec<Queue<Message>>,
    receiver: &mut impl Receiver,
) -> Result<Report, CollectError> {
    let mut told = Told::default();
    for (number, queue) in queues.into_iter().enumerate() {
        for message in queue {
            match message {
                Message::Begin => receiver.begin(),
                Message::Rows(mut batch) => {
                    if receiver.rows(&mut batch)? == Flow::Enough {
                        return told.report(everywhere);
                    }
                }
                Message::TakeBack(answer) => {
                    let is_taken_back = receiver.take_back();
                    // Whoever asked waits for it.
                    let _ = answer.send(is_taken_back);
                }
                Message::Done { outcome, beside } => match outcome {
                    Ok(report) => told.add(number, report, beside),
                    Err(error) => told.miss(number, error.to_string()),
                },
                // With its last process a namespace ends.
                Message::Unvisited(error) if error.kind() == io::ErrorKind::NotFound => {}
                Message::Unvisited(error) => told.miss(number, error.to_string()),
            }
        }
    }
    told.report(everywhere)
}

/// What the namespaces told of how it went.
#[derive(Default)]
struct Told {
    report: Report,
    /// Which were seen from outside.
    beside: Vec<usize>,
    lacks: EntryRights,
    lost_bound: bool,
    /// What is missing in which.
    within: Vec<(usize, Gap)>,
    /// Which were not seen.
    unread: Vec<usize>,
    /// Why, of the first of them.
    reason: String,
}

impl Told {
    fn add(&mut self, number: usize, report: Report, beside: Option<EntryRights>) {
        for source in report.sources {
            if !self.report.sources.contains(&source) {
                self.report.sources.push(source);
            }
        }
        self.lacks = self.lacks.max(beside.unwrap_or_default());
        self.beside.extend(beside.map(|_| number));
        for gap in report.gaps {
            match gap {
                Gap::Fallback { bound, .. } if beside.is_some() => self.lost_bound |= bound,
                gap => self.within.push((number, gap)),
            }
        }
    }

    fn miss(&mut self, number: usize, reason: String) {
        if self.unread.is_empty() {
            self.reason = reason;
        }
        self.unread.push(number);
    }

    fn report(mut self, everywhere: &Everywhere) -> Result<Report, CollectError> {
        if self.report.sources.is_empty() && !self.unread.is_empty() {
            let reasons = vec![self.reason];
            return Err(CollectError::Nothing { reasons });
        }
        self.report.gaps = named(everywhere, self.within);
        let gap = |count: u64, why| (count > 0).then_some(Gap::Namespaces { count, why });
        let (beside, unread) = (self.beside.len() as u64, self.unread.len() as u64);
        self.beside.append(&mut self.unread);
        let unseen = UnseenNamespaces::Unread {
            reason: self.reason,
            at_most: everywhere.may_be_one(&self.beside),
        };
        let (bound, lacks) = (self.lost_bound, self.lacks);
        self.report.gaps.extend(
            [
                gap(beside, UnseenNamespaces::Beside { bound, lacks }),
                gap(unread, unseen),
                gap(everywhere.hidden_processes, UnseenNamespaces::OfProcesses),
            ]
            .into_iter()
            .flatten(),
        );
        Ok(self.report)
    }
}

/// What is missing in namespaces, with their names; once what is missing in several.
fn named(everywhere: &Everywhere, within: Vec<(usize, Gap)>) -> Vec<Gap> {
    if within.is_empty() {
        return Vec::new();
    }
    let namespaces = namespaces_of(everywhere);
    let name = |number| namespaces.get(number).map(Namespace::shown);
    let within = within.into_iter().map(|(number, gap)| Gap::Within {
        namespaces: name(number).into_iter().collect(),
        gap: Box::new(gap),
    });
    Gap::merged(within.collect())
}
