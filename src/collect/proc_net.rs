//! Tables out of `/proc/net`.

use std::io::{self, BufRead, BufReader};

use super::Request;
use super::bad::BadPlaces;
use super::batch::{Batch, Flow, Receiver};
use crate::kernel::Host;
use crate::model::{Family, Gap, Table};
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
    let mut bad = BadPlaces::default();
    let mut batch = Batch::default();
    let mut line = Vec::new();
    let mut next = Vec::new();
    let mut number = 0;
    // Number of the line that is being put together; 0 for none.
    let mut begun = 0;
    let mut flow = Flow::More;
    loop {
        next.clear();
        let length = match next_line(&mut lines, &mut next) {
            Ok(length) => length,
            Err(error) => {
                bad.add(number + 1, || error.to_string());
                0
            }
        };
        number += 1;
        let is_end = length == 0;
        if begun > 0 && !is_end && proc_net::goes_on(&next, table) {
            go_on(&mut line, &next);
            continue;
        }
        if begun > 0 {
            take(&line, request, table, &mut batch)
                .unwrap_or_else(|error| bad.add(begun, || error.to_string()));
        }
        let is_heading = number == 1 && proc_net::is_heading(&next);
        begun = if is_end || is_heading { 0 } else { number };
        std::mem::swap(&mut line, &mut next);
        if batch.sockets.len() == BATCH_LEN || is_end {
            if !batch.sockets.is_empty() {
                flow = receiver.rows(&mut batch)?;
            }
            batch.clear();
            if is_end || flow == Flow::Enough {
                break;
            }
        }
    }
    gaps.extend(bad.gap("sockets", name(table), "line"));
    Ok(Outcome::Read(flow))
}

/// Takes a line, if it is of a socket that is asked for.
fn take(
    line: &[u8],
    request: &Request,
    table: Table,
    batch: &mut Batch,
) -> Result<(), proc_net::LineError> {
    let socket = proc_net::socket(line, table, &mut batch.names)?;
    if request.states.contains(socket.state) {
        batch.sockets.push(socket);
        if !request.details.is_empty() {
            let details = proc_net::details(line, table, request.details);
            batch.details.push(details);
        }
    }
    Ok(())
}

/// Appends a line that is part of the one before.
pub(super) fn go_on(line: &mut Vec<u8>, next: &[u8]) {
    line.push(b'\n');
    let room = LINE_LIMIT.saturating_sub(line.len());
    line.extend_from_slice(&next[..next.len().min(room)]);
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
