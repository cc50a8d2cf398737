//! Tables over sock_diag.

use std::io;

use super::batch::{Batch, Flow, Receiver};
use super::cookies::CookieSet;
use super::{Request, Walk};
use crate::kernel::Host;
use crate::model::Gap;
use crate::wire::bytecode;
use crate::wire::inet_diag;
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
    /// Rows may be missing: the kernel says so, or did not say that it was all.
    Interrupted,
}

/// Reads what a walk covers. Rows that came in an earlier attempt, or twice in one, are passed on
/// once.
pub(super) fn read(
    host: &Host,
    request: &Request,
    walk: Walk,
    receiver: &mut impl Receiver,
    gaps: &mut Vec<Gap>,
) -> io::Result<Outcome> {
    let mut reader = Reader {
        request,
        walk,
        program: request
            .condition
            .as_ref()
            .and_then(bytecode::compile)
            .unwrap_or_default(),
        seen: CookieSet::default(),
        rows: 0,
        batch: Batch::default(),
        bad_rows: BadRows::default(),
    };
    let mut ended = Err(io::Error::from_raw_os_error(libc::EAGAIN));
    for _ in 0..MOST_ATTEMPTS {
        ended = reader.attempt(host, receiver)?;
        match &ended {
            Ok(Attempt::Interrupted) => {}
            // The kernel ran out of memory for an answer: what it lost can be had again.
            Err(error) if is_passing(error) => {}
            // A kernel that does not know an operation; the filter is applied here all the same.
            Err(error) if is_refusal(error) && !reader.program.is_empty() => {
                reader.program.clear();
            }
            _ => break,
        }
    }
    reader.bad_rows.report(host, walk, gaps);
    let rows = reader.rows;
    Ok(match ended {
        Ok(Attempt::Complete) => Outcome::Read(Flow::More),
        Ok(Attempt::Enough) => Outcome::Read(Flow::Enough),
        // Each attempt added what the ones before it missed; /proc would be no better.
        Ok(Attempt::Interrupted) => {
            gaps.push(Gap::Broken {
                tables: walk.tables(),
                rows,
                reason: "the kernel interrupted the dump each time".to_owned(),
            });
            Outcome::Read(Flow::More)
        }
        Err(error) if rows == 0 => Outcome::Refused(error.to_string()),
        Err(error) => Outcome::Broken {
            rows,
            reason: error.to_string(),
        },
    })
}

fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ENOBUFS | libc::ENOMEM | libc::EAGAIN | libc::EINTR)
    )
}

fn is_refusal(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP))
}

struct Reader<'a> {
    request: &'a Request,
    walk: Walk,
    program: Vec<u8>,
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
        let Request {
            states, details, ..
        } = *self.request;
        let request = match self.walk {
            Walk::One(table) => inet_diag::dump_request(table, states, details, &self.program),
            Walk::Tcp => inet_diag::tcp_request(states, details, &self.program),
        };
        let dump = match host.dump(self.walk.protocol(), &request) {
            Ok(dump) => dump,
            Err(error) => return Ok(Err(error)),
        };
        let recorded = dump.is_recorded();
        let mut ending = Ending::default();
        let mut enough = false;
        let read = dump.for_each(|chunk, base| -> io::Result<bool> {
            ending.place = base + chunk.len() as u64;
            self.batch.clear();
            ending.error = self.chunk(chunk, base, &mut ending);
            if !self.batch.sockets.is_empty() {
                self.rows += self.batch.sockets.len() as u64;
                enough = receiver.rows(&mut self.batch)? == Flow::Enough;
            }
            // A recording goes on after the end of a family.
            let over = ending.error.is_some() || (ending.done && !recorded);
            Ok(!enough && !over)
        })?;
        if enough {
            return Ok(Ok(Attempt::Enough));
        }
        Ok(match read.err().or(ending.error.take()) {
            // What the kernel said then cannot be mended now; the rows before it are good.
            Some(error) if recorded && self.rows > 0 => {
                self.bad_rows.add(ending.place, || error.to_string());
                Ok(Attempt::Complete)
            }
            Some(error) => Err(error),
            None => Ok(self.judge(recorded, &ending)),
        })
    }

    fn judge(&mut self, recorded: bool, ending: &Ending) -> Attempt {
        if !recorded {
            return if ending.interrupted || !ending.done {
                Attempt::Interrupted
            } else {
                Attempt::Complete
            };
        }
        // Nothing can be asked again of a recording; it can only be said.
        if !ending.done {
            self.bad_rows
                .add(ending.place, || "ends in the middle of a dump".to_owned());
        }
        if ending.interrupted {
            self.bad_rows.add(ending.place, || {
                "the kernel interrupted the dump".to_owned()
            });
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
        let socket = match inet_diag::socket(row, self.walk.protocol()) {
            Ok(socket) => socket,
            Err(error) => return self.bad_rows.add(place, || error.to_string()),
        };
        // A recording holds both families and all states.
        if !self.walk.covers(socket.family()) || !self.request.states.contains(socket.state) {
            return;
        }
        if socket.cookie != 0 && !self.seen.insert(socket.cookie) {
            return;
        }
        self.batch.sockets.push(socket);
        if !self.request.details.is_empty() {
            self.batch
                .details
                .push(inet_diag::details(row, self.request.details));
        }
    }
}

/// What was said about the end of a dump.
#[derive(Default)]
struct Ending {
    done: bool,
    interrupted: bool,
    /// The error that the kernel reported.
    error: Option<io::Error>,
    /// How far the recording was read.
    place: u64,
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

    fn report(self, host: &Host, walk: Walk, gaps: &mut Vec<Gap>) {
        let Some((place, reason)) = self.first else {
            return;
        };
        gaps.push(Gap::Garbled {
            what: "sockets",
            place: host.dump_name(walk.protocol()),
            first: format!("byte {place}"),
            count: self.count,
            reason,
        });
    }
}
