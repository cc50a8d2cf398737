//! Whether every process that could hold a socket can be seen from here.

use super::host::Host;
use super::mounts;
use super::namespace::{INITIAL_PID_NAMESPACE, namespace_inode};
use super::privilege::effective_capabilities;
use crate::model::HiddenCause;

/// Bit of CAP_SYS_PTRACE in a capability set.
const CAP_SYS_PTRACE: u64 = 1 << 19;

/// What stands between us and some processes, before any is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Nothing: a socket without a holder has none.
    Full,
    /// Some processes are not even listed.
    Limited(HiddenCause),
}

impl Visibility {
    /// Judges the host.
    pub fn of(host: &Host) -> Visibility {
        let recording = match host {
            Host::Live | Host::Beside(_) | Host::Everywhere(_) => return live(),
            Host::Recorded(recording) => recording,
        };
        recording
            .meta
            .hidden
            .map_or(Visibility::Full, Visibility::Limited)
    }
}

fn live() -> Visibility {
    if namespace_inode("pid") != Some(INITIAL_PID_NAMESPACE) {
        return Visibility::Limited(HiddenCause::PidNamespace);
    }
    // What cannot be read hides processes, for all that is known.
    let mountinfo = mounts::read().unwrap_or_default();
    if proc_hides_processes(&mountinfo) && !may_trace_everyone() {
        return Visibility::Limited(HiddenCause::Hidepid);
    }
    Visibility::Full
}

/// Whether `/proc` leaves processes of others out of its listing, or may do so.
fn proc_hides_processes(mountinfo: &[u8]) -> bool {
    // The last mount on /proc is the one that is seen.
    let on_proc = mounts::mounts(mountinfo)
        .filter(|mount| mount.point.as_os_str() == "/proc")
        .last();
    match on_proc {
        Some(mount) if mount.kind == b"proc" => matches!(
            mount.option(b"hidepid"),
            Some(b"2" | b"invisible" | b"4" | b"ptraceable")
        ),
        // Nobody knows what is seen there.
        _ => true,
    }
}

/// Whether CAP_SYS_PTRACE is held in the first user namespace, where every process is ours to
/// read.
fn may_trace_everyone() -> bool {
    effective_capabilities() & CAP_SYS_PTRACE != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(mountinfo: &[u8], hides: bool) {
        let text = String::from_utf8_lossy(mountinfo);
        assert_eq!(proc_hides_processes(mountinfo), hides, "{text}");
    }

    #[test]
    fn the_mount_on_proc_decides() {
        check(b"23 1 0:6 / /proc rw - proc proc rw\n", false);
        check(
            b"23 1 0:6 / /proc rw - proc proc rw,hidepid=noaccess\n",
            false,
        );
        for option in ["hidepid=2", "hidepid=invisible", "hidepid=ptraceable"] {
            let line = format!("23 1 0:6 / /proc rw shared:7 - proc proc rw,{option}\n");
            check(line.as_bytes(), true);
            let other = format!("{line}24 1 0:6 / /proc rw - proc proc rw\n");
            check(other.as_bytes(), false);
        }
    }

    #[test]
    fn a_path_that_is_no_text_hides_no_hidepid() {
        check(
            b"22 1 0:5 / /a\xff rw - ext4 /dev/x rw\n\
              23 1 0:6 / /proc rw - proc proc rw,hidepid=2\n",
            true,
        );
    }

    #[test]
    fn what_cannot_be_read_is_not_taken_for_openness() {
        check(b"", true);
        check(b"23 1 0:6 / /proc rw", true);
        check(b"23 1 0:6 / /proc rw - fuse lxcfs rw\n", true);
    }
}
