//! Runs a command on a terminal.

#![allow(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::{Command, Stdio};
use std::ptr;

/// What a command writes to the terminal that is its standard output.
pub fn shown_on_terminal(command: &mut Command) -> Vec<u8> {
    let (terminal, theirs) = open(80);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(theirs)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The command still keeps a copy of their side, without which there would be no end.
    command.stdout(Stdio::null());
    let mut shown = Vec::new();
    let ended = File::from(terminal).read_to_end(&mut shown);
    // When nobody has their side open any more, reading ours fails in this way.
    assert!(
        ended.as_ref().is_ok()
            || ended
                .as_ref()
                .is_err_and(|error| error.raw_os_error() == Some(libc::EIO)),
        "{ended:?}"
    );
    assert!(child.wait().unwrap().success());
    shown
}

/// Both sides of a new terminal: ours, and that of a command that does not end by itself.
pub fn opened() -> (File, OwnedFd) {
    let (ours, theirs) = open(80);
    (File::from(ours), theirs)
}

/// Both sides of a new terminal: ours and the command's.
fn open(columns: u16) -> (OwnedFd, OwnedFd) {
    let (mut ours, mut theirs) = (-1, -1);
    let size = libc::winsize {
        ws_row: 25,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: openpty writes two descriptors and reads the size; the name and the settings may
    // be null.
    let result = unsafe {
        libc::openpty(
            &raw mut ours,
            &raw mut theirs,
            ptr::null_mut(),
            ptr::null(),
            &raw const size,
        )
    };
    assert_eq!(result, 0, "openpty: {}", io::Error::last_os_error());
    // SAFETY: Both descriptors were just opened and nothing else owns them.
    unsafe { (OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) }
}
