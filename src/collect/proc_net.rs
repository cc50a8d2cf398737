//! Tables out of `/proc/net`.

use std::io::{self, BufRead, BufReader};

use super::Request;
use super::batch::{Batch, Flow, Receiver};
use crate::kernel::Host;
use crate::model::{Details, Family, Gap, Table};
use crate::wire::proc_net;

/// Sockets handed on at once.
const BATCH_LEN: usize = 512;
/// The kernel prints at most 4 KiB a read; a line is 150 bytes. Longer ones are garbage.
const LINE_LIMIT: usize = 4096;

/// How reading a table went.
pub(super) enum Outcome {
    /// To its end, or until the receiver had enough.
    Read(Flow),
    /// The file is not there.
    Absent,
    /// The file may not be read.
    Unreadable(io::Error),
}

/// Whether a missing IPv6 table only means that the machine has no IPv6.
pub(super) fn ipv6_is_absent(host: &Host, table: Table) -> bool {
    let v4 = Table {
        family: Family::V4,
        ..table
    };
    table.family == Family::V6 && is_there(host, v4) && !host.is_recorded()
}

/// Whether the table is there.
pub(super) fn is_there(host: &Host, table: Table) -> bool {
    host.open(&name(table)).is_ok()
}

pub(super) fn name(table: Table) -> String {
    format!("proc/net/{}", table.proc_name())
}

/// Reads a table.
pub(super) fn read(
    host: &Host,
    request: &Request,
    table: Table,
    receiver: &mut impl Receiver,
    gaps: &mut Vec<Gap>,
) -> io::Result<Outcome> {
    let mut lines = match host.open(&name(table)) {
        Ok(file) => BufReader::with_capacity(64 << 10, file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Outcome::Absent),
        Err(error) => return Ok(Outcome::Unreadable(error)),
    };
    let mut bad = BadLines::default();
    let mut batch = Batch::default();
    let mut line = Vec::new();
    let mut number = 0;
    let mut flow = Flow::More;
    loop {
        line.clear();
        let length = match next_line(&mut lines, &mut line) {
            Ok(length) => length,
            Err(error) => {
                bad.add(number + 1, error.to_string());
                0
            }
        };
        number += 1;
        if length > 0 && !(number == 1 && proc_net::is_heading(&line)) {
            match proc_net::socket(&line, table) {
                Ok(socket) if request.states.contains(socket.state) => {
                    batch.sockets.push(socket);
                    if !request.details.is_empty() {
                        batch.details.push(Details::default());
                    }
                }
                Ok(_) => {}
                Err(error) => bad.add(number, error.to_string()),
            }
        }
        if batch.sockets.len() == BATCH_LEN || length == 0 {
            if !batch.sockets.is_empty() {
                flow = receiver.rows(&mut batch)?;
                batch.clear();
            }
            if length == 0 || flow == Flow::Enough {
                break;
            }
        }
    }
    bad.report(table, gaps);
    Ok(Outcome::Read(flow))
}

/// Reads a line, without its end; returns how many bytes of the file it took, 0 at the end.
/// Of a line without end in sight only the beginning is kept.
pub(super) fn next_line(lines: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<usize> {
    let mut taken = 0;
    loop {
        let available = match lines.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if available.is_empty() {
            return Ok(taken);
        }
        let end = memchr::memchr(b'\n', available);
        let piece = &available[..end.unwrap_or(available.len())];
        let room = LINE_LIMIT.saturating_sub(line.len());
        line.extend_from_slice(&piece[..piece.len().min(room)]);
        let used = end.map_or(available.len(), |end| end + 1);
        lines.consume(used);
        taken += used;
        if end.is_some() {
            return Ok(taken);
        }
    }
}

/// Lines that made no sense: the first one's number and reason, and how many.
#[derive(Default)]
struct BadLines {
    first: Option<(u64, String)>,
    count: u64,
}

impl BadLines {
    fn add(&mut self, number: u64, reason: String) {
        self.count += 1;
        self.first.get_or_insert((number, reason));
    }

    fn report(self, table: Table, gaps: &mut Vec<Gap>) {
        if let Some((line, reason)) = self.first {
            gaps.push(Gap::Garbled {
                what: "sockets",
                place: name(table),
                first: format!("line {line}"),
                count: self.count,
                reason,
            });
        }
    }
}
