//! How rows travel from a table to whoever wants them.

use std::io;

use crate::model::{Details, Ends, Names, Socket};

/// Some sockets, in the order of their table.
#[derive(Debug, Default)]
pub struct Batch {
    /// The sockets.
    pub sockets: Vec<Socket>,
    /// Their details, one for each socket, or none at all when they were not asked for.
    pub details: Vec<Details>,
    /// The names that the sockets point into.
    pub names: Names,
}

impl Batch {
    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.sockets.clear();
        self.details.clear();
        self.names.clear();
    }

    /// The name of one of its sockets; `None` where it has none.
    pub fn name(&self, socket: &Socket) -> Option<&[u8]> {
        socket.unix()?.name.map(|span| self.names.get(span))
    }

    /// Takes all rows out of another batch that pass.
    pub fn append_if(
        &mut self,
        other: &mut Batch,
        pass: impl Fn(&Socket, Option<&Details>) -> bool,
    ) {
        for (index, socket) in other.sockets.iter().enumerate() {
            if pass(socket, other.details.get(index)) {
                self.sockets.push(*socket);
                if let Some(name) = other.name(socket) {
                    self.rename_last(name);
                }
                self.details
                    .extend(other.details.get_mut(index).map(std::mem::take));
            }
        }
    }

    /// Keeps the name of the last socket here.
    fn rename_last(&mut self, name: &[u8]) {
        let span = self.names.push(name);
        if let Some(Ends::Unix(ends)) = self.sockets.last_mut().map(|last| &mut last.ends) {
            ends.name = span;
        }
    }

    /// Leaves the rows before `start`, and of the others those that pass.
    pub fn retain(
        &mut self,
        start: usize,
        pass: impl Fn(&Socket, Option<&Details>, Option<&[u8]>) -> bool,
    ) {
        let mut kept = start;
        for index in start..self.sockets.len() {
            let socket = &self.sockets[index];
            if pass(socket, self.details.get(index), self.name(socket)) {
                self.sockets.swap(kept, index);
                if !self.details.is_empty() {
                    self.details.swap(kept, index);
                }
                kept += 1;
            }
        }
        self.truncate(kept);
    }

    /// Sorts it by network namespace and table, UDP first and IPv4 first, and leaves all else as it
    /// is. A walk over both families gives them mixed.
    pub fn sort_by_table(&mut self) {
        let place = |socket: &Socket| (socket.netns, socket.table());
        let in_order = self.sockets.is_sorted_by_key(place);
        if in_order {
            return;
        }
        let mut order: Vec<usize> = (0..self.sockets.len()).collect();
        order.sort_by_key(|&index| place(&self.sockets[index]));
        if !self.details.is_empty() {
            let details = &mut self.details;
            let in_order = order
                .iter()
                .map(|&index| std::mem::take(&mut details[index]));
            self.details = in_order.collect();
        }
        self.sockets.sort_by_key(place);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Protocol;
    use crate::wire::inet_diag;

    fn socket(inode: u64) -> Socket {
        let mut row = [0; inet_diag::ROW_LEN];
        row[0] = 2;
        row[68..].copy_from_slice(&(inode as u32).to_ne_bytes());
        inet_diag::socket(&row, Protocol::Tcp).unwrap()
    }

    #[test]
    fn what_is_left_keeps_its_order_and_its_details() {
        for with_details in [true, false] {
            let details = |inode: u64| Details {
                cgroup: Some(inode),
                ..Details::default()
            };
            let mut batch = Batch {
                sockets: (0..8).map(socket).collect(),
                details: (0..8).filter(|_| with_details).map(details).collect(),
                ..Batch::default()
            };
            batch.retain(2, |socket, details, _| {
                assert!(details.is_none_or(|details| details.cgroup == Some(socket.inode)));
                socket.inode % 3 == 1
            });
            let inodes: Vec<u64> = batch.sockets.iter().map(|socket| socket.inode).collect();
            assert_eq!(inodes, [0, 1, 4, 7]);
            let ids: Vec<Option<u64>> = batch.details.iter().map(|one| one.cgroup).collect();
            assert_eq!(ids.len(), if with_details { 4 } else { 0 });
            assert!(ids.iter().zip(inodes).all(|(id, inode)| *id == Some(inode)));
        }
    }
}
