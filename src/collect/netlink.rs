//! Tables over sock_diag.

use std::io;

use super::Request;
use super::batch::{Batch, Flow, Receiver};
use super::cookies::CookieSet;
use crate::kernel::{Dump, Host};
use crate::model::{Gap, Table};
use crate::wire::inet_diag::{self, Extensions};
use crate::wire::netlink::{Framed, Message, Messages};

/// How often a dump that the kernel interrupted or cut short is begun again.
const MOST_ATTEMPTS: usize = 4;

/// How reading a table went.
pub(super) enum Outcome {
    /// To its end, or until the receiver had enough.
    Read(Flow),
    /// No row came: the way is closed.
    Refused(String),
    /// Rows came, then it broke off, however often it was tried.
    Broken { rows: u64, reason: String },
}

/// How one attempt ended, when no error ended it.
enum Attempt {
    Complete,
    Enough,
    /// The kernel says that rows may be missing.
    Interrupted(&'static str),
}

/// Reads a table. Rows that came in an earlier attempt, or twice in one, are passed on once.
pub(super) fn read(
    host: &Host,
    request: &Request,
    table: Table,
    receiver: &mut impl Receiver,
    gaps: &mut Vec<Gap>,
) -> io::Result<Outcome> {
    let mut reader = Reader {
        request,
        table,
        seen: CookieSet::default(),
        rows: 0,
        batch: Batch::default(),
        bad_rows: BadRows::default(),
    };
    let mut reason = String::new();
    let mut outcome = None;
    for _ in 0..MOST_ATTEMPTS {
        match reader.attempt(host, receiver)? {
            Ok(Attempt::Complete) => outcome = Some(Outcome::Read(Flow::More)),
            Ok(Attempt::Enough) => outcome = Some(Outcome::Read(Flow::Enough)),
            Ok(Attempt::Interrupted(why)) => {
                reason = why.to_owned();
                continue;
            }
            // The kernel ran out of memory for an answer: what it lost can be had again.
            Err(error) if is_passing(&error) => {
                reason = error.to_string();
                continue;
            }
            Err(error) => reason = error.to_string(),
        }
        break;
    }
    reader.bad_rows.report(host, table, gaps);
    Ok(outcome.unwrap_or(if reader.rows == 0 {
        Outcome::Refused(reason)
    } else {
        Outcome::Broken {
            rows: reader.rows,
            reason,
        }
    }))
}

fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ENOBUFS | libc::ENOMEM | libc::EAGAIN | libc::EINTR)
    )
}

struct Reader<'a> {
    request: &'a Request,
    table: Table,
    seen: CookieSet,
    rows: u64,
    batch: Batch,
    bad_rows: BadRows,
}

impl Reader<'_> {
    /// One dump from its beginning. The outer error is the receiver's, the inner the kernel's.
    fn attempt(
        &mut self,
        host: &Host,
        receiver: &mut impl Receiver,
    ) -> io::Result<io::Result<Attempt>> {
        let request =
            inet_diag::dump_request(self.table, self.request.states, self.request.extensions);
        let mut dump = match host.dump(self.table.protocol, &request) {
            Ok(dump) => dump,
            Err(error) => return Ok(Err(error)),
        };
        let mut chunk = Vec::new();
        let mut ending = Ending::default();
        loop {
            match dump.next_chunk(&mut chunk) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return Ok(Err(error)),
            }
            self.batch.clear();
            let error = self.chunk(&chunk, dump.base(), &mut ending);
            if !self.batch.sockets.is_empty() {
                self.rows += self.batch.sockets.len() as u64;
                if receiver.rows(&self.batch)? == Flow::Enough {
                    return Ok(Ok(Attempt::Enough));
                }
            }
            if let Some(error) = error {
                return Ok(Err(error));
            }
            if ending.done && !dump.is_recorded() {
                break;
            }
        }
        Ok(Ok(self.judge(&dump, &ending)))
    }

    fn judge(&mut self, dump: &Dump, ending: &Ending) -> Attempt {
        if dump.is_recorded() {
            // Nothing can be asked again of a recording; it can only be said.
            if !ending.done {
                self.bad_rows
                    .add(dump.base(), || "ends in the middle of a dump".to_owned());
            }
            if ending.interrupted {
                self.bad_rows
                    .add(dump.base(), || "the kernel interrupted the dump".to_owned());
            }
            return Attempt::Complete;
        }
        if ending.interrupted {
            return Attempt::Interrupted("the table kept changing during the dump");
        }
        Attempt::Complete
    }

    /// Decodes the messages of a chunk into the batch; an error is one the kernel reported.
    fn chunk(&mut self, chunk: &[u8], base: u64, ending: &mut Ending) -> Option<io::Error> {
        for framed in Messages::new(chunk) {
            let Framed {
                message,
                offset,
                interrupted,
            } = match framed {
                Ok(framed) => framed,
                Err(error) => {
                    self.bad_rows
                        .add(base + error.offset() as u64, || error.to_string());
                    ending.done = true;
                    return None;
                }
            };
            ending.interrupted |= interrupted;
            match message {
                Message::Row(row) => {
                    ending.done = false;
                    self.row(row, base + offset as u64);
                }
                Message::Done(errno) | Message::Error(errno) if errno < 0 => {
                    return Some(io::Error::from_raw_os_error(errno.saturating_neg()));
                }
                Message::Done(_) => ending.done = true,
                Message::Overrun => ending.interrupted = true,
                Message::Error(_) | Message::Other => {}
            }
        }
        None
    }

    fn row(&mut self, row: &[u8], place: u64) {
        let socket = match inet_diag::socket(row, self.table.protocol) {
            Ok(socket) => socket,
            Err(error) => return self.bad_rows.add(place, || error.to_string()),
        };
        // A recording holds both families and all states.
        if socket.family() != self.table.family || !self.request.states.contains(socket.state) {
            return;
        }
        if socket.cookie != 0 && !self.seen.insert(socket.cookie) {
            return;
        }
        self.batch.sockets.push(socket);
        if self.request.extensions != Extensions::None {
            self.batch.details.push(inet_diag::details(row));
        }
    }
}

/// What was said about the end of a dump.
#[derive(Default)]
struct Ending {
    done: bool,
    interrupted: bool,
}

/// Rows that made no sense: the first one's place and reason, and their number.
#[derive(Default)]
struct BadRows {
    first: Option<(u64, String)>,
    count: u64,
}

impl BadRows {
    fn add(&mut self, place: u64, reason: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.is_none() {
            self.first = Some((place, reason()));
        }
    }

    fn report(self, host: &Host, table: Table, gaps: &mut Vec<Gap>) {
        let Some((place, reason)) = self.first else {
            return;
        };
        gaps.push(Gap::Garbled {
            what: "sockets",
            place: if host.is_recorded() {
                format!("diag/{}.nlmsg", table.protocol)
            } else {
                format!("{table} dump")
            },
            first: format!("byte {place}"),
            count: self.count,
            reason,
        });
    }
}
