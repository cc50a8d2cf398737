//! Tables for people: rows under the heading of their group, columns that say something.

use std::io::{self, Write};
use std::ops::Range;

use comfy_table::presets::NOTHING;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width};

use super::below::push_below;
use super::columns::Column;
use super::paint::Paint;
use super::plain::width;
use crate::analyze::Group;
use crate::model::{DetailSet, Row};

/// Blanks between two columns, and where a table is too wide.
const GAP: usize = 2;
const NARROW_GAP: usize = 1;
/// Beyond this many rows nobody reads cells that were wrapped with care.
const MOST_WRAPPED: usize = 2000;
/// Output is handed on in pieces of about this size.
const OUTPUT_LEN: usize = 64 << 10;
/// A column that is wrapped keeps at least this width.
const LEAST_WIDTH: usize = 12;

/// How to draw.
#[derive(Clone, Debug)]
pub struct TableOptions {
    /// These columns, whether or not they say something; `None` for the usual ones.
    pub columns: Option<Vec<Column>>,
    /// Columns for unix, packet and netlink sockets.
    pub beyond_ip: bool,
    /// A column for the timers (`-o`).
    pub timers: bool,
    /// Columns for details (`-e`, `-m`, `-i`, `--tos`).
    pub details: DetailSet,
    /// A column for the network namespaces.
    pub namespaces: bool,
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
        if self.beyond_ip {
            columns.insert(1, Column::Kind);
            columns.insert(8, Column::PeerProcess);
        }
        if self.namespaces {
            columns.push(Column::Netns);
        }
        if self.beyond_ip && !self.details.extended {
            // Most have no name, and nothing else tells them apart.
            columns.extend([Column::Inode, Column::PeerInode]);
        }
        columns.extend(self.details());
        columns.extend(self.more_details());
        columns
    }

    /// What is read first of the details.
    fn details(&self) -> Vec<Column> {
        let timer = self.timers.then_some(Column::Timer);
        let peer = (self.beyond_ip && self.details.extended).then_some(Column::PeerInode);
        let details = Column::of_details(self.details);
        timer.into_iter().chain(details).chain(peer).collect()
    }

    /// All else of the details that a person reads.
    fn more_details(&self) -> Vec<Column> {
        let mut more = Column::more_of_details(self.details, self.beyond_ip);
        more.retain(|column| column.is_for_people());
        more
    }
}

/// Writes a table of `count` rows, which must come sorted by group. Each is asked for twice, and
/// none is kept: to measure the columns, and to draw it.
pub fn table<'a>(
    out: &mut dyn Write,
    count: usize,
    row: &dyn Fn(usize) -> Row<'a>,
    options: &TableOptions,
) -> io::Result<()> {
    if count == 0 {
        return Ok(());
    }
    let grid = Grid::measure(count, row, options);
    let mut text = Vec::new();
    if options.header {
        let mut line = Line::default();
        for column in &grid.columns {
            line.text.extend(column.heading().bytes());
            line.ends.push(line.text.len());
        }
        let mut titles = Vec::new();
        line.push(&mut titles, &grid.widths, grid.gap);
        let titles = String::from_utf8_lossy(&titles);
        options.paint.faint(&mut text, titles.trim_end());
        text.push(b'\n');
    }
    let mut start = 0;
    for (group, length) in &grid.groups {
        options.paint.heading(&mut text, &group.name());
        text.extend(format!(" {length}\n").bytes());
        out.write_all(&text)?;
        text.clear();
        grid.draw(out, start..start + length, row)?;
        start += length;
    }
    Ok(())
}

/// Cells of one row, behind one another.
#[derive(Default)]
struct Line {
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Line {
    fn fill(&mut self, columns: &[Column], row: &Row<'_>) {
        self.text.clear();
        self.ends.clear();
        for &column in columns {
            // In a listing that has peers, a socket without one leaves its cell blank.
            if column != Column::Peer || row.socket.has_peer() {
                column.push(&mut self.text, row);
            }
            self.ends.push(self.text.len());
        }
    }

    fn cells(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, &end)| &self.text[start..end])
    }

    /// Appends the cells in columns of these widths.
    fn push(&self, out: &mut Vec<u8>, widths: &[usize], gap: usize) {
        let start = out.len();
        for (cell, &wanted) in self.cells().zip(widths) {
            out.extend_from_slice(cell);
            let blanks = (wanted + gap).saturating_sub(width(cell));
            out.resize(out.len() + blanks, b' ');
        }
        out.truncate(start + out[start..].trim_ascii_end().len());
        out.push(b'\n');
    }
}

/// What is known of a table before its first row is drawn.
struct Grid {
    columns: Vec<Column>,
    widths: Vec<usize>,
    /// Columns for which there is no room beside the others, and the width there is.
    below: Option<(Vec<Column>, usize)>,
    /// The groups in their order, and how many rows each has.
    groups: Vec<(Group, usize)>,
    /// Blanks between two columns.
    gap: usize,
    wrapped: bool,
    count: usize,
}

impl Grid {
    /// Looks at every row once.
    fn measure<'a>(count: usize, row: &dyn Fn(usize) -> Row<'a>, options: &TableOptions) -> Grid {
        let columns = match &options.columns {
            Some(chosen) => chosen.clone(),
            None => options.candidates(),
        };
        let mut widths: Vec<usize> = columns
            .iter()
            .map(|column| {
                if options.header {
                    column.heading().len()
                } else {
                    0
                }
            })
            .collect();
        let mut shown = vec![options.columns.is_some(); columns.len()];
        let mut groups: Vec<(Group, usize)> = Vec::new();
        let mut line = Line::default();
        for index in 0..count {
            let row = row(index);
            let group = Group::of(row.socket);
            match groups.last_mut() {
                Some((last, length)) if *last == group => *length += 1,
                _ => groups.push((group, 1)),
            }
            line.fill(&columns, &row);
            for (index, cell) in line.cells().enumerate() {
                widths[index] = width(cell).max(widths[index]);
                shown[index] = shown[index] || !columns[index].is_idle(&row, cell);
            }
        }
        let kept = |index: &usize| shown[*index];
        let mut grid = Grid {
            columns: (0..columns.len())
                .filter(kept)
                .map(|index| columns[index])
                .collect(),
            widths: (0..columns.len())
                .filter(kept)
                .map(|index| widths[index])
                .collect(),
            below: None,
            groups,
            gap: GAP,
            wrapped: false,
            count,
        };
        if options.columns.is_none() {
            grid.move_below(&options.more_details(), options.width);
            grid.move_below(&options.details(), options.width);
        }
        grid.fit(options);
        grid
    }

    /// Moves details below the rows, before those that are there, where they do not fit beside the
    /// other columns.
    fn move_below(&mut self, details: &[Column], room: Option<usize>) {
        let Some(room) = room.filter(|room| self.excess(*room, GAP) > 0) else {
            return;
        };
        let cells = self
            .columns
            .iter()
            .copied()
            .zip(self.widths.iter().copied());
        let (below, beside): (Vec<_>, Vec<_>) =
            cells.partition(|(column, _)| details.contains(column));
        if below.is_empty() || beside.is_empty() {
            return;
        }
        (self.columns, self.widths) = beside.into_iter().unzip();
        let mut below: Vec<Column> = below.into_iter().map(|(column, _)| column).collect();
        if let Some((less, _)) = self.below.take() {
            below.extend(less);
        }
        self.below = Some((below, room));
    }

    /// Makes the table fit: by narrower gaps, by its widest column, then without the user. One
    /// that is too wide all the same is left to the terminal, whole.
    fn fit(&mut self, options: &TableOptions) {
        let Some(room) = options.width.filter(|_| self.count <= MOST_WRAPPED) else {
            return;
        };
        let narrow_gaps = self.excess(room, NARROW_GAP);
        if self.excess(room, GAP) == 0 || narrow_gaps > 0 && self.narrow(room) {
            return;
        }
        self.gap = NARROW_GAP;
        if narrow_gaps == 0 || self.narrow(room) || options.columns.is_some() {
            return;
        }
        let user = self
            .columns
            .iter()
            .position(|column| *column == Column::User);
        if let Some(index) = user {
            self.columns.remove(index);
            let width = self.widths.remove(index);
            if self.excess(room, self.gap) > 0 && !self.narrow(room) {
                self.columns.insert(index, Column::User);
                self.widths.insert(index, width);
            }
        }
    }

    /// By how much it is too wide with such gaps.
    fn excess(&self, room: usize, gap: usize) -> usize {
        let total: usize = self.widths.iter().map(|width| width + gap).sum();
        total.saturating_sub(gap).saturating_sub(room)
    }

    /// Narrows the widest column until the table fits; `false` where it would not be readable.
    fn narrow(&mut self, room: usize) -> bool {
        let excess = self.excess(room, self.gap);
        let widest = self
            .columns
            .iter()
            .zip(&mut self.widths)
            .filter(|(column, _)| column.may_be_wrapped())
            .map(|(_, width)| width)
            .max();
        let Some(width) = widest.filter(|width| **width >= excess + LEAST_WIDTH) else {
            return false;
        };
        *width -= excess;
        self.wrapped = true;
        true
    }

    fn draw<'a>(
        &self,
        out: &mut dyn Write,
        rows: Range<usize>,
        row: &dyn Fn(usize) -> Row<'a>,
    ) -> io::Result<()> {
        let mut text = Vec::new();
        let plainly = self.count > MOST_WRAPPED || self.columns.is_empty();
        if !plainly && self.below.is_none() {
            self.draw_wrapped(rows, row, &mut text);
            return out.write_all(&text);
        }
        let mut line = Line::default();
        for index in rows {
            let of_row = row(index);
            if plainly || !self.wrapped {
                line.fill(&self.columns, &of_row);
                line.push(&mut text, &self.widths, self.gap);
            } else {
                self.draw_wrapped(index..index + 1, row, &mut text);
            }
            if let Some((columns, room)) = &self.below {
                push_below(&mut text, columns, &of_row, *room);
            }
            if text.len() >= OUTPUT_LEN {
                out.write_all(&text)?;
                text.clear();
            }
        }
        out.write_all(&text)
    }

    /// Draws rows of which cells may take several lines.
    fn draw_wrapped<'a>(
        &self,
        rows: Range<usize>,
        row: &dyn Fn(usize) -> Row<'a>,
        text: &mut Vec<u8>,
    ) {
        let mut line = Line::default();
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.set_content_arrangement(if self.wrapped {
            ContentArrangement::Dynamic
        } else {
            ContentArrangement::Disabled
        });
        for index in rows {
            line.fill(&self.columns, &row(index));
            table.add_row(line.cells().map(String::from_utf8_lossy));
        }
        for (column, &width) in table.column_iter_mut().zip(&self.widths) {
            column.set_padding((0, self.gap as u16));
            let width = u16::try_from(width + self.gap).unwrap_or(u16::MAX);
            column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
        }
        for line in table.lines() {
            text.extend_from_slice(line.trim_end().as_bytes());
            text.push(b'\n');
        }
    }
}

#[cfg(test)]
mod tests;
