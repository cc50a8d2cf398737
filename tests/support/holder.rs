//! Child processes that hold sockets of ours.

#![allow(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use super::waiting::wait_until;

/// A shell that inherited descriptors and waits; it ends when this is dropped.
#[derive(Debug)]
pub struct Holder {
    child: Child,
}

impl Holder {
    /// Holds each of the descriptors under its own number.
    pub fn of(fds: &[BorrowedFd<'_>]) -> Holder {
        Holder::spawn(Command::new("sh").args(["-c", "read x"]), fds, &[])
    }

    /// Holds each of the descriptors twice.
    pub fn twice(fds: &[BorrowedFd<'_>]) -> Holder {
        Holder::spawn(Command::new("sh").args(["-c", "read x"]), fds, fds)
    }

    /// Holds the descriptors under a process name, of which the kernel keeps 15 bytes.
    pub fn named(name: &[u8], fds: &[BorrowedFd<'_>]) -> Holder {
        let script = r#"printf %s "$1" >/proc/$$/comm; read x"#;
        let holder = Holder::spawn(
            Command::new("sh")
                .args(["-c", script, "sh"])
                .arg(OsStr::from_bytes(name)),
            fds,
            &[],
        );
        let kept = &name[..name.len().min(15)];
        wait_until("the name of a process", || holder.comm() == kept);
        holder
    }

    fn spawn(command: &mut Command, fds: &[BorrowedFd<'_>], twice: &[BorrowedFd<'_>]) -> Holder {
        inherit(command, fds, twice);
        let child = command.stdin(Stdio::piped()).spawn().unwrap();
        Holder { child }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its name, as the kernel keeps it.
    pub fn comm(&self) -> Vec<u8> {
        let mut comm = fs::read(format!("/proc/{}/comm", self.pid())).unwrap();
        assert_eq!(comm.pop(), Some(b'\n'));
        comm
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // The end of its input ends the shell.
        drop(self.child.stdin.take());
        let ended = self.child.wait();
        debug_assert!(ended.is_ok(), "{ended:?}");
    }
}

/// Makes the command inherit descriptors that would be closed: each of `fds` under its number,
/// each of `twice` under one more.
pub fn inherit(command: &mut Command, fds: &[BorrowedFd<'_>], twice: &[BorrowedFd<'_>]) {
    let numbers =
        |fds: &[BorrowedFd<'_>]| -> Vec<RawFd> { fds.iter().map(AsRawFd::as_raw_fd).collect() };
    let (fds, twice) = (numbers(fds), numbers(twice));
    let pass_on = move || {
        for &fd in &fds {
            // SAFETY: F_SETFD takes a number; a wrong descriptor is an error and no more.
            check(unsafe { libc::fcntl(fd, libc::F_SETFD, 0) })?;
        }
        for &fd in &twice {
            // SAFETY: The descriptor that dup makes is meant to be inherited by the command.
            check(unsafe { libc::dup(fd) })?;
        }
        Ok(())
    };
    // SAFETY: Between fork and exec `pass_on` makes system calls only: it neither allocates nor
    // locks.
    unsafe { command.pre_exec(pass_on) };
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Makes the command run in one more user namespace: there it has no rights over the processes
/// and sockets of the namespace it came from, as an ordinary user has none over those of others.
pub fn without_rights(command: &mut Command) {
    let enter = || Ok(nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER)?);
    // SAFETY: Between fork and exec `enter` makes one system call.
    unsafe { command.pre_exec(enter) };
}
