//! What was announced and is still to be printed.

use std::time::{Duration, Instant, SystemTime};

use crate::collect::AnnouncementSource;
use crate::command::context::{Error, write_warning};
use crate::kernel::{Announcements, Host, Received};
use crate::model::{DetailSet, Details, Socket};
use crate::wire::destroyed::destroyed;
use crate::wire::netlink::{Message, Messages};

/// Sockets that wait to be printed, 20 MB at the most; more are left in the kernel.
const MOST_WAITING: usize = 1 << 15;
/// What is received of one namespace before the next has its turn.
const MOST_OF_ONE: usize = 1 << 10;
/// Between two warnings of losses.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(1);

/// A socket that was destroyed.
#[derive(Debug)]
pub(super) struct Arrival {
    /// As it was when it ended.
    pub(super) socket: Socket,
    /// What was told of it beside.
    pub(super) details: Details,
    /// Inode of its network namespace; 0 where there is one only.
    pub(super) namespace: u64,
    /// When that was heard.
    pub(super) at: SystemTime,
}

/// Takes what is announced.
pub(super) struct Arrivals {
    sources: Vec<AnnouncementSource>,
    asked: DetailSet,
    waiting: Vec<Arrival>,
    message: Vec<u8>,
    losses: Losses,
}

/// What did not arrive, since it was warned of that.
#[derive(Default)]
struct Losses {
    overruns: u64,
    /// Announcements that made no sense.
    garbled: u64,
    warned: Option<Instant>,
}

impl Arrivals {
    pub(super) fn new(sources: Vec<AnnouncementSource>, asked: DetailSet) -> Arrivals {
        Arrivals {
            sources,
            asked,
            waiting: Vec::new(),
            message: Vec::new(),
            losses: Losses::default(),
        }
    }

    /// What may announce something.
    pub(super) fn sources(&self) -> impl Iterator<Item = &Announcements> {
        self.sources.iter().map(|source| &source.announcements)
    }

    /// Inodes of the namespaces that were joined.
    pub(super) fn namespaces(&self) -> Vec<u64> {
        self.sources.iter().map(|source| source.inode).collect()
    }

    /// Whether no more can wait.
    pub(super) const fn is_full(&self) -> bool {
        self.waiting.len() >= MOST_WAITING
    }

    /// Receives what there is, or as much as can wait.
    pub(super) fn receive(&mut self) -> Result<(), Error> {
        for index in 0..self.sources.len() {
            for _ in 0..MOST_OF_ONE {
                if self.is_full() {
                    return Ok(());
                }
                let source = &self.sources[index];
                let received = source.announcements.receive(&mut self.message);
                match received.map_err(|error| {
                    Error::Nothing(format!(
                        "cannot hear of destroyed sockets any more: {error}"
                    ))
                })? {
                    Received::Nothing => break,
                    Received::Overrun => self.losses.overruns += 1,
                    Received::Messages => self.read(index),
                }
            }
        }
        Ok(())
    }

    fn read(&mut self, index: usize) {
        let source = &self.sources[index];
        let at = SystemTime::now();
        for framed in Messages::new(&self.message) {
            let body = match framed.map(|framed| framed.message) {
                Ok(Message::Row(body)) => body,
                Ok(_) => continue,
                Err(_) => {
                    self.losses.garbled += 1;
                    continue;
                }
            };
            match destroyed(body, self.asked) {
                Ok((socket, details)) => self.waiting.push(Arrival {
                    socket: Socket {
                        netns: source.netns,
                        ..socket
                    },
                    details,
                    namespace: source.inode,
                    at,
                }),
                Err(_) => self.losses.garbled += 1,
            }
        }
    }

    /// Hands out what waits.
    pub(super) fn take(&mut self) -> Vec<Arrival> {
        std::mem::take(&mut self.waiting)
    }

    /// Whether something was lost that nobody was told of yet.
    pub(super) const fn owes_warning(&self) -> bool {
        self.losses.overruns > 0 || self.losses.garbled > 0
    }

    /// Warns of what was lost, at most once a second.
    pub(super) fn warn_of_losses(&mut self) {
        let is_early = |warned: Instant| warned.elapsed() < BETWEEN_WARNINGS;
        if !self.owes_warning() || self.losses.warned.is_some_and(is_early) {
            return;
        }
        if self.losses.overruns > 0 {
            let overruns = self.losses.overruns;
            let lost = self.sources.iter_mut();
            let lost: Option<u64> = lost
                .map(|source| source.announcements.newly_lost().map(u64::from))
                .sum();
            let count = lost.map_or(String::new(), |lost| format!("{lost} "));
            let times = if overruns == 1 { "overrun" } else { "overruns" };
            write_warning(&format!(
                "{count}destroyed sockets were lost in {overruns} {times}: more came at once than \
                 could wait"
            ));
        }
        if self.losses.garbled > 0 {
            write_warning(&format!(
                "{} announcements of the kernel made no sense",
                self.losses.garbled
            ));
        }
        self.losses = Losses {
            warned: Some(Instant::now()),
            ..Losses::default()
        };
    }

    /// Goes over to a host with other namespaces: takes what was joined in new ones, and leaves
    /// those that ended, which our socket would keep alive.
    pub(super) fn adopt(&mut self, host: &Host, joined: Vec<AnnouncementSource>) {
        let Host::Everywhere(everywhere) = host else {
            return;
        };
        self.sources.extend(joined);
        self.sources.retain_mut(|source| {
            let mut spaces = everywhere.spaces().iter();
            let place = spaces.position(|space| space.inode.unwrap_or(0) == source.inode);
            let number = place.and_then(|place| u16::try_from(place).ok());
            source.netns = number.unwrap_or(source.netns);
            number.is_some()
        });
    }
}
