//! From the inode of a socket to every process that holds it.

use crate::model::Holder;

/// An index over the holders of sockets: arrays, as a map of lists would take several times the
/// memory and time at a million descriptors.
///
/// Inodes of sockets are numbered as they are made, so equal slices of their span hold about equal
/// numbers of them: an inode's slice is computed, and a few entries searched.
#[derive(Debug, Default)]
pub struct HolderIndex {
    /// In the order of their inodes, then of holders.
    inodes: Vec<u64>,
    holders: Vec<Holder>,
    least: u64,
    /// A slice spans 2 to the power of this many inodes.
    shift: u32,
    /// Where each slice begins, and where the last one ends.
    starts: Vec<u32>,
}

impl HolderIndex {
    /// An index over inodes and their holders, in any order, some of them told twice.
    pub fn new(mut found: Vec<(u64, Holder)>) -> HolderIndex {
        found.sort_unstable();
        found.dedup();
        let inodes = || found.iter().map(|(inode, _)| *inode);
        let (Some(least), Some(most)) = (inodes().next(), inodes().next_back()) else {
            return HolderIndex::default();
        };
        // About as many slices as entries.
        let span = most - least;
        let mut shift = 0;
        while span >> shift > found.len() as u64 {
            shift += 1;
        }
        let slice = |inode: u64| ((inode - least) >> shift) as usize;
        let mut starts = vec![0u32; slice(most) + 2];
        for inode in inodes() {
            starts[slice(inode) + 1] += 1;
        }
        for index in 1..starts.len() {
            starts[index] += starts[index - 1];
        }
        HolderIndex {
            inodes: found.iter().map(|(inode, _)| *inode).collect(),
            holders: found.into_iter().map(|(_, holder)| holder).collect(),
            least,
            shift,
            starts,
        }
    }

    /// Every holder of a socket, by pid and descriptor; empty when none was found.
    pub fn holders(&self, inode: u64) -> &[Holder] {
        let slice = match inode.checked_sub(self.least) {
            Some(distance) => usize::try_from(distance >> self.shift).unwrap_or(usize::MAX),
            None => return &[],
        };
        let (Some(&start), Some(&end)) = (
            self.starts.get(slice),
            self.starts.get(slice.saturating_add(1)),
        ) else {
            return &[];
        };
        let (start, end) = (start as usize, end as usize);
        let inodes = &self.inodes[start..end];
        let first = inodes.partition_point(|&other| other < inode);
        let count = inodes[first..]
            .iter()
            .take_while(|&&other| other == inode)
            .count();
        &self.holders[start + first..start + first + count]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
    proptest! {
        #[test]
        fn it_finds_what_a_walk_over_all_finds(
            found in proptest::collection::vec(
                (prop_oneof![0..40u64, any::<u64>()], 0..5u32, 0..5u32),
                0..60,
            ),
            other in any::<u64>(),
        ) {
            let found: Vec<(u64, Holder)> = found
                .into_iter()
                .map(|(inode, pid, fd)| (inode, Holder { pid, fd }))
                .collect();
            let index = HolderIndex::new(found.clone());
            for inode in (0..41).chain([other]).chain(found.iter().map(|(inode, _)| *inode)) {
                let mut expected: Vec<Holder> = found
                    .iter()
                    .filter(|(one, _)| *one == inode)
                    .map(|(_, holder)| *holder)
                    .collect();
                expected.sort();
                expected.dedup();
                prop_assert_eq!(index.holders(inode), &expected[..]);
            }
        }
    }
}
