//! A portstat that prints events while the test goes on.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, UdpSocket};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;

use crate::support::portstat::command;
use crate::support::waiting::{PATIENCE, wait_until};

/// The groups of TCP and UDP, IPv4 and IPv6, as `/proc/net/netlink` shows them.
const ALL_GROUPS: &str = "0000000f";

pub struct Stream {
    child: Child,
    lines: Receiver<String>,
    errors: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Stream {
    /// portstat with `-E` and these, which hears what happens from now on.
    #[track_caller]
    pub fn of(args: &[&str]) -> Stream {
        Stream::joining(&mut command(&[&["-E"], args].concat()), ALL_GROUPS)
    }

    /// Starts a command and waits until it hears of everything in these groups.
    #[track_caller]
    pub fn joining(command: &mut Command, groups: &str) -> Stream {
        let stream = Stream::start(command);
        let pid = stream.child.id();
        wait_until("that the groups are joined", || {
            has_joined("/proc/thread-self/net/netlink", pid, groups)
        });
        stream
    }

    #[track_caller]
    pub fn start(command: &mut Command) -> Stream {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in stdout.lines() {
                // The test may have ended.
                if sender.send(line.unwrap()).is_err() {
                    return;
                }
            }
        });
        let errors = Arc::new(Mutex::new(String::new()));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let said = Arc::clone(&errors);
        let reader = thread::spawn(move || {
            for line in stderr.lines() {
                let mut said = said.lock().unwrap();
                said.push_str(&line.unwrap());
                said.push('\n');
            }
        });
        Stream {
            child,
            lines,
            errors,
            reader: Some(reader),
        }
    }

    /// The next line that it prints.
    #[track_caller]
    pub fn line(&self) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(error) => panic!("no line: {error}"),
        }
    }

    /// The next line that has this in it; those before are passed over, as of what ended before
    /// the test began.
    #[track_caller]
    pub fn line_with(&self, text: &str) -> String {
        loop {
            let line = self.line();
            if line.contains(text) {
                return line;
            }
        }
    }

    /// The lines that come until nothing came for so long.
    pub fn lines_of(&self, pause: Duration) -> Vec<String> {
        std::iter::from_fn(|| self.lines.recv_timeout(pause).ok()).collect()
    }

    /// The next line, as an object. Sockets without a port are those by which the test set up its
    /// interfaces; the kernel takes its time to destroy them.
    #[track_caller]
    pub fn event(&self) -> Value {
        loop {
            let line = self.line();
            let event: Value =
                serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            if event["local"]["port"] != 0 {
                return event;
            }
        }
    }

    /// The next event of a socket on this port; those before are passed over.
    #[track_caller]
    pub fn event_on(&self, port: u16) -> Value {
        self.event_that(|event| event["local"]["port"] == port)
    }

    /// The next event that is meant; those before are passed over, as of sockets by which was
    /// found out what was seen.
    #[track_caller]
    pub fn event_that(&self, is_meant: impl Fn(&Value) -> bool) -> Value {
        loop {
            let event = self.event();
            if is_meant(&event) {
                return event;
            }
        }
    }

    /// Waits until it has seen all sockets that there are now: until it knows a socket that is
    /// younger than they are.
    #[track_caller]
    pub fn wait_until_seen(&self) {
        self.wait_until_seen_by(0);
    }

    /// The same, by a socket on a port that passes its filter.
    #[track_caller]
    pub fn wait_until_seen_by(&self, port: u16) {
        // The more there is to look at, the rarer are the looks.
        let mut lifetime = Duration::from_millis(100);
        wait_until("that what lives was looked at", || {
            let probe = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
            let port = probe.local_addr().unwrap().port();
            thread::sleep(lifetime);
            lifetime *= 2;
            drop(probe);
            // A filter may leave out what was not seen.
            while let Ok(line) = self.lines.recv_timeout(Duration::from_millis(200)) {
                let event: Value = serde_json::from_str(&line).unwrap();
                if event["local"]["port"] == port {
                    return !event["last_state"].is_null();
                }
            }
            false
        });
    }

    /// What it said on stderr so far.
    pub fn errors(&self) -> String {
        self.errors.lock().unwrap().clone()
    }

    /// How many events were lost on the way to it.
    pub fn drops(&self) -> u64 {
        let fields = row("/proc/thread-self/net/netlink", self.pid()).unwrap();
        fields[8].parse().unwrap()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it ends by itself.
    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the end of portstat", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Ends it; what is left of its output, and what it said on stderr.
    pub fn stop(mut self) -> (Vec<String>, String) {
        // It may have ended by itself.
        let _ = self.child.kill();
        self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        (self.lines.iter().collect(), self.errors())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a process has a netlink socket in these groups of sock_diag, by a table of them.
pub fn has_joined(table: &str, pid: u32, groups: &str) -> bool {
    row(table, pid).is_some_and(|fields| fields[3] == groups)
}

/// How many bytes of events wait for a process.
pub fn waiting_for(pid: u32) -> Option<u64> {
    row("/proc/thread-self/net/netlink", pid)?[4].parse().ok()
}

/// The fields of the first netlink socket of sock_diag of a process.
fn row(table: &str, pid: u32) -> Option<Vec<String>> {
    let pid = pid.to_string();
    let table = fs::read_to_string(table).unwrap();
    let rows = table.lines().map(|line| {
        let fields = line.split_whitespace().map(str::to_owned);
        fields.collect::<Vec<String>>()
    });
    let mut ours = rows.filter(|fields| fields[1] == "4" && fields[2] == pid);
    ours.next()
}
