//! Runs a command on a terminal.

#![allow(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::ptr;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::waiting::PATIENCE;

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

/// A command with a terminal of its own, which it reads from and writes to.
pub struct Session {
    terminal: File,
    child: Child,
    shown: Vec<u8>,
}

impl Session {
    /// Starts it.
    pub fn start(command: &mut Command) -> Session {
        let (terminal, theirs) = open(200);
        let take_terminal = || {
            // SAFETY: setsid takes nothing.
            if unsafe { libc::setsid() } < 0 {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: This call takes a number.
            match unsafe { libc::ioctl(libc::STDIN_FILENO, libc::TIOCSCTTY, 0) } {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        };
        command
            .stdin(theirs.try_clone().unwrap())
            .stdout(theirs.try_clone().unwrap())
            .stderr(theirs);
        // SAFETY: Between fork and exec `take_terminal` makes two system calls.
        let child = unsafe { command.pre_exec(take_terminal) }.spawn().unwrap();
        // Without their side there is no end; the command keeps one as long as it is not dropped.
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Session {
            terminal: File::from(terminal),
            child,
            shown: Vec::new(),
        }
    }

    /// Waits until something stands there.
    #[track_caller]
    pub fn await_text(&mut self, text: &str) {
        while !self.text().contains(text) {
            assert!(self.read_some(), "{text:?} never came: {}", self.text());
        }
    }

    /// Types on it.
    pub fn type_in(&mut self, keys: &str) {
        self.terminal.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for its end: how it ended, and what was shown.
    #[track_caller]
    pub fn finish(mut self) -> (ExitStatus, String) {
        while self.read_some() {}
        (self.child.wait().unwrap(), self.text())
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown).into_owned()
    }

    /// Reads what is there, or waits for it; `false` at the end.
    #[track_caller]
    fn read_some(&mut self) -> bool {
        let patience = Timespec::try_from(PATIENCE).unwrap();
        let mut watched = [PollFd::new(&self.terminal, PollFlags::IN)];
        let ready = poll(&mut watched, Some(&patience)).unwrap();
        assert!(ready > 0, "nothing more came: {}", self.text());
        let mut bytes = [0; 4096];
        // When nobody has their side open any more, reading ours fails.
        let length = self.terminal.read(&mut bytes).unwrap_or(0);
        self.shown.extend_from_slice(&bytes[..length]);
        length > 0
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // It is over but for a test that failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
