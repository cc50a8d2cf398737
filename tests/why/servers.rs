//! Servers that people run, and what they are told when a second one does not start.

use std::fs;
use std::io;
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::answer::{Answer, Blocker, array, only_answer};
use crate::ask::{asked, asked_with};
use crate::processes::{ADDRESS, Started, await_server, beside, children_of, end, find, name_of};
use crate::setup::run_fix;
use crate::support::dial::await_row;
use crate::support::portstat;
use crate::support::waiting::wait_until;
use crate::wanted::Wanted;

/// Insists that a second server does not start.
#[track_caller]
fn check_refused(command: &mut Command) {
    let output = portstat::output(command);
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).to_lowercase();
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("address already in use"), "{said}");
}

/// Insists that the process that is to be stopped is named, in the first line too, and how.
#[track_caller]
fn check_named(answer: &Answer, cause: &str, comm: &str, pid: u32) {
    let blocker = answer.exactly().blocked_first_by("EADDRINUSE", cause);
    assert!(holders(blocker).contains(&pid), "{}", answer.document);
    blocker.named(comm);
    let ran = portstat::run(&["why", ADDRESS]).exited(1);
    let text = ran.text();
    let first = text.lines().next().unwrap();
    assert!(
        first.starts_with("127.0.0.1:8080/tcp is blocked: "),
        "{text}"
    );
    assert!(first.contains(&format!("{comm}[{pid}]")), "{text}");
    let stops = |command: &str| {
        let by_pid = command.split(' ').any(|word| word == pid.to_string());
        command.starts_with("systemctl stop") || (command.starts_with("kill") && by_pid)
    };
    let mut commands = blocker
        .fixes
        .iter()
        .filter_map(|fix| fix.command.as_deref());
    assert!(commands.any(stops), "{:?}", blocker.fixes);
    // People are told, too.
    assert!(
        text.contains("kill") || text.contains("systemctl stop"),
        "{text}"
    );
}

fn holders(blocker: &Blocker) -> Vec<u32> {
    let owners = array(&blocker.socket, "owners").iter();
    let pids = owners.map(|owner| owner["pid"].as_u64().unwrap());
    pids.map(|pid| u32::try_from(pid).unwrap()).collect()
}

// nginx: a master, and workers that inherited the listener from it.

/// nginx with a configuration of its own.
struct Nginx {
    folder: TempDir,
    started: Started,
}

impl Nginx {
    fn new(daemon: &str, workers: usize) -> Nginx {
        Nginx::listening(daemon, workers, ADDRESS)
    }

    fn listening(daemon: &str, workers: usize, listen: &str) -> Nginx {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().display().to_string();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {place}/{kind};"))
            .concat();
        let configuration = format!(
            "daemon {daemon}; user root; worker_processes {workers}; pid {place}/pid;\n\
             error_log stderr; events {{ worker_connections 16; }}\n\
             http {{ access_log off; {temporary} server {{ listen {listen}; }} }}\n"
        );
        fs::write(folder.path().join("nginx.conf"), configuration).unwrap();
        Nginx {
            folder,
            started: Started::default(),
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(find("nginx"));
        let folder = self.folder.path();
        command.arg("-p").arg(folder).args(["-e", "stderr"]);
        command.arg("-c").arg(folder.join("nginx.conf"));
        command
    }

    /// Starts it as a daemon; returns the master and its workers.
    fn start_daemon(&mut self, workers: usize) -> (u32, Vec<u32>) {
        let status = self.command().stderr(Stdio::null()).status().unwrap();
        assert!(status.success(), "{status}");
        let mut master = 0;
        wait_until("the pid of a daemon", || {
            let pid = fs::read_to_string(self.folder.path().join("pid"));
            master = pid.unwrap_or_default().trim().parse().unwrap_or(0);
            master != 0
        });
        self.started.others.push(master);
        let mut children = Vec::new();
        wait_until("workers", || {
            children = children_of(master);
            children.len() == workers
        });
        self.started.others.extend(&children);
        await_server();
        (master, children)
    }
}

#[test]
fn a_second_nginx_is_told_of_the_first() {
    beside("nginx", || {
        let mut nginx = Nginx::new("off", 2);
        let mut command = nginx.command();
        let master = nginx.started.server(&mut command);
        let mut workers = Vec::new();
        wait_until("workers", || {
            workers = children_of(master);
            workers.len() == 2
        });
        nginx.started.others.extend(&workers);
        check_refused(&mut Nginx::new("off", 1).command());
        let answer = asked(&Wanted::tcp(ADDRESS));
        answer.with_reuse_address(Some("blocked"));
        check_named(&answer, "listener", "nginx", master);
        // The workers hold it too.
        let holders = holders(&answer.blockers[0]);
        assert!(
            workers.iter().all(|worker| holders.contains(worker)),
            "{holders:?}"
        );
    });
}

/// Kills the master of nginx, and insists that its workers are named.
fn check_workers_without_master(workers: usize) {
    beside("nginx", || {
        let mut nginx = Nginx::new("on", workers);
        let (master, mut workers) = nginx.start_daemon(workers);
        workers.sort_unstable();
        check_named(&asked(&Wanted::tcp(ADDRESS)), "listener", "nginx", master);
        end(master);
        check_refused(&mut Nginx::new("off", 1).command());
        let answer = asked(&Wanted::tcp(ADDRESS));
        // One alone looks like a server that went to the background by forking twice.
        let cause = match workers[..] {
            [_] if !answer.has_cause("inherited-by-child") => "listener",
            _ => "inherited-by-child",
        };
        let blocker = answer.blocked_first_by("EADDRINUSE", cause);
        let mut left = holders(blocker);
        left.sort_unstable();
        assert_eq!(left, workers, "{}", answer.document);
        check_named(&answer, cause, "nginx", workers[0]);
        // To end them frees the port.
        workers.iter().for_each(|&worker| end(worker));
        let answer = asked(&Wanted::tcp(ADDRESS));
        let mut sockets = answer.blockers.iter().map(|one| &one.socket);
        assert!(
            sockets.all(|one| one["state"] != "LISTEN"),
            "{}",
            answer.document
        );
    });
}

#[test]
fn a_worker_that_outlives_its_master_is_named() {
    check_workers_without_master(1);
}

#[test]
fn workers_that_outlive_their_master_are_named() {
    check_workers_without_master(2);
}

// redis.

fn redis(folder: &TempDir) -> Command {
    let mut command = Command::new("redis-server");
    command.args([
        "--port",
        "8080",
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
    ]);
    command
        .args(["--daemonize", "no"])
        .arg("--dir")
        .arg(folder.path());
    command
}

#[test]
fn a_second_redis_is_told_of_the_first() {
    beside("redis-server", || {
        let folder = tempfile::tempdir().unwrap();
        let mut started = Started::default();
        let first = started.server(&mut redis(&folder));
        check_refused(&mut redis(&folder));
        let answer = asked(&Wanted::tcp(ADDRESS));
        answer.with_reuse_address(Some("blocked"));
        check_named(&answer, "listener", "redis-server", first);
        answer.blockers[0].held_by(first);
    });
}

// Python.

fn http_server() -> Command {
    let mut command = Command::new("python3");
    command.args(["-m", "http.server", "8080", "--bind", "127.0.0.1"]);
    command
}

#[test]
fn a_second_http_server_is_told_of_the_first() {
    beside("python3", || {
        let mut started = Started::default();
        let first = started.server(&mut http_server());
        check_refused(&mut http_server());
        let answer = asked(&Wanted::tcp(ADDRESS));
        answer.with_reuse_address(Some("blocked"));
        check_named(&answer, "listener", &name_of(first), first);
        answer.blockers[0].held_by(first);
    });
}

/// The script leads the group that the server is in, and its session is not pid 1's as a rule.
#[test]
fn a_server_that_a_script_left_behind_is_one() {
    beside("python3", || {
        let script = "python3 -m http.server 8080 --bind 127.0.0.1 >&- 2>&- <&- & echo $!";
        let mut command = Command::new("sh");
        let output = portstat::output(command.args(["-c", script]).process_group(0));
        let server = String::from_utf8(output.stdout).unwrap();
        let server: u32 = server.trim().parse().unwrap();
        let _started = Started {
            children: Vec::new(),
            others: vec![server],
        };
        await_server();
        let answer = asked(&Wanted::tcp(ADDRESS));
        check_named(&answer, "listener", &name_of(server), server);
    });
}

/// The server reuses addresses, and so does who comes after it.
#[test]
fn a_server_that_is_started_again_finds_what_it_left() {
    beside("python3", || {
        let mut started = Started::default();
        let first = started.server(&mut http_server());
        let mut client = TcpStream::connect(ADDRESS).unwrap();
        io::Write::write_all(&mut client, b"GET /nothing HTTP/1.0\r\n\r\n").unwrap();
        io::copy(&mut client, &mut io::sink()).unwrap();
        drop(client);
        end(first);
        await_row("TIME-WAIT", ADDRESS.parse().unwrap());
        let wanted = Wanted::tcp(ADDRESS);
        let answer = asked(&wanted);
        answer.exactly().blocked_first_by("EADDRINUSE", "time-wait");
        asked_with(&wanted.reuse_address(), &["--probe"]).free();
        started.server(&mut http_server());
        asked(&wanted).blocked_first_by("EADDRINUSE", "listener");
    });
}

/// A parent that opens a listener and has a child that inherits it; then it does what the last
/// lines say. The child is not told that it has anything.
fn passes_on(last: &str) -> Command {
    let script = format!(
        "import os, socket, subprocess, sys\n\
         s = socket.socket()\n\
         s.bind(('127.0.0.1', 8080))\n\
         s.listen(5)\n\
         s.set_inheritable(True)\n\
         child = subprocess.Popen(['sleep', '100'], close_fds=False,\n\
         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n\
         print(child.pid, flush=True)\n\
         {last}\n"
    );
    let mut command = Command::new("python3");
    // A group of its own, as who starts servers gives them. Whether the session is one of pid 1
    // depends on where the tests run.
    command.args(["-c", &script]).process_group(0);
    command
}

#[test]
fn a_child_that_outlives_its_parent_is_named() {
    beside("python3", || {
        let output = portstat::output(&mut passes_on("os._exit(0)"));
        let child: u32 = String::from_utf8(output.stdout)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        let _started = Started {
            children: Vec::new(),
            others: vec![child],
        };
        wait_until("another program", || name_of(child) == "sleep");
        let answer = asked(&Wanted::tcp(ADDRESS));
        check_named(&answer, "inherited-by-child", "sleep", child);
        let blocker = answer.blockers[0].held_by(child);
        blocker.fixed_by(&["O_CLOEXEC"]);
        end(child);
        asked(&Wanted::tcp(ADDRESS)).free();
    });
}

#[test]
fn a_child_of_a_parent_that_closed_its_listener_is_named() {
    beside("python3", || {
        let mut command = passes_on("s.close(); sys.stdin.read()");
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut parent = piped.spawn().unwrap();
        let mut line = String::new();
        let mut output = io::BufReader::new(parent.stdout.take().unwrap());
        io::BufRead::read_line(&mut output, &mut line).unwrap();
        let child: u32 = line.trim().parse().unwrap();
        let parent_pid = parent.id();
        let _started = Started {
            children: vec![parent],
            others: vec![child],
        };
        wait_until("the child to be the only holder", || {
            let holds = |pid: u32| {
                let sockets = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
                let mut links = sockets.map(|fd| fs::read_link(fd.unwrap().path()));
                links.any(|link| link.is_ok_and(|link| link.to_string_lossy().contains("socket:")))
            };
            name_of(child) == "sleep" && !holds(parent_pid)
        });
        let answer = asked(&Wanted::tcp(ADDRESS));
        check_named(&answer, "inherited-by-child", "sleep", child);
        // Whose child it is helps to find out what went wrong.
        let ran = portstat::run(&["why", ADDRESS]).exited(1);
        let parent = format!("{}[{parent_pid}]", name_of(parent_pid));
        assert!(ran.text().contains(&parent), "{parent}: {}", ran.text());
    });
}

/// A server of one thread that has accepted a connection, and does something with it. It says when
/// it has done so far: what it did while it was looked at nobody could tell.
#[track_caller]
fn check_busy(does: &str) {
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready");
    let script = format!(
        "import os, socket, time\n\
         def ready(): open('{}', 'w').close()\n\
         s = socket.socket()\n\
         s.bind(('127.0.0.1', 8080))\n\
         s.listen(5)\n\
         c, _ = s.accept()\n\
         {does}\n",
        ready.display()
    );
    beside("python3", || {
        let mut started = Started::default();
        // The connection by which it is seen to answer is the one that it accepts.
        let server = started.server(Command::new("python3").args(["-c", &script]));
        let client = TcpStream::connect(ADDRESS);
        wait_until("a busy server", || ready.exists());
        let answer = asked(&Wanted::tcp(ADDRESS));
        check_named(&answer, "listener", &name_of(server), server);
        drop(client);
    });
}

#[test]
fn a_server_that_is_busy_with_a_connection_is_one() {
    check_busy("c, _ = s.accept(); ready(); c.recv(1)");
}

/// What it opened itself it has not inherited.
#[test]
fn a_server_that_waits_for_something_else_is_one() {
    check_busy("ready(); time.sleep(100)");
}

#[test]
fn many_workers_with_many_sockets_are_read_once() {
    const WORKERS: usize = 24;
    beside("nginx", || {
        let mut nginx = Nginx::listening("on", WORKERS, "127.0.0.1:8080 reuseport");
        let (master, _) = nginx.start_daemon(WORKERS);
        let ran = portstat::run(&["why", ADDRESS, "--json"]);
        let answer = only_answer(&ran);
        let blocker = answer.blocked_first_by("EADDRINUSE", "reuseport-group");
        assert_eq!(ran.json()["port"]["listeners_total"], WORKERS);
        assert_eq!(holders(blocker).len(), WORKERS + 1);
        // Those that say the same again are not told one and all; each process is told once.
        let told = answer
            .blockers
            .iter()
            .filter(|one| one.cause == blocker.cause);
        assert!((2..WORKERS).contains(&told.count()));
        assert_eq!(array(&answer.document, "processes").len(), WORKERS + 1);
        let ran = portstat::run(&["why", ADDRESS]).exited(1);
        let text = ran.text();
        assert_eq!(text.matches("the same 25 processes").count(), 4, "{text}");
        assert_eq!(text.matches(&format!("nginx[{master}] fd")).count(), 1);
    });
}

/// Whoever accepted what came in is the server, though its descriptor could be inherited.
#[test]
fn a_server_that_has_accepted_a_connection_is_one() {
    check_busy("s.set_inheritable(True); ready(); time.sleep(100)");
}

/// One that forks for each connection, and has as many children as it may have.
#[test]
fn a_server_that_waits_for_its_children_is_one() {
    check_busy(
        "s.set_inheritable(True)\n\
         c, _ = s.accept()\n\
         if os.fork() == 0:\n \
         s.close(); ready(); c.recv(1); os._exit(0)\n\
         c.close(); os.wait()",
    );
}

/// Ctrl-Z leaves a server its port, and a SIGTERM waits with it.
#[test]
fn a_stopped_server_goes_on_before_it_ends() {
    beside("python3", || {
        let mut started = Started::default();
        let server = started.server(Command::new("python3").args([
            "-m",
            "http.server",
            "-b",
            "127.0.0.1",
            "8080",
        ]));
        let pid = Pid::from_raw(server.try_into().unwrap());
        kill(pid, Signal::SIGSTOP).unwrap();
        wait_until("its stop", || state_of(server) == 'T');
        let answer = asked(&Wanted::tcp(ADDRESS));
        check_named(&answer, "listener", &name_of(server), server);
        let text = portstat::run(&["why", ADDRESS]).exited(1);
        assert!(
            text.text().contains(", is stopped (Ctrl-Z): "),
            "{}",
            text.text()
        );
        // Told to end, it has the port still.
        kill(pid, Signal::SIGTERM).unwrap();
        assert_eq!(state_of(server), 'T');
        let answer = asked(&Wanted::tcp(ADDRESS));
        run_fix(
            answer.blocked_first_by("EADDRINUSE", "listener"),
            "kill -CONT",
        );
        wait_until("its end", || matches!(state_of(server), 'Z' | 'X'));
        asked(&Wanted::tcp(ADDRESS));
    });
}

/// The state of a process, as `/proc/PID/stat` has it.
fn state_of(pid: u32) -> char {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    after.trim_start().chars().next().unwrap_or('X')
}
