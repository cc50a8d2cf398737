//! Which process holds which socket: the walk over `/proc/PID/fd`, and when to leave it to BPF.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir, openat, readlinkat_raw};
use rustix::io::Errno;

use super::bpf::{Unavailable, task_file};
use super::holdings::Holdings;
use super::host::Host;
use crate::model::Holder;

/// Directory entries are read in pieces of this size; one process's descriptors mostly fit.
const ENTRIES_LEN: usize = 16 << 10;
/// Longer than any `socket:[N]`; a longer target is none.
const TARGET_LEN: usize = 40;
/// A thread for fewer processes than this costs more than it saves.
const PROCESSES_PER_THREAD: usize = 24;
/// More threads only wait for each other in the kernel.
const MOST_THREADS: usize = 8;
/// A walk that takes longer than this is given up for BPF, where that is permitted.
///
/// Before its first file BPF costs 1 ms, or 5 where the kernel's types must be copied; then it is
/// ten times as fast as a thread of the walk. How many files there are is not known beforehand:
/// so most machines, which are small, never pay for BPF, and no other pays much for the try.
/// Measured as `portstat -tlnp` with `PORTSTAT_OWNERS` set either way.
const PATIENCE: Duration = Duration::from_millis(2);

/// By which way holders are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HolderMethod {
    /// `/proc`, and BPF where that takes long.
    #[default]
    Auto,
    /// `/proc` only.
    Proc,
    /// BPF first.
    Bpf,
}

/// What a walk found.
#[derive(Debug, Default)]
pub struct Scan<H = Vec<(u64, Holder)>> {
    /// Inode of a socket and one holder of it, in no order.
    pub holders: H,
    /// Processes whose descriptors may not be read.
    pub unreadable: Vec<u32>,
    /// Processes that ended during the walk.
    pub vanished: u64,
    /// Processes that were listed.
    pub processes: u64,
    /// Why BPF was not used, where it would have been.
    pub without_bpf: Option<Unavailable>,
}

impl<H: Holdings> Scan<H> {
    fn merge(&mut self, other: Scan<H>) {
        self.holders.append(other.holders);
        self.unreadable.extend(other.unreadable);
        self.vanished += other.vanished;
    }
}

/// Finds the holders of a host's sockets, by BPF or below `/proc`. The answers are the same but
/// for processes that may not be read below `/proc`; these are named in both.
pub fn find_holders<H: Holdings>(host: &Host, method: HolderMethod) -> io::Result<Scan<H>> {
    let root = host.path("proc");
    let turn = Turn::default();
    match (host, method) {
        (Host::Recorded(_), _) => return scan_below(&root, Task::FindRecorded),
        (_, HolderMethod::Proc) => return scan_below(&root, Task::Find),
        (_, HolderMethod::Auto) => {
            let mut scan = scan_below(&root, Task::FindUntil(&turn))?;
            if !turn.passed.into_inner() {
                scan.without_bpf = turn.refusal.into_inner().flatten();
                return Ok(scan);
            }
        }
        (_, HolderMethod::Bpf) => {}
    }
    thread::scope(|scope| {
        let probe = || scan_below(&root, Task::Probe);
        let probing = thread::Builder::new().spawn_scoped(scope, probe);
        match task_file::scan() {
            Ok(holders) => {
                let probed = match probing.map(ScopedJoinHandle::join) {
                    Ok(Ok(probed)) => probed,
                    Ok(Err(panic)) => std::panic::resume_unwind(panic),
                    Err(_) => probe(),
                };
                Ok(Scan { holders, ..probed? })
            }
            Err(refusal) => Ok(Scan {
                without_bpf: Some(refusal),
                ..scan_below(&root, Task::Find)?
            }),
        }
    })
}

/// Walks the processes below `proc_root`, in parallel.
///
/// `absent_is_unreadable` is for recordings: a process without `fd` there is one that could not
/// be read when it was made, not one that ended.
pub fn scan_holders(proc_root: &Path, absent_is_unreadable: bool) -> io::Result<Scan> {
    scan_below(
        proc_root,
        if absent_is_unreadable {
            Task::FindRecorded
        } else {
            Task::Find
        },
    )
}

/// What a walk is for.
#[derive(Clone, Copy, Debug)]
enum Task<'a> {
    /// Finding all holders.
    Find,
    /// Finding all holders in a recording.
    FindRecorded,
    /// Finding holders until the turn passes to BPF.
    FindUntil(&'a Turn),
    /// Finding which processes may not be read. BPF sees them too, as a rule; but where something
    /// shields a process from root, it may shield it from BPF, and nobody would tell.
    Probe,
}

fn scan_below<H: Holdings>(proc_root: &Path, task: Task<'_>) -> io::Result<Scan<H>> {
    let root = openat(
        CWD,
        proc_root,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let pids = pids(&root)?;
    let walk = Walk {
        root: &root,
        pids: &pids,
        next: AtomicUsize::new(0),
        task,
    };
    let threads = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MOST_THREADS)
        .min(pids.len() / PROCESSES_PER_THREAD + 1);

    let mut scan = thread::scope(|scope| {
        // Where no thread can be made, as on a machine out of pids, the walk takes longer.
        let others: Vec<_> = (1..threads)
            .map_while(|_| {
                thread::Builder::new()
                    .spawn_scoped(scope, || walk.run())
                    .ok()
            })
            .collect();
        let mut scan = walk.run();
        for other in others {
            match other.join() {
                Ok(found) => scan.merge(found),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        scan
    });
    scan.processes = pids.len() as u64;
    Ok(scan)
}

/// Whose turn it is: that of the walk, until it has taken long and BPF is permitted.
#[derive(Debug)]
struct Turn {
    began: Instant,
    /// Why BPF is not permitted; nobody looks before the walk has taken long.
    refusal: OnceLock<Option<Unavailable>>,
    /// Whether it is BPF's turn.
    passed: AtomicBool,
}

impl Default for Turn {
    fn default() -> Turn {
        Turn {
            began: Instant::now(),
            refusal: OnceLock::new(),
            passed: AtomicBool::new(false),
        }
    }
}

impl Turn {
    /// Whether the walk is to be given up.
    fn has_passed(&self) -> bool {
        let passes = || {
            self.began.elapsed() > PATIENCE
                && self
                    .refusal
                    .get_or_init(|| task_file::permitted().err())
                    .is_none()
        };
        if !self.passed.load(Ordering::Relaxed) && passes() {
            self.passed.store(true, Ordering::Relaxed);
        }
        self.passed.load(Ordering::Relaxed)
    }
}

fn open_dir(at: impl AsFd, path: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    // A recording may hold links that lead out of it; `/proc` has none on these ways.
    openat(
        at,
        path,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

/// Processes below `/proc`, or threads below one's `task`.
fn pids(root: &OwnedFd) -> rustix::io::Result<Vec<u32>> {
    let mut buffer = [MaybeUninit::uninit(); ENTRIES_LEN];
    let mut entries = RawDir::new(root, &mut buffer);
    let mut pids = Vec::new();
    while let Some(entry) = entries.next() {
        pids.extend(number(entry?.file_name().to_bytes()));
    }
    Ok(pids)
}

/// A walk, which several threads share.
struct Walk<'a> {
    root: &'a OwnedFd,
    pids: &'a [u32],
    /// Index of the process that is next.
    next: AtomicUsize,
    task: Task<'a>,
}

impl Walk<'_> {
    /// One thread's share: takes processes until none are left.
    fn run<H: Holdings>(&self) -> Scan<H> {
        let mut scan = Scan::<H>::default();
        let mut buffer = [MaybeUninit::uninit(); ENTRIES_LEN];
        // A walk that has none left is not given up any more.
        while let Some(&pid) = self.pids.get(self.next.fetch_add(1, Ordering::Relaxed))
            && !self.is_given_up()
        {
            match self.process(pid, &mut buffer, &mut scan.holders) {
                Ok(()) => {}
                Err(Errno::NOENT | Errno::SRCH) if !matches!(self.task, Task::FindRecorded) => {
                    scan.vanished += 1;
                }
                Err(_) => scan.unreadable.push(pid),
            }
        }
        scan
    }

    fn is_given_up(&self) -> bool {
        matches!(self.task, Task::FindUntil(turn) if turn.has_passed())
    }

    fn process(
        &self,
        pid: u32,
        buffer: &mut [MaybeUninit<u8>],
        holders: &mut impl Holdings,
    ) -> rustix::io::Result<()> {
        let mut name = itoa::Buffer::new();
        let name = name.format(pid);
        if matches!(self.task, Task::FindRecorded) {
            let process = open_dir(self.root, name)?;
            let dir = open_dir(process, "fd")?;
            return self.descriptors(&dir, pid, buffer, holders).map(drop);
        }
        if matches!(self.task, Task::Probe) {
            return self.probe(name);
        }
        let mut path = [0u8; 16];
        path[..name.len()].copy_from_slice(name.as_bytes());
        path[name.len()..name.len() + 3].copy_from_slice(b"/fd");
        let dir = open_dir(self.root, &path[..name.len() + 3])?;
        if self.descriptors(&dir, pid, buffer, holders)? == Descriptors::None {
            self.without_leader(pid, name, buffer, holders)?;
        }
        Ok(())
    }

    /// Fails where descriptors may not be read: whether they may is decided for every link of a
    /// process alike.
    fn probe(&self, name: &str) -> rustix::io::Result<()> {
        let mut target = [MaybeUninit::uninit(); TARGET_LEN];
        match readlinkat_raw(self.root, format!("{name}/exe"), &mut target) {
            // The kernel's own threads run no file.
            Ok(_) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Takes the files of a process whose first thread has ended: they are those of the others.
    fn without_leader(
        &self,
        pid: u32,
        name: &str,
        buffer: &mut [MaybeUninit<u8>],
        holders: &mut impl Holdings,
    ) -> rustix::io::Result<()> {
        let tasks = format!("{name}/task");
        // A link for each thread, and two of any folder; the kernel's own threads have no others.
        if rustix::fs::statat(self.root, &tasks, AtFlags::SYMLINK_NOFOLLOW)?.st_nlink <= 3 {
            return Ok(());
        }
        let tasks = open_dir(self.root, tasks)?;
        for thread in pids(&tasks)? {
            let dir = match open_dir(&tasks, format!("{thread}/fd")) {
                Ok(dir) => dir,
                Err(Errno::NOENT | Errno::SRCH) => continue,
                Err(error) => return Err(error),
            };
            if self.descriptors(&dir, pid, buffer, holders)? == Descriptors::Some {
                break;
            }
        }
        Ok(())
    }

    /// Takes the sockets out of a folder of descriptors.
    fn descriptors(
        &self,
        dir: &OwnedFd,
        pid: u32,
        buffer: &mut [MaybeUninit<u8>],
        holders: &mut impl Holdings,
    ) -> rustix::io::Result<Descriptors> {
        let mut entries = RawDir::new(dir, buffer);
        let mut target = [MaybeUninit::uninit(); TARGET_LEN];
        let mut seen = Descriptors::None;
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name();
            let Some(fd) = number(name.to_bytes()) else {
                continue;
            };
            seen = Descriptors::Some;
            match readlinkat_raw(dir, name, &mut target) {
                Ok((found, _)) => {
                    if let Some(inode) = socket_inode(found) {
                        holders.add(inode, Holder { pid, fd });
                    }
                }
                // Closed since it was listed, or no link at all (in a damaged recording).
                Err(Errno::NOENT | Errno::INVAL) => {}
                Err(error) => return Err(error),
            }
            if entries.is_buffer_empty() && self.is_given_up() {
                break;
            }
        }
        Ok(seen)
    }
}

/// Whether a folder of descriptors has any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Descriptors {
    None,
    Some,
}

/// Inode of a socket in the target of `/proc/PID/fd/N`: `socket:[4242]`.
fn socket_inode(target: &[u8]) -> Option<u64> {
    let digits = target.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn number(name: &[u8]) -> Option<u32> {
    std::str::from_utf8(name).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn every_holder_of_a_socket_is_found_and_only_of_sockets() {
        let root = tempfile::tempdir().unwrap();
        for (pid, fd, target) in [
            (10, 3, "socket:[77]"),
            (10, 4, "socket:[77]"),
            (10, 5, "pipe:[77]"),
            (11, 9, "socket:[77]"),
            (11, 10, "/var/log/socket:[77]"),
        ] {
            let dir = root.path().join(format!("{pid}/fd"));
            std::fs::create_dir_all(&dir).unwrap();
            symlink(target, dir.join(fd.to_string())).unwrap();
        }
        std::fs::create_dir_all(root.path().join("12")).unwrap();
        std::fs::create_dir_all(root.path().join("net")).unwrap();

        let mut scan = scan_holders(root.path(), true).unwrap();
        scan.holders.sort();
        assert_eq!(
            scan.holders,
            [
                (77, Holder { pid: 10, fd: 3 }),
                (77, Holder { pid: 10, fd: 4 }),
                (77, Holder { pid: 11, fd: 9 }),
            ]
        );
        assert_eq!((scan.processes, scan.vanished), (3, 0));
        assert_eq!(scan.unreadable, [12]);
        assert_eq!(scan_holders(root.path(), false).unwrap().vanished, 1);
    }

    #[test]
    fn links_do_not_lead_out_of_a_recording() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(outside.path().join("9/fd")).unwrap();
        symlink("socket:[77]", outside.path().join("9/fd/4")).unwrap();
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("9")).unwrap();
        symlink(outside.path().join("9/fd"), root.path().join("9/fd")).unwrap();
        symlink(outside.path().join("9"), root.path().join("10")).unwrap();

        let mut scan = scan_holders(root.path(), true).unwrap();
        scan.unreadable.sort_unstable();
        assert_eq!(scan.holders, []);
        assert_eq!(scan.unreadable, [9, 10]);
    }

    #[test]
    fn only_sockets_have_a_socket_inode() {
        assert_eq!(socket_inode(b"socket:[4242]"), Some(4242));
        for other in [
            &b"pipe:[4242]"[..],
            b"socket:[]",
            b"socket:[x]",
            b"socket:[99999999999999999999999]",
            b"/tmp/socket:[1]",
        ] {
            assert_eq!(socket_inode(other), None);
        }
    }
}
