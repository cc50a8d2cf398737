//! The machine that is looked at: this one, or a recording of one.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::dump::{AdminDetails, Dump};
use super::recording::{HostError, Recording, TEXT_LIMIT, read_within};
use crate::model::{Protocol, Table};

/// The inode of the first pid namespace, `PROC_PID_INIT_INO`.
pub(super) const INITIAL_PID_NAMESPACE: u64 = 0xEFFF_FFFC;

/// Where everything is read from.
#[derive(Debug)]
pub enum Host {
    /// This machine, in the network namespace of this process.
    Live,
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

    /// The path of a file by its name on the machine, such as `proc/net/tcp` or `etc/services`.
    pub fn path(&self, name: &str) -> PathBuf {
        match self {
            Host::Live => Path::new("/").join(name),
            Host::Recorded(recording) => recording.path(name),
        }
    }

    /// Opens a file by its name on the machine.
    pub fn open(&self, name: &str) -> io::Result<File> {
        match self {
            Host::Live => File::open(self.path(name)),
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
            Host::Live => Dump::live(request, admin_details),
            Host::Recorded(recording) => Ok(Dump::recorded(recording.open_diag(protocol)?)),
        }
    }

    /// Why a recording does not have the dump of a table; `None` when it does not say so.
    pub fn why_no_dump(&self, table: Table) -> Option<&str> {
        match self {
            Host::Live => None,
            Host::Recorded(recording) => recording.meta.why_no_dump(table),
        }
    }

    /// What a sock_diag dump of a protocol is called where its damage is told.
    pub fn dump_name(&self, protocol: Protocol) -> String {
        match self {
            Host::Live => format!("{protocol} dump"),
            Host::Recorded(recording) => recording.diag_name(protocol),
        }
    }

    /// Name of the machine; `None` when not known.
    pub fn name(&self) -> Option<String> {
        match self {
            Host::Live => nix::unistd::gethostname()
                .ok()
                .map(|name| name.to_string_lossy().into_owned()),
            Host::Recorded(recording) => recording.meta.host.clone(),
        }
    }

    /// When this was seen: now, or the time of the recording; `None` when that is not known.
    pub fn taken_at(&self) -> Option<SystemTime> {
        match self {
            Host::Live => Some(SystemTime::now()),
            Host::Recorded(recording) => recording.meta.taken_at,
        }
    }

    /// Release of its kernel, such as `6.18.1`; `None` when not known.
    pub fn kernel_release(&self) -> Option<String> {
        match self {
            Host::Live => self
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

    /// Inode of the network namespace; `None` when not known.
    pub fn netns(&self) -> Option<u64> {
        match self {
            Host::Live => namespace_inode("net"),
            Host::Recorded(recording) => recording.meta.netns,
        }
    }
}

/// Inode of this process's namespace of a kind: the number in `net:[4026531840]`.
pub(super) fn namespace_inode(kind: &str) -> Option<u64> {
    let target = std::fs::read_link(format!("/proc/self/ns/{kind}")).ok()?;
    let text = target.to_str()?;
    text.strip_prefix(kind)?
        .strip_prefix(":[")?
        .strip_suffix(']')?
        .parse()
        .ok()
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
