//! Names the system has for numbers, one question each. Callers keep what they were told.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;

use nix::unistd::{Uid, User};

use super::cgroups;
use super::host::Host;
use crate::model::Process;
use crate::wire::{passwd, process};

impl Host {
    /// Name of a user; `None` when the user has none.
    pub fn user_name(&self, uid: u32) -> Option<String> {
        match self {
            Host::Live => User::from_uid(Uid::from_raw(uid))
                .ok()
                .flatten()
                .map(|user| user.name),
            Host::Recorded(_) => {
                let text = self.read("etc/passwd").ok()?;
                passwd::users(&text)
                    .find(|(other, _)| *other == uid)
                    .map(|(_, name)| name.to_owned())
            }
        }
    }

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

    /// What is known of a process; `None` when it is gone. The file it runs and its unit are
    /// read only with `thorough`.
    pub fn process(&self, pid: u32, thorough: bool) -> Option<Process> {
        let comm = match self.read(&format!("proc/{pid}/comm")) {
            Ok(text) => process::comm(&text).to_vec(),
            Err(_) => {
                let stat = self.read(&format!("proc/{pid}/stat")).ok()?;
                process::comm_of_stat(&stat)?.to_vec()
            }
        };
        if !thorough {
            return Some(Process {
                comm,
                ..Process::default()
            });
        }
        let exe = std::fs::read_link(self.path(&format!("proc/{pid}/exe")))
            .ok()
            .map(|path| path.as_os_str().as_bytes().to_vec());
        let unit = self
            .read(&format!("proc/{pid}/cgroup"))
            .ok()
            .and_then(|text| process::unit(&text));
        Some(Process { comm, exe, unit })
    }
}
