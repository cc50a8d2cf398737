//! What rows are sorted by.

use std::net::IpAddr;

use super::Column;
use super::cells::peer;
use crate::model::{Endpoint, Row};

/// What a row is sorted by: numbers as numbers, addresses as addresses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SortKey {
    /// A number.
    Number(u64),
    /// An address, then a port; IPv4 before IPv6.
    Endpoint(IpAddr, u16),
    /// Text.
    Text(Vec<u8>),
}

impl Column {
    /// What `--sort` goes by; `None` where the column has nothing to say of the row.
    pub fn sort_key(self, row: &Row<'_>) -> Option<SortKey> {
        let local = row.socket.inet().map(|ends| ends.local);
        let endpoint = |end: Endpoint| SortKey::Endpoint(end.addr, end.port);
        let address = |end: Endpoint| SortKey::Endpoint(end.addr, 0);
        match self {
            Column::Local | Column::Peer if local.is_none() => self.text_key(row),
            Column::Local => local.map(endpoint),
            Column::LocalAddr => local.map(address),
            Column::Peer => peer(row).map(endpoint),
            Column::PeerAddr => peer(row).map(address),
            Column::Pid => {
                let first = row.owners.iter().next();
                first.map(|owner| SortKey::Number(u64::from(owner.holder.pid)))
            }
            Column::Timer => {
                let timer = row.socket.timer;
                timer.map(|timer| SortKey::Number(u64::from(timer.expires_ms)))
            }
            // Of a column of numbers a cell without one is empty, and so is its text.
            _ => match self.number(row) {
                Some(number) => Some(SortKey::Number(number)),
                None => self.text_key(row),
            },
        }
    }

    /// The text of the cell, where it says something.
    fn text_key(self, row: &Row<'_>) -> Option<SortKey> {
        let mut cell = Vec::new();
        self.push(&mut cell, row);
        let says_nothing = cell.is_empty() || (self == Column::Process && cell == b"-");
        (!says_nothing).then_some(SortKey::Text(cell))
    }
}
