//! Standard output between two rounds of a listing.

use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// Waits that long; `false`, and at once, when nobody reads standard output any more. A write
/// would tell, but there may be nothing to write.
pub fn wait_for_next_round(interval: Duration) -> bool {
    let stdout = std::io::stdout();
    let deadline = Instant::now().checked_add(interval);
    loop {
        let left = deadline.map_or(interval, |at| at.saturating_duration_since(Instant::now()));
        // Nothing is asked for: that it broke is always told.
        let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
        let timeout = Timespec::try_from(left).ok();
        match poll(&mut watched, timeout.as_ref()) {
            Ok(0) => return true,
            Ok(_) => return false,
            Err(Errno::INTR) => {}
            Err(_) => {
                std::thread::sleep(left);
                return true;
            }
        }
    }
}
