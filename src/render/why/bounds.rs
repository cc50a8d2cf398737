//! How many sockets are told in JSON, where there are many. All are counted; and every process that
//! has one is named, whether its socket is told or not.

use std::collections::{BTreeMap, HashSet};

use super::WhyReport;
use crate::analyze::why::{Blocker, Cause};

/// Sockets of one cause.
const MOST: usize = 100;
/// Owners of sockets that say nothing new: of one cause, with the same processes as one before. A
/// server with a listener for each of its workers, each of them in every worker, has as many of
/// them as it has workers, squared.
const MOST_AGAIN: usize = 256;

/// What was told so far.
#[derive(Debug, Default)]
struct Told {
    counts: BTreeMap<Cause, usize>,
    again: BTreeMap<Cause, usize>,
    known: HashSet<(Cause, Vec<u32>)>,
}

impl Told {
    /// Whether one more is told, of a cause and with these processes.
    fn admits(&mut self, cause: Cause, pids: Vec<u32>) -> bool {
        let count = self.counts.entry(cause).or_default();
        if *count >= MOST {
            return false;
        }
        let owners = pids.len();
        if !self.known.insert((cause, pids)) {
            let again = self.again.entry(cause).or_default();
            *again += owners;
            if *again > MOST_AGAIN {
                return false;
            }
        }
        *count += 1;
        true
    }
}

impl<'r> WhyReport<'r> {
    /// The first blockers of each cause, in their order.
    pub(super) fn shown<'b>(
        &'r self,
        blockers: &'b [Blocker],
    ) -> impl Iterator<Item = &'b Blocker> + use<'b, 'r> {
        let mut told = Told::default();
        let admits = move |blocker: &&Blocker| {
            let pids = blocker.socket.map(|index| self.pids(index));
            told.admits(blocker.cause, pids.unwrap_or_default())
        };
        blockers.iter().filter(admits)
    }

    /// The first of these sockets.
    pub(super) fn shown_sockets(&'r self, indices: &[usize]) -> Vec<usize> {
        let mut told = Told::default();
        let admits = |index: &usize| told.admits(Cause::Listener, self.pids(*index));
        indices.iter().copied().filter(admits).collect()
    }

    fn pids(&'r self, index: usize) -> Vec<u32> {
        let owners = self.owners(index).into_iter();
        owners.map(|owner| owner.holder.pid).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_something_new_is_told_before_what_does_not() {
        let mut told = Told::default();
        let workers: Vec<u32> = (0..64).collect();
        let shown = |told: &mut Told| {
            let all = (0..64).filter(|_| told.admits(Cause::Listener, workers.clone()));
            all.count()
        };
        assert_eq!(shown(&mut told), 5);
        assert!(told.admits(Cause::Listener, vec![1]));
        assert!(told.admits(Cause::DualStackListener, workers.clone()));
        // Each with a process of its own.
        let others = (100..300).filter(|&pid| told.admits(Cause::Listener, vec![pid]));
        assert_eq!(others.count(), MOST - 6);
    }

    #[test]
    fn connections_that_nobody_has_are_told_up_to_a_number() {
        let mut told = Told::default();
        let all = (0..500).filter(|_| told.admits(Cause::TimeWait, Vec::new()));
        assert_eq!(all.count(), MOST);
    }
}
