//! What a process, a user or an address is called, on this machine or in a recording.

use std::os::unix::ffi::OsStrExt;

use crate::kernel::{self, Host, Resolver};
use crate::model::Process;
use crate::wire::{passwd, process};

/// What is known of a process; `None` when it is gone. The file it runs and its unit are read
/// only with `thorough`.
pub fn read_process(host: &Host, pid: u32, thorough: bool) -> Option<Process> {
    let comm = match host.read(&format!("proc/{pid}/comm")) {
        Ok(text) => process::comm(&text).to_vec(),
        Err(_) => {
            let stat = host.read(&format!("proc/{pid}/stat")).ok()?;
            process::comm_of_stat(&stat)?.to_vec()
        }
    };
    if !thorough {
        return Some(Process {
            comm,
            ..Process::default()
        });
    }
    let exe = std::fs::read_link(host.path(&format!("proc/{pid}/exe")))
        .ok()
        .map(|path| path.as_os_str().as_bytes().to_vec());
    let unit = host
        .read(&format!("proc/{pid}/cgroup"))
        .ok()
        .and_then(|text| process::unit(&text));
    Some(Process { comm, exe, unit })
}

/// Name of a user; `None` when the user has none.
pub fn user_name(host: &Host, uid: u32) -> Option<String> {
    if !host.is_recorded() {
        return kernel::user_name(uid);
    }
    let text = host.read("etc/passwd").ok()?;
    passwd::users(&text)
        .find(|(other, _)| *other == uid)
        .map(|(_, name)| name.to_owned())
}

/// A resolver of addresses. A recording knows only its own `/etc/hosts`.
pub fn resolver(host: &Host) -> Resolver {
    if !host.is_recorded() {
        return Resolver::live();
    }
    let text = host.read("etc/hosts").unwrap_or_default();
    Resolver::fixed(passwd::hosts(&text).map(|(addr, name)| (addr, name.as_bytes().to_vec())))
}
