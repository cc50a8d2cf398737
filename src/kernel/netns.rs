//! Network namespaces: what they are called, and which can be reached through `/proc`.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, statat};
use rustix::io::Errno;

use super::namespace::own_identity;

/// Where `ip netns` keeps the named ones.
pub(super) const NAMED: &str = "/run/netns";
/// What the namespace of the first process is called.
pub(super) const FIRST: &str = "host";
/// What a namespace shows of itself to everybody: a file that each has its own of, and by which
/// they can be told apart without leave.
const SHOWN: &str = "net/tcp";

/// What tells a file from all others: its device and inode.
type Identity = (u64, u64);

/// A network namespace in which a process lives, or a thread of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkNamespace {
    /// A process that lives in it, or a thread where no process does.
    pub pid: u32,
    /// Its inode, the number in `net:[4026531840]`; `None` where that may not be read.
    pub inode: Option<u64>,
    /// `host` for that of the first process, else what `ip netns` calls it; `None` when it has no
    /// name or that cannot be told.
    pub name: Option<Vec<u8>>,
    /// Whether it is ours.
    pub is_own: bool,
    shown: Identity,
}

/// The network namespaces that processes live in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkNamespaces {
    /// Each once, in the order of their first processes.
    pub found: Vec<NetworkNamespace>,
    /// Processes of which the namespace cannot be told.
    pub hidden_processes: u64,
}

/// Every network namespace that can be reached through `/proc`, ours included.
pub fn reachable_namespaces() -> io::Result<NetworkNamespaces> {
    let own = shown_by("thread-self").ok();
    let first = shown_by("1").ok();
    let names = names();
    let mut places: HashMap<Identity, usize> = HashMap::new();
    let mut namespaces = NetworkNamespaces::default();
    let processes = pids("/proc")?;
    let threads = processes.iter().flat_map(|pid| other_threads(*pid));
    for (pid, is_thread) in (processes.iter().map(|pid| (*pid, false))).chain(threads) {
        let shown = match shown_by(&pid.to_string()) {
            Ok(shown) => shown,
            // It has ended: what is left of it lives in no namespace.
            Err(Errno::NOENT | Errno::SRCH | Errno::INVAL) => continue,
            Err(_) if is_thread => continue,
            Err(_) => {
                namespaces.hidden_processes += 1;
                continue;
            }
        };
        let place = *places.entry(shown).or_insert_with(|| {
            namespaces.found.push(NetworkNamespace {
                pid,
                inode: None,
                name: (Some(shown) == first).then(|| FIRST.as_bytes().to_vec()),
                is_own: Some(shown) == own,
                shown,
            });
            namespaces.found.len() - 1
        });
        // Of several processes of a namespace one may tell what the others do not.
        let Some(namespace) = namespaces.found.get_mut(place) else {
            continue;
        };
        if namespace.inode.is_none()
            && let Ok(told) = fs::metadata(format!("/proc/{pid}/ns/net"))
        {
            namespace.inode = Some(told.ino());
            let name = || names.get(&(told.dev(), told.ino())).cloned();
            namespace.name = namespace.name.take().or_else(name);
        }
    }
    Ok(namespaces)
}

impl NetworkNamespace {
    /// Whether this thread is in it.
    pub(super) fn is_here(&self) -> bool {
        shown_by("thread-self").is_ok_and(|shown| shown == self.shown)
    }

    /// Whether these are its tables.
    pub(super) fn shows(&self, tables: &NamespaceTables) -> bool {
        identity(&tables.process, SHOWN).is_ok_and(|shown| shown == self.shown)
    }

    /// Whether no process lives in it any more.
    pub(super) fn has_ended(&self) -> bool {
        let opened = self.tables().and_then(|tables| tables.open("tcp"));
        let is_its = |one: &NetworkNamespace| one.shown == self.shown;
        opened.is_err_and(|error| has_ended(&error))
            && !reachable_namespaces().is_ok_and(|all| all.found.iter().any(is_its))
    }

    /// What `/proc` shows of it, even if its process ends and another gets its number; an error
    /// when that has happened.
    pub fn tables(&self) -> io::Result<NamespaceTables> {
        let tables = NamespaceTables::of(self.pid)?;
        match identity(&tables.process, SHOWN)? == self.shown {
            true => Ok(tables),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// Whether what a process shows cannot be read because it has ended: with its last process a
/// namespace ends too, and then its tables are there for a moment but cannot be opened.
pub fn has_ended(error: &io::Error) -> bool {
    let is_ending = matches!(
        error.raw_os_error(),
        Some(libc::ENXIO | libc::ESRCH | libc::EINVAL)
    );
    is_ending || error.kind() == io::ErrorKind::NotFound
}

/// The tables of sockets of a network namespace, by way of a process in it.
#[derive(Debug)]
pub struct NamespaceTables {
    process: OwnedFd,
}

impl NamespaceTables {
    /// Those of a process, and of nobody else that gets its number.
    pub(super) fn of(pid: u32) -> io::Result<NamespaceTables> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let process = openat(CWD, format!("/proc/{pid}"), flags, Mode::empty())?;
        Ok(NamespaceTables { process })
    }

    /// Whether they are those of the same namespace.
    pub(super) fn is_same(&self, other: &NamespaceTables) -> bool {
        match [self, other].map(|one| identity(&one.process, SHOWN)) {
            [Ok(one), Ok(other)] => one == other,
            _ => false,
        }
    }

    /// Opens a table by its name in `/proc/PID/net`, such as `tcp6`.
    pub fn open(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let path = format!("net/{name}");
        Ok(openat(&self.process, path, flags, Mode::empty())?.into())
    }
}

/// Whether these are tables of the namespace of this thread.
pub(super) fn is_own(tables: &NamespaceTables) -> bool {
    let shown = [shown_by("thread-self"), identity(&tables.process, SHOWN)];
    matches!(shown, [Ok(own), Ok(other)] if own == other)
}

fn shown_by(process: &str) -> rustix::io::Result<Identity> {
    identity(CWD, &format!("/proc/{process}/{SHOWN}"))
}

/// Whether two processes live in the same network namespace, as far as that can be told without
/// leave; `None` where it cannot.
pub fn share_network(one: u32, other: u32) -> Option<bool> {
    let shown = |pid: u32| shown_by(&pid.to_string()).ok();
    Some(shown(one)? == shown(other)?)
}

fn identity(at: impl AsFd, path: &str) -> rustix::io::Result<Identity> {
    let told = statat(at, path, AtFlags::empty())?;
    Ok((told.st_dev, told.st_ino))
}

/// The threads of a process but the first, where there are others: each may live in another
/// namespace, and is found in `/proc` by its number as a process is.
fn other_threads(pid: u32) -> Vec<(u32, bool)> {
    let folder = format!("/proc/{pid}/task");
    // A link for each thread, and two of any folder.
    let told = statat(CWD, &folder, AtFlags::SYMLINK_NOFOLLOW);
    if told.is_ok_and(|told| told.st_nlink <= 3) {
        return Vec::new();
    }
    let mut threads = pids(&folder).unwrap_or_default();
    threads.retain(|thread| *thread != pid);
    threads.into_iter().map(|thread| (thread, true)).collect()
}

/// All processes, or threads of one, in the order of their numbers.
fn pids(folder: &str) -> io::Result<Vec<u32>> {
    let mut pids = Vec::new();
    for entry in fs::read_dir(folder)? {
        pids.extend(
            entry?
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<u32>().ok()),
        );
    }
    pids.sort_unstable();
    Ok(pids)
}

/// What `ip netns` calls namespaces.
pub(super) fn names() -> HashMap<Identity, Vec<u8>> {
    let named = fs::read_dir(NAMED).into_iter().flatten().flatten();
    let name = |entry: fs::DirEntry| {
        let told = fs::metadata(entry.path()).ok()?;
        Some(((told.dev(), told.ino()), entry.file_name().into_vec()))
    };
    named.filter_map(name).collect()
}

/// Name of the namespace of this thread.
pub(super) fn own_name() -> Option<Vec<u8>> {
    if let [Ok(own), Ok(first)] = ["thread-self", "1"].map(shown_by)
        && own == first
    {
        return Some(FIRST.as_bytes().to_vec());
    }
    names().remove(&own_identity()?)
}

#[cfg(test)]
mod tests {
    use super::super::host::Host;
    use super::*;

    #[test]
    fn our_own_namespace_is_found_once() {
        let found = reachable_namespaces().unwrap().found;
        let own: Vec<_> = found.iter().filter(|one| one.is_own).collect();
        assert_eq!(own.len(), 1, "{found:?}");
        assert_eq!(own[0].name, Host::Live.netns_name());
        assert_eq!(own[0].inode, Host::Live.netns());
        assert!(own[0].tables().unwrap().open("tcp").is_ok());
        assert!(own[0].tables().unwrap().open("nothing").is_err());
        assert_eq!(share_network(std::process::id(), own[0].pid), Some(true));
        assert_eq!(share_network(std::process::id(), 1 << 30), None);
    }

    #[test]
    fn what_has_ended_is_not_closed() {
        let of = io::Error::from_raw_os_error;
        for gone in [libc::ENOENT, libc::ESRCH, libc::ENXIO, libc::EINVAL] {
            assert!(has_ended(&of(gone)), "{gone}");
        }
        for closed in [libc::EACCES, libc::EPERM, libc::EMFILE] {
            assert!(!has_ended(&of(closed)), "{closed}");
        }
    }

    #[test]
    fn a_namespace_ends_with_its_last_process_and_not_with_another() {
        let mut own = reachable_namespaces().unwrap().found;
        own.retain(|one| one.is_own);
        let mut own = own.remove(0);
        assert!(!own.has_ended());
        own.pid = 1 << 30;
        assert!(!own.has_ended());
        own.shown.1 += 1;
        assert!(own.has_ended());
    }

    #[test]
    fn another_process_by_its_number_does_not_pass_for_it() {
        let mut other = reachable_namespaces().unwrap().found.remove(0);
        other.shown.1 += 1;
        let error = other.tables().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        other.pid = 1 << 30;
        assert!(other.tables().is_err());
    }
}
