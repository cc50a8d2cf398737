//! One network namespace, named by a user: looked for, and entered by a thread of its own. Other
//! threads stay where they are; those that this one makes come along.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{self, Path, PathBuf};

use super::beside::Beside;
use super::host::Host;
use super::namespace::{enter, on_own_thread, open, own_identity};
use super::netns::{FIRST, NAMED, NamespaceTables, reachable_namespaces};
use super::netns_error::{NetnsError, refusal};
use crate::model::{Entrance, EntryRights};

/// As much as the first thread of a process has: a whole command runs on it.
const STACK_LEN: usize = 8 << 20;

/// A network namespace that somebody named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetnsTarget {
    path: PathBuf,
    /// The process whose it is, where a process was named.
    pid: Option<u32>,
    /// What `ip netns` calls it, where it was named so.
    name: Option<Vec<u8>>,
    /// Set where a name was taken for one that is also the number of a process: that number.
    pub not_process: Option<u32>,
}

impl NetnsTarget {
    /// Looks for a name that `ip netns` gave, the number of a process, or a path, in this order;
    /// what has a slash in it is a path.
    pub fn find(text: &OsStr) -> Result<NetnsTarget, NetnsError> {
        let number = text.to_str().filter(|text| is_number(text));
        let number: Option<u32> = number.and_then(|text| text.parse().ok());
        let has_process = number.is_some_and(|pid| Path::new(&format!("/proc/{pid}")).exists());
        let path = Path::new(text);
        if text.as_encoded_bytes().contains(&b'/') {
            return Ok(NetnsTarget {
                pid: process_of(path),
                path: path.to_owned(),
                name: None,
                not_process: None,
            });
        }
        let named = Path::new(NAMED).join(path);
        if is_name(text) && named.symlink_metadata().is_ok() {
            return Ok(NetnsTarget {
                path: named,
                pid: None,
                name: Some(text.as_bytes().to_vec()),
                not_process: number.filter(|_| has_process),
            });
        }
        let Some(pid) = number.filter(|_| has_process) else {
            return Err(NetnsError::Unknown(text.to_owned()));
        };
        Ok(NetnsTarget {
            path: format!("/proc/{pid}/ns/net").into(),
            pid: Some(pid),
            name: None,
            not_process: None,
        })
    }

    /// Its file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The process whose it is, where a process was named.
    pub(super) const fn process(&self) -> Option<u32> {
        self.pid
    }

    /// How commands get there; `None` where this thread is there already.
    pub fn entrance(&self) -> Option<Entrance> {
        let told = fs::metadata(&self.path).ok();
        let identity = told.map(|told| (told.dev(), told.ino()));
        if identity.is_some() && identity == own_identity() {
            return None;
        }
        Some(match &self.name {
            Some(name) => Entrance::Name(name.clone()),
            // Whoever takes it may do so from another folder.
            None => {
                Entrance::Path(path::absolute(&self.path).unwrap_or_else(|_| self.path.clone()))
            }
        })
    }

    /// Runs something with it: in it, on a thread that enters it, or beside it where that is not
    /// permitted and a process in it shows its tables. To enter takes CAP_SYS_ADMIN.
    pub fn run<T: Send>(&self, run: impl FnOnce(Host) -> T + Send) -> Result<T, NetnsError> {
        let namespace = match open(&self.path) {
            Ok(namespace) => namespace,
            Err(error) => return self.beside(None, error, self.opening_rights()).map(run),
        };
        let refused = |error| refusal(&self.path, error, EntryRights::Enter);
        let told = namespace.metadata().map_err(refused)?;
        let identity = (told.dev(), told.ino());
        if own_identity().is_some_and(|own| own == identity) {
            return Ok(run(Host::Live));
        }
        let entered = || match enter(&namespace) {
            Ok(()) => Ok(run(Host::Live)),
            Err(error) => {
                let inode = Some(identity.1);
                self.beside(inode, error, EntryRights::Enter).map(run)
            }
        };
        on_own_thread(Some(STACK_LEN), entered).map_err(refused)?
    }

    /// What it takes to enter it from the start.
    pub(super) const fn opening_rights(&self) -> EntryRights {
        match self.pid {
            Some(_) => EntryRights::OpenAndEnter,
            None => EntryRights::ReadAndEnter,
        }
    }

    /// What is to be seen of it from here.
    fn beside(
        &self,
        inode: Option<u64>,
        error: io::Error,
        lacks: EntryRights,
    ) -> Result<Host, NetnsError> {
        let is_refused = error.kind() == io::ErrorKind::PermissionDenied;
        let tables = match self.pid {
            _ if !is_refused => None,
            Some(pid) => NamespaceTables::of(pid).ok(),
            None => tables_of(inode),
        };
        let error = refusal(&self.path, error, lacks);
        let Some(tables) = tables.filter(|tables| tables.open("tcp").is_ok()) else {
            return Err(error);
        };
        let is_first = || NamespaceTables::of(1).is_ok_and(|first| first.is_same(&tables));
        let name = self.name.clone();
        let name = name.or_else(|| is_first().then(|| FIRST.as_bytes().to_vec()));
        let refusal = error.to_string();
        Ok(Host::Beside(Box::new(Beside::new(
            tables, inode, name, refusal, lacks,
        ))))
    }
}

/// The tables of a namespace by way of any process that tells that it lives there.
fn tables_of(inode: Option<u64>) -> Option<NamespaceTables> {
    let namespaces = reachable_namespaces().ok()?.found;
    let found = namespaces.iter().find(|one| one.inode == inode);
    found.filter(|_| inode.is_some())?.tables().ok()
}

/// The process whose namespace a path of `/proc` leads to.
fn process_of(path: &Path) -> Option<u32> {
    let inside = path.to_str()?.strip_prefix("/proc/")?;
    let pid = inside.strip_suffix("/ns/net")?;
    pid.parse().ok().filter(|_| is_number(pid))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether it may be the name of a file.
fn is_name(text: &OsStr) -> bool {
    !text.is_empty() && text != "." && text != ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn find(text: &str) -> Result<NetnsTarget, NetnsError> {
        NetnsTarget::find(OsStr::new(text))
    }

    #[test]
    fn what_is_not_there_is_said_not_to_be() {
        for text in ["no-such-netns", "", ".", "..", "4294967295", "99999999999"] {
            let error = find(text).unwrap_err().to_string();
            let start = format!("no netns {text:?}: there is neither");
            assert!(error.starts_with(&start), "{error}");
        }
        let gone = find("/run/netns/no-such-netns").unwrap();
        let error = gone.run(|_| ()).unwrap_err().to_string();
        assert_eq!(
            error,
            "cannot enter netns /run/netns/no-such-netns: not there"
        );
        let odd = OsStr::from_bytes(b"x\ny\xff");
        let error = NetnsTarget::find(odd).unwrap_err().to_string();
        let start = r#"no netns "x\x0ay\xff": there is neither /run/netns/x\x0ay\xff nor"#;
        assert!(error.starts_with(start), "{error}");
    }

    #[test]
    fn what_is_no_namespace_is_not_entered() {
        for path in ["/proc/self/ns/pid", "/dev/null", "/proc"] {
            let error = find(path).unwrap().run(|_| ()).unwrap_err().to_string();
            assert_eq!(error, format!("{path} is no network namespace"));
        }
    }

    #[test]
    fn a_process_and_its_file_are_the_same() {
        let own = std::process::id();
        let by_path = find(&format!("/proc/{own}/ns/net")).unwrap();
        assert_eq!(by_path, find(&own.to_string()).unwrap());
        // It takes no rights to stay where one is.
        let inode = by_path.run(|host| host.netns()).unwrap();
        assert_eq!(inode, Host::Live.netns());
    }
}
