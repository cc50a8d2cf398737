//! What this process is capable of, and whether it may bind low ports in its network namespace.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use procfs::FromRead;
use procfs::process::Status;
use rustix::fs::fstat;
use rustix::thread::{CapabilitySet, capabilities};

/// Whether we have CAP_NET_BIND_SERVICE over our network namespace, which belongs to a user
/// namespace: to ours, one below it, or one above, where what we have counts for nothing. `None`
/// where that cannot be told.
pub fn may_bind_low_ports() -> Option<bool> {
    let capable = capabilities(None)
        .ok()?
        .effective
        .contains(CapabilitySet::NET_BIND_SERVICE);
    let namespace = File::open("/proc/thread-self/ns/net").ok()?;
    let owner = match user_namespace_of(&namespace) {
        Ok(owner) => owner,
        // The kernel names no namespace outside of ours.
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => return Some(false),
        // Before Linux 4.9.
        Err(_) => return None,
    };
    if capable {
        return Some(true);
    }
    let (owner, own) = (
        fstat(owner).ok()?,
        rustix::fs::stat("/proc/self/ns/user").ok()?,
    );
    let is_ours = (owner.st_dev, owner.st_ino) == (own.st_dev, own.st_ino);
    // Whoever made a namespace below ours may do everything there.
    is_ours.then_some(false)
}

/// Whether our network namespace is known to belong to a user namespace outside of ours, so that no
/// capability of ours counts for anything over it.
pub fn is_network_namespace_outside() -> bool {
    let namespace = File::open("/proc/thread-self/ns/net");
    let owner = namespace.and_then(|namespace| user_namespace_of(&namespace));
    // The kernel names no namespace outside of ours.
    owner.is_err_and(|error| error.raw_os_error() == Some(libc::EPERM))
}

/// Whether there may be network namespaces that we may enter: to enter any takes CAP_SYS_ADMIN in
/// our own user namespace as well as over it.
pub(super) fn may_enter_namespaces() -> bool {
    capabilities(None).is_ok_and(|own| own.effective.contains(CapabilitySet::SYS_ADMIN))
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

/// The user namespace that a namespace belongs to.
fn user_namespace_of(namespace: &File) -> io::Result<OwnedFd> {
    // SAFETY: This call takes no pointer and returns a number.
    let fd = unsafe { libc::ioctl(namespace.as_raw_fd(), libc::NS_GET_USERNS) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: The kernel has just opened the descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
