//! Copies of the test's own process that do one thing until they are ended.

#![allow(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork};

/// A process that holds all descriptors of the test; it ends when this is dropped.
#[derive(Debug)]
pub struct Forked {
    pid: Pid,
}

impl Forked {
    /// Does `what` again and again. It must make system calls only: other threads of the test may
    /// have held locks when the process was made.
    pub fn doing(mut what: impl FnMut()) -> Forked {
        // SAFETY: The child makes system calls only.
        match unsafe { fork() }.unwrap() {
            ForkResult::Parent { child } => Forked { pid: child },
            ForkResult::Child => {
                let _ = set_pdeathsig(Signal::SIGKILL);
                loop {
                    what();
                }
            }
        }
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }
}

impl Drop for Forked {
    fn drop(&mut self) {
        let ended = kill(self.pid, Signal::SIGKILL).and_then(|()| waitpid(self.pid, None));
        debug_assert!(ended.is_ok(), "{ended:?}");
    }
}
