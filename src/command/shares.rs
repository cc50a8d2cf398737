//! Who holds the sockets of a pool of ports.

use std::cell::{Cell, RefCell};

use super::context::Context;
use super::holders::limit;
use crate::analyze::{OwnerShare, most_ports};
use crate::collect::read_process;
use crate::join::HolderIndex;
use crate::kernel::{Host, find_holders};
use crate::model::{Gap, HiddenCause};

/// Owners told of a pool.
const MOST_OWNERS: usize = 5;

/// Who holds what; empty until asked for.
pub(super) struct Owners<'h> {
    found: Option<Found<'h>>,
}

struct Found<'h> {
    host: &'h Host,
    index: HolderIndex,
    /// Why a socket without a holder may have one.
    cause: HiddenCause,
    hidden: Cell<u64>,
    names: RefCell<std::collections::HashMap<u32, Option<Vec<u8>>>>,
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
                index: HolderIndex::new(scan.holders),
                hidden: Cell::new(0),
                names: RefCell::default(),
            }),
        }
    }

    /// Who holds most of these sockets (inode and port), and whether all that are held are known.
    pub(super) fn of(&self, sockets: &[(u64, u16)]) -> (Vec<OwnerShare>, Option<&'static str>) {
        let Some(found) = &self.found else {
            return (Vec::new(), None);
        };
        let shares: Vec<OwnerShare> = most_ports(sockets, |inode| found.index.holders(inode))
            .into_iter()
            .take(MOST_OWNERS)
            .filter_map(|(pid, ports)| {
                let comm = found.name(pid)?;
                Some(OwnerShare { pid, comm, ports })
            })
            .collect();
        let lost = sockets
            .iter()
            .filter(|(inode, _)| found.index.holders(*inode).is_empty())
            .count() as u64;
        found.hidden.set(found.hidden.get().max(lost));
        let status = match (sockets.is_empty(), lost) {
            (true, _) => "none",
            (false, 0) => "known",
            (false, _) => "hidden",
        };
        (shares, Some(status))
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

impl Found<'_> {
    fn name(&self, pid: u32) -> Option<Vec<u8>> {
        let mut names = self.names.borrow_mut();
        names
            .entry(pid)
            .or_insert_with(|| read_process(self.host, pid, false).map(|process| process.comm))
            .clone()
    }
}
