//! Runs portstat, as a user does.

#![allow(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::holder::without_rights;
use super::waiting::PATIENCE;

/// By which way portstat reads the tables of sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collector {
    Netlink,
    Proc,
}

impl Collector {
    pub const BOTH: [Collector; 2] = [Collector::Netlink, Collector::Proc];

    const fn name(self) -> &'static str {
        match self {
            Collector::Netlink => "netlink",
            Collector::Proc => "proc",
        }
    }
}

/// A portstat that ended.
#[derive(Clone, Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

/// The words of a command line without quotes.
pub fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// portstat with these arguments, in an environment that says nothing.
pub fn command<A: AsRef<str>>(args: &[A]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portstat"));
    command
        .args(args.iter().map(AsRef::as_ref))
        .env_remove("NO_COLOR")
        .env_remove("PORTSTAT_COLLECTOR")
        .env_remove("PORTSTAT_OWNERS")
        .env_remove("COLUMNS")
        .env("TERM", "xterm");
    command
}

/// Far more memory than any listing here needs.
const MEMORY: u64 = 1 << 30;

/// Gives a command no more memory than that, so that what has no end takes no others with it.
pub fn bounded(command: &mut Command) -> &mut Command {
    bounded_by(command, MEMORY)
}

/// Gives a command no more than these bytes of memory.
pub fn bounded_by(command: &mut Command, bytes: u64) -> &mut Command {
    let bound = move || Ok(setrlimit(Resource::RLIMIT_AS, bytes, bytes)?);
    // SAFETY: Between fork and exec `bound` makes one system call.
    unsafe { command.pre_exec(bound) }
}

/// Has a command give no more rights to the files it makes than these bits leave.
pub fn with_umask(mask: libc::mode_t, command: &mut Command) {
    let set = move || {
        // SAFETY: umask takes a number and cannot fail.
        unsafe { libc::umask(mask) };
        Ok(())
    };
    // SAFETY: Between fork and exec `set` makes one system call.
    unsafe { command.pre_exec(set) };
}

/// Runs portstat to its end.
#[track_caller]
pub fn run<A: AsRef<str>>(args: &[A]) -> Ran {
    finish(&mut command(args))
}

/// Runs portstat with a collector of the caller's choice.
#[track_caller]
pub fn run_by<A: AsRef<str>>(collector: Collector, args: &[A]) -> Ran {
    finish(command(args).env("PORTSTAT_COLLECTOR", collector.name()))
}

/// Runs portstat to its end without rights over anything that was here before.
#[track_caller]
pub fn run_without_rights<A: AsRef<str>>(args: &[A]) -> Ran {
    let mut command = command(args);
    without_rights(&mut command);
    finish(&mut command)
}

/// Runs a portstat to its end, which is neither a panic nor a signal, and never long in coming.
#[track_caller]
pub fn finish(command: &mut Command) -> Ran {
    let output = output(command);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let code = output.status.code();
    assert!(
        code.is_some_and(|code| code != 101) && !stderr.contains("panicked"),
        "{command:?}: {}\n{stderr}",
        output.status
    );
    Ran {
        code: code.unwrap(),
        stdout: output.stdout,
        stderr,
    }
}

/// Runs a command to its end; one that hangs is killed, and fails the test.
#[track_caller]
pub fn output(command: &mut Command) -> Output {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let (sender, receiver) = mpsc::channel();
    let waiter = thread::spawn(move || {
        // Nobody listens any more only after a hang, which is reported below.
        let _ = sender.send(child.wait_with_output());
    });
    let ended: Option<io::Result<Output>> = receiver.recv_timeout(PATIENCE).ok();
    if ended.is_none() {
        kill(pid, Signal::SIGKILL).unwrap();
    }
    waiter.join().unwrap();
    match ended {
        Some(output) => output.unwrap(),
        None => panic!("{command:?} hangs"),
    }
}

impl Ran {
    /// Its output as text.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// Its output as one JSON document.
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.stdout) {
            Ok(value) => value,
            Err(error) => panic!("{error}: {}", String::from_utf8_lossy(&self.stdout)),
        }
    }

    /// Its output as a JSON document a line.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        self.text()
            .lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
            })
            .collect()
    }

    /// Insists on an exit code.
    #[track_caller]
    pub fn exited(self, code: i32) -> Ran {
        assert_eq!(self.code, code, "{}", self.stderr);
        self
    }

    /// Insists on having nothing to say on stderr.
    #[track_caller]
    pub fn quietly(self) -> Ran {
        assert_eq!(self.stderr, "");
        self
    }
}

/// The fields of the records of a CSV text after RFC 4180, the heading among them.
#[track_caller]
pub fn csv_records(text: &str) -> Vec<Vec<String>> {
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut field)),
            '\r' if !quoted => {
                assert_eq!(chars.next(), Some('\n'), "a line ends with CR LF");
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            '\n' if !quoted => panic!("a line ends with CR LF: {text:?}"),
            c => field.push(c),
        }
    }
    assert!(record.is_empty() && field.is_empty() && !quoted, "{text:?}");
    records
}
