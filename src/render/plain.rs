//! ss's layout: a header, a row a socket, nothing else.
//!
//! Scripts split it on white space, so fields and their order are ss's; widths fit the first rows
//! handed over and then stay, so that any number of rows streams through.

mod fields;

use self::fields::{push_details, push_owners, push_timer_field};
use super::address::{Side, push_number, push_ss_addr, push_ss_port};
use super::columns::Column;
use super::ends;
use crate::model::{DetailSet, Row};

/// What to show of each socket.
#[derive(Clone, Debug, Default)]
pub struct PlainOptions {
    /// A header first.
    pub header: bool,
    /// The protocol; ss leaves it out when only one is shown.
    pub netid: bool,
    /// The state; ss leaves it out when only one is shown.
    pub state: bool,
    /// Services for ports (without `-n`).
    pub port_names: bool,
    /// Timers (`-o`).
    pub timers: bool,
    /// Details (`-e`, `-m`, `-i`, `--tos`).
    pub details: DetailSet,
    /// The network namespace, behind all that ss prints on the line (`-N all`).
    pub namespaces: bool,
    /// Rates in full (`-n`).
    pub numeric: bool,
    /// All on one line (`-O`); else memory and TCP's account stand on a second.
    pub oneline: bool,
    /// These columns instead (`--columns`).
    pub columns: Option<Vec<Column>>,
    /// Rows come one by one as time goes by (`-E`), so that the first say little of the widths.
    pub endless: bool,
}

/// A listing under way.
#[derive(Debug)]
pub struct Plain {
    options: PlainOptions,
    widths: Vec<usize>,
    begun: bool,
    cells: Cells,
}

/// Cells of one row, behind one another.
#[derive(Debug, Default)]
struct Cells {
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Cells {
    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    fn end(&mut self) {
        self.ends.push(self.text.len());
    }

    fn push(&mut self, cell: &str) {
        self.text.extend_from_slice(cell.as_bytes());
        self.end();
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, &end)| &self.text[start..end])
    }
}

/// The cells before the process, of which addresses stand to the right and all else to the left.
const LOCAL_ADDR: usize = 4;
const PEER_ADDR: usize = 6;

impl Plain {
    /// A listing without rows yet.
    pub const fn new(options: PlainOptions) -> Plain {
        Plain {
            options,
            widths: Vec::new(),
            begun: false,
            cells: Cells {
                text: Vec::new(),
                ends: Vec::new(),
            },
        }
    }

    /// Appends rows. Those of the first call decide on the widths.
    pub fn rows(&mut self, rows: &[Row<'_>], out: &mut Vec<u8>) {
        self.begin(rows, out);
        for row in rows {
            self.fill(row);
            self.write(out);
        }
    }

    /// Appends what is due when no more rows come.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.begin(&[], out);
    }

    fn begin(&mut self, rows: &[Row<'_>], out: &mut Vec<u8>) {
        if self.begun {
            return;
        }
        self.begun = true;
        self.header_cells();
        let mut widths: Vec<usize> = if self.options.header {
            self.cells.iter().map(width).collect()
        } else {
            vec![0; self.cells.ends.len()]
        };
        for row in rows {
            self.fill(row);
            for (width_so_far, cell) in widths.iter_mut().zip(self.cells.iter()) {
                *width_so_far = width(cell).max(*width_so_far);
            }
        }
        if self.options.endless {
            for (index, width) in widths.iter_mut().enumerate() {
                *width = (*width).max(self.usual_width(index));
            }
        }
        self.widths = widths;
        if self.options.header {
            self.header_cells();
            self.write(out);
        }
    }

    /// A width that fits most rows of IPv4.
    fn usual_width(&self, index: usize) -> usize {
        match &self.options.columns {
            Some(columns) => columns.get(index).map_or(0, |column| column.usual_width()),
            None => match index {
                LOCAL_ADDR | PEER_ADDR => "255.255.255.255:".len(),
                5 | 7 => "65535".len(),
                1 if self.options.state => "UNCONN".len(),
                _ => 0,
            },
        }
    }

    fn header_cells(&mut self) {
        self.cells.clear();
        if let Some(columns) = &self.options.columns {
            for column in columns {
                self.cells.push(&column.heading());
            }
            return;
        }
        for title in [
            "Netid",
            "State",
            "Recv-Q",
            "Send-Q",
            "Local Address:",
            "Port",
            "Peer Address:",
            "Port",
        ] {
            let shown = match title {
                "Netid" => self.options.netid,
                "State" => self.options.state,
                _ => true,
            };
            self.cells.push(if shown { title } else { "" });
        }
        self.cells.push(" Process");
    }

    fn fill(&mut self, row: &Row<'_>) {
        let (options, cells) = (&self.options, &mut self.cells);
        cells.clear();
        if let Some(columns) = &options.columns {
            for column in columns {
                let start = cells.text.len();
                column.push(&mut cells.text, row);
                // A cell that says nothing would make the next one slip into its place.
                if cells.text.len() == start {
                    cells.text.push(b'-');
                }
                close_up(&mut cells.text, start);
                cells.end();
            }
            return;
        }
        let socket = row.socket;
        cells.push(if options.netid {
            ends::netid(socket)
        } else {
            ""
        });
        if options.state {
            cells.push(&socket.state.name());
        } else {
            cells.end();
        }
        push_number(&mut cells.text, socket.queues.recv_q());
        cells.end();
        push_number(&mut cells.text, socket.queues.send_q());
        cells.end();
        if let Some(ends) = socket.inet() {
            for side in [Side::Local, Side::Peer] {
                let end = side.of(ends);
                push_ss_addr(&mut cells.text, row, side, end);
                cells.text.push(b':');
                cells.end();
                push_ss_port(&mut cells.text, row, side, end, options.port_names);
                cells.end();
            }
        } else {
            for side in [Side::Local, Side::Peer] {
                ends::push_ss_first(&mut cells.text, row, side, options.numeric);
                cells.end();
                ends::push_ss_second(&mut cells.text, row, side, options.numeric);
                cells.end();
            }
        }
        push_owners(&mut cells.text, row);
        if options.timers {
            push_timer_field(&mut cells.text, row);
        }
        push_details(&mut cells.text, row, options);
        cells.end();
    }

    /// Appends the cells as a line without blanks at its end.
    fn write(&self, out: &mut Vec<u8>) {
        if self.options.columns.is_some() {
            write_columns(&self.cells, &self.widths, out);
            return;
        }
        let start = out.len();
        let last = self.cells.ends.len().saturating_sub(1);
        for (index, (cell, &width)) in self.cells.iter().zip(&self.widths).enumerate() {
            if index == last {
                if matches!(cell, [] | [b'\n', ..]) {
                    out.truncate(start + out[start..].trim_ascii_end().len());
                }
                out.extend_from_slice(cell);
                break;
            }
            let blanks = width.saturating_sub(self::width(cell));
            let is_addr = index == LOCAL_ADDR || index == PEER_ADDR;
            // State, queues and addresses stand apart; a port follows its address and the colon.
            match index {
                0 => {}
                5 | 7 => {}
                _ if out.len() > start => out.push(b' '),
                _ => {}
            }
            if is_addr {
                pad(out, blanks);
            }
            out.extend_from_slice(cell);
            if !is_addr {
                pad(out, blanks);
            }
        }
        out.push(b'\n');
    }
}

/// Makes one word of the cell that begins at `start`, as scripts split on white space: blanks
/// after a comma go, others are escaped.
fn close_up(text: &mut Vec<u8>, start: usize) {
    if text[start..].iter().all(u8::is_ascii_graphic) {
        return;
    }
    let cell = text.split_off(start);
    let mut before = ' ';
    for c in String::from_utf8_lossy(&cell).chars() {
        match c {
            ' ' if before == ',' => {}
            ' ' => text.extend_from_slice(b"\\x20"),
            c if c.is_whitespace() => text.extend(c.escape_unicode().to_string().bytes()),
            c => text.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
        before = c;
    }
}

fn write_columns(cells: &Cells, widths: &[usize], out: &mut Vec<u8>) {
    let start = out.len();
    for (index, (cell, &width)) in cells.iter().zip(widths).enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(cell);
        pad(out, width.saturating_sub(self::width(cell)));
    }
    out.truncate(start + out[start..].trim_ascii_end().len());
    out.push(b'\n');
}

fn pad(out: &mut Vec<u8>, blanks: usize) {
    out.resize(out.len() + blanks, b' ');
}

/// Columns that a cell takes on a terminal.
pub(super) fn width(cell: &[u8]) -> usize {
    if cell.is_ascii() {
        return cell.len();
    }
    let text = String::from_utf8_lossy(cell);
    unicode_width::UnicodeWidthStr::width(&*text)
}

#[cfg(test)]
mod tests;
