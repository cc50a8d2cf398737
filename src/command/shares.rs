//! Who holds the sockets of a pool of ports.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};

use super::context::Context;
use super::holders::limit;
use crate::analyze::{Keyed, OwnerShare, most_ports};
use crate::collect::read_process;
use crate::kernel::{Host, SocketsByProcess, find_holders};
use crate::model::{Gap, HiddenCause};

/// Owners told of a pool.
const MOST_OWNERS: usize = 5;

/// Who holds what; empty until asked for.
pub(super) struct Owners<'h> {
    found: Option<Found<'h>>,
}

struct Found<'h> {
    host: &'h Host,
    held: SocketsByProcess,
    /// Why a socket without a holder may have one.
    cause: HiddenCause,
    hidden: Cell<u64>,
    names: RefCell<HashMap<u32, Option<Vec<u8>>>>,
}

impl<'h> Owners<'h> {
    /// Nobody asks.
    pub(super) const fn unasked() -> Owners<'h> {
        Owners { found: None }
    }

    /// Whether anybody asked.
    pub(super) const fn were_asked(&self) -> bool {
        self.found.is_some()
    }

    /// Looks through all processes.
    pub(super) fn scan(context: &'h Context) -> Owners<'h> {
        let host = &context.host;
        let scan = find_holders(host, context.holder_method).unwrap_or_default();
        Owners {
            found: Some(Found {
                host,
                cause: limit(host, &scan).unwrap_or(HiddenCause::Vanished),
                held: scan.holders,
                hidden: Cell::new(0),
                names: RefCell::default(),
            }),
        }
    }

    /// The same of some sockets, by their inodes.
    pub(super) fn among(&self, inodes: impl Iterator<Item = u64>) -> OwnersAmong<'_> {
        OwnersAmong {
            found: self.found.as_ref().map(|found| {
                let holders = found
                    .held
                    .holders_of(&inodes.collect::<HashSet<u64, Keyed>>());
                (found, holders)
            }),
        }
    }

    /// What could not be seen.
    pub(super) fn gap(&self) -> Option<Gap> {
        let found = self.found.as_ref()?;
        let count = found.hidden.get();
        (count > 0).then_some(Gap::Owners {
            count,
            cause: found.cause,
        })
    }
}

/// Who holds which of some sockets.
pub(super) struct OwnersAmong<'o> {
    /// With inodes and pids, in order.
    found: Option<(&'o Found<'o>, Vec<(u64, u32)>)>,
}

impl OwnersAmong<'_> {
    /// Who holds most of these sockets (inode and port), and whether all that are held are known.
    pub(super) fn of(&self, sockets: &[(u64, u16)]) -> (Vec<OwnerShare>, Option<&'static str>) {
        let Some((found, holders)) = &self.found else {
            return (Vec::new(), None);
        };
        let shares: Vec<OwnerShare> = most_ports(sockets, holders)
            .into_iter()
            .take(MOST_OWNERS)
            .filter_map(|(pid, ports)| {
                let comm = found.name(pid)?;
                Some(OwnerShare { pid, comm, ports })
            })
            .collect();
        let lost = sockets
            .iter()
            .filter(|(inode, _)| {
                holders
                    .binary_search_by_key(inode, |holder| holder.0)
                    .is_err()
            })
            .count() as u64;
        found.hidden.set(found.hidden.get().max(lost));
        let status = match (sockets.is_empty(), lost) {
            (true, _) => "none",
            (false, 0) => "known",
            (false, _) => "hidden",
        };
        (shares, Some(status))
    }
}

impl Found<'_> {
    fn name(&self, pid: u32) -> Option<Vec<u8>> {
        let mut names = self.names.borrow_mut();
        names
            .entry(pid)
            .or_insert_with(|| read_process(self.host, pid, false).map(|process| process.comm))
            .clone()
    }
}
