//! What is done with fewer rights than a test has.

#![allow(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Gid, Uid, fork, setgroups, setresgid, setresuid};

/// With whose rights something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Those of the test.
    Own,
    /// None over anything here, but the same user: those in one more user namespace.
    None,
    /// Those of another user.
    User(u32),
}

impl Rights {
    /// Has a command run with these.
    pub fn apply(self, command: &mut Command) -> &mut Command {
        let give_up = move || Ok(self.give_up()?);
        // SAFETY: Between fork and exec `give_up` makes a few system calls.
        unsafe { command.pre_exec(give_up) }
    }

    /// Keeps no more than these, in this process and for good.
    fn give_up(self) -> Result<(), Errno> {
        match self {
            Rights::Own => Ok(()),
            Rights::None => unshare(CloneFlags::CLONE_NEWUSER),
            Rights::User(uid) => {
                setgroups(&[])?;
                let (user, group) = (Uid::from_raw(uid), Gid::from_raw(uid));
                setresgid(group, group, group)?;
                setresuid(user, user, user)
            }
        }
    }

    /// Whether `attempt` succeeds with these, in a process of its own.
    pub fn attempt<T>(self, attempt: impl FnOnce() -> Result<T, Errno>) -> Result<(), Errno> {
        /// No error of the kernel, but of the test.
        const FAILED: i32 = 255;

        // SAFETY: The child makes system calls, and ends without returning to its caller.
        match unsafe { fork() }.unwrap() {
            ForkResult::Child => {
                let attempt = AssertUnwindSafe(|| match self.give_up() {
                    Ok(()) => attempt().map_or_else(|error| error as i32, |_| 0),
                    Err(_) => FAILED,
                });
                let code = catch_unwind(attempt).unwrap_or(FAILED);
                // SAFETY: It ends the child and runs nothing that the parent is to run.
                unsafe { libc::_exit(code) }
            }
            ForkResult::Parent { child } => match waitpid(child, None).unwrap() {
                WaitStatus::Exited(_, 0) => Ok(()),
                WaitStatus::Exited(_, code) if code != FAILED => Err(Errno::from_raw(code)),
                status => panic!("{self:?}: {status:?}"),
            },
        }
    }
}

/// Has a command run without one of the capabilities that the test has.
pub fn without_capability(command: &mut Command, number: libc::c_int) -> &mut Command {
    let give_up = move || {
        // SAFETY: It takes numbers; root has after the next exec what is left in the bounding set.
        match unsafe { libc::prctl(libc::PR_CAPBSET_DROP, number, 0, 0, 0) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: Between fork and exec `give_up` makes one system call.
    unsafe { command.pre_exec(give_up) }
}

/// Does something as another user as far as sockets are concerned, whose owner is the user id for
/// files of the thread that makes them.
pub fn as_user<T>(uid: u32, action: impl FnOnce() -> T) -> T {
    let become_user = |uid: libc::uid_t| {
        // SAFETY: setfsuid takes a number, and returns the one before.
        unsafe { libc::setfsuid(uid) as libc::uid_t }
    };
    let before = become_user(uid);
    assert_eq!(become_user(uid), uid, "there is no user {uid} here");
    let done = action();
    become_user(before);
    done
}
