//! Runs a command and measures what it takes.

#![allow(unsafe_code)]

use std::fmt;
use std::io::{self, BufRead as _, BufReader, Read, Seek as _};
use std::mem;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

/// Where a command's standard output goes.
#[derive(Clone, Copy, ValueEnum)]
pub enum Destination {
    /// A pipe that is read from all the time
    Pipe,
    /// A temporary file
    File,
    /// /dev/null
    Null,
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pipe => "a pipe",
            Self::File => "a file",
            Self::Null => "/dev/null",
        })
    }
}

/// What a command took from its start to its end.
pub struct Run {
    pub wall: Duration,
    /// User and system time.
    pub cpu: Duration,
    /// Peak resident set size.
    pub peak_kib: u64,
    /// Lines of output, unless that went to /dev/null.
    pub lines: Option<usize>,
}

/// How a command ended.
pub enum Outcome {
    /// By itself.
    Done(Run),
    /// By itself, with a failure it may have given a reason for.
    Failed { status: ExitStatus, message: String },
    /// By being killed at its time limit.
    NotDone,
}

/// Runs `command` and waits for it, up to `limit`.
pub fn run(command: &mut Command, to: Destination, limit: Duration) -> io::Result<Outcome> {
    let mut errors = tempfile::tempfile()?;
    let mut file = match to {
        Destination::File => Some(tempfile::tempfile()?),
        Destination::Pipe | Destination::Null => None,
    };
    command
        .stdin(Stdio::null())
        .stdout(match &file {
            Some(file) => file.try_clone()?.into(),
            None if matches!(to, Destination::Pipe) => Stdio::piped(),
            None => Stdio::null(),
        })
        .stderr(errors.try_clone()?);
    // This makes std fork, too, where it would vfork: a vforked child has all
    // of our memory until it executes the command, and for the kernel that
    // counts towards the command's peak.
    //
    // SAFETY: prctl is a plain system call, which may be made after fork.
    unsafe { command.pre_exec(|| Ok(set_pdeathsig(Signal::SIGKILL)?)) };

    let started = Instant::now();
    let mut child = command.spawn()?;
    let pid = Pid::from_raw(child.id().cast_signed());
    let (wall, mut lines, killed) = thread::scope(|scope| {
        let (finished, watch) = mpsc::channel::<()>();
        let watchdog = scope.spawn(move || {
            watch.recv_timeout(limit) == Err(RecvTimeoutError::Timeout)
                && kill(pid, Signal::SIGKILL).is_ok()
        });
        let lines = child.stdout.take().map(count_lines).transpose()?;
        // Not reaped yet: until the watchdog is gone, the pid must remain its.
        waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)?;
        let wall = started.elapsed();
        drop(finished);
        io::Result::Ok((wall, lines, watchdog.join().unwrap_or(false)))
    })?;
    let (status, usage) = reap(pid)?;

    if killed {
        return Ok(Outcome::NotDone);
    }
    errors.rewind()?;
    let mut message = String::new();
    BufReader::new(errors).read_line(&mut message)?;
    // So does lsof end when there is nothing to list.
    let found_nothing = status.code() == Some(1) && message.is_empty();
    if !status.success() && !found_nothing {
        let message = message.trim_end().to_owned();
        return Ok(Outcome::Failed { status, message });
    }
    if let Some(file) = &mut file {
        file.rewind()?;
        lines = Some(count_lines(file)?);
    }
    Ok(Outcome::Done(Run {
        wall,
        cpu: duration(usage.ru_utime) + duration(usage.ru_stime),
        peak_kib: usage.ru_maxrss.unsigned_abs(),
        lines,
    }))
}

/// Reads up to end-of-file, and counts lines.
fn count_lines(mut output: impl Read) -> io::Result<usize> {
    let mut buffer = vec![0; 64 * 1024];
    let mut lines = 0;
    loop {
        match output.read(&mut buffer)? {
            0 => return Ok(lines),
            size => lines += memchr::memchr_iter(b'\n', &buffer[..size]).count(),
        }
    }
}

/// Waits for a child, for the resources it has used.
fn reap(pid: Pid) -> io::Result<(ExitStatus, libc::rusage)> {
    let mut status = 0;
    // SAFETY: rusage is plain old data, for which all zeros is a valid value.
    let mut usage: libc::rusage = unsafe { mem::zeroed() };
    // SAFETY: Both pointers are to live values of the types wait4 writes.
    if unsafe { libc::wait4(pid.as_raw(), &mut status, 0, &mut usage) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((ExitStatus::from_raw(status), usage))
}

fn duration(time: libc::timeval) -> Duration {
    Duration::from_secs(time.tv_sec.unsigned_abs())
        + Duration::from_micros(time.tv_usec.unsigned_abs())
}
