//! Numbers the system has for names, one question each: the way back of `names`.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::User;

use super::cgroups;
use super::enter::own_identity;
use super::host::Host;
use super::netns::{FIRST, NAMED};

/// `CGROUP2_SUPER_MAGIC` of linux/magic.h.
const CGROUP2_MAGIC: i64 = 0x6367_7270;

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

    /// Inode of the network namespace that [`netns_name`](Host::netns_name) calls so, and 0, which
    /// is none's, when it is another than this and more is not for us to know; `None` when there is
    /// none.
    pub fn netns_inode(&self, name: &[u8]) -> Option<u64> {
        if self.is_recorded() {
            return None;
        }
        if name == FIRST.as_bytes() {
            return match self.netns_name() {
                Some(own) if own == FIRST => self.netns(),
                _ => Some(metadata("/proc/1/ns/net").map_or(0, |first| first.ino())),
            };
        }
        if name.contains(&b'/') {
            return None;
        }
        let named = Path::new(NAMED).join(OsStr::from_bytes(name));
        // A name whose namespace is gone is an ordinary file.
        let ((own, _), other) = (own_identity()?, metadata(named).ok()?);
        (own == other.dev()).then(|| other.ino())
    }
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
