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

/// The user as whom this process acts.
pub fn own_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// Name of an interface of our network namespace; `None` when it is gone.
pub(super) fn name_of_interface(index: u32) -> Option<Vec<u8>> {
    // nix takes the null pointer of a failure for an empty name.
    nix::net::if_::if_indextoname(index)
        .ok()
        .map(|name| name.into_bytes())
        .filter(|name| !name.is_empty())
}

impl Host {
    /// Name of an interface; `None` when it is gone.
    pub fn interface_name(&self, index: u32) -> Option<Vec<u8>> {
        match self {
            Host::Live | Host::Everywhere(_) => name_of_interface(index),
            Host::Beside(_) => None,
            Host::Recorded(recording) => recording
                .meta
                .interfaces
                .get(&index)
                .map(|name| name.clone().into_bytes()),
        }
    }

    /// Name of an interface of the namespace of this number.
    pub fn interface_name_in(&self, netns: u16, index: u32) -> Option<Vec<u8>> {
        match self {
            Host::Everywhere(everywhere) => {
                everywhere.at(netns, |host| host.interface_name(index))?
            }
            _ => self.interface_name(index),
        }
    }

    /// Names of all interfaces, by index.
    pub fn interface_names(&self) -> HashMap<u32, String> {
        match self {
            Host::Beside(_) => HashMap::new(),
            Host::Live | Host::Everywhere(_) => {
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
            Host::Live | Host::Beside(_) | Host::Everywhere(_) => cgroups::paths_by_id(),
            Host::Recorded(recording) => recording
                .meta
                .cgroups
                .iter()
                .map(|(&id, path)| (id, path.clone().into_bytes()))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_is_gone_has_no_name() {
        assert_eq!(Host::Live.interface_name(i32::MAX as u32), None);
        assert_eq!(Host::Live.interface_name(0), None);
    }
}
