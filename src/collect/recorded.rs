//! Tables out of the messages of a recording.
//!
//! A file holds the dumps of both families one after another, and each has an end of its own. The
//! end of one says nothing of the other, which may be missing, or may have broken off.

use std::io;

use super::batch::{Flow, Receiver};
use super::families::{Families, Flaw, Verdict};
use super::netlink::Outcome;
use super::rows::Rows;
use super::{Request, Walk};
use crate::kernel::{AdminDetails, Host};
use crate::model::{Family, Table};
use crate::wire::diag;
use crate::wire::netlink::{Framed, FramingError, Message, Messages};

/// Reads a table.
pub(super) fn read(
    host: &Host,
    request: &Request,
    table: Table,
    receiver: &mut impl Receiver,
) -> io::Result<Outcome> {
    if let Some(why) = host.why_no_dump(table) {
        return Ok(Outcome::Refused(format!("not recorded: {why}")));
    }
    let dump = match host.dump(table.protocol, &[], AdminDetails::Wanted) {
        Ok(dump) => dump,
        Err(error) => return Ok(Outcome::Refused(error.to_string())),
    };
    let length = dump.recorded_length();
    let mut replay = Replay {
        family: table.family,
        rows: Rows::new(request, Walk::One(table)),
        families: Families::default(),
        interrupted: false,
        end: 0,
        damage: None,
    };
    let mut flow = Flow::More;
    let read = dump.for_each(|chunk, base| -> io::Result<bool> {
        let whole = replay.chunk(chunk, base, length);
        flow = replay.rows.hand_on(receiver)?;
        Ok(whole && flow == Flow::More)
    })?;
    if let Err(error) = read {
        replay.damage = Some((replay.end, error.to_string()));
    }
    let name = host.dump_name(table.protocol);
    if flow == Flow::Enough {
        let gaps = replay.rows.gaps(&name);
        return Ok(Outcome::Read { flow, gaps });
    }
    let mut expected = table.protocol.families().to_vec();
    expected.retain(|&family| host.why_no_dump(Table { family, ..table }).is_none());
    Ok(replay.judge(&name, &expected))
}

/// What a framing error ends, in words: behind it no message can be found.
pub(super) fn damage(error: &FramingError, place: u64, length: Option<u64>) -> String {
    match length.and_then(|length| length.checked_sub(place)) {
        Some(unread) => format!("{error}; the last {unread} bytes are not read"),
        None => error.to_string(),
    }
}

/// A recording that is being read for one family.
struct Replay<'a> {
    family: Family,
    rows: Rows<'a>,
    families: Families,
    interrupted: bool,
    /// How far it was read.
    end: u64,
    /// What ended it before its end.
    damage: Option<Flaw>,
}

impl Replay<'_> {
    /// Takes the messages of a chunk; `false` when no message can be found behind it.
    fn chunk(&mut self, chunk: &[u8], base: u64, length: Option<u64>) -> bool {
        for framed in Messages::new(chunk) {
            match framed {
                Ok(framed) => self.message(framed, base + framed.offset as u64),
                Err(error) => {
                    self.end = base + error.offset() as u64;
                    self.damage = Some((self.end, damage(&error, self.end, length)));
                    return false;
                }
            }
        }
        self.end = base + chunk.len() as u64;
        true
    }

    fn message(&mut self, framed: Framed<'_>, place: u64) {
        if let Message::Row(row) = framed.message {
            let family = diag::family(row, self.rows.protocol());
            if let Some(family) = family {
                self.families.row(family, framed.covers_both, place);
            }
            // What is no row may have been one of either family.
            if family.is_none_or(|family| family == self.family) {
                self.rows.add(row, place);
            }
        }
        let interrupted = framed.interrupted || framed.message == Message::Overrun;
        if interrupted && !self.interrupted && self.families.may_be_under_way(self.family) {
            self.interrupted = true;
            self.rows
                .add_bad(place, || "the kernel interrupted the dump".to_owned());
        }
        match framed.message {
            Message::Done(errno) | Message::Error(errno) if errno < 0 => {
                let error = io::Error::from_raw_os_error(errno.saturating_neg());
                self.families.end(Err((place, error.to_string())));
            }
            Message::Done(_) => self.families.end(Ok(())),
            _ => {}
        }
    }

    /// How it went, in a file that is to hold the dumps of these families.
    fn judge(mut self, name: &str, expected: &[Family]) -> Outcome {
        let at = |(place, what): &Flaw| format!("{name}: byte {place}: {what}");
        let ended = |otherwise: &str| match &self.damage {
            Some(flaw) => at(flaw),
            None => at(&(self.end, otherwise.to_owned())),
        };
        let verdict = |family| self.families.verdict(family, expected);
        let reason = match verdict(self.family) {
            Verdict::Complete => {
                // Damage that another family suffers from is told where that is read.
                let is_whole = expected
                    .iter()
                    .all(|&family| verdict(family) == Verdict::Complete);
                let stray = self.families.stray(expected).cloned();
                if let Some((place, what)) = stray.or(self.damage).filter(|_| is_whole) {
                    self.rows.add_bad(place, || what);
                }
                return Outcome::Read {
                    flow: Flow::More,
                    gaps: self.rows.gaps(name),
                };
            }
            Verdict::Failed(flaw) => at(&flaw),
            Verdict::Cut => ended("ends in the middle of a dump"),
            Verdict::Absent => ended("ends without a dump of it"),
        };
        if !self.families.has_rows(self.family) {
            return Outcome::Refused(reason);
        }
        Outcome::Broken {
            rows: self.rows.handed_on(),
            reason,
            gaps: self.rows.gaps(name),
        }
    }
}
