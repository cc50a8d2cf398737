//! Every network namespace of the machine that can be reached: those that processes live in, and
//! those that a mount or an open descriptor keeps. One that only a socket keeps is not found.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::fs::{CWD, Mode, OFlags, fstat, openat};

use super::beside::Beside;
use super::host::Host;
use super::kept::{descriptor_path, mounted, opened};
use super::namespace::{enter, open, own_identity};
use super::netns::{FIRST, NamespaceTables, NetworkNamespace, names, reachable_namespaces};
use super::netns_error::refusal;
use crate::model::{Entrance, EntryRights, Holder};

/// More threads only wait for each other in the kernel.
const MOST_THREADS: usize = 8;
/// Sockets have no room for the numbers of more.
const MOST_SPACES: usize = u16::MAX as usize;
/// What each namespace has settings of its own for, below `proc/sys/net`.
const SETTINGS: [&str; 5] = [
    "ipv4/ip_local_port_range",
    "ipv4/ip_local_reserved_ports",
    "ipv4/tcp_tw_reuse",
    "ipv4/tcp_tw_reuse_delay",
    "ipv4/tcp_timestamps",
];

/// Every network namespace that can be reached, ours first.
#[derive(Debug)]
pub struct Everywhere {
    spaces: Vec<Space>,
    /// Processes of which the namespace cannot be told, and namespaces beyond what can be counted.
    pub hidden_processes: u64,
}

/// One of them.
#[derive(Debug)]
pub struct Space {
    /// Its inode; `None` where that may not be read.
    pub inode: Option<u64>,
    /// `host` or what `ip netns` calls it.
    pub name: Option<String>,
    way: Way,
    /// The texts of [`SETTINGS`], once somebody was there.
    settings: OnceLock<Vec<Option<Vec<u8>>>>,
}

#[derive(Debug)]
enum Way {
    /// By a process; and by a mount that is known to keep the same.
    Process(NetworkNamespace, Option<PathBuf>),
    /// By a mount.
    Mount(PathBuf),
    /// By a process that has it open: one of these.
    Descriptors(Vec<Holder>),
}

impl Everywhere {
    /// Looks for them: ours, the others in the order of their first processes, then those without
    /// a process in the order of their paths, then those that are only open.
    pub fn find() -> io::Result<Everywhere> {
        let mut reachable = reachable_namespaces()?;
        reachable.found.sort_by_key(|namespace| !namespace.is_own);
        let mut spaces: Vec<Space> = reachable.found.into_iter().map(Space::of).collect();
        let mut inodes: HashSet<u64> = spaces.iter().flat_map(|space| space.inode).collect();
        let mounted = mounted().into_iter();
        let mounted = mounted.map(|(path, inode)| (Way::Mount(path), inode));
        let opened = opened()?.into_iter();
        let opened = opened.map(|(by, inode)| (Way::Descriptors(by), inode));
        let (names, device) = (names(), own_identity().map(|(device, _)| device));
        for (way, inode) in mounted.chain(opened) {
            if inodes.insert(inode) {
                spaces.push(Space {
                    inode: Some(inode),
                    name: device.and_then(|device| names.get(&(device, inode)).cloned()),
                    way,
                    settings: OnceLock::new(),
                });
            }
        }
        let beyond = spaces.len().saturating_sub(MOST_SPACES);
        spaces.truncate(MOST_SPACES);
        Ok(Everywhere {
            spaces,
            hidden_processes: reachable.hidden_processes + beyond as u64,
        })
    }

    /// The namespaces. Their places here are the numbers that sockets have of them.
    pub fn spaces(&self) -> &[Space] {
        &self.spaces
    }

    /// Calls `work` for each namespace, in order but several at once, on threads that have entered
    /// it, until it returns `false`; and `meanwhile` here. An error when there is no thread to be
    /// had.
    pub fn visit_all<T>(
        &self,
        work: impl Fn(usize, io::Result<Host>) -> bool + Sync,
        meanwhile: impl FnOnce() -> T,
    ) -> io::Result<T> {
        let next = AtomicUsize::new(0);
        let run = || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(space) = self.spaces.get(number) else {
                    return;
                };
                if !work(number, space.visit()) {
                    return next.store(self.spaces.len(), Ordering::Relaxed);
                }
            }
        };
        let threads = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            thread::Builder::new().spawn_scoped(scope, run)?;
            for _ in 1..threads.min(MOST_THREADS).min(self.spaces.len()) {
                // Where no more can be made, the first one takes longer.
                let _ = thread::Builder::new().spawn_scoped(scope, run);
            }
            Ok(meanwhile())
        })
    }

    /// Calls `look` on a thread that has entered a namespace; `None` where nobody can.
    pub fn at<T: Send>(&self, netns: u16, look: impl FnOnce(&Host) -> T + Send) -> Option<T> {
        let space = self.spaces.get(usize::from(netns))?;
        let visit = || space.visit().ok().map(|host| look(&host));
        thread::scope(|scope| {
            let thread = thread::Builder::new().spawn_scoped(scope, visit).ok()?;
            thread.join().ok()?
        })
    }

    /// The places of those that may be one: of processes that do not tell which theirs is, and of
    /// those in which no process is known. `None` where there are not both.
    pub fn doubtful(&self) -> Option<(Vec<u16>, Vec<u16>)> {
        let places = |is: &dyn Fn(&Space) -> bool| -> Vec<u16> {
            let spaces = (0..=u16::MAX).zip(&self.spaces);
            let found = spaces.filter(|(_, space)| is(space));
            found.map(|(place, _)| place).collect()
        };
        let processes = places(&|space| space.inode.is_none());
        let kept = places(&|space| space.process().is_none());
        (!processes.is_empty() && !kept.is_empty()).then_some((processes, kept))
    }

    /// Which of processes a namespace turns out to be for whoever enters it.
    pub fn seen_from_inside(&self, place: u16) -> Option<u16> {
        let is_here = |space: &Space| match &space.way {
            Way::Process(namespace, _) => namespace.is_here(),
            Way::Mount(_) | Way::Descriptors(_) => false,
        };
        let found = self.at(place, |_| self.spaces.iter().position(is_here))?;
        u16::try_from(found?).ok()
    }

    /// Takes pairs for one each: that of a process, and one that something else keeps.
    pub fn unite(&mut self, pairs: &[(u16, u16)]) {
        for &(process, kept) in pairs {
            let Some(other) = self.spaces.get(usize::from(kept)) else {
                continue;
            };
            let (inode, name) = (other.inode, other.name.clone());
            let path = other.paths().into_iter().next();
            if let Some(space) = self.spaces.get_mut(usize::from(process))
                && let Way::Process(_, mount) = &mut space.way
            {
                *mount = path;
                space.inode = inode;
                space.name = space.name.take().or(name);
            }
        }
        let mut place = 0;
        self.spaces.retain(|_| {
            place += 1;
            !pairs
                .iter()
                .any(|(_, kept)| usize::from(*kept) + 1 == place)
        });
    }

    /// Whether of these, by their places, some may be one, which nobody tells.
    pub fn may_be_one(&self, places: &[usize]) -> bool {
        let spaces = || places.iter().filter_map(|place| self.spaces.get(*place));
        spaces().any(|space| space.inode.is_none())
            && spaces().any(|space| space.process().is_none())
    }

    /// Reads a setting of the network as it is in a namespace.
    pub(super) fn read_setting(&self, netns: u16, name: &str) -> io::Result<Vec<u8>> {
        let setting = name.strip_prefix("proc/sys/net/");
        let place = SETTINGS.iter().position(|known| Some(*known) == setting);
        let (Some(place), Some(space)) = (place, self.spaces.get(usize::from(netns))) else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        if space.settings.get().is_none() {
            self.at(netns, |_| ());
        }
        match space.settings.get().and_then(|texts| texts.get(place)) {
            Some(Some(text)) => Ok(text.clone()),
            Some(None) => Err(io::ErrorKind::NotFound.into()),
            None => Err(io::ErrorKind::PermissionDenied.into()),
        }
    }
}

impl Space {
    fn of(namespace: NetworkNamespace) -> Space {
        Space {
            inode: namespace.inode,
            name: namespace.name.clone(),
            way: Way::Process(namespace, None),
            settings: OnceLock::new(),
        }
    }

    /// Whether these are its tables.
    pub(super) fn shows(&self, tables: &NamespaceTables) -> bool {
        match &self.way {
            Way::Process(namespace, _) => namespace.shows(tables),
            Way::Mount(_) | Way::Descriptors(_) => false,
        }
    }

    /// A process that lives in it.
    pub fn process(&self) -> Option<u32> {
        match &self.way {
            Way::Process(namespace, _) => Some(namespace.pid),
            Way::Mount(_) | Way::Descriptors(_) => None,
        }
    }

    /// How commands get there; `None` where this process is there already.
    pub fn entrance(&self) -> Option<Entrance> {
        let own = own_identity().map(|(_, inode)| inode);
        match (&self.way, &self.name) {
            (Way::Process(namespace, _), _) if namespace.is_own => None,
            (Way::Mount(_) | Way::Descriptors(_), _) if own.is_some() && own == self.inode => None,
            // That is no name of `ip netns`, and one that is cannot be told from it.
            (_, Some(name)) if name != FIRST => Some(Entrance::Name(name.clone())),
            (..) => self.paths().into_iter().next().map(Entrance::Path),
        }
    }

    /// The files that it has, of which each leads to it.
    fn paths(&self) -> Vec<PathBuf> {
        match &self.way {
            Way::Process(namespace, mount) => {
                let by_process = format!("/proc/{}/ns/net", namespace.pid).into();
                [by_process].into_iter().chain(mount.clone()).collect()
            }
            Way::Mount(path) => vec![path.clone()],
            Way::Descriptors(by) => by.iter().copied().map(descriptor_path).collect(),
        }
    }

    /// Moves this thread into it; where that is refused, takes what is to be seen from outside.
    fn visit(&self) -> io::Result<Host> {
        match (self.move_there(), &self.way) {
            (Ok(()), _) => {
                self.settings.get_or_init(read_settings);
                Ok(Host::Live)
            }
            (Err((path, error, lacks)), Way::Process(namespace, _))
                if error.kind() == io::ErrorKind::PermissionDenied =>
            {
                Ok(Host::Beside(Box::new(Beside::new(
                    namespace.tables()?,
                    self.inode,
                    self.name.clone(),
                    refusal(&path, error, lacks).to_string(),
                    lacks,
                ))))
            }
            (Err((_, error, _)), _) => Err(error),
        }
    }

    /// Moves this thread into it by the first of its files that still is its own. An error has the
    /// file and the rights that are missing.
    fn move_there(&self) -> Result<(), (PathBuf, io::Error, EntryRights)> {
        // It takes no rights to stay where one is.
        if self.inode.is_some() && own_identity().map(|(_, inode)| inode) == self.inode {
            return Ok(());
        }
        let gone = io::ErrorKind::NotFound.into();
        let mut outcome = Err((PathBuf::new(), gone, EntryRights::Enter));
        for path in self.paths() {
            match self.move_by(&path) {
                Err((error, _)) if error.kind() == io::ErrorKind::NotFound => {}
                Err((error, lacks)) => outcome = Err((path, error, lacks)),
                Ok(()) => return Ok(()),
            }
        }
        outcome
    }

    fn move_by(&self, path: &Path) -> Result<(), (io::Error, EntryRights)> {
        let refused = |error: io::Error| (error, EntryRights::Enter);
        let closed = |error: io::Error| (error, EntryRights::OpenAndEnter);
        let namespace = self.open(path).map_err(closed)?;
        enter(&namespace).map_err(refused)
    }

    /// A file that it has.
    pub fn file(&self) -> io::Result<File> {
        let mut outcome = Err(io::ErrorKind::NotFound.into());
        for path in self.paths() {
            outcome = self.open(&path);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// Opens one of its files.
    fn open(&self, path: &Path) -> io::Result<File> {
        // The number of a process or descriptor may mean another by now, and that may be anything:
        // to open it is left until it is known.
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let place = openat(CWD, path, flags, Mode::empty())?;
        if Some(fstat(&place)?.st_ino) != self.inode {
            return Err(io::ErrorKind::NotFound.into());
        }
        open(Path::new(&format!(
            "/proc/thread-self/fd/{}",
            place.as_raw_fd()
        )))
    }
}

fn read_settings() -> Vec<Option<Vec<u8>>> {
    let read = |name| Host::Live.read(&format!("proc/sys/net/{name}")).ok();
    SETTINGS.map(read).into()
}
