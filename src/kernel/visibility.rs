//! Whether every process that could hold a socket can be seen from here.

use procfs::FromRead;
use procfs::process::{MountInfos, Status};

use super::host::{Host, INITIAL_PID_NAMESPACE, namespace_inode};
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
            Host::Live => return live(),
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
    if proc_hides_processes() && !may_trace_everyone() {
        return Visibility::Limited(HiddenCause::Hidepid);
    }
    Visibility::Full
}

/// Whether `/proc` leaves processes of others out of its listing.
fn proc_hides_processes() -> bool {
    let Ok(text) = std::fs::read("/proc/self/mountinfo") else {
        return false;
    };
    let Ok(mounts) = MountInfos::from_read(&text[..]) else {
        return false;
    };
    // The last mount on /proc is the one that is seen.
    let options = mounts
        .into_iter()
        .rfind(|mount| mount.mount_point.as_os_str() == "/proc" && mount.fs_type == "proc")
        .map(|mount| mount.super_options);
    let hidepid = options.and_then(|mut options| options.remove("hidepid").flatten());
    matches!(
        hidepid.as_deref(),
        Some("2" | "invisible" | "4" | "ptraceable")
    )
}

/// Whether CAP_SYS_PTRACE is held in the first user namespace, where every process is ours to
/// read.
fn may_trace_everyone() -> bool {
    effective_capabilities() & CAP_SYS_PTRACE != 0
}

/// What we are capable of, a bit each, in the first user namespace: none in any other.
pub(super) fn effective_capabilities() -> u64 {
    let initial = std::fs::read_to_string("/proc/self/uid_map")
        .is_ok_and(|map| map.split_ascii_whitespace().eq(["0", "0", "4294967295"]));
    let status = std::fs::read("/proc/self/status")
        .ok()
        .filter(|_| initial)
        .and_then(|text| Status::from_read(&text[..]).ok());
    status.map_or(0, |status| status.capeff)
}
