//! Servers as processes, which end with the test.

use std::fs;
use std::io;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::namespace::{in_namespace, skip};
use crate::support::waiting::wait_until;

/// Where every server listens.
pub const ADDRESS: &str = "127.0.0.1:8080";

/// Runs a test with a program; where it is not installed the test is skipped, which is a failure
/// where continuous integration runs.
pub fn beside(program: &str, body: impl FnOnce()) {
    let found = Command::new(find(program)).arg("--help").output();
    match found {
        Ok(_) => in_namespace(body),
        Err(error) => skip(&io::Error::other(format!("{program}: {error}"))),
    }
}

/// Where a program is; not everybody looks for servers where they are.
pub fn find(program: &str) -> String {
    let places = ["/usr/bin", "/usr/sbin"].map(|folder| format!("{folder}/{program}"));
    let mut found = places.into_iter().filter(|path| Path::new(path).exists());
    found.next().unwrap_or_else(|| program.to_owned())
}

/// Processes that end with the test, in whatever way it does.
#[derive(Debug, Default)]
pub struct Started {
    pub children: Vec<Child>,
    /// Those that are no children of the test.
    pub others: Vec<u32>,
}

impl Started {
    /// Starts a server, and waits until it answers.
    pub fn server(&mut self, command: &mut Command) -> u32 {
        let output = Stdio::null;
        let child = command.stdin(output()).stdout(output()).stderr(output());
        let child = child.spawn().unwrap();
        let pid = child.id();
        self.children.push(child);
        await_server();
        pid
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let children = self.children.iter().map(Child::id);
        let known: Vec<u32> = children.chain(self.others.iter().copied()).collect();
        // A master would start others for the workers that it loses.
        let workers: Vec<u32> = known.iter().flat_map(|&pid| children_of(pid)).collect();
        for child in &mut self.children {
            // It may have ended before.
            let _ = child.kill();
            let _ = child.wait();
        }
        self.others.iter().chain(&workers).for_each(|&pid| end(pid));
    }
}

/// Ends a process that is no child of ours.
pub fn end(pid: u32) {
    let pid_of_it = Pid::from_raw(i32::try_from(pid).unwrap());
    if kill(pid_of_it, Signal::SIGKILL).is_ok() {
        wait_until("the end of a process", || has_ended(pid));
    }
}

/// Whether a process has ended, though it may still be listed.
pub fn has_ended(pid: u32) -> bool {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        // The name is in brackets and may be anything.
        Ok(stat) => stat.rsplit(") ").next().unwrap().starts_with('Z'),
        Err(_) => true,
    }
}

/// Waits until somebody answers.
pub fn await_server() {
    wait_until("a server", || TcpStream::connect(ADDRESS).is_ok());
}

/// The children of a process.
pub fn children_of(parent: u32) -> Vec<u32> {
    let is_child = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        fields.nth(1) == Some(&parent.to_string())
    };
    let processes = fs::read_dir("/proc").unwrap();
    let names = processes.map(|entry| entry.unwrap().file_name());
    let pids = names.filter_map(|name| name.to_str()?.parse().ok());
    pids.filter(is_child).collect()
}

/// The name of a process.
pub fn name_of(pid: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
    name.trim_end_matches('\n').to_owned()
}
