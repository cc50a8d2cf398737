//! Who holds a socket, and why nobody is named where nobody is.

use std::collections::HashMap;

/// One file descriptor of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// Its descriptor.
    pub fd: u32,
}

/// What is known of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Its name, as the kernel keeps it: up to 15 bytes that may be anything.
    pub comm: Vec<u8>,
    /// The file it runs; `None` when unreadable or not asked for.
    pub exe: Option<Vec<u8>>,
    /// The systemd unit it runs in, from its cgroup; `None` when in none or not asked for.
    pub unit: Option<Vec<u8>>,
    /// The containers it runs in, the outermost first, by id or name, from its cgroup; empty when
    /// in none or not asked for.
    pub containers: Vec<Vec<u8>>,
}

impl Process {
    /// The innermost of its containers, by id or name.
    pub fn container(&self) -> Option<&[u8]> {
        self.containers.last().map(Vec::as_slice)
    }
}

/// What was learnt of processes, by pid.
pub type Processes = HashMap<u32, Process>;

/// A holder together with its process.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// The process and descriptor.
    pub holder: Holder,
    /// What is known of the process.
    pub process: &'a Process,
}

/// The owners of a socket. Absence has a reason.
#[derive(Clone, Copy, Debug)]
pub enum Owners<'a> {
    /// Nobody asked.
    Unasked,
    /// No process can own it: TIME-WAIT, orphan, not yet accepted.
    None,
    /// A process that we may not read, or could not in time, may hold it.
    Hidden,
    /// It is no more, and lived between two looks at who holds what.
    Unseen,
    /// All processes were read and none holds it: the kernel's own, or in flight.
    Unheld,
    /// Every holder found.
    Known {
        /// The holders, by pid; at least one.
        holders: &'a [Holder],
        /// Their processes.
        processes: &'a Processes,
    },
}

impl<'a> Owners<'a> {
    /// The `owners_status` of the formats; `None` when nobody asked.
    pub const fn status(&self) -> Option<&'static str> {
        match self {
            Owners::Unasked => None,
            Owners::None => Some("none"),
            Owners::Hidden => Some("hidden"),
            Owners::Unseen => Some("unseen"),
            Owners::Unheld => Some("unheld"),
            Owners::Known { .. } => Some("known"),
        }
    }

    /// The owners, one for each descriptor.
    pub fn iter(&self) -> impl Iterator<Item = Owner<'a>> + use<'a> {
        let found = match *self {
            Owners::Known { holders, processes } => Some((holders, processes)),
            _ => None,
        };
        found.into_iter().flat_map(|(holders, processes)| {
            holders.iter().filter_map(|&holder| {
                Some(Owner {
                    holder,
                    process: processes.get(&holder.pid)?,
                })
            })
        })
    }
}
