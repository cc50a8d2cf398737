//! Which process holds which socket, of this machine or of a recording.

use std::io;

use super::holdings::Holdings;
use super::host::Host;
use super::open_files::{HolderMethod, find};
use super::walk::{Scan, Sought, Task, scan_below};

/// Finds the holders of a host's sockets, by BPF or below `/proc`. The answers are the same but
/// for processes that may not be read below `/proc`; these are named in both.
pub fn find_holders<H: Holdings>(host: &Host, method: HolderMethod) -> io::Result<Scan<H>> {
    match host {
        Host::Recorded(_) => scan_below(&host.path("proc"), Sought::Sockets, Task::FindRecorded),
        _ => find(Sought::Sockets, method),
    }
}
