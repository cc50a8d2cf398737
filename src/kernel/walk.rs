//! The walk over `/proc/PID/fd`, the descriptors of all processes, by several threads at once.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir, openat, readlinkat_raw};
use rustix::io::Errno;

use super::bpf::Unavailable;
use super::holdings::Holdings;
use crate::model::Holder;

/// Directory entries are read in pieces of this size; one process's descriptors mostly fit.
const ENTRIES_LEN: usize = 16 << 10;
/// Longer than any `socket:[N]`; a longer target is none.
const TARGET_LEN: usize = 40;
/// A thread for fewer processes than this costs more than it saves.
const PROCESSES_PER_THREAD: usize = 24;
/// More threads only wait for each other in the kernel.
const MOST_THREADS: usize = 8;

/// What a walk found.
#[derive(Debug, Default)]
pub struct Scan<H = Vec<(u64, Holder)>> {
    /// Inode of a socket, or of what else was looked for, and one holder of it, in no order.
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

/// Walks the processes below `proc_root` for the holders of sockets.
///
/// `absent_is_unreadable` is for recordings: a process without `fd` there is one that could not
/// be read when it was made, not one that ended.
pub fn scan_holders(proc_root: &Path, absent_is_unreadable: bool) -> io::Result<Scan> {
    let task = match absent_is_unreadable {
        true => Task::FindRecorded,
        false => Task::Find,
    };
    scan_below(proc_root, Sought::Sockets, task)
}

/// Which open files are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sought {
    /// Sockets.
    Sockets,
    /// Network namespaces.
    Namespaces,
}

impl Sought {
    /// What the links to them in `/proc/PID/fd` begin with.
    const fn kind(self) -> &'static [u8] {
        match self {
            Sought::Sockets => b"socket",
            Sought::Namespaces => b"net",
        }
    }

    /// The magic number of the file system that they are in. Not every inode of type socket is in
    /// that of sockets: the name of a Unix socket is one too, opened with O_PATH. In that of
    /// namespaces there are those of every kind.
    pub(super) const fn magic(self) -> i32 {
        match self {
            Sought::Sockets => 0x534F_434B,
            Sought::Namespaces => 0x6E73_6673,
        }
    }
}

/// What a walk is for.
#[derive(Clone, Copy)]
pub(super) enum Task<'a> {
    /// Finding all holders.
    Find,
    /// Finding all holders in a recording.
    FindRecorded,
    /// Finding holders until this says that it is given up.
    FindUntil(&'a (dyn Fn() -> bool + Sync)),
    /// Finding which processes may not be read. BPF sees them too, as a rule; but where something
    /// shields a process from root, it may shield it from BPF, and nobody would tell.
    Probe,
}

/// Walks the processes below `proc_root`, in parallel.
pub(super) fn scan_below<H: Holdings>(
    proc_root: &Path,
    sought: Sought,
    task: Task<'_>,
) -> io::Result<Scan<H>> {
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
        sought,
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
    sought: Sought,
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
        matches!(self.task, Task::FindUntil(is_given_up) if is_given_up())
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

    /// Takes what is looked for out of a folder of descriptors.
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
                    if let Some(inode) = inode_of(self.sought.kind(), found) {
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

/// Inode of what is of a kind in the target of `/proc/PID/fd/N`: `socket:[4242]`.
pub(super) fn inode_of(kind: &[u8], target: &[u8]) -> Option<u64> {
    let digits = target.strip_prefix(kind)?.strip_prefix(b":[")?;
    std::str::from_utf8(digits.strip_suffix(b"]")?)
        .ok()?
        .parse()
        .ok()
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
        assert_eq!(inode_of(b"socket", b"socket:[4242]"), Some(4242));
        for other in [
            &b"pipe:[4242]"[..],
            b"socket:[]",
            b"socket:[x]",
            b"socket:[99999999999999999999999]",
            b"/tmp/socket:[1]",
        ] {
            assert_eq!(inode_of(b"socket", other), None);
        }
    }
}
