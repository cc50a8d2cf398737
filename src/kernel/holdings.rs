//! What a walk over all descriptors leaves: every holder of a socket, or only which process it is.

use std::collections::HashSet;
use std::hash::BuildHasher;

use crate::model::Holder;

/// What takes holders as a walk finds them, those of a process one after another.
pub trait Holdings: Default + Send {
    /// Adds a socket's inode and one holder of it.
    fn add(&mut self, inode: u64, holder: Holder);

    /// Adds what another walk found.
    fn append(&mut self, other: Self);
}

impl Holdings for Vec<(u64, Holder)> {
    fn add(&mut self, inode: u64, holder: Holder) {
        self.push((inode, holder));
    }

    fn append(&mut self, other: Self) {
        self.extend(other);
    }
}

/// The sockets of each process, without the descriptors: 4 bytes a socket, a quarter of what its
/// holder takes.
#[derive(Debug, Default)]
pub struct SocketsByProcess {
    /// A process, and where its sockets begin; they end where those of the next begin.
    processes: Vec<(u32, usize)>,
    /// The kernel numbers sockets with 32 bits.
    inodes: Vec<u32>,
}

impl Holdings for SocketsByProcess {
    fn add(&mut self, inode: u64, holder: Holder) {
        let Ok(inode) = u32::try_from(inode) else {
            return;
        };
        if self
            .processes
            .last()
            .is_none_or(|last| last.0 != holder.pid)
        {
            self.processes.push((holder.pid, self.inodes.len()));
        }
        self.inodes.push(inode);
    }

    fn append(&mut self, other: Self) {
        let before = self.inodes.len();
        let processes = other.processes.into_iter();
        self.processes
            .extend(processes.map(|(pid, start)| (pid, before + start)));
        self.inodes.extend(other.inodes);
    }
}

impl SocketsByProcess {
    /// Which processes hold these sockets: inode and pid, in order, each once.
    pub fn holders_of(&self, sockets: &HashSet<u64, impl BuildHasher>) -> Vec<(u64, u32)> {
        let ends = self.processes.iter().skip(1).map(|&(_, start)| start);
        let ends = ends.chain([self.inodes.len()]);
        let mut holders = Vec::new();
        for (&(pid, start), end) in self.processes.iter().zip(ends) {
            let inodes = self.inodes[start..end].iter().copied().map(u64::from);
            holders.extend(
                inodes
                    .filter(|inode| sockets.contains(inode))
                    .map(|inode| (inode, pid)),
            );
        }
        holders.sort_unstable();
        holders.dedup();
        holders
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_found_by_their_sockets() {
        let found = |holders: &[(u64, u32, u32)]| {
            let mut found = SocketsByProcess::default();
            for &(inode, pid, fd) in holders {
                found.add(inode, Holder { pid, fd });
            }
            found
        };
        let wanted = HashSet::from([3, 4, 5, u64::from(u32::MAX)]);
        assert_eq!(found(&[]).holders_of(&wanted), []);

        // One process twice with a socket, one more often with another, one that walks met twice.
        let mut all = found(&[(5, 20, 3), (5, 20, 4), (7, 20, 5), (3, 21, 3)]);
        all.append(found(&[]));
        all.append(found(&[
            (3, 10, 3),
            (4, 10, 4),
            (5, 20, 6),
            (1 << 32 | 4, 10, 5),
        ]));
        assert_eq!(
            all.holders_of(&wanted),
            [(3, 10), (3, 21), (4, 10), (5, 20)]
        );
    }
}
