//! Parents and children that have the same socket, one of which may not be seen.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::answer::{Answer, Blocker, array, only_answer};
use crate::ask::{asked, why};
use crate::processes::{ADDRESS, Started, await_server, beside, find, has_ended, name_of};
use crate::setup::{own_pid, run_fix, served};
use crate::support::namespace::{has_users, in_namespace, in_network_namespace, run_in_namespace};
use crate::support::portstat::{self, Ran};
use crate::support::rights::Rights;
use crate::support::waiting::wait_until;
use crate::wanted::Wanted;

/// What takes every capability from a command.
const WITHOUT_CAPABILITIES: [&str; 3] = ["--bounding-set", "-all", "--inh-caps=-all"];

/// Opens the listener.
const LISTENS: &str = "import ctypes, os, socket, subprocess, sys, time\n\
                       s = socket.socket()\n\
                       s.bind(('127.0.0.1', 8080))\n\
                       s.listen(5)\n";

/// Starts a server of Python that prints the numbers of its children, so many.
fn start(started: &mut Started, script: &str, count: usize) -> (u32, Vec<u32>) {
    let mut command = Command::new(find("python3"));
    let command = command.args(["-c", &format!("{LISTENS}{script}")]);
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped());
    let (parent, children) = read_children(command.spawn().unwrap(), count);
    let pid = parent.id();
    started.children.push(parent);
    started.others.extend(&children);
    await_server();
    (pid, children)
}

fn read_children(mut parent: Child, count: usize) -> (Child, Vec<u32>) {
    let lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    let children = lines.take(count).map(|line| line.unwrap().parse().unwrap());
    let children = children.collect();
    (parent, children)
}

fn mark(pid: u32) -> String {
    format!("{}[{pid}]", name_of(pid))
}

fn commands(blocker: &Blocker) -> Vec<&str> {
    let fixes = blocker.fixes.iter();
    fixes.filter_map(|fix| fix.command.as_deref()).collect()
}

/// Insists that somebody who sees only the child is told of others, names the parent, and does
/// not end the child alone.
#[track_caller]
fn check_half_seen(answer: &Answer, ran: &Ran, parent: u32, child: u32) -> Vec<String> {
    let blocker = answer.blocked_first_by("EADDRINUSE", "listener");
    blocker.held_by(child);
    let document = ran.json();
    let mut gaps = array(&document["collection"], "gaps").iter();
    let is_told = gaps.any(|gap| gap["what"] == "owners" && gap["count"] == 1);
    assert!(is_told, "{document}");
    let warning = "1 socket may have more owners than are named";
    assert!(ran.stderr.contains(warning), "{}", ran.stderr);
    assert!(
        blocker.explanation.contains(&mark(parent)),
        "{}",
        blocker.explanation
    );
    let commands: Vec<String> = commands(blocker).into_iter().map(str::to_owned).collect();
    let alone = format!("kill {child}");
    assert!(!commands.contains(&alone), "{commands:?}");
    commands
}

#[test]
fn a_parent_that_may_not_be_read_is_ended_with_its_workers() {
    beside("python3", || {
        let script = "s.set_inheritable(True)\n\
             serves = 'import socket, sys\\ns = socket.socket(fileno=int(sys.argv[1]))\\n\
             while True: s.accept()'\n\
             without = ['setpriv', '--bounding-set', '-all', '--inh-caps=-all']\n\
             serves = [sys.executable, '-c', serves, str(s.fileno())]\n\
             child = subprocess.Popen(without + serves, close_fds=False)\n\
             print(child.pid, flush=True)\n\
             child.wait()\n";
        let mut started = Started::default();
        let (parent, children) = start(&mut started, script, 1);
        let child = children[0];
        wait_until("another program", || name_of(child) == name_of(parent));
        let reader = |more: &[&str]| {
            let mut command = Command::new("setpriv");
            let portstat = portstat::command(&[&["why", ADDRESS], more].concat());
            command
                .args(WITHOUT_CAPABILITIES)
                .arg(portstat.get_program());
            portstat::finish(command.args(portstat.get_args()))
        };
        let ran = reader(&["--json"]);
        let answer = only_answer(&ran);
        let commands = check_half_seen(&answer, &ran, parent, child);
        assert!(
            commands.contains(&format!("kill {parent} {child}")),
            "{commands:?}"
        );
        let text = reader(&[]).exited(1);
        let first = text.text().lines().next().unwrap().to_owned();
        assert!(first.contains(&mark(parent)), "{first}");
        assert!(
            text.text().contains("others may hold it too"),
            "{}",
            text.text()
        );
        // It works.
        run_fix(&answer.blockers[0], "kill");
        wait_until("their end", || [parent, child].map(has_ended) == [true; 2]);
        asked(&Wanted::tcp(ADDRESS)).held_by_nobody();
    });
}

/// As of a server that root starts and whose workers are of another user.
#[test]
fn workers_are_not_ended_without_a_parent_of_another_user() {
    in_network_namespace(|| {
        // Of another user there is one only where root runs the tests.
        if !has_users() {
            return;
        }
        let script = "child = os.fork()\n\
             if child == 0:\n \
             os.setgroups([]); os.setgid(65534); os.setuid(65534)\n \
             ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)\n \
             print(os.getpid(), flush=True)\n \
             while True: s.accept()\n\
             os.wait()\n";
        let mut started = Started::default();
        let (parent, children) = start(&mut started, script, 1);
        let child = children[0];
        let ran = why(
            &["why".to_owned(), ADDRESS.to_owned()],
            Rights::User(65_534),
        );
        let commands = check_half_seen(&only_answer(&ran), &ran, parent, child);
        assert_eq!(
            commands,
            [
                format!("sudo portstat why {ADDRESS}/tcp --user 65534"),
                format!("sudo kill {parent} {child}"),
            ]
        );
        // Root sees them all.
        let answer = asked(&Wanted::tcp(ADDRESS));
        let kill = format!("kill {parent}");
        assert_eq!(self::commands(&answer.blockers[0]), [kill]);
    });
}

#[test]
fn a_child_that_inherited_a_listener_in_use_is_ended_too() {
    beside("python3", || {
        let script = "s.set_inheritable(True)\n\
             child = subprocess.Popen(['sleep', '100'], close_fds=False,\n\
             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)\n\
             print(child.pid, flush=True)\n\
             while True: s.accept()\n";
        let mut started = Started::default();
        let (parent, children) = start(&mut started, script, 1);
        let child = children[0];
        wait_until("another program", || name_of(child) == "sleep");
        let answer = asked(&Wanted::tcp(ADDRESS));
        let blocker = answer.exactly().blocked_first_by("EADDRINUSE", "listener");
        let said = format!(
            "{} listens on {ADDRESS}; sleep[{child}] has inherited",
            mark(parent)
        );
        assert!(
            blocker.explanation.contains(&said),
            "{}",
            blocker.explanation
        );
        assert_eq!(commands(blocker), [format!("kill {parent} {child}")]);
        blocker.fixed_by(&["O_CLOEXEC"]);
        run_fix(blocker, "kill");
        wait_until("their end", || [parent, child].map(has_ended) == [true; 2]);
        asked(&Wanted::tcp(ADDRESS)).held_by_nobody();
    });
}

/// A child that is to serve and has not yet begun is not taken for one that has merely inherited.
#[test]
fn a_child_that_is_still_starting_is_not_blamed() {
    beside("python3", || {
        // As a job of a shell.
        let script = "os.setpgid(0, 0)\n\
             s.set_inheritable(True)\n\
             child = subprocess.Popen(['sleep', '100'], close_fds=False,\n\
             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)\n\
             print(child.pid, flush=True)\n\
             child.wait()\n";
        let mut started = Started::default();
        let (parent, children) = start(&mut started, script, 1);
        wait_until("another program", || name_of(children[0]) == "sleep");
        let answer = asked(&Wanted::tcp(ADDRESS));
        let blocker = answer.blocked_first_by("EADDRINUSE", "listener");
        let said = format!("{} and 1 child listen on", mark(parent));
        assert!(
            blocker.explanation.starts_with(&said),
            "{}",
            blocker.explanation
        );
        assert_eq!(commands(blocker), [format!("kill {parent}")]);
        let mut texts = blocker.fixes.iter().map(|fix| &fix.text);
        assert!(texts.all(|text| !text.contains("CLOEXEC")), "{blocker:?}");
    });
}

#[test]
fn forked_children_that_do_not_serve_are_ended_too() {
    beside("python3", || {
        let script = "import signal\n\
             for _ in range(7):\n \
             child = os.fork()\n \
             if child == 0:\n  \
             signal.pause()\n \
             print(child, flush=True)\n\
             while True: s.accept()\n";
        let mut started = Started::default();
        let (parent, children) = start(&mut started, script, 7);
        let answer = asked(&Wanted::tcp(ADDRESS));
        let blocker = answer.exactly().blocked_first_by("EADDRINUSE", "listener");
        blocker.fixed_by(&["7 children that hold the socket without serving it"]);
        run_fix(blocker, "kill");
        let all = || children.iter().chain([&parent]);
        wait_until("their end", || all().all(|pid| has_ended(*pid)));
        asked(&Wanted::tcp(ADDRESS)).held_by_nobody();
    });
}

/// As of a manager in Python, run by root, of servers in Python of other users.
#[test]
fn a_parent_of_the_same_name_is_not_blamed_for_a_socket_of_the_childs_own() {
    in_network_namespace(|| {
        if !has_users() {
            return;
        }
        let script = "s.close()\n\
             child = os.fork()\n\
             if child == 0:\n \
             os.setgroups([]); os.setgid(65534); os.setuid(65534)\n \
             s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n \
             s.bind(('127.0.0.1', 8080)); s.listen(5)\n \
             ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)\n \
             print(os.getpid(), flush=True)\n \
             while True: s.accept()\n\
             os.wait()\n";
        let mut started = Started::default();
        let (parent, children) = start(&mut started, script, 1);
        let args = ["why", ADDRESS].map(str::to_owned);
        let ran = why(&args, Rights::User(65_534));
        let answer = only_answer(&ran);
        let blocker = answer.blocked_first_by("EADDRINUSE", "listener");
        let said = &blocker.explanation;
        assert!(said.starts_with(&mark(children[0])), "{said}");
        assert!(!said.contains(&mark(parent)), "{said}");
        assert_eq!(commands(blocker), [format!("kill {}", children[0])]);
        assert!(!ran.stderr.contains("more owners"), "{}", ran.stderr);
    });
}

#[test]
fn children_that_serve_with_their_parent_are_told_to_be_there() {
    beside("python3", || {
        let script = "for _ in range(2):\n \
             child = os.fork()\n \
             if child == 0:\n  \
             while True: s.accept()\n \
             print(child, flush=True)\n\
             while True: s.accept()\n";
        let mut started = Started::default();
        let (parent, _) = start(&mut started, script, 2);
        let answer = asked(&Wanted::tcp(ADDRESS));
        let blocker = answer.exactly().blocked_first_by("EADDRINUSE", "listener");
        let said = format!("{} and 2 children listen on", mark(parent));
        assert!(
            blocker.explanation.starts_with(&said),
            "{}",
            blocker.explanation
        );
        blocker.fixed_by(&["2 children hold the socket too: end them as well if they stay"]);
    });
}

/// Starts a server in a namespace of its own, whose children it prints.
fn start_elsewhere(started: &mut Started, port: u16, script: &str, count: usize) -> Vec<u32> {
    let script = format!(
        "import os, socket\n\
         s = socket.socket()\n\
         s.bind(('0.0.0.0', {port}))\n\
         s.listen(5)\n\
         {script}"
    );
    let mut command = Command::new(find("python3"));
    let command = command.args(["-c", &script]).stdin(Stdio::null());
    let parent = run_in_namespace(command.stdout(Stdio::piped())).unwrap();
    let (parent, children) = read_children(parent, count);
    started.children.push(parent);
    started.others.extend(&children);
    children
}

#[test]
fn siblings_are_not_taken_for_children() {
    beside("python3", || {
        let script = "for _ in range(2):\n \
             child = os.fork()\n \
             if child == 0:\n  \
             while True: s.accept()\n \
             print(child, flush=True)\n\
             s.close(); os.wait()\n";
        let mut started = Started::default();
        let mut children = start_elsewhere(&mut started, 8236, script, 2);
        children.sort_unstable();
        let parent = started.children[0].id();
        wait_until("the parent to have closed it", || {
            let fds = fs::read_dir(format!("/proc/{parent}/fd")).unwrap();
            let mut links = fds.map(|fd| fs::read_link(fd.unwrap().path()));
            !links.any(|link| link.is_ok_and(|link| link.to_string_lossy().contains("socket:")))
        });
        let answer = asked(&Wanted::tcp("0.0.0.0:8236"));
        let both = format!("{} and {} listen on", mark(children[0]), mark(children[1]));
        answer.free().noting(&["namespace", &both]);
    });
}

#[test]
fn of_two_namespaces_the_one_that_was_asked_about_is_no_neighbour() {
    in_namespace(|| {
        let _own = served(Wanted::tcp("0.0.0.0:8237"));
        let mut started = Started::default();
        let script = "print(os.getpid(), flush=True)\ns.accept()\n";
        start_elsewhere(&mut started, 8237, script, 1);
        let there = started.children[0].id();
        let netns = there.to_string();
        for rights in [Rights::Own, Rights::None] {
            let args = ["why", "0.0.0.0:8237", "-N", &netns].map(str::to_owned);
            let ran = why(&args, rights);
            let answer = only_answer(&ran);
            assert_eq!(answer.verdict, "blocked", "{}", answer.document);
            let notes = answer.notes.iter();
            let of_namespaces: Vec<&String> =
                notes.filter(|note| note.contains("namespace")).collect();
            let ours = format!("of process {}: ", own_pid());
            assert!(
                of_namespaces.iter().any(|note| note.contains(&ours)),
                "{rights:?}: {of_namespaces:?}"
            );
            let theirs = format!("of process {there}: ");
            assert!(
                !of_namespaces.iter().any(|note| note.contains(&theirs)),
                "{rights:?}: {of_namespaces:?}"
            );
        }
    });
}
