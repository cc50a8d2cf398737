//! From the inode of a socket to every process that holds it.

use crate::model::Holder;

/// An index over the holders of sockets: sorted arrays, as a map of lists would take several
/// times the memory and time at a million descriptors.
#[derive(Debug, Default)]
pub struct HolderIndex {
    inodes: Vec<u64>,
    holders: Vec<Holder>,
}

impl HolderIndex {
    /// An index over inodes and their holders, in any order.
    pub fn new(mut found: Vec<(u64, Holder)>) -> HolderIndex {
        found.sort_unstable();
        HolderIndex {
            inodes: found.iter().map(|(inode, _)| *inode).collect(),
            holders: found.into_iter().map(|(_, holder)| holder).collect(),
        }
    }

    /// Every holder of a socket, by pid and descriptor; empty when none was found.
    pub fn holders(&self, inode: u64) -> &[Holder] {
        let first = self.inodes.partition_point(|&other| other < inode);
        let count = self.inodes[first..]
            .iter()
            .take_while(|&&other| other == inode)
            .count();
        &self.holders[first..first + count]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_holder_is_found() {
        let holder = |pid, fd| Holder { pid, fd };
        let index = HolderIndex::new(vec![
            (7, holder(2, 5)),
            (9, holder(1, 1)),
            (7, holder(1, 3)),
            (7, holder(1, 4)),
        ]);
        assert_eq!(index.holders(7), [holder(1, 3), holder(1, 4), holder(2, 5)]);
        assert_eq!(index.holders(9), [holder(1, 1)]);
        assert!(index.holders(8).is_empty());
        assert!(HolderIndex::default().holders(8).is_empty());
    }
}
