//! Numbers the system has for names, one question each: the way back of `names`.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::metadata;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::User;

use super::cgroups;
use super::enter::NetnsTarget;
use super::host::Host;
use super::namespace::own_identity;
use super::netns::{FIRST, NamespaceTables, is_own};
use super::netns_error::{NetnsError, refusal};
use crate::model::NetnsId;

/// `CGROUP2_SUPER_MAGIC` of linux/magic.h.
const CGROUP2_MAGIC: i64 = 0x6367_7270;

/// The least inode of a namespace, `PROC_DYNAMIC_FIRST`; no process has such a number.
const FIRST_INODE: u64 = 0xF000_0000;

/// Number of a user of this machine; `None` when there is none of the name.
pub fn user_id(name: &str) -> Option<u32> {
    let user = User::from_name(name).ok().flatten()?;
    Some(user.uid.as_raw())
}

impl Host {
    /// Index of an interface; `None` when there is none of the name.
    pub fn interface_index(&self, name: &[u8]) -> Option<u32> {
        match self {
            Host::Live | Host::Everywhere(_) => nix::net::if_::if_nametoindex(name).ok(),
            Host::Beside(_) => None,
            Host::Recorded(recording) => index_of(&recording.meta.interfaces, name),
        }
    }

    /// The interfaces of a name: their indices, each with the inode of its network namespace where
    /// several are looked at.
    pub fn interface_indices(&self, name: &[u8]) -> Vec<(Option<u64>, u32)> {
        let Host::Everywhere(everywhere) = self else {
            let index = self.interface_index(name);
            return index.map(|index| (None, index)).into_iter().collect();
        };
        let spaces = (0..).zip(everywhere.spaces());
        let found = spaces.filter_map(|(number, space)| {
            let inode = space.inode?;
            let index = everywhere.at(number, |host| host.interface_index(name))??;
            Some((Some(inode), index))
        });
        found.collect()
    }

    /// Id of a cgroup, by its path in the cgroup2 tree, as it is printed, or in the whole file
    /// system; `None` when there is none.
    pub fn cgroup_id(&self, path: &[u8]) -> Option<u64> {
        if let Host::Recorded(recording) = self {
            return index_of(&recording.meta.cgroups, path);
        }
        let path = Path::new(OsStr::from_bytes(path));
        if let Some(id) = id_of_cgroup(path) {
            return Some(id);
        }
        let below = path.strip_prefix("/").unwrap_or(path);
        id_of_cgroup(&cgroups::cgroup2_root()?.join(below))
    }

    /// The network namespace of a name that `ip netns` gave, a process, or a file, as
    /// [`NetnsTarget`] finds it; of `host`, which is that of the first process; or of an inode.
    pub fn find_netns(&self, name: &OsStr) -> Result<NetnsId, NetnsError> {
        let number: Option<u64> = name.to_str().and_then(|name| name.parse().ok());
        if name == FIRST {
            return match self.netns_name() {
                Some(own) if own == FIRST.as_bytes() => Ok(NetnsId::Here),
                _ => Ok(self.netns_of_process(1).unwrap_or(NetnsId::Elsewhere)),
            };
        }
        let target = match (NetnsTarget::find(name), number) {
            (Err(NetnsError::Unknown(_)), Some(inode)) if inode >= FIRST_INODE => {
                return Ok(NetnsId::Inode(inode));
            }
            (found, _) => found?,
        };
        let refused = |error| refusal(target.path(), error, target.opening_rights());
        match (metadata(target.path()), target.process()) {
            // A name whose namespace is gone is an ordinary file.
            (Ok(told), _) if own_identity().is_none_or(|(own, _)| own != told.dev()) => {
                Err(NetnsError::Other(target.path().to_owned()))
            }
            (Ok(told), _) => Ok(NetnsId::Inode(told.ino())),
            (Err(error), Some(pid)) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.netns_of_process(pid).map_err(|_| refused(error))
            }
            (Err(error), _) => Err(refused(error)),
        }
    }

    /// The network namespace of a process, by what that shows to everybody.
    fn netns_of_process(&self, pid: u32) -> io::Result<NetnsId> {
        if let Ok(told) = metadata(format!("/proc/{pid}/ns/net")) {
            return Ok(NetnsId::Inode(told.ino()));
        }
        let tables = NamespaceTables::of(pid)?;
        tables.open("tcp")?;
        let is_here = match self {
            Host::Live | Host::Recorded(_) => is_own(&tables),
            Host::Beside(beside) => beside.is_of(&tables),
            Host::Everywhere(everywhere) => {
                let found = everywhere
                    .spaces()
                    .iter()
                    .find(|space| space.shows(&tables));
                let by_process = || found?.process().map(NetnsId::Process);
                let by_inode = found.and_then(|space| space.inode).map(NetnsId::Inode);
                return Ok(by_inode.or_else(by_process).unwrap_or(NetnsId::Elsewhere));
            }
        };
        Ok(match is_here {
            true => NetnsId::Here,
            false => NetnsId::Elsewhere,
        })
    }
}

/// Inode of the network namespace that this program was started in, whichever it looks at.
pub fn first_netns() -> Option<u64> {
    // Threads may have left it, but not the first.
    metadata("/proc/self/ns/net").ok().map(|own| own.ino())
}

/// The least number of a name.
fn index_of<N: Copy + Ord>(names: &HashMap<N, String>, wanted: &[u8]) -> Option<N> {
    let named = names.iter().filter(|(_, name)| name.as_bytes() == wanted);
    named.map(|(&number, _)| number).min()
}

/// Id of a cgroup by its path in the file system: the inode of its folder.
fn id_of_cgroup(path: &Path) -> Option<u64> {
    let system = rustix::fs::statfs(path).ok()?;
    let folder = metadata(path).ok()?;
    (system.f_type as i64 == CGROUP2_MAGIC && folder.is_dir()).then(|| folder.ino())
}
