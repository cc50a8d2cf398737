//! One network namespace of this machine, the ways into it, and how to take them.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{CWD, Mode, OFlags, fstat, openat};

use super::beside::Beside;
use super::host::Host;
use super::kept::descriptor_path;
use super::namespace::{enter, on_own_thread, open, own_identity};
use super::netns::{FIRST, NamespaceTables, NetworkNamespace, has_ended};
use super::netns_error::refusal;
use crate::model::{Entrance, EntryRights, Holder};

/// What each namespace has settings of its own for, below `proc/sys/net`.
pub(super) const SETTINGS: [&str; 5] = [
    "ipv4/ip_local_port_range",
    "ipv4/ip_local_reserved_ports",
    "ipv4/tcp_tw_reuse",
    "ipv4/tcp_tw_reuse_delay",
    "ipv4/tcp_timestamps",
];

/// A network namespace, and the ways into it.
#[derive(Debug)]
pub struct Space {
    /// Its inode; `None` where that may not be read.
    pub inode: Option<u64>,
    /// `host` or what `ip netns` calls it.
    pub name: Option<Vec<u8>>,
    pub(super) way: Way,
    /// The texts of [`SETTINGS`], once somebody was there.
    pub(super) settings: OnceLock<Vec<Option<Vec<u8>>>>,
}

#[derive(Debug)]
pub(super) enum Way {
    /// By a process; and by a mount that is known to keep the same.
    Process(NetworkNamespace, Option<PathBuf>),
    /// By a mount.
    Mount(PathBuf),
    /// By a process that has it open: one of these.
    Descriptors(Vec<Holder>),
}

impl Space {
    /// One in which a process lives.
    pub fn of(namespace: NetworkNamespace) -> Space {
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
            (_, Some(name)) if name != FIRST.as_bytes() => Some(Entrance::Name(name.clone())),
            (..) => self.paths().into_iter().next().map(Entrance::Path),
        }
    }

    /// The files that it has, of which each leads to it.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        match &self.way {
            Way::Process(namespace, mount) => {
                let by_process = format!("/proc/{}/ns/net", namespace.pid).into();
                [by_process].into_iter().chain(mount.clone()).collect()
            }
            Way::Mount(path) => vec![path.clone()],
            Way::Descriptors(by) => by.iter().copied().map(descriptor_path).collect(),
        }
    }

    /// Runs something in it, on a thread of its own; where it may not be entered, with what is to
    /// be seen from outside. An error of kind `NotFound` is of one that has ended.
    pub fn run<T: Send>(&self, run: impl FnOnce(&Host) -> T + Send) -> io::Result<T> {
        on_own_thread(None, || self.visit().map(|host| run(&host)))?
    }

    /// Whether it has ended, as it does with its last process unless something else keeps it.
    pub fn has_ended(&self) -> bool {
        match &self.way {
            Way::Process(namespace, None) => namespace.has_ended(),
            Way::Process(..) | Way::Mount(_) | Way::Descriptors(_) => false,
        }
    }

    /// Moves this thread into it; where that is refused, takes what is to be seen from outside.
    pub(super) fn visit(&self) -> io::Result<Host> {
        match (self.move_there(), &self.way) {
            (Ok(()), _) => {
                self.settings.get_or_init(read_settings);
                Ok(Host::Live)
            }
            (Err((path, error, lacks)), Way::Process(namespace, _))
                if error.kind() == io::ErrorKind::PermissionDenied =>
            {
                Ok(Host::Beside(Box::new(Beside::new(
                    namespace.tables().map_err(ended)?,
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

/// What has ended is not there, whatever the kernel says of it.
fn ended(error: io::Error) -> io::Error {
    match has_ended(&error) {
        true => io::ErrorKind::NotFound.into(),
        false => error,
    }
}
