//! The machine that is looked at: this one, or a recording of one.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::beside::Beside;
use super::dump::{AdminDetails, Dump};
use super::everywhere::Everywhere;
use super::multicast::Announcements;
use super::namespace::namespace_inode;
use super::netns::{NetworkNamespace, own_name};
use super::recording::{HostError, Recording, TEXT_LIMIT, read_within};
use crate::model::{Entrance, Protocol, Table};

/// Where a recording keeps the routes of the table `local`.
pub const LOCAL_ROUTES: &str = "rtnl/local.nlmsg";

/// Where everything is read from.
#[derive(Debug)]
pub enum Host {
    /// This machine, in the network namespace of this thread.
    Live,
    /// This machine, in another network namespace, which may not be entered.
    Beside(Box<Beside>),
    /// This machine, in every network namespace that can be reached. Where only one can be meant
    /// it is that of this thread.
    Everywhere(Box<Everywhere>),
    /// What `portstat record`, `ss -D` or a copy of `/proc` kept.
    Recorded(Box<Recording>),
}

impl Host {
    /// The recording at `path`: a folder, or a file written by `ss -D`.
    pub fn recorded(path: &Path) -> Result<Host, HostError> {
        Recording::open(path).map(|recording| Host::Recorded(Box::new(recording)))
    }

    /// Whether this is a recording.
    pub const fn is_recorded(&self) -> bool {
        matches!(self, Host::Recorded(_))
    }

    /// Whether what is asked of the kernel here is answered for what is looked at.
    pub const fn is_here(&self) -> bool {
        matches!(self, Host::Live)
    }

    /// The path of a file by its name on the machine, such as `proc/net/tcp` or `etc/services`.
    pub fn path(&self, name: &str) -> PathBuf {
        match self {
            Host::Live | Host::Everywhere(_) => live_path(name),
            Host::Beside(_) => Path::new("/").join(name),
            Host::Recorded(recording) => recording.path(name),
        }
    }

    /// Opens a file by its name on the machine.
    pub fn open(&self, name: &str) -> io::Result<File> {
        match self {
            Host::Live | Host::Everywhere(_) => File::open(self.path(name)),
            Host::Beside(beside) => beside.open(name),
            Host::Recorded(recording) => recording.open_file(name),
        }
    }

    /// Reads a file whole; one that is longer than any that is read so is an error, not a piece.
    pub fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.read_within(name, TEXT_LIMIT)
    }

    /// Reads a file whole that is known to be short; a longer one is an error.
    pub fn read_within(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        read_within(self.open(name)?, limit)
    }

    /// Reads the first `length` bytes of a file, or less where it ends before.
    pub fn read_start(&self, name: &str, length: u64) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        self.open(name)?.take(length).read_to_end(&mut text)?;
        Ok(text)
    }

    /// Begins a sock_diag dump of a protocol. A recording answers with all that it has of the
    /// protocol, whatever the request says.
    pub fn dump(
        &self,
        protocol: Protocol,
        request: &[u8],
        admin_details: AdminDetails,
    ) -> io::Result<Dump> {
        match self {
            Host::Live | Host::Everywhere(_) => Dump::live(request, admin_details),
            Host::Beside(beside) => Err(beside.refusal()),
            Host::Recorded(recording) => Ok(Dump::recorded(recording.open_diag(protocol)?)),
        }
    }

    /// Joins the groups of sock_diag of this mask; a recording announces nothing.
    pub fn join(&self, groups: u32) -> io::Result<Announcements> {
        match self {
            Host::Live | Host::Everywhere(_) => Announcements::join(groups),
            Host::Beside(beside) => Err(beside.refusal()),
            Host::Recorded(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Begins a dump of the routes of the table `local`. A recording answers with all that it has,
    /// whatever the request says.
    pub fn local_routes(&self, request: &[u8]) -> io::Result<Dump> {
        match self {
            Host::Live | Host::Everywhere(_) => Dump::routes(request),
            Host::Beside(beside) => Err(beside.refusal()),
            Host::Recorded(recording) => Ok(Dump::recorded(recording.open_file(LOCAL_ROUTES)?)),
        }
    }

    /// Asks for routes, interfaces or their addresses; a recording cannot be asked.
    pub fn ask_routes(&self, request: &[u8]) -> io::Result<Dump> {
        match self {
            Host::Live | Host::Everywhere(_) => Dump::routes(request),
            Host::Beside(beside) => Err(beside.refusal()),
            Host::Recorded(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Reads a setting of the network, as it is in the namespace of this number.
    pub fn read_in(&self, netns: u16, name: &str) -> io::Result<Vec<u8>> {
        match self {
            Host::Everywhere(everywhere) => everywhere.read_setting(netns, name),
            _ => self.read(name),
        }
    }

    /// Why a recording does not have the dump of a table; `None` when it does not say so.
    pub fn why_no_dump(&self, table: Table) -> Option<&str> {
        match self {
            Host::Live | Host::Beside(_) | Host::Everywhere(_) => None,
            Host::Recorded(recording) => recording.meta.why_no_dump(table),
        }
    }

    /// What a sock_diag dump of a protocol is called where its damage is told.
    pub fn dump_name(&self, protocol: Protocol) -> String {
        match self {
            Host::Live | Host::Beside(_) | Host::Everywhere(_) => format!("{protocol} dump"),
            Host::Recorded(recording) => recording.diag_name(protocol),
        }
    }

    /// Name of the machine; `None` when not known.
    pub fn name(&self) -> Option<String> {
        match self {
            Host::Live | Host::Beside(_) | Host::Everywhere(_) => nix::unistd::gethostname()
                .ok()
                .map(|name| name.to_string_lossy().into_owned()),
            Host::Recorded(recording) => recording.meta.host.clone(),
        }
    }

    /// When this was seen: now, or the time of the recording; `None` when that is not known.
    pub fn taken_at(&self) -> Option<SystemTime> {
        match self {
            Host::Live | Host::Beside(_) | Host::Everywhere(_) => Some(SystemTime::now()),
            Host::Recorded(recording) => recording.meta.taken_at,
        }
    }

    /// Release of its kernel, such as `6.18.1`; `None` when not known.
    pub fn kernel_release(&self) -> Option<String> {
        match self {
            Host::Live | Host::Beside(_) | Host::Everywhere(_) => self
                .read("proc/sys/kernel/osrelease")
                .ok()
                .map(|text| String::from_utf8_lossy(&text).trim().to_owned()),
            Host::Recorded(recording) => recording.meta.kernel.clone(),
        }
    }

    /// Whether this process is root here, so that becoming root is no remedy.
    pub fn is_root(&self) -> bool {
        !self.is_recorded() && nix::unistd::geteuid().is_root()
    }

    /// How commands for the machine of a recording get to the network namespace that was recorded.
    pub fn recorded_entrance(&self) -> Option<&Entrance> {
        match self {
            Host::Live | Host::Beside(_) | Host::Everywhere(_) => None,
            Host::Recorded(recording) => recording.meta.entrance.as_ref(),
        }
    }

    /// Whether this is the network namespace that is looked at. A recording has none of now.
    pub fn is_of(&self, namespace: &NetworkNamespace) -> bool {
        match self {
            Host::Live | Host::Everywhere(_) => namespace.is_own,
            Host::Beside(beside) => beside.is(namespace),
            Host::Recorded(_) => false,
        }
    }

    /// Name of the network namespace: `host` for that of the first process, else what `ip netns`
    /// calls it; `None` when it has none or that cannot be told.
    pub fn netns_name(&self) -> Option<Vec<u8>> {
        match self {
            Host::Live | Host::Everywhere(_) => own_name(),
            Host::Beside(beside) => beside.name().map(<[u8]>::to_vec),
            Host::Recorded(_) => None,
        }
    }

    /// Inode of the network namespace; `None` when not known.
    pub fn netns(&self) -> Option<u64> {
        match self {
            Host::Live | Host::Everywhere(_) => namespace_inode("net"),
            Host::Beside(beside) => beside.inode(),
            Host::Recorded(recording) => recording.meta.netns,
        }
    }
}

/// The path of a file of this machine. What `/proc/net` shows is the network namespace of the
/// process's first thread, which this one may have left.
fn live_path(name: &str) -> PathBuf {
    match name.strip_prefix("proc/net/") {
        Some(table) => Path::new("/proc/thread-self/net").join(table),
        None => Path::new("/").join(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_beyond_the_limit_is_an_error_and_no_piece() {
        let folder = tempfile::tempdir().unwrap();
        let services = folder.path().join("etc/services");
        std::fs::create_dir_all(folder.path().join("etc")).unwrap();
        std::fs::create_dir_all(folder.path().join("proc")).unwrap();
        let file = File::create(&services).unwrap();
        let host = Host::recorded(folder.path()).unwrap();
        file.set_len(TEXT_LIMIT).unwrap();
        assert_eq!(host.read("etc/services").unwrap().len() as u64, TEXT_LIMIT);
        file.set_len(TEXT_LIMIT + 1).unwrap();
        let error = host.read("etc/services").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(host.read_start("etc/services", 5).unwrap().len(), 5);
    }
}
