//! Who holds the sockets of a listing: found once, looked up for each.

use std::collections::HashSet;
use std::collections::hash_map::Entry;
use std::io;

use crate::collect::{Batch, Flow, Receiver, Request, collect, read_process};
use crate::join::HolderIndex;
use crate::kernel::{HolderMethod, Host, Scan, Unavailable, Visibility, find_holders};
use crate::model::{Gap, HiddenCause, Holder, Owners, Processes, Socket};

/// How often a run looks a second time for sockets that nobody seemed to hold.
const MOST_SECOND_LOOKS: u32 = 3;

/// Who holds what, as far as it could be seen.
pub(super) struct Holders {
    index: HolderIndex,
    processes: Processes,
    /// Those that could not be read any more.
    ended: HashSet<u32>,
    /// Why a socket without a holder may have one nevertheless.
    limit: Option<HiddenCause>,
    /// Sockets that were looked for a second time and found, still without a holder.
    unheld: HashSet<u64>,
    second_looks: u32,
    hidden: u64,
    method: HolderMethod,
    /// Why they were not found by BPF, where they would have been.
    pub(super) without_bpf: Option<Unavailable>,
}

impl Holders {
    /// Finds the holders of all sockets.
    pub(super) fn find(host: &Host, method: HolderMethod) -> Holders {
        let (index, limit, without_bpf) = match find_holders(host, method) {
            Ok(scan) => {
                let limit = limit(host, &scan);
                (HolderIndex::new(scan.holders), limit, scan.without_bpf)
            }
            Err(_) => (HolderIndex::default(), Some(no_processes(host)), None),
        };
        Holders {
            index,
            processes: Processes::new(),
            ended: HashSet::new(),
            limit,
            unheld: HashSet::new(),
            second_looks: 0,
            hidden: 0,
            method,
            without_bpf,
        }
    }

    /// Learns what it takes to name the owners of these sockets; `thorough` is more than names.
    pub(super) fn prepare(
        &mut self,
        host: &Host,
        request: &Request,
        sockets: &[Socket],
        thorough: bool,
    ) {
        let inodes = || sockets.iter().filter_map(held_by);
        let mut unknown = self.read_processes(host, inodes(), thorough);
        // As all processes were read, they should have a holder.
        let lost: HashSet<u64> = match self.limit {
            Some(_) => HashSet::new(),
            None => unknown.difference(&self.unheld).copied().collect(),
        };
        if !lost.is_empty() && self.second_looks < MOST_SECOND_LOOKS {
            self.second_looks += 1;
            self.look_again(host, request, &lost);
            unknown = self.read_processes(host, inodes(), thorough);
        }
        let hidden = |socket: &&Socket| {
            unknown.contains(&socket.inode)
                && (self.limit.is_some() || !self.unheld.contains(&socket.inode))
        };
        if !unknown.is_empty() {
            self.hidden += sockets.iter().filter(hidden).count() as u64;
        }
    }

    /// Reads the processes that hold the sockets with these inodes; returns the inodes of those
    /// that none holds.
    fn read_processes(
        &mut self,
        host: &Host,
        inodes: impl Iterator<Item = u64>,
        thorough: bool,
    ) -> HashSet<u64> {
        let mut unknown = HashSet::new();
        for inode in inodes {
            let mut known = false;
            for &Holder { pid, .. } in self.index.holders(inode) {
                known |= match self.processes.entry(pid) {
                    Entry::Occupied(_) => true,
                    Entry::Vacant(_) if self.ended.contains(&pid) => false,
                    Entry::Vacant(vacant) => match read_process(host, pid, thorough) {
                        Some(process) => {
                            vacant.insert(process);
                            true
                        }
                        None => {
                            self.ended.insert(pid);
                            false
                        }
                    },
                };
            }
            if !known {
                unknown.insert(inode);
            }
        }
        unknown
    }

    /// A socket without a holder is closed by now, was opened after the walk, or has none. So the
    /// processes are walked again, and of what is still lost it is asked whether it still exists.
    fn look_again(&mut self, host: &Host, request: &Request, lost: &HashSet<u64>) {
        if host.is_recorded() {
            self.unheld.extend(lost);
            return;
        }
        if let Ok(scan) = find_holders(host, self.method) {
            self.index = HolderIndex::new(scan.holders);
        }
        let mut finder = Finder {
            wanted: lost,
            found: HashSet::new(),
        };
        // What cannot be read a second time is not known to exist.
        if collect(host, request, &mut finder).is_ok() {
            self.unheld.extend(finder.found);
        }
    }

    /// Learns what it takes to name the owners of the sockets that these unix sockets are
    /// connected to.
    pub(super) fn prepare_peers(&mut self, host: &Host, sockets: &[Socket], thorough: bool) {
        self.read_processes(host, sockets.iter().filter_map(unix_peer), thorough);
    }

    /// The owners of the socket that a unix socket is connected to, once they were prepared. It is
    /// not looked for again: it may be gone by now, or stand in another network namespace.
    pub(super) fn of_peer(&self, socket: &Socket) -> Owners<'_> {
        match unix_peer(socket) {
            None => Owners::None,
            Some(inode) => match self.known(inode) {
                Some(owners) => owners,
                None if self.limit.is_some() => Owners::Hidden,
                None => Owners::Unheld,
            },
        }
    }

    /// The holders of a socket, where any is known.
    fn known(&self, inode: u64) -> Option<Owners<'_>> {
        let holders = self.index.holders(inode);
        let is_known = holders
            .iter()
            .any(|holder| self.processes.contains_key(&holder.pid));
        is_known.then_some(Owners::Known {
            holders,
            processes: &self.processes,
        })
    }

    /// The owners of a socket that was prepared.
    pub(super) fn of(&self, socket: &Socket) -> Owners<'_> {
        if socket.inode == 0 {
            return Owners::None;
        }
        if let Some(owners) = self.known(socket.inode) {
            owners
        } else if socket.is_kernels() || self.limit.is_none() && self.unheld.contains(&socket.inode)
        {
            Owners::Unheld
        } else {
            Owners::Hidden
        }
    }

    /// The processes that were read.
    pub(super) const fn processes(&self) -> &Processes {
        &self.processes
    }

    /// Whether a socket may have holders that cannot be seen.
    pub(super) const fn is_limited(&self) -> bool {
        self.limit.is_some()
    }

    /// Why it may.
    pub(super) const fn limit(&self) -> Option<HiddenCause> {
        self.limit
    }

    /// How many owners are hidden, and why.
    pub(super) fn gap(&self) -> Option<Gap> {
        (self.hidden > 0).then(|| Gap::Owners {
            count: self.hidden,
            cause: self.limit.unwrap_or(HiddenCause::Vanished),
        })
    }
}

/// The inode by which processes may hold a socket.
fn held_by(socket: &Socket) -> Option<u64> {
    (socket.inode != 0 && !socket.is_kernels()).then_some(socket.inode)
}

/// The inode of the socket that a unix socket is connected to.
fn unix_peer(socket: &Socket) -> Option<u64> {
    let inode = socket.unix()?.peer;
    (inode != 0).then_some(u64::from(inode))
}

/// Why a socket without a holder may have one nevertheless.
pub(super) fn limit<H>(host: &Host, scan: &Scan<H>) -> Option<HiddenCause> {
    if scan.processes == 0 {
        Some(no_processes(host))
    } else if scan.unreadable.is_empty() {
        match Visibility::of(host) {
            Visibility::Limited(cause) => Some(cause),
            Visibility::Full => None,
        }
    } else if host.is_recorded() {
        Some(HiddenCause::PermissionThen)
    } else if host.is_root() {
        Some(HiddenCause::Protected)
    } else {
        Some(HiddenCause::Permission)
    }
}

fn no_processes(host: &Host) -> HiddenCause {
    if host.is_recorded() {
        HiddenCause::NotRecorded
    } else {
        HiddenCause::NoProc
    }
}

/// Looks for sockets by inode.
struct Finder<'a> {
    wanted: &'a HashSet<u64>,
    found: HashSet<u64>,
}

impl Receiver for Finder<'_> {
    fn begin(&mut self) {}

    fn rows(&mut self, batch: &mut Batch) -> io::Result<Flow> {
        for socket in &batch.sockets {
            if self.wanted.contains(&socket.inode) {
                self.found.insert(socket.inode);
            }
        }
        Ok(if self.found.len() == self.wanted.len() {
            Flow::Enough
        } else {
            Flow::More
        })
    }

    /// Finding a socket twice changes nothing.
    fn take_back(&mut self) -> bool {
        true
    }
}
