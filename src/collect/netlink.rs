//! Tables over sock_diag of this machine.

use std::cell::RefCell;
use std::io;

use super::attempts::{End, INTERRUPTED, attempts, cut, follow, refusal};
use super::batch::{Flow, Receiver};
use super::rows::Rows;
use super::{Request, Walk};
use crate::filter::{Expression, Fate, Test};
use crate::kernel::{AdminDetails, Dump, Host};
use crate::model::{Gap, PortRange, Protocol};
use crate::wire::{bytecode, diag, inet_diag};

/// How reading a table went.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// To its end, or until the receiver had enough.
    Read {
        /// Whether the receiver wants more.
        flow: Flow,
        /// What was not seen.
        gaps: Vec<Gap>,
    },
    /// No row came: the way is closed.
    Refused(String),
    /// It broke off, however often it was tried.
    Broken {
        /// Rows that had come.
        rows: u64,
        /// Why.
        reason: String,
        /// What was not seen before.
        gaps: Vec<Gap>,
    },
}

/// Reads what a walk covers. Rows that came in an earlier attempt, or twice in one, are passed on
/// once.
pub(super) fn read(
    host: &Host,
    request: &Request,
    walk: Walk,
    receiver: &mut impl Receiver,
) -> io::Result<Outcome> {
    let name = host.dump_name(walk.protocol());
    let admin_details = if request.details.extended || request.details.info {
        AdminDetails::Wanted
    } else {
        AdminDetails::Unwanted
    };
    let open = |message: &[u8]| host.dump(walk.protocol(), message, admin_details);
    read_dumps(&name, open, request, walk, receiver)
}

fn read_dumps(
    name: &str,
    open: impl Fn(&[u8]) -> io::Result<Dump>,
    request: &Request,
    walk: Walk,
    receiver: &mut impl Receiver,
) -> io::Result<Outcome> {
    let takes_program = diag::takes_program(walk.protocol());
    let condition = request.condition.as_ref().filter(|_| takes_program);
    let mut rows = Rows::new(request, walk);
    let (mut denied, mut interrupted) = (false, false);
    let (mut ended, mut gaps) = (Ok(End::Complete), Vec::new());
    for part in parts(condition) {
        ended = attempts(part.programs, |program| {
            rows.begin_again();
            rows.autobound = part.autobound.filter(|_| !program.is_empty());
            let dump = match open(&message(request, walk, program)) {
                Ok(dump) => dump,
                Err(error) => return Ok(Err(error)),
            };
            if walk.protocol() == Protocol::Netlink {
                rows.leave_out(dump.port_id());
            }
            let ended = follow(dump, |chunk, ending| {
                ending.hear(chunk, |row, place| rows.add(row, place));
                rows.hand_on(receiver)
            })?;
            denied |= !program.is_empty() && ended.as_ref().is_err_and(is_denial);
            Ok::<_, io::Error>(ended)
        })?;
        gaps.extend(rows.gaps(name));
        match ended {
            Ok(End::Complete) => {}
            Ok(End::Interrupted) => interrupted = true,
            _ => break,
        }
    }
    if denied {
        gaps.push(Gap::Untold {
            what: "marks",
            reason: "the kernel tells them only to those with CAP_NET_ADMIN",
        });
    }
    // Each attempt added what the ones before it missed; /proc would be no better.
    if interrupted {
        gaps.push(Gap::Broken {
            tables: walk.tables(),
            rows: rows.handed_on(),
            reason: INTERRUPTED.to_owned(),
        });
    }
    let flow = match ended {
        Ok(End::Complete | End::Interrupted) => Flow::More,
        Ok(End::Enough) => Flow::Enough,
        Ok(End::Cut { heard }) => return Ok(failed(&rows, cut(heard).to_owned(), gaps)),
        Err(error) => return Ok(failed(&rows, refusal(&error), gaps)),
    };
    Ok(Outcome::Read { flow, gaps })
}

/// One of the dumps that together tell all of a condition.
struct Part {
    /// The programs to try.
    programs: Vec<Vec<u8>>,
    /// Whether the kernel chose the ports of the sockets in it, where that is asked for.
    autobound: Option<bool>,
}

/// The dumps that a condition takes. No row tells whether the kernel chose the port, but a program
/// can ask: so these sockets are dumped apart from the others, unless only one kind is wanted.
fn parts(condition: Option<&Expression>) -> Vec<Part> {
    let is_autobound = |test: &Test| matches!(test, Test::Autobound(_));
    let part = |condition: &Expression, autobound| Part {
        programs: bytecode::programs(condition),
        autobound,
    };
    let Some(condition) = condition else {
        return vec![part(&Expression::constant(true), None)];
    };
    let Some((range, is_only)) = autobound_range(condition) else {
        return vec![part(condition, None)];
    };
    let kinds = [true, false].into_iter().filter_map(|chosen| {
        let rest = condition.weakened(&|test| match is_autobound(test) {
            true if is_only || !chosen => Fate::Is(chosen),
            // It may lie in the range of another namespace.
            true => Fate::Unknown,
            false => Fate::Stays,
        });
        let mut kind = Expression::Test(Test::Autobound(range));
        if !chosen {
            kind = Expression::Not(Box::new(kind));
        }
        let wanted = rest.as_constant() != Some(false);
        wanted.then(|| part(&Expression::And(vec![kind, rest]), Some(chosen)))
    });
    kinds.collect()
}

/// The range that all ports lie in out of which the kernel chooses, as far as a condition asks for
/// them, and whether it asks for no other. Network namespaces have ranges of their own.
fn autobound_range(condition: &Expression) -> Option<(PortRange, bool)> {
    let found = RefCell::new(Vec::new());
    condition.find(&|test| {
        if let Test::Autobound(range) = test {
            found.borrow_mut().push(*range);
        }
        false
    });
    let found = found.into_inner();
    let first = found.iter().map(|range| range.first()).min()?;
    let last = found.iter().map(|range| range.last()).max()?;
    let whole = PortRange::new(first, last)?;
    Some((whole, found.iter().all(|range| *range == whole)))
}

/// Whether an error says that we may not ask for that: of all operations only for marks.
fn is_denial(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EPERM)
}

fn failed(rows: &Rows<'_>, reason: String, gaps: Vec<Gap>) -> Outcome {
    match rows.handed_on() {
        0 => Outcome::Refused(reason),
        rows => Outcome::Broken { rows, reason, gaps },
    }
}

fn message(request: &Request, walk: Walk, program: &[u8]) -> Vec<u8> {
    let Request {
        states, details, ..
    } = *request;
    match walk {
        Walk::One(table) => diag::dump_request(table, states, details, program),
        Walk::Tcp => inet_diag::tcp_request(states, details, program),
    }
}

#[cfg(test)]
mod tests;
