//! What was announced and is still to be printed.

use std::time::{Duration, Instant, SystemTime};

use crate::collect::AnnouncementSource;
use crate::command::context::write_warning;
use crate::command::outcome::Error;
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
    /// Of each source.
    overrun: Vec<Overrun>,
}

/// Whether more came than could wait. The kernel tells of the first that it lost, and then loses
/// all others without a word, until everything that waits was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overrun {
    None,
    Lasts,
    /// Its losses are to be counted for the last time.
    Over,
}

impl Overrun {
    const fn drained(self) -> Overrun {
        match self {
            Overrun::None => Overrun::None,
            Overrun::Lasts | Overrun::Over => Overrun::Over,
        }
    }
}

/// What did not arrive, since it was warned of that.
#[derive(Default)]
struct Losses {
    overruns: u64,
    /// As far as the kernel counts them.
    sockets: u64,
    /// Announcements that made no sense.
    garbled: u64,
    warned: Option<Instant>,
}

impl Arrivals {
    pub(super) fn new(sources: Vec<AnnouncementSource>, asked: DetailSet) -> Arrivals {
        Arrivals {
            overrun: vec![Overrun::None; sources.len()],
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
                    Received::Nothing => {
                        self.overrun[index] = self.overrun[index].drained();
                        break;
                    }
                    Received::Overrun => {
                        self.losses.overruns += 1;
                        self.overrun[index] = Overrun::Lasts;
                    }
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

    /// Whether something was lost, or may still be, that nobody was told of yet.
    pub(super) const fn owes_warning(&self) -> bool {
        let losses = &self.losses;
        losses.overruns > 0 || losses.sockets > 0 || losses.garbled > 0
    }

    /// Counts what was lost where there was an overrun.
    fn count_losses(&mut self) {
        for (source, overrun) in self.sources.iter_mut().zip(&mut self.overrun) {
            if *overrun != Overrun::None {
                let lost = source.announcements.newly_lost().unwrap_or(0);
                self.losses.sockets += u64::from(lost);
            }
            if *overrun == Overrun::Over {
                *overrun = Overrun::None;
            }
        }
    }

    /// Warns of what was lost, at most once a second.
    pub(super) fn warn_of_losses(&mut self) {
        self.count_losses();
        let is_early = |warned: Instant| warned.elapsed() < BETWEEN_WARNINGS;
        if !self.owes_warning() || self.losses.warned.is_some_and(is_early) {
            return;
        }
        if self.losses.overruns > 0 || self.losses.sockets > 0 {
            let lost = match self.losses {
                // An old kernel does not count them.
                Losses {
                    sockets: 0,
                    overruns,
                    ..
                } => format!("destroyed sockets were lost, {overruns} times"),
                Losses { sockets, .. } => format!("{sockets} destroyed sockets were lost"),
            };
            write_warning(&format!("{lost}: more came at once than could wait"));
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
        // What was lost in some of them is counted with what is lost in any.
        let lost = self.overrun.iter().any(|overrun| *overrun != Overrun::None);
        let overrun = if lost { Overrun::Lasts } else { Overrun::None };
        self.overrun = vec![overrun; self.sources.len()];
    }
}
