//! Dumps and tables as they are, for a recording.

use std::io::{self, BufRead, BufReader, Write};

use super::attempts::{End, INTERRUPTED, attempts, cut, follow, refusal};
use super::batch::Flow;
use super::proc_net::{go_on, name, next_line};
use super::recorded::damage;
use crate::kernel::{AdminDetails, Dump, Host};
use crate::model::{DetailSet, Family, Protocol, StateSet, Table};
use crate::wire::diag;
use crate::wire::netlink::{Message, Messages};
use crate::wire::proc_net::{goes_on, is_heading};
use crate::wire::redact::Redactor;

/// A piece of a dump.
#[derive(Clone, Copy, Debug)]
pub enum Raw<'a> {
    /// It begins, or begins again: what came of it is void.
    Begin,
    /// Whole messages.
    Messages(&'a [u8]),
}

/// A dump or table that was copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Its rows, of IPv4 and of IPv6; of a protocol with one family in the first place.
    pub rows: [u64; 2],
    /// What is wrong with it nevertheless, in words.
    pub flaw: Option<String>,
}

/// Copies the dump of a table of this machine, begun again as often as for a listing. The outer
/// error is that of `take`; the inner one says why there is no whole dump.
pub fn copy_dump(
    host: &Host,
    table: Table,
    take: impl FnMut(Raw<'_>) -> io::Result<()>,
) -> io::Result<Result<Copied, String>> {
    copy_dumps(
        |request| host.dump(table.protocol, request, AdminDetails::Wanted),
        table,
        take,
    )
}

fn copy_dumps(
    open: impl Fn(&[u8]) -> io::Result<Dump>,
    table: Table,
    mut take: impl FnMut(Raw<'_>) -> io::Result<()>,
) -> io::Result<Result<Copied, String>> {
    let request = diag::dump_request(table, StateSet::ALL, DetailSet::ALL, &[]);
    let mut rows = 0;
    let ended = attempts(Vec::new(), |_| {
        rows = 0;
        take(Raw::Begin)?;
        let dump = match open(&request) {
            Ok(dump) => dump,
            Err(error) => return Ok(Err(error)),
        };
        let own_port = dump
            .port_id()
            .filter(|_| table.protocol == Protocol::Netlink);
        follow(dump, |chunk, ending| {
            ending.hear(chunk, |_, _| rows += 1);
            if let Some(port) = own_port {
                let (others, left_out) = diag::without_port(chunk, port);
                rows -= left_out;
                take(Raw::Messages(&others))?;
                return Ok::<_, io::Error>(Flow::More);
            }
            take(Raw::Messages(chunk))?;
            Ok::<_, io::Error>(Flow::More)
        })
    })?;
    let flaw = match ended {
        Ok(End::Complete | End::Enough) => None,
        // It has an end, and its messages tell that it was interrupted.
        Ok(End::Interrupted) => Some(INTERRUPTED.to_owned()),
        Ok(End::Cut { heard }) => return Ok(Err(cut(heard).to_owned())),
        Err(error) => return Ok(Err(refusal(&error))),
    };
    let rows = match table.family {
        Family::V6 => [0, rows],
        _ => [rows, 0],
    };
    Ok(Ok(Copied { rows, flaw }))
}

/// Copies what a recording has of a protocol, as far as messages can be found in it.
pub fn copy_recorded(
    host: &Host,
    protocol: Protocol,
    mut take: impl FnMut(Raw<'_>) -> io::Result<()>,
) -> io::Result<Result<Copied, String>> {
    let dump = match host.dump(protocol, &[], AdminDetails::Wanted) {
        Ok(dump) => dump,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let length = dump.recorded_length();
    let mut copied = Copied::default();
    take(Raw::Begin)?;
    let read = dump.for_each(|chunk, base| -> io::Result<bool> {
        let mut whole = chunk.len();
        for framed in Messages::new(chunk) {
            match framed.map(|framed| framed.message) {
                Ok(Message::Row(row)) => match diag::family(row, protocol) {
                    Some(Family::V6) => copied.rows[1] += 1,
                    Some(_) => copied.rows[0] += 1,
                    None => {}
                },
                Ok(_) => {}
                Err(error) => {
                    whole = error.offset();
                    let place = base + whole as u64;
                    let what = damage(&error, place, length);
                    copied.flaw = Some(format!("byte {place}: {what}"));
                }
            }
        }
        take(Raw::Messages(&chunk[..whole]))?;
        Ok(copied.flaw.is_none())
    })?;
    Ok(match read {
        Ok(()) => Ok(copied),
        Err(error) => Err(error.to_string()),
    })
}

/// Copies a table of `/proc/net`, whatever its length; returns its number of lines, and of those
/// that were left out as no redactor can say what they tell. The outer error is that of `out`.
pub fn copy_table(
    host: &Host,
    table: Table,
    redactor: Option<&mut Redactor>,
    out: &mut impl Write,
) -> io::Result<io::Result<(u64, u64)>> {
    let lines = match host.open(&name(table)) {
        Ok(file) => BufReader::with_capacity(64 << 10, file),
        Err(error) => return Ok(Err(error)),
    };
    match redactor {
        Some(redactor) => copy_redacted(lines, table, redactor, out),
        None => copy_whole(lines, out),
    }
}

fn copy_whole(mut lines: impl BufRead, out: &mut impl Write) -> io::Result<io::Result<(u64, u64)>> {
    let (mut count, mut begins_line) = (0, true);
    loop {
        let piece = match lines.fill_buf() {
            Ok([]) => return Ok(Ok((count, 0))),
            Ok(piece) => piece,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Ok(Err(error)),
        };
        for line in piece.split_inclusive(|&byte| byte == b'\n') {
            count += u64::from(begins_line && !is_heading(line));
            begins_line = line.ends_with(b"\n");
        }
        out.write_all(piece)?;
        let length = piece.len();
        lines.consume(length);
    }
}

fn copy_redacted(
    mut lines: impl BufRead,
    table: Table,
    redactor: &mut Redactor,
    out: &mut impl Write,
) -> io::Result<io::Result<(u64, u64)>> {
    let (mut count, mut lost) = (0, 0);
    let (mut line, mut next) = (Vec::new(), Vec::new());
    // Of a longer line only the beginning is there.
    let (mut begun, mut is_whole) = (false, true);
    loop {
        next.clear();
        let length = match next_line(&mut lines, &mut next) {
            Ok(length) => length,
            Err(error) => return Ok(Err(error)),
        };
        let next_is_whole = length <= next.len() + 1;
        if begun && length > 0 && goes_on(&next, table) && !is_heading(&line) {
            go_on(&mut line, &next);
            is_whole &= next_is_whole;
            continue;
        }
        match redactor.line(&line, table).filter(|_| is_whole) {
            _ if !begun => {}
            Some(redacted) => {
                count += u64::from(!is_heading(&line));
                out.write_all(&redacted)?;
                out.write_all(b"\n")?;
            }
            None => lost += 1,
        }
        if length == 0 {
            return Ok(Ok((count, lost)));
        }
        std::mem::swap(&mut line, &mut next);
        (begun, is_whole) = (true, next_is_whole);
    }
}

#[cfg(test)]
mod tests {
    use super::super::attempts::MOST_ATTEMPTS;
    use super::*;
    use crate::wire::inet_diag;
    use crate::wire::netlink::framed;
    use std::cell::RefCell;
    use std::collections::VecDeque;

    const TABLE: Table = Table {
        protocol: Protocol::Tcp,
        family: Family::V6,
    };

    fn row(flags: u16) -> Vec<u8> {
        framed(20, flags, 1, &[10; inet_diag::ROW_LEN])
    }

    fn end() -> Vec<u8> {
        framed(3, 0, 1, &[0; 4])
    }

    /// Insists on what is copied of a kernel that answers with these dumps, and on what is said.
    #[track_caller]
    fn check(dumps: Vec<Vec<Vec<u8>>>, kept: &[u8], expected: Result<(u64, Option<&str>), &str>) {
        let dumps = RefCell::new(VecDeque::from(dumps));
        let open = |_: &[u8]| {
            let chunks = dumps.borrow_mut().pop_front().unwrap();
            Ok(Dump::scripted(chunks.into_iter().map(Ok).collect()))
        };
        let mut file = Vec::new();
        let copied = copy_dumps(open, TABLE, |raw| {
            match raw {
                Raw::Begin => file.clear(),
                Raw::Messages(messages) => file.extend_from_slice(messages),
            }
            Ok(())
        });
        let copied = copied.unwrap();
        let found = copied
            .as_ref()
            .map(|copied| (copied.rows[1], copied.flaw.as_deref()));
        assert_eq!(found.map_err(String::as_str), expected);
        if expected.is_ok() {
            assert_eq!(file, kept);
        }
        assert!(dumps.borrow().is_empty());
    }

    #[test]
    fn only_the_dump_that_is_whole_is_kept() {
        let whole = vec![row(0), end()];
        check(
            vec![
                vec![row(0), row(0)],
                vec![row(0x10), end()],
                vec![row(0), framed(3, 0, 1, &(-libc::ENOMEM).to_ne_bytes())],
                whole.clone(),
            ],
            &whole.concat(),
            Ok((1, None)),
        );
    }

    #[test]
    fn what_never_becomes_whole_is_told() {
        let again = |chunks: &[Vec<u8>]| vec![chunks.to_vec(); MOST_ATTEMPTS];
        let interrupted = [row(0x10), end()];
        check(
            again(&interrupted),
            &interrupted.concat(),
            Ok((1, Some(INTERRUPTED))),
        );
        check(again(&[]), &[], Err("no answer"));
        check(
            again(&[row(0)]),
            &[],
            Err("the kernel never ended the dump"),
        );
    }
}
