//! Names the system has for numbers, one question each. Callers keep what they were told.

use std::collections::HashMap;

use nix::unistd::{Uid, User};

use super::cgroups;
use super::host::Host;

/// Name of a user of this machine; `None` when the user has none.
pub fn user_name(uid: u32) -> Option<String> {
    User::from_uid(Uid::from_raw(uid))
        .ok()
        .flatten()
        .map(|user| user.name)
}

impl Host {
    /// Name of an interface; `None` when it is gone.
    pub fn interface_name(&self, index: u32) -> Option<Vec<u8>> {
        match self {
            Host::Live => nix::net::if_::if_indextoname(index)
                .ok()
                .map(|name| name.into_bytes()),
            Host::Recorded(recording) => recording
                .meta
                .interfaces
                .get(&index)
                .map(|name| name.clone().into_bytes()),
        }
    }

    /// Names of all interfaces, by index.
    pub fn interface_names(&self) -> HashMap<u32, String> {
        match self {
            Host::Live => {
                let Ok(interfaces) = nix::net::if_::if_nameindex() else {
                    return HashMap::new();
                };
                interfaces
                    .iter()
                    .map(|one| (one.index(), one.name().to_string_lossy().into_owned()))
                    .collect()
            }
            Host::Recorded(recording) => recording.meta.interfaces.clone(),
        }
    }

    /// Paths of all cgroups, by id. Walks a tree: ask once, and only when they are printed.
    pub fn cgroup_paths(&self) -> HashMap<u64, Vec<u8>> {
        match self {
            Host::Live => cgroups::paths_by_id(),
            Host::Recorded(recording) => recording
                .meta
                .cgroups
                .iter()
                .map(|(&id, path)| (id, path.clone().into_bytes()))
                .collect(),
        }
    }
}
