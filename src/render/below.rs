//! Details of a row on lines of their own, where a table is wider than the terminal.

use super::columns::Column;
use super::plain::width;
use crate::model::Row;

/// How far they are indented.
const INDENT: usize = 8;

/// Appends the cells that say something, each with the name of its column, on as many lines of
/// this width as they take.
pub(super) fn push_below(out: &mut Vec<u8>, columns: &[Column], row: &Row<'_>, room: usize) {
    let mut used = 0;
    let mut cell = Vec::new();
    for column in columns {
        cell.clear();
        column.push(&mut cell, row);
        if column.is_idle(row, &cell) {
            continue;
        }
        let name = column.heading().to_ascii_lowercase();
        let length = name.len() + 1 + width(&cell);
        if used > 0 && used + 1 + length > room {
            out.push(b'\n');
            used = 0;
        }
        let blanks = if used == 0 { INDENT } else { 1 };
        out.resize(out.len() + blanks, b' ');
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        out.extend_from_slice(&cell);
        used += blanks + length;
    }
    if used > 0 {
        out.push(b'\n');
    }
}
