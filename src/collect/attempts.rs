//! Dumps of this machine, begun again until one is whole.

use std::io;

use super::batch::Flow;
use crate::kernel::Dump;
use crate::wire::netlink::{Framed, Message, Messages};

/// How often a dump that the kernel interrupted or cut short is begun again.
pub(super) const MOST_ATTEMPTS: usize = 4;

/// How a dump ended, when no error ended it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The kernel said that it was all.
    Complete,
    /// Whoever took it had enough.
    Enough,
    /// The kernel said that the table changed meanwhile: rows may be missing.
    Interrupted,
    /// The kernel did not say that it was all.
    Cut {
        /// Whether it said anything.
        heard: bool,
    },
}

/// Said of a dump that ended as [`End::Interrupted`].
pub(super) const INTERRUPTED: &str = "the kernel interrupted the dump each time";

/// Said of a dump that ended as [`End::Cut`].
pub(super) const fn cut(heard: bool) -> &'static str {
    match heard {
        true => "the kernel never ended the dump",
        false => "no answer",
    }
}

/// Why the kernel did not answer, in words.
pub(super) fn refusal(error: &io::Error) -> String {
    match error.raw_os_error() {
        // Nobody in the kernel answers for such sockets.
        Some(libc::ENOENT) => "the kernel has no sock_diag module for them".to_owned(),
        _ => error.to_string(),
    }
}

/// Makes attempts until one is good, or has failed for good. Of the programs the first is tried
/// first, and let go with all attempts still to come when the kernel refuses it; behind the last
/// one comes none at all, as the filter is applied here all the same.
pub(super) fn attempts<E>(
    programs: Vec<Vec<u8>>,
    mut attempt: impl FnMut(&[u8]) -> Result<io::Result<End>, E>,
) -> Result<io::Result<End>, E> {
    let mut programs = programs.into_iter();
    let mut program = programs.next().unwrap_or_default();
    let mut left = MOST_ATTEMPTS;
    loop {
        let ended = attempt(&program)?;
        match &ended {
            Err(error) if is_refusal(error) && !program.is_empty() => {
                program = programs.next().unwrap_or_default();
                continue;
            }
            Ok(End::Interrupted | End::Cut { .. }) => {}
            // The kernel ran out of memory for an answer: what it lost can be had again.
            Err(error) if is_passing(error) => {}
            Ok(End::Complete | End::Enough) | Err(_) => return Ok(ended),
        }
        left -= 1;
        if left == 0 {
            return Ok(ended);
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ENOBUFS | libc::ENOMEM | libc::EAGAIN | libc::EINTR)
    )
}

/// Whether an error may be about the program: an operation that the kernel does not know, or that
/// it does not do for us.
fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EINVAL | libc::EOPNOTSUPP | libc::EPERM)
    )
}

/// Follows one dump to its end. `take` gets each chunk, and an [`Ending`] that is to
/// [hear](Ending::hear) it.
///
/// The outer error is that of `take`, the inner one the kernel's.
pub(super) fn follow<E>(
    dump: Dump,
    mut take: impl FnMut(&[u8], &mut Ending) -> Result<Flow, E>,
) -> Result<io::Result<End>, E> {
    let mut ending = Ending::default();
    let mut enough = false;
    let read = dump.for_each(|chunk, _| -> Result<bool, E> {
        enough = take(chunk, &mut ending)? == Flow::Enough;
        Ok(!enough && !ending.is_over())
    })?;
    Ok(match read {
        _ if enough => Ok(End::Enough),
        Err(error) => Err(error),
        Ok(()) => ending.judge(),
    })
}

/// What was said about the end of a dump.
#[derive(Default)]
pub(super) struct Ending {
    heard: bool,
    done: bool,
    interrupted: bool,
    /// The error that the kernel reported.
    error: Option<io::Error>,
}

impl Ending {
    /// Hears the messages of a chunk; `row` gets each row and where it begins.
    pub(super) fn hear(&mut self, chunk: &[u8], mut row: impl FnMut(&[u8], u64)) {
        for framed in Messages::new(chunk) {
            let Framed {
                message,
                offset,
                interrupted,
                ..
            } = match framed {
                Ok(framed) => framed,
                Err(error) => {
                    self.error = Some(io::Error::new(io::ErrorKind::InvalidData, error));
                    return;
                }
            };
            self.heard = true;
            self.interrupted |= interrupted;
            match message {
                Message::Row(body) => row(body, offset as u64),
                Message::Done(errno) | Message::Error(errno) if errno < 0 => {
                    self.error = Some(io::Error::from_raw_os_error(errno.saturating_neg()));
                    return;
                }
                Message::Done(_) => self.done = true,
                Message::Overrun => self.interrupted = true,
                Message::Error(_)
                | Message::Route(_)
                | Message::Link(_)
                | Message::Rule(_)
                | Message::Other => {}
            }
        }
    }

    pub(super) const fn is_over(&self) -> bool {
        self.done || self.error.is_some()
    }

    pub(super) fn judge(self) -> io::Result<End> {
        match self.error {
            Some(error) => Err(error),
            None if !self.done => Ok(End::Cut { heard: self.heard }),
            None if self.interrupted => Ok(End::Interrupted),
            None => Ok(End::Complete),
        }
    }
}
