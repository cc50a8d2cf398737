//! Waiting for a condition rather than for a time.

#![allow(clippy::panic)]

use std::thread;
use std::time::{Duration, Instant};

/// Far beyond anything that is waited for, on a machine that is busy with other things too; reached
/// only when it never comes.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at a condition that nothing announces.
const PAUSE: Duration = Duration::from_millis(1);

/// Waits until `condition` holds.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        thread::sleep(PAUSE);
    }
}

/// What `look` returns, looked at while `observe` saw the same before and after.
///
/// Some states end by themselves: a look that something changed under is taken again.
#[track_caller]
pub fn steadily<O: PartialEq, T>(observe: impl FnMut() -> O, look: impl FnMut() -> T) -> T {
    steadily_beside(observe, look).1
}

/// The same, with what `observe` saw.
#[track_caller]
pub fn steadily_beside<O: PartialEq, T>(
    mut observe: impl FnMut() -> O,
    mut look: impl FnMut() -> T,
) -> (O, T) {
    let deadline = Instant::now() + PATIENCE;
    let mut before = observe();
    loop {
        let seen = look();
        let after = observe();
        if before == after {
            return (after, seen);
        }
        assert!(Instant::now() < deadline, "the sockets never stood still");
        before = after;
    }
}
