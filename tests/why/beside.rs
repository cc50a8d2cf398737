//! What is told beside the verdict: other namespaces, other protocols, the port itself.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use crate::answer::{answers, only_answer};
use crate::ask::{asked, asked_with};
use crate::processes::{ADDRESS, Started, beside, find, has_ended, name_of};
use crate::setup::{accepted, own_mark, served};
use crate::support::namespace::{in_namespace, run_in_namespace, sysctl};
use crate::support::portstat;
use crate::support::waiting::wait_until;
use crate::wanted::Wanted;

/// The last line: of the port, whatever becomes of the bind.
#[track_caller]
fn context(args: &[&str]) -> String {
    let ran = portstat::run(&[&["why"], args].concat());
    let last = ran.text().lines().rfind(|line| !line.is_empty());
    last.unwrap().to_owned()
}

#[test]
fn the_port_is_told_of_whatever_becomes_of_the_bind() {
    in_namespace(|| {
        let free = context(&["8080"]);
        for word in [
            "8080/tcp",
            "http-alt",
            "registered",
            "outside",
            "32768-60999",
        ] {
            assert!(free.contains(word), "{word}: {free}");
        }
        let _old = served(Wanted::tcp(ADDRESS));
        let taken = context(&["8080"]);
        assert!(taken.contains(&own_mark()), "{taken}");
        let inside = context(&["40000"]);
        assert!(
            inside.contains("registered") && !inside.contains("outside"),
            "{inside}"
        );
        let low = context(&["0.0.0.0:443"]);
        assert!(low.contains("https") && low.contains("system"), "{low}");
        let dynamic = context(&["65000"]);
        assert!(dynamic.contains("dynamic"), "{dynamic}");
        sysctl("net.ipv4.ip_local_reserved_ports", "40000");
        let reserved = context(&["40000"]);
        assert!(reserved.contains("reserved"), "{reserved}");
        let udp = context(&["udp:53"]);
        assert!(udp.contains("53/udp") && udp.contains("domain"), "{udp}");
    });
}

#[test]
fn a_port_that_may_be_drawn_is_free_with_a_warning() {
    in_namespace(|| {
        // Ports that no other test has in a namespace of its own.
        let answer = asked(&Wanted::tcp("0.0.0.0:40123"));
        assert!(!answer.free().notes.is_empty(), "{}", answer.document);
        let answer = asked(&Wanted::tcp("0.0.0.0:8123"));
        assert!(answer.free().notes.is_empty(), "{}", answer.document);
    });
}

#[test]
fn what_another_protocol_has_is_told_and_blocks_nobody() {
    in_namespace(|| {
        let _tcp = served(Wanted::tcp(ADDRESS));
        let answer = asked(&Wanted::udp(ADDRESS));
        answer.free().noting(&["TCP", "8080", &own_mark()]);
    });
}

#[test]
fn many_connections_are_told_in_a_few_lines() {
    in_namespace(|| {
        let old = served(Wanted::tcp(ADDRESS));
        let to = ADDRESS.parse().unwrap();
        let _held: Vec<_> = (0..200).map(|_| accepted(&old.fd, to)).collect();
        let answer = asked(&Wanted::tcp("0.0.0.0:8080"));
        answer.exactly().blocked_first_by("EADDRINUSE", "listener");
        let ran = portstat::run(&["why", "0.0.0.0:8080"]).exited(1);
        assert!(ran.text().lines().count() < 40, "{}", ran.text());
        // What remains when the listener goes is told in no more.
        drop(old);
        let answer = asked(&Wanted::tcp("0.0.0.0:8080"));
        answer
            .exactly()
            .blocked_first_by("EADDRINUSE", "connection-remains");
        let ran = portstat::run(&["why", "0.0.0.0:8080"]).exited(1);
        assert!(ran.text().lines().count() < 40, "{}", ran.text());
    });
}

// Other namespaces.

/// A server in a namespace of its own, where nobody else is.
fn server_elsewhere(started: &mut Started) -> u32 {
    let script = "import socket, sys\n\
                  s = socket.socket()\n\
                  s.bind(('0.0.0.0', 8234))\n\
                  s.listen(5)\n\
                  s.accept()\n";
    let mut command = Command::new("python3");
    command.args(["-c", script]).stdin(Stdio::null());
    let child = run_in_namespace(&mut command).unwrap();
    let pid = child.id();
    started.children.push(child);
    wait_until("a listener elsewhere", || {
        let table = fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap_or_default();
        assert!(!has_ended(pid));
        table.contains(":202A ")
    });
    pid
}

#[test]
fn what_another_namespace_has_is_told_and_blocks_nobody() {
    beside("python3", || {
        let mut started = Started::default();
        let pid = server_elsewhere(&mut started);
        let mut answer = asked(&Wanted::tcp("0.0.0.0:8234"));
        // Of many others only those of the first second are read.
        wait_until("that it is among those that are read", || {
            answer = asked(&Wanted::tcp("0.0.0.0:8234"));
            !answer.notes.is_empty()
        });
        let mark = format!("{}[{pid}]", name_of(pid));
        answer.free().noting(&[&mark, "namespace"]);
        let ran = portstat::run(&["why", "0.0.0.0:8234"]).exited(0);
        assert!(ran.text().contains(&mark), "{}", ran.text());
        // Another port of it is nobody's concern.
        let answer = asked(&Wanted::tcp("0.0.0.0:8235"));
        assert!(answer.free().notes.is_empty(), "{}", answer.document);
    });
}

// Containers.

/// A process that looks like the one which publishes a port of a container.
#[test]
fn behind_a_published_port_is_a_container() {
    beside("python3", || {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("docker-proxy");
        symlink(find("python3"), &program).unwrap();
        let script = "import socket\n\
                      s = socket.socket()\n\
                      s.bind(('127.0.0.1', 8080))\n\
                      s.listen(5)\n\
                      while True: s.accept()\n";
        let mut started = Started::default();
        let mut command = Command::new(&program);
        command.args(["-c", script, "-proto", "tcp", "-host-ip", "127.0.0.1"]);
        command.args(["-host-port", "8080", "-container-ip", "172.17.0.2"]);
        let pid = started.server(command.args(["-container-port", "80"]));
        assert_eq!(name_of(pid), "docker-proxy");
        let answer = asked(&Wanted::tcp("0.0.0.0:8080"));
        let blocker = answer.exactly().blocked_first_by("EADDRINUSE", "listener");
        blocker.held_by(pid).named("docker-proxy");
        let ran = portstat::run(&["why", "0.0.0.0:8080"]).exited(1);
        assert!(ran.text().contains("172.17.0.2"), "{}", ran.text());
    });
}

// Trying.

#[test]
fn a_probe_agrees_or_is_believed() {
    in_namespace(|| {
        let _old = served(Wanted::tcp(ADDRESS));
        let answer = asked_with(&Wanted::tcp("0.0.0.0:8080"), &["--probe"]);
        answer.exactly().with_reuse_address(Some("blocked"));
        answer.blocked_by("EADDRINUSE", "listener");
        assert!(answer.document["probe"].is_object(), "{}", answer.document);
        asked_with(&Wanted::tcp("127.0.0.2:8080"), &["--probe"]).free();
        asked_with(&Wanted::udp("127.0.0.1:8080"), &["--probe"]).free();
        let answer = asked_with(&Wanted::tcp("192.0.2.5:8080"), &["--probe"]);
        answer.blocked_by("EADDRNOTAVAIL", "address-not-local");
        // Nothing is tried where nobody asked for it.
        assert!(asked(&Wanted::tcp(ADDRESS)).document["probe"].is_null());
        let both = answers(&portstat::run(&["why", "8080", "--probe", "--json"]));
        assert!(
            both.iter()
                .all(|answer| answer.document["probe"].is_object())
        );
    });
}

#[test]
fn a_probe_is_of_this_machine() {
    let ran = portstat::run(&["why", "80", "--probe", "--from", "/nonexistent"]);
    let ran = ran.exited(2);
    assert!(
        ran.stderr.contains("--probe") && ran.stderr.contains("--from"),
        "{}",
        ran.stderr
    );
}

// A recording.

#[test]
fn a_recording_answers_as_the_machine_did() {
    in_namespace(|| {
        let _v4 = served(Wanted::tcp(ADDRESS));
        let _v6 = served(Wanted::tcp("[::]:8081"));
        let _bound = Wanted::tcp("0.0.0.0:8082").bound().unwrap();
        let _udp = Wanted::udp(ADDRESS).really().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("recording").display().to_string();
        portstat::run(&["record", &place]).exited(0);
        let questions = [
            &["0.0.0.0:8080"][..],
            &["127.0.0.2:8080"],
            &["0.0.0.0:8081"],
            &["[::1]:8081", "--v6only"],
            &["127.0.0.1:8082"],
            &["udp:127.0.0.1:8080"],
            &["192.0.2.5:8080"],
            &["192.0.2.5:8080", "--free-bind"],
            &["[::1]:8080"],
            &["[2001:db8::5]:8080"],
            &["--connect", "127.0.0.1:8080"],
            &["127.0.0.1:0"],
        ];
        for question in questions {
            let ask = |more: &[&str]| {
                only_answer(&portstat::run(
                    &[&["why", "--json"], question, more].concat(),
                ))
            };
            let (live, recorded) = (ask(&[]), ask(&["--from", &place]));
            let said = |answer: &crate::answer::Answer| {
                let causes: Vec<String> = answer
                    .blockers
                    .iter()
                    .map(|one| one.cause.clone())
                    .collect();
                (answer.verdict.clone(), answer.errno.clone(), causes)
            };
            assert_eq!(
                said(&recorded),
                said(&live),
                "{question:?}: {}",
                recorded.document
            );
            let owners = |answer: &crate::answer::Answer| {
                let first = answer.blockers.first();
                first.map(|one| one.socket["owners"][0]["pid"].clone())
            };
            assert_eq!(owners(&recorded), owners(&live), "{}", recorded.document);
        }
    });
}
