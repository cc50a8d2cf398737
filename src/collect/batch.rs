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
    pub fn append_if(&mut self, other: &Batch, pass: impl Fn(&Socket) -> bool) {
        for (index, socket) in other.sockets.iter().enumerate() {
            if pass(socket) {
                self.sockets.push(*socket);
                self.details.extend(other.details.get(index));
            }
        }
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

    /// Takes some rows.
    fn rows(&mut self, batch: &Batch) -> io::Result<Flow>;

    /// Forgets the rows since [`begin`](Receiver::begin), as the table will be read again by
    /// another way. `false` when they are already out of the door.
    fn take_back(&mut self) -> bool;
}
