//! The tables of every network namespace, several at once, handed on one namespace after another.
//!
//! What is read ahead waits in short queues, so that the memory does not grow with the number of
//! namespaces or sockets.

use std::io;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver as Queue, SyncSender, sync_channel};

use super::namespaces::namespace;
use super::{Batch, CollectError, Flow, Receiver, Report, Request, collect_here};
use crate::kernel::{Everywhere, Host};
use crate::model::{EntryRights, Gap, UnseenNamespaces};

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
        let message = match host {
            Ok(host) => Message::Done {
                outcome: collect_here(&host, request, &mut Relay { to: &to, netns }),
                beside: match &host {
                    Host::Beside(beside) => Some(beside.lacks()),
                    _ => None,
                },
            },
            Err(error) => Message::Unvisited(error),
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
                    Ok(report) => told.add(everywhere, number, report, beside),
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
    /// Which were not seen.
    unread: Vec<usize>,
    /// Why, of the first of them.
    reason: String,
}

impl Told {
    fn add(
        &mut self,
        everywhere: &Everywhere,
        number: usize,
        report: Report,
        beside: Option<EntryRights>,
    ) {
        for source in report.sources {
            if !self.report.sources.contains(&source) {
                self.report.sources.push(source);
            }
        }
        self.lacks = self.lacks.max(beside.unwrap_or_default());
        self.beside.extend(beside.map(|_| number));
        for gap in report.gaps {
            match (gap, everywhere.spaces().get(number)) {
                (Gap::Fallback { bound, .. }, _) if beside.is_some() => self.lost_bound |= bound,
                (gap, Some(space)) => self.report.gaps.push(Gap::Within {
                    namespace: String::from_utf8_lossy(&namespace(space).label()).into_owned(),
                    gap: Box::new(gap),
                }),
                (gap, None) => self.report.gaps.push(gap),
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
