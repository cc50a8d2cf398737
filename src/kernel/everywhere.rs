//! Every network namespace of the machine that can be reached: those that processes live in, and
//! those that a mount or an open descriptor keeps. One that only a socket keeps is not found.

use std::collections::HashSet;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::host::Host;
use super::kept::{mounted, opened};
use super::namespace::own_identity;
use super::netns::{names, reachable_namespaces};
use super::space::{SETTINGS, Space, Way};

/// More threads only wait for each other in the kernel.
const MOST_THREADS: usize = 8;
/// Sockets have no room for the numbers of more.
const MOST_SPACES: usize = u16::MAX as usize;
/// Every network namespace that can be reached, ours first.
#[derive(Debug)]
pub struct Everywhere {
    spaces: Vec<Space>,
    /// Processes of which the namespace cannot be told, and namespaces beyond what can be counted.
    pub hidden_processes: u64,
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
        self.spaces.get(usize::from(netns))?.run(look).ok()
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
