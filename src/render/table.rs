//! Tables for people: rows under the heading of their group, columns that say something.

use comfy_table::presets::NOTHING;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width};

use super::columns::Column;
use super::paint::Paint;
use super::plain::width;
use crate::analyze::Group;
use crate::model::{DetailSet, Row};

/// Blanks between two columns.
const GAP: usize = 2;
/// Beyond this many rows nobody reads cells that were wrapped with care.
const MOST_WRAPPED: usize = 2000;
/// A column that is wrapped keeps at least this width.
const LEAST_WIDTH: usize = 12;

/// How to draw.
#[derive(Clone, Debug)]
pub struct TableOptions {
    /// These columns, whether or not they say something; `None` for the usual ones.
    pub columns: Option<Vec<Column>>,
    /// A column for the timers (`-o`).
    pub timers: bool,
    /// Columns for details (`-e`, `-m`, `-i`, `--tos`).
    pub details: DetailSet,
    /// Headings of the columns.
    pub header: bool,
    /// Width of the terminal; `None` to wrap nothing.
    pub width: Option<usize>,
    /// Colours, or none.
    pub paint: Paint,
}

impl TableOptions {
    fn candidates(&self) -> Vec<Column> {
        let mut columns = vec![
            Column::Proto,
            Column::RecvQ,
            Column::SendQ,
            Column::Local,
            Column::Peer,
            Column::Service,
            Column::Process,
            Column::User,
        ];
        if self.timers {
            columns.push(Column::Timer);
        }
        columns.extend(Column::of_details(self.details));
        columns
    }
}

/// Appends a table of the rows, which must come sorted by group.
pub fn table(out: &mut Vec<u8>, rows: &[Row<'_>], options: &TableOptions) {
    let columns = match &options.columns {
        Some(chosen) => chosen.clone(),
        None => options.candidates(),
    };
    let mut grid = Grid::new(&columns, rows);
    if options.columns.is_none() {
        grid.drop_idle(rows);
    }
    grid.measure(options.header);
    grid.fit(options.width);
    if rows.is_empty() {
        return;
    }
    if options.header {
        let titles: Vec<String> = grid.columns.iter().map(|column| column.heading()).collect();
        let mut line = Vec::new();
        push_line(&mut line, &titles, &grid.widths);
        let line = String::from_utf8_lossy(&line);
        options.paint.faint(out, line.trim_end());
        out.push(b'\n');
    }
    let mut start = 0;
    while let Some(first) = rows.get(start) {
        let group = Group::of(first.socket);
        let length = rows[start..]
            .iter()
            .take_while(|row| Group::of(row.socket) == group)
            .count();
        options.paint.heading(out, &group.name());
        out.extend(format!(" {length}\n").bytes());
        grid.draw(out, start..start + length);
        start += length;
    }
}

/// Cells of all rows, and how wide their columns are.
struct Grid {
    columns: Vec<Column>,
    cells: Vec<Vec<String>>,
    widths: Vec<usize>,
    wrapped: bool,
}

impl Grid {
    fn new(columns: &[Column], rows: &[Row<'_>]) -> Grid {
        let cell = |column: &Column, row: &Row<'_>| {
            let mut text = Vec::new();
            // In a listing that has peers, a socket without one leaves its cell blank.
            if *column != Column::Peer || !row.socket.peer.is_none() {
                column.push(&mut text, row);
            }
            String::from_utf8_lossy(&text).into_owned()
        };
        Grid {
            columns: columns.to_vec(),
            cells: rows
                .iter()
                .map(|row| columns.iter().map(|column| cell(column, row)).collect())
                .collect(),
            widths: Vec::new(),
            wrapped: false,
        }
    }

    fn drop_idle(&mut self, rows: &[Row<'_>]) {
        let keep: Vec<bool> = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| {
                rows.iter()
                    .zip(&self.cells)
                    .any(|(row, cells)| !column.is_idle(row, cells[index].as_bytes()))
            })
            .collect();
        let mut kept = keep.iter();
        self.columns.retain(|_| kept.next() == Some(&true));
        for cells in &mut self.cells {
            let mut kept = keep.iter();
            cells.retain(|_| kept.next() == Some(&true));
        }
    }

    fn measure(&mut self, header: bool) {
        self.widths = self
            .columns
            .iter()
            .map(|column| if header { column.heading().len() } else { 0 })
            .collect();
        for cells in &self.cells {
            for (widest, cell) in self.widths.iter_mut().zip(cells) {
                *widest = width(cell.as_bytes()).max(*widest);
            }
        }
    }

    /// Narrows the widest column until the table fits, as long as it stays readable.
    fn fit(&mut self, room: Option<usize>) {
        let Some(room) = room else { return };
        if self.cells.len() > MOST_WRAPPED {
            return;
        }
        let total: usize = self.widths.iter().map(|width| width + GAP).sum();
        let excess = total.saturating_sub(GAP).saturating_sub(room);
        let widest = self
            .columns
            .iter()
            .zip(&mut self.widths)
            .filter(|(column, _)| matches!(column, Column::Process | Column::Exe | Column::Unit))
            .map(|(_, width)| width)
            .max();
        if let Some(width) = widest.filter(|_| excess > 0) {
            *width = width.saturating_sub(excess).max(LEAST_WIDTH);
            self.wrapped = true;
        }
    }

    fn draw(&self, out: &mut Vec<u8>, rows: std::ops::Range<usize>) {
        if self.cells.len() > MOST_WRAPPED || self.columns.is_empty() {
            for cells in &self.cells[rows] {
                push_line(out, cells, &self.widths);
            }
            return;
        }
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.set_content_arrangement(if self.wrapped {
            ContentArrangement::Dynamic
        } else {
            ContentArrangement::Disabled
        });
        table.add_rows(self.cells[rows].iter().map(|cells| cells.iter()));
        for (column, &width) in table.column_iter_mut().zip(&self.widths) {
            column.set_padding((0, GAP as u16));
            let width = u16::try_from(width + GAP).unwrap_or(u16::MAX);
            column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
        }
        for line in table.lines() {
            out.extend_from_slice(line.trim_end().as_bytes());
            out.push(b'\n');
        }
    }
}

fn push_line(out: &mut Vec<u8>, cells: &[String], widths: &[usize]) {
    let start = out.len();
    for (cell, &wanted) in cells.iter().zip(widths) {
        out.extend_from_slice(cell.as_bytes());
        let blanks = (wanted + GAP).saturating_sub(width(cell.as_bytes()));
        out.resize(out.len() + blanks, b' ');
    }
    out.truncate(start + out[start..].trim_ascii_end().len());
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        Endpoint, Holder, Owners, Process, Processes, Protocol, Queues, Socket, State,
    };

    fn drawn(comm: &str, width: Option<usize>) -> String {
        let socket = Socket {
            protocol: Protocol::Tcp,
            state: State::Listen,
            v6only: None,
            local: Endpoint {
                addr: "127.0.0.1".parse().unwrap(),
                port: 80,
            },
            peer: Endpoint {
                addr: "0.0.0.0".parse().unwrap(),
                port: 0,
            },
            interface: 0,
            queues: Queues::Backlog {
                pending: 0,
                max: Some(128),
            },
            timer: None,
            uid: 0,
            inode: 5,
            cookie: 1,
        };
        let process = Process {
            comm: comm.as_bytes().to_vec(),
            ..Process::default()
        };
        let processes = Processes::from([(1, process.clone()), (2, process)]);
        let holders = [Holder { pid: 1, fd: 3 }, Holder { pid: 2, fd: 3 }];
        let row = Row {
            owners: Owners::Known {
                holders: &holders,
                processes: &processes,
            },
            user: Some("root"),
            ..Row::bare(&socket)
        };
        let mut out = Vec::new();
        let options = TableOptions {
            columns: None,
            timers: false,
            details: DetailSet::NONE,
            header: true,
            width,
            paint: Paint::Plain,
        };
        table(&mut out, &[row], &options);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_that_say_nothing_are_left_out() {
        assert_eq!(
            drawn("web", None),
            "PROTO  SEND-Q  LOCAL         PROCESS   USER\n\
             LISTEN 1\n\
             tcp    128     127.0.0.1:80  web[1,2]  root\n"
        );
    }

    #[test]
    fn a_long_process_is_wrapped_and_touches_nothing() {
        let text = drawn("a-rather-long-name", Some(50));
        for line in text.lines() {
            assert!(width(line.as_bytes()) <= 50, "{text}");
        }
        assert!(text.contains("  root\n"), "{text}");
    }

    #[test]
    fn wide_characters_keep_columns_apart() {
        let text = drawn("日本語", None);
        assert!(text.contains("日本語[1,2]  root"), "{text}");
        assert!(text.contains("PROCESS      USER"), "{text}");
    }
}
