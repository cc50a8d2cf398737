//! What a process, a user or an address is called, on this machine or in a recording.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use crate::kernel::{self, Host, Resolver};
use crate::model::Process;
use crate::wire::container::containers;
use crate::wire::{passwd, process};

/// The kernel's own threads have the longest names: 63 bytes and a newline.
const COMM_LEN: usize = 64;
/// A line of some fifty numbers.
const STAT_LIMIT: u64 = 4096;
/// A path for each of a dozen hierarchies.
pub(super) const CGROUP_LIMIT: u64 = 64 << 10;

/// What is known of a process; `None` when it is gone. The file it runs, its unit and its
/// containers are read only with `thorough`.
///
/// Every process is kept, so a recording decides how many there are and not how long they get.
pub fn read_process(host: &Host, pid: u32, thorough: bool) -> Option<Process> {
    let comm = match host.read_start(&format!("proc/{pid}/comm"), COMM_LEN as u64) {
        Ok(text) => process::comm(&text).to_vec(),
        Err(_) => {
            let stat = format!("proc/{pid}/stat");
            let text = host.read_within(&stat, STAT_LIMIT).ok()?;
            let comm = process::comm_of_stat(&text)?;
            comm[..comm.len().min(COMM_LEN)].to_vec()
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
    let cgroup = host
        .read_within(&format!("proc/{pid}/cgroup"), CGROUP_LIMIT)
        .unwrap_or_default();
    Some(Process {
        comm,
        exe,
        unit: process::unit(&cgroup),
        containers: containers(&cgroup),
    })
}

/// Name of a user; `None` when the user has none.
pub fn user_name(host: &Host, uid: u32) -> Option<String> {
    match host {
        Host::Recorded(recording) => recording.users(users_by_uid).get(&uid).cloned(),
        _ => kernel::user_name(uid),
    }
}

/// Number of a user; `None` when there is none of the name.
pub fn user_id(host: &Host, name: &str) -> Option<u32> {
    match host {
        Host::Recorded(recording) => {
            let users = recording.users(users_by_uid).iter();
            let named = users.filter(|(_, known)| *known == name);
            named.map(|(&uid, _)| uid).min()
        }
        _ => kernel::user_id(name),
    }
}

/// Users as `/etc/passwd` has them; of two with one uid the first is told.
fn users_by_uid(text: &[u8]) -> HashMap<u32, String> {
    let mut users = HashMap::new();
    for (uid, name) in passwd::users(text) {
        users.entry(uid).or_insert_with(|| name.to_owned());
    }
    users
}

/// The addresses of a name in `/etc/hosts`, IPv4 first. `localhost` is known without.
pub fn host_addresses(host: &Host, name: &str) -> Vec<IpAddr> {
    let text = host.read("etc/hosts").unwrap_or_default();
    let mut found = passwd::addresses(&text, name);
    if found.is_empty() && name.eq_ignore_ascii_case("localhost") {
        found = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    }
    found.sort();
    found
}

/// A resolver of addresses. A recording knows only its own `/etc/hosts`.
pub fn resolver(host: &Host) -> Resolver {
    if !host.is_recorded() {
        return Resolver::live();
    }
    let text = host.read("etc/hosts").unwrap_or_default();
    Resolver::fixed(passwd::hosts(&text).map(|(addr, name)| (addr, name.as_bytes().to_vec())))
}

/// The addresses of a host, asked for no longer than `patience`. A recording knows only its own
/// `/etc/hosts`.
pub fn addresses(host: &Host, name: &str, patience: Duration) -> io::Result<Vec<IpAddr>> {
    if !host.is_recorded() {
        return kernel::host_addresses(name, patience);
    }
    let text = host.read("etc/hosts").unwrap_or_default();
    let found = passwd::addresses(&text, name);
    match found.is_empty() {
        true => Err(io::Error::other("not in etc/hosts of the recording")),
        false => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn recording(files: &[(&str, &[u8])]) -> (tempfile::TempDir, Host) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let host = Host::recorded(folder.path()).unwrap();
        (folder, host)
    }

    #[test]
    fn no_process_of_a_recording_is_larger_than_a_real_one() {
        let long = vec![b'a'; 1 << 20];
        let stat = [b"8 (", &long[..1000], b") S 1"].concat();
        let too_long = [b"9 (", &long[..], b") S 1"].concat();
        let cgroup = [b"0::/", &long[..], b".service\n"].concat();
        let (_folder, host) = recording(&[
            ("proc/7/comm", &long),
            ("proc/7/cgroup", &cgroup),
            ("proc/8/stat", &stat),
            ("proc/9/stat", &too_long),
        ]);
        let seven = read_process(&host, 7, true).unwrap();
        assert_eq!((seven.comm.len(), seven.unit), (64, None));
        assert_eq!(read_process(&host, 8, true).unwrap().comm.len(), 64);
        assert!(read_process(&host, 9, true).is_none());
    }

    #[test]
    fn hosts_of_a_recording_are_its_own() {
        let (_folder, host) = recording(&[
            ("etc/hosts", b"10.0.0.7 db localhost\n"),
            ("proc/7/comm", b"x"),
        ]);
        let found = |name| addresses(&host, name, Duration::ZERO);
        assert_eq!(found("localhost").unwrap(), [IpAddr::from([10, 0, 0, 7])]);
        assert!(found("web").unwrap_err().to_string().contains("etc/hosts"));
    }

    #[test]
    fn passwd_is_read_once_whatever_the_number_of_users() {
        let passwd = b"root:x:0:0::/:/\nwww:x:33:33::/:/\nother:x:33:33::/:/\n";
        let (folder, host) = recording(&[("etc/passwd", passwd), ("proc/7/comm", b"x")]);
        assert_eq!(user_name(&host, 0).as_deref(), Some("root"));
        fs::remove_file(folder.path().join("etc/passwd")).unwrap();
        assert_eq!(user_name(&host, 33).as_deref(), Some("www"));
        assert_eq!(user_name(&host, 34), None);
        assert_eq!(user_id(&host, "www"), Some(33));
        assert_eq!(user_id(&host, "other"), None);
    }
}
