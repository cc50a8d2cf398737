//! Mounts that nobody but a test and what it starts has.

#![allow(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::ffi::{CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::ptr;

use nix::sched::{CloneFlags, unshare};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

/// Gives this thread, and all that it makes, mounts of their own.
pub fn own_mounts() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount("none", "/", "", libc::MS_REC | libc::MS_PRIVATE)
}

/// Mounts something on a path.
pub fn mount(
    source: &str,
    target: impl AsRef<OsStr>,
    kind: &str,
    flags: libc::c_ulong,
) -> io::Result<()> {
    let [source, kind] = [source, kind].map(|text| CString::new(text).unwrap());
    let target = CString::new(target.as_ref().as_bytes()).unwrap();
    // SAFETY: The kernel reads three strings that end with a zero and outlive the call; no data
    // follow for these kinds.
    let result = unsafe {
        libc::mount(
            source.as_ptr(),
            target.as_ptr(),
            kind.as_ptr(),
            flags,
            ptr::null(),
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Takes back what was mounted last on a path.
pub fn unmount(target: &str) {
    let target = CString::new(target).unwrap();
    // SAFETY: The kernel reads a string that ends with a zero and outlives the call.
    let result = unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}

/// Puts a pipe in the place of a file, for those with [`own_mounts`]: whoever opens it waits for
/// ever, as who reads of a process does whose memory is locked. The pipe is in the folder.
pub fn never_answers(path: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    mount(pipe.to_str().unwrap(), path, "", libc::MS_BIND).unwrap();
    folder
}
