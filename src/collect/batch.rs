//! How rows travel from a table to whoever wants them.

use std::io;

use crate::model::{Details, Socket};

/// Some sockets, in the order of their table.
#[derive(Debug, Default)]
pub struct Batch {
    /// The sockets.
    pub sockets: Vec<Socket>,
    /// Their details, one for each socket, or none at all when they were not asked for.
    pub details: Vec<Details>,
}

impl Batch {
    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.sockets.clear();
        self.details.clear();
    }

    /// Takes all rows out of another batch that pass.
    pub fn append_if(&mut self, other: &mut Batch, pass: impl Fn(&Socket) -> bool) {
        for (index, socket) in other.sockets.iter().enumerate() {
            if pass(socket) {
                self.sockets.push(*socket);
                self.details
                    .extend(other.details.get_mut(index).map(std::mem::take));
            }
        }
    }

    /// Sorts it by table, UDP first and IPv4 first, and leaves all else as it is. A walk over both
    /// families gives them mixed.
    pub fn sort_by_table(&mut self) {
        let in_order = self.sockets.is_sorted_by_key(Socket::table);
        if in_order {
            return;
        }
        let mut order: Vec<usize> = (0..self.sockets.len()).collect();
        order.sort_by_key(|&index| self.sockets[index].table());
        if !self.details.is_empty() {
            let details = &mut self.details;
            let in_order = order
                .iter()
                .map(|&index| std::mem::take(&mut details[index]));
            self.details = in_order.collect();
        }
        self.sockets.sort_by_key(Socket::table);
    }

    /// Cuts it to its first `length` rows.
    pub fn truncate(&mut self, length: usize) {
        self.sockets.truncate(length);
        self.details.truncate(length);
    }
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// More rows are welcome.
    More,
    /// The question is answered; read no further.
    Enough,
}

/// Who takes rows.
pub trait Receiver {
    /// A table begins; [`take_back`](Receiver::take_back) reaches back to here.
    fn begin(&mut self);

    /// Takes some rows; what is left in the batch is thrown away.
    fn rows(&mut self, batch: &mut Batch) -> io::Result<Flow>;

    /// Forgets the rows since [`begin`](Receiver::begin), as the table will be read again by
    /// another way. `false` when they are already out of the door.
    fn take_back(&mut self) -> bool;
}
