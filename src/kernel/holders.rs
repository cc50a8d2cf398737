//! Which process holds which socket, of this machine or of a recording.

use std::io;

use super::host::Host;
use super::open_files::{HolderMethod, find};
use super::walk::{Scan, Sought, scan_holders};

/// Finds the holders of a host's sockets, by BPF or below `/proc`. The answers are the same but
/// for processes that may not be read below `/proc`; these are named in both.
pub fn find_holders(host: &Host, method: HolderMethod) -> io::Result<Scan> {
    match host {
        Host::Recorded(_) => scan_holders(&host.path("proc"), true),
        _ => find(Sought::Sockets, method),
    }
}
