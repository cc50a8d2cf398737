//! What a process, a user or an address is called, on this machine or in a recording.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;

use crate::kernel::{self, Host, Resolver};
use crate::model::Process;
use crate::wire::{passwd, process};

/// The kernel's own threads have the longest names: 63 bytes and a newline.
const COMM_LEN: usize = 64;
/// A line of some fifty numbers.
const STAT_LIMIT: u64 = 4096;
/// A path for each of a dozen hierarchies.
const CGROUP_LIMIT: u64 = 64 << 10;

/// What is known of a process; `None` when it is gone. The file it runs and its unit are read
/// only with `thorough`.
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
    let unit = host
        .read_within(&format!("proc/{pid}/cgroup"), CGROUP_LIMIT)
        .ok()
        .and_then(|text| process::unit(&text));
    Some(Process { comm, exe, unit })
}

/// Name of a user; `None` when the user has none.
pub fn user_name(host: &Host, uid: u32) -> Option<String> {
    match host {
        Host::Live => kernel::user_name(uid),
        Host::Recorded(recording) => recording.users(users_by_uid).get(&uid).cloned(),
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

/// A resolver of addresses. A recording knows only its own `/etc/hosts`.
pub fn resolver(host: &Host) -> Resolver {
    if !host.is_recorded() {
        return Resolver::live();
    }
    let text = host.read("etc/hosts").unwrap_or_default();
    Resolver::fixed(passwd::hosts(&text).map(|(addr, name)| (addr, name.as_bytes().to_vec())))
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
    fn passwd_is_read_once_whatever_the_number_of_users() {
        let passwd = b"root:x:0:0::/:/\nwww:x:33:33::/:/\nother:x:33:33::/:/\n";
        let (folder, host) = recording(&[("etc/passwd", passwd), ("proc/7/comm", b"x")]);
        assert_eq!(user_name(&host, 0).as_deref(), Some("root"));
        fs::remove_file(folder.path().join("etc/passwd")).unwrap();
        assert_eq!(user_name(&host, 33).as_deref(), Some("www"));
        assert_eq!(user_name(&host, 34), None);
    }
}
