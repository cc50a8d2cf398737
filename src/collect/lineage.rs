//! Where the holders of a socket come from, and whether they serve it.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::io;

use super::bind::read_flags;
use crate::kernel::{self, Host, Patience};
use crate::model::{Condition, Gap, Holder, Lineage, Parent, SocketFlags};
use crate::wire::process::{self, Stat};
use crate::wire::waiting::{EpollTargets, Waiting, waiting};

/// A line of some fifty numbers.
const STAT_LIMIT: u64 = 4096;
/// Some sixty lines.
const STATUS_LIMIT: u64 = 16 << 10;
/// As much of a command line is told.
const COMMAND_LINE_LEN: u64 = 4096;
/// What the kernel tells of an epoll: some 80 bytes for each descriptor.
const EPOLL_LIMIT: u64 = 1 << 20;
/// What the kernel tells of a socket: four lines.
const FLAGS_LIMIT: u64 = 1 << 10;
/// Processes that are read only for their names and parents.
const MOST_OUTLINED: usize = 1024;
/// Of more processes than these it is not told whether they serve.
const MOST_WATCHED: usize = 256;

/// The lineage of each process among the holders of a socket, by pid. Those that have ended, or
/// hold something else by now, are left out.
pub fn read_lineages(host: &Host, inode: u64, holders: &[Holder]) -> Vec<(u32, Lineage)> {
    Lineages::new(host).of(inode, holders)
}

/// Lineages of the holders of several sockets. Each process is read once, as many a server has
/// each of its sockets in each of its processes.
pub struct Lineages<'h> {
    host: &'h Host,
    patience: Patience,
    processes: HashMap<u32, Option<Found>>,
    watched: usize,
}

impl<'h> Lineages<'h> {
    /// Nobody has been read yet.
    pub fn new(host: &'h Host) -> Lineages<'h> {
        Lineages {
            host,
            patience: Patience::default(),
            processes: HashMap::new(),
            watched: 0,
        }
    }

    /// The lineage of each process among the holders of a socket, by pid.
    pub fn of(&mut self, inode: u64, holders: &[Holder]) -> Vec<(u32, Lineage)> {
        let mut processes: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for &Holder { pid, fd } in holders {
            processes.entry(pid).or_default().push(fd);
        }
        let lineages = processes.into_iter().filter_map(|(pid, fds)| {
            let found = self.process(pid)?;
            Some((pid, found.lineage(pid, &fds, inode)?))
        });
        lineages.collect()
    }

    /// What can be told of its holders whatever the socket, by pid: not whether they serve it.
    /// Those that were not read before are, up to a number of processes.
    pub fn outlines(&mut self, holders: &[Holder]) -> Vec<(u32, Lineage)> {
        let mut pids: Vec<u32> = holders.iter().map(|holder| holder.pid).collect();
        pids.dedup();
        let outline = |pid| {
            let is_read = self.processes.contains_key(&pid) || self.processes.len() < MOST_OUTLINED;
            let found = if is_read { self.process(pid) } else { None };
            (
                pid,
                found.map(|found| found.told.clone()).unwrap_or_default(),
            )
        };
        pids.into_iter().map(outline).collect()
    }

    /// The flags of a socket that these hold, as [`read_flags`] reads them.
    pub fn flags(&mut self, inode: u64, holders: &[Holder]) -> SocketFlags {
        read_flags(self.host, &mut self.patience, inode, holders)
    }

    /// Which processes did not answer, and how many were not asked any more for that.
    pub fn gaps(&self) -> Vec<Gap> {
        let moment = self.patience.moment().as_millis();
        let late = self.patience.late().map(|pid| {
            let reason =
                format!("no answer within {moment} ms: the process may be stuck in the kernel");
            (format!("/proc/{pid}"), reason)
        });
        let unasked = match self.patience.unasked() {
            0 => None,
            count => Some((
                "/proc".to_owned(),
                format!("{count} more processes were not asked"),
            )),
        };
        let gap = |(place, reason)| Gap::Unreadable {
            what: "process details",
            place,
            reason,
        };
        late.chain(unasked).map(gap).collect()
    }

    fn process(&mut self, pid: u32) -> Option<&Found> {
        let entry = match self.processes.entry(pid) {
            Entry::Occupied(known) => return known.into_mut().as_ref(),
            Entry::Vacant(entry) => entry,
        };
        let mut found = read_lineage(self.host, &mut self.patience, pid);
        if let Some(process) = &mut found
            && !self.host.is_recorded()
        {
            self.watched += 1;
            process.is_live = true;
            if self.watched <= MOST_WATCHED {
                process.doings = self.patience.ask(pid, move || Doings::read(pid));
                let parent = process.told.parent.as_ref().map(|parent| parent.pid);
                let runs = parent.and_then(|parent| {
                    let asks = move || runs_as_parent(pid, parent);
                    self.patience.ask(pid, asks)
                });
                process.told.runs_as_parent = runs.flatten();
            }
            process.told.is_stuck = self.patience.is_late(pid);
            // The number may mean another process by now.
            if stat(self.host, pid).map(|stat| stat.started).ok() != Some(process.started) {
                found = None;
            }
        }
        entry.insert(found).as_ref()
    }
}

/// A lineage, and what tells whether it is still that of the same process.
struct Found {
    told: Lineage,
    started: u64,
    leader_ended: bool,
    /// Whether it is a process of now, which may be asked more.
    is_live: bool,
    /// What it is up to; `None` where nobody looked.
    doings: Option<Doings>,
}

impl Found {
    /// Its lineage as a holder of a socket; `None` where it does not hold it any more.
    fn lineage(&self, pid: u32, fds: &[u32], inode: u64) -> Option<Lineage> {
        let mut told = self.told.clone();
        if self.is_live && self.may_hold(pid, fds, inode) == Some(false) {
            return None;
        }
        if let Some(doings) = &self.doings {
            told.serves = doings.serves(pid, fds, inode);
            told.close_on_exec = close_on_exec(pid, fds);
        }
        // Who is stopped may go on to serve.
        if matches!(told.condition, Condition::Stopped | Condition::Traced) {
            told.serves = told.serves.filter(|serves| *serves);
        }
        Some(told)
    }

    /// Whether one of the descriptors is the socket; `None` where that may not be seen, as of a
    /// process whose first thread has ended.
    fn may_hold(&self, pid: u32, fds: &[u32], inode: u64) -> Option<bool> {
        let targets = fds.iter().map(|&fd| kernel::descriptor_target(pid, fd));
        let mut hidden = self.leader_ended;
        for target in targets {
            match target {
                Ok(target) if target == socket_target(inode) => return Some(true),
                Err(error) if error.kind() != io::ErrorKind::NotFound => hidden = true,
                Ok(_) | Err(_) => {}
            }
        }
        (!hidden).then_some(false)
    }
}

fn socket_target(inode: u64) -> Vec<u8> {
    format!("socket:[{inode}]").into_bytes()
}

/// What is needed of `/proc/PID/stat`.
struct Process {
    comm: Vec<u8>,
    parent: u32,
    group: u32,
    session: u32,
    has_executed: bool,
    started: u64,
    leader_ended: bool,
    ended: bool,
    condition: Condition,
}

fn stat(host: &Host, pid: u32) -> io::Result<Process> {
    let text = host.read_within(&format!("proc/{pid}/stat"), STAT_LIMIT)?;
    let stat = Stat::parse(&text).ok_or(io::ErrorKind::InvalidData)?;
    Ok(Process {
        comm: stat.comm.to_vec(),
        parent: stat.parent,
        group: stat.group,
        session: stat.session,
        has_executed: stat.has_executed,
        started: stat.started,
        leader_ended: stat.leader_has_ended(),
        ended: stat.has_ended(),
        condition: stat.condition(),
    })
}

fn read_lineage(host: &Host, patience: &mut Patience, pid: u32) -> Option<Found> {
    let process = stat(host, pid).ok().filter(|process| !process.ended)?;
    let cmdline = if host.is_recorded() {
        read_command_line(host, pid)
    } else {
        let asks = move || read_command_line(&Host::Live, pid);
        patience.ask(pid, asks).flatten()
    };
    // Of a parent outside of our pid namespace nothing is known, not even its number.
    let parent = (process.parent != 0).then(|| {
        let parent = stat(host, process.parent).ok();
        let is_namesake = parent.as_ref().is_some_and(|one| one.comm == process.comm);
        Parent {
            pid: process.parent,
            session: parent.as_ref().map(|parent| parent.session),
            comm: parent.map(|parent| parent.comm).unwrap_or_default(),
            user: user(host, process.parent),
            is_closed: !host.is_recorded() && is_closed(pid, process.parent),
            is_namesake,
        }
    });
    Some(Found {
        told: Lineage {
            command_line: cmdline,
            is_stuck: false,
            condition: process.condition,
            user: user(host, pid),
            parent,
            group: process.group,
            group_leader_lives: lives(host, process.group),
            session: process.session,
            session_leader_lives: lives(host, process.session),
            has_executed: process.has_executed,
            serves: None,
            close_on_exec: None,
            runs_as_parent: None,
        },
        started: process.started,
        leader_ended: process.leader_ended,
        is_live: false,
        doings: None,
    })
}

fn user(host: &Host, pid: u32) -> Option<u32> {
    let text = host.read_within(&format!("proc/{pid}/status"), STATUS_LIMIT);
    process::effective_user(&text.ok()?)
}

/// Whether the parent of a process may have its sockets unseen: it lives in the same network
/// namespace, and its descriptors may not be read.
fn is_closed(pid: u32, parent: u32) -> bool {
    // Whether it has this one does not matter.
    let target = kernel::descriptor_target(parent, 0);
    let is_refused = |error: io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    target.is_err_and(is_refused) && kernel::share_network(pid, parent) != Some(false)
}

fn read_command_line(host: &Host, pid: u32) -> Option<Vec<Vec<u8>>> {
    let text = host.read_start(&format!("proc/{pid}/cmdline"), COMMAND_LINE_LEN);
    Some(process::command_line(&text.ok()?))
}

/// Whether a leader lives. Its number is nobody else's as long as it has a group or session.
fn lives(host: &Host, leader: u32) -> bool {
    match stat(host, leader) {
        Ok(process) => !process.ended,
        // One of 0 is outside of our pid namespace, where nobody sees whether it ends.
        Err(_) => leader == 0 || (!host.is_recorded() && kernel::process_exists(leader)),
    }
}

/// What the threads of a process wait for, and what its descriptors are.
struct Doings {
    /// `None` where that cannot be seen.
    threads: Option<Vec<Waiting>>,
    /// `None` where they cannot be seen, or are too many.
    descriptors: Option<Vec<(u32, Vec<u8>)>>,
    /// What each epoll waits for; `None` where that cannot be seen.
    epolls: HashMap<u32, Option<EpollTargets>>,
}

impl Doings {
    fn read(pid: u32) -> Doings {
        let threads = kernel::blocked_threads(pid);
        let threads = threads.map(|texts| texts.iter().map(|text| waiting(text)).collect());
        let mut doings = Doings {
            threads,
            descriptors: kernel::descriptors(pid),
            epolls: HashMap::new(),
        };
        let waited_for = doings.threads.iter().flatten().filter_map(|thread| {
            let Waiting::Epoll(fd) = thread else {
                return None;
            };
            Some(*fd)
        });
        let others = doings.descriptors.iter().flatten();
        let others = others.filter(|(_, target)| target == b"anon_inode:[eventpoll]");
        let mut fds: Vec<u32> = waited_for.chain(others.map(|(fd, _)| *fd)).collect();
        fds.sort_unstable();
        fds.dedup();
        for fd in fds {
            let text = kernel::descriptor_info(pid, fd, EPOLL_LIMIT).ok();
            doings
                .epolls
                .insert(fd, text.map(|text| EpollTargets::parse(&text)));
        }
        doings
    }

    /// Whether the process waits for what comes in on a socket that it holds under these
    /// descriptors; `None` where that cannot be seen, or where it may come back to it any moment.
    fn serves(&self, pid: u32, fds: &[u32], inode: u64) -> Option<bool> {
        let mut is_sure = self.threads.is_some() && self.descriptors.is_some();
        for thread in self.threads.iter().flatten() {
            match *thread {
                Waiting::Polling => return Some(true),
                Waiting::On(fd) if fds.contains(&fd) => return Some(true),
                Waiting::On(fd) => match self.target(pid, fd) {
                    Some(target) if target == socket_target(inode) => return Some(true),
                    Some(target) if may_keep_for_long(&target) => {}
                    // Busy with a connection, as a server of one thread may be, or with a file.
                    Some(_) | None => is_sure = false,
                },
                Waiting::Epoll(_) | Waiting::Elsewhere => {}
                Waiting::Unknown => is_sure = false,
            }
        }
        for epoll in self.epolls.values() {
            match epoll {
                Some(targets) if targets.knows(fds, inode) => return Some(true),
                Some(_) => {}
                None => is_sure = false,
            }
        }
        // Nobody tells what was asked of it.
        let is_ring = |(_, target): &(u32, Vec<u8>)| target == b"anon_inode:[io_uring]";
        is_sure &= !self.descriptors.iter().flatten().any(is_ring);
        is_sure.then_some(false)
    }

    fn target(&self, pid: u32, fd: u32) -> Option<Vec<u8>> {
        match &self.descriptors {
            Some(all) => {
                let mut all = all.iter();
                all.find(|(one, _)| *one == fd).map(|(_, to)| to.clone())
            }
            None => kernel::descriptor_target(pid, fd).ok(),
        }
    }
}

/// Whether to read what a descriptor leads to is to wait for somebody who has nothing to do with a
/// server: a terminal, the other end of a pipe, a timer.
fn may_keep_for_long(target: &[u8]) -> bool {
    [&b"pipe:"[..], b"/dev/", b"anon_inode:"]
        .iter()
        .any(|kind| target.starts_with(kind))
}

/// Whether exec closes one of these descriptors; `None` where that cannot be seen.
fn close_on_exec(pid: u32, fds: &[u32]) -> Option<bool> {
    let mut told = fds.iter().map(|&fd| {
        let text = kernel::descriptor_info(pid, fd, FLAGS_LIMIT).ok()?;
        process::closes_on_exec(&text)
    });
    told.try_fold(false, |any, one| one.map(|one| any || one))
}

/// Whether a process runs its parent's program; `None` where that cannot be seen.
fn runs_as_parent(pid: u32, parent: u32) -> Option<bool> {
    Some(kernel::program(pid).ok()? == kernel::program(parent).ok()?)
}
