//! RFC 4180: a header, then a record a socket, lines ended by CR LF.

use super::columns::Column;
use crate::model::{DetailSet, Row};

/// The columns without `--columns`; those that need owners, and the timer, only when asked for.
const DEFAULT: [Column; 18] = [
    Column::Proto,
    Column::Family,
    Column::State,
    Column::RecvQ,
    Column::SendQ,
    Column::LocalAddr,
    Column::LocalPort,
    Column::PeerAddr,
    Column::PeerPort,
    Column::Service,
    Column::Class,
    Column::Iface,
    Column::Uid,
    Column::User,
    Column::Inode,
    Column::Process,
    Column::OwnersStatus,
    Column::Timer,
];

/// What a listing is to tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct CsvAsked {
    /// Owners.
    pub owners: bool,
    /// Timers.
    pub timers: bool,
    /// Details.
    pub details: DetailSet,
    /// Of unix, packet and netlink sockets.
    pub beyond_ip: bool,
    /// Network namespaces.
    pub namespaces: bool,
    /// How sockets ended.
    pub events: bool,
}

/// A listing under way.
#[derive(Debug)]
pub struct Csv {
    columns: Vec<Column>,
    header: bool,
    begun: bool,
    cell: Vec<u8>,
}

impl Csv {
    /// The columns when none are chosen. What scripts find by its place stays there: later ones
    /// come behind.
    pub fn default_columns(asked: CsvAsked) -> Vec<Column> {
        let details = Column::of_details(asked.details);
        let mut columns: Vec<Column> = DEFAULT
            .into_iter()
            .chain(Column::BEYOND_IP.into_iter().filter(|_| asked.beyond_ip))
            .filter(|column| asked.owners || !column.needs_owners())
            .filter(|column| asked.timers || *column != Column::Timer)
            .chain(
                details
                    .into_iter()
                    .filter(|column| !DEFAULT.contains(column)),
            )
            .collect();
        if asked.events {
            columns.insert(0, Column::At);
        }
        columns.extend(asked.namespaces.then_some(Column::Netns));
        columns.extend(asked.events.then_some(Column::LastState));
        columns.extend(Column::OF_TIMER.into_iter().filter(|_| asked.timers));
        columns.extend(Column::more_of_details(asked.details, asked.beyond_ip));
        columns
    }

    /// A listing without rows yet.
    pub const fn new(columns: Vec<Column>, header: bool) -> Csv {
        Csv {
            columns,
            header,
            begun: false,
            cell: Vec::new(),
        }
    }

    /// Appends rows.
    pub fn rows(&mut self, rows: &[Row<'_>], out: &mut Vec<u8>) {
        self.begin(out);
        for row in rows {
            for (index, column) in self.columns.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                self.cell.clear();
                column.push(&mut self.cell, row);
                push_field(out, &self.cell);
            }
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Appends what is due when no more rows come.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.begin(out);
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if !self.begun && self.header {
            let names: Vec<&str> = self.columns.iter().map(|column| column.name()).collect();
            out.extend_from_slice(names.join(",").as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        self.begun = true;
    }
}

pub(super) fn push_field(out: &mut Vec<u8>, field: &[u8]) {
    if !field
        .iter()
        .any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n'))
    {
        out.extend_from_slice(field);
        return;
    }
    out.push(b'"');
    for &byte in field {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_with_commas_and_quotes_are_quoted() {
        for (field, text) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
        ] {
            let mut out = Vec::new();
            push_field(&mut out, field.as_bytes());
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
