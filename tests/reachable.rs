//! Which network namespaces `-N all` finds, and what it says of those that it cannot read.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::fs::{self, File};
use std::io::BufRead;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::{io, thread};

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use serde_json::Value;
use support::holder::{Holder, without_rights};
use support::mounts::{mount, unmount};
use support::netns::{Room, in_new_netns, name_netns, number_netns, own_inode, with_names};
use support::portstat::{command, finish, run, run_without_rights};
use support::rights::without_capability;
use support::waiting::{PATIENCE, wait_until};

/// The number of a capability, of linux/capability.h.
const CAP_SYS_PTRACE: libc::c_int = 19;
/// Another.
const CAP_SYS_ADMIN: libc::c_int = 21;
/// The port that somebody has in each namespace.
const PORT: u16 = 8080;
/// One that nobody has in the namespaces of other tests, which are seen without rights too.
const THREADS_PORT: u16 = 18_393;

/// A namespace in which no process lives: its file, a listener in it, and its inode.
fn abandoned() -> (File, TcpListener, u64) {
    in_new_netns(|| {
        let file = File::open("/proc/thread-self/ns/net").unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)).unwrap();
        (file, listener, own_inode())
    })
}

/// What `-N all` lists of the port in the namespace of an inode.
#[track_caller]
fn listed_in(inode: u64) -> Vec<Value> {
    let args = [
        "-N", "all", "-tlp", "--format", "jsonl", "sport", "=", ":8080",
    ];
    let mut sockets = run(&args).exited(0).json_lines();
    sockets.retain(|one| one["netns"] == inode);
    sockets
}

#[test]
fn one_that_only_a_descriptor_keeps_is_found_once() {
    with_names(|| {
        let (file, listener, inode) = abandoned();
        let [socket] = &listed_in(inode)[..] else {
            panic!("by one process");
        };
        // Like others without a name it goes by its inode.
        assert_eq!(socket["netns_name"], Value::Null);
        assert_eq!(socket["owners"][0]["pid"], std::process::id());
        let held = [file.as_fd(), listener.as_fd()];
        let holders = [Holder::of(&held), Holder::twice(&held)];
        drop((file, listener));
        let [socket] = &listed_in(inode)[..] else {
            panic!("by two processes, neither of which lives there");
        };
        assert_eq!(socket["owners"].as_array().unwrap().len(), 3);
        let plain = run(&["-N", "all", "-tln", "sport", "=", ":8080"]).exited(0);
        let end = format!(" netns:{inode}");
        assert!(
            plain.text().lines().any(|line| line.ends_with(&end)),
            "{}",
            plain.text()
        );
        // Every command looks there.
        let counts = run(&["-N", "all", "-s", "-t", "--json"]).exited(0).json();
        let counts = counts["counts"].as_array().unwrap();
        assert!(counts.iter().any(|count| count["netns"] == inode));
        let pools = run(&["-N", "all", "ephemeral", "--json", "--top", "100"]).json();
        let judged = pools["netns"].as_array().unwrap();
        assert!(judged.iter().any(|one| one["id"] == inode), "{pools}");
        drop(holders);
        assert_eq!(listed_in(inode), [] as [Value; 0]);
    });
}

#[test]
fn one_in_which_only_a_thread_lives_is_found() {
    with_names(|| {
        let (told, inode) = channel();
        let (end, ended) = channel::<()>();
        let apart = thread::spawn(move || {
            in_new_netns(move || {
                let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, THREADS_PORT)).unwrap();
                told.send(own_inode()).unwrap();
                // Until nobody is left to tell.
                assert!(ended.recv().is_err());
            });
        });
        let inode = inode.recv().unwrap().to_string();
        let filter = format!("sport = :{THREADS_PORT}");
        let args = ["-N", "all", "-tlnH", "--columns", "netns", &filter];
        assert_eq!(run(&args).exited(0).text().trim(), inode);
        let listed = run_without_rights(&args).exited(0);
        assert_eq!(listed.text().lines().count(), 1, "{}", listed.text());
        drop(end);
        apart.join().unwrap();
    });
}

#[test]
fn one_that_is_open_and_has_a_name_or_a_process_is_no_second() {
    with_names(|| {
        let (file, _listener, inode) = abandoned();
        let own = File::open("/proc/self/ns/net").unwrap();
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        name_netns("kept", &path).unwrap();
        let [socket] = &listed_in(inode)[..] else {
            panic!("by its name");
        };
        assert_eq!(socket["netns_name"], "kept");
        let _here = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)).unwrap();
        assert_eq!(listed_in(own_inode()).len(), 1);
        drop(own);
    });
}

#[test]
fn those_that_container_engines_mount_are_found() {
    with_names(|| {
        let mut kept = Vec::new();
        for folder in ["/run/docker/netns", "/run/containers/a b", "/run/cni"] {
            let (file, listener, inode) = abandoned();
            fs::create_dir_all(folder).unwrap();
            let point = format!("{folder}/0a1b2c");
            File::create(&point).unwrap();
            let from = format!("/proc/self/fd/{}", file.as_raw_fd());
            mount(&from, &point, "", libc::MS_BIND).unwrap();
            drop(file);
            assert_eq!(listed_in(inode).len(), 1, "{point}");
            let named = run(&["-N", &point, "-tlnH"]).exited(0);
            assert_eq!(named.text().lines().count(), 1, "{point}");
            kept.push(listener);
        }
    });
}

/// Three namespaces, of which two have names.
fn rooms() -> [Room; 3] {
    let rooms = ["web", "api", "db"].map(|name| Room::listening(name, PORT));
    name_netns("red", &rooms[0].path()).unwrap();
    name_netns("blue", &rooms[1].path()).unwrap();
    rooms
}

/// The gap of namespaces that could not be read at all, out of a document.
fn unread(document: &Value) -> Option<&Value> {
    let gaps = document["collection"]["gaps"].as_array().unwrap();
    let is_unread = |gap: &&Value| {
        gap["what"] == "namespaces"
            && !["permission", "hidden"].contains(&gap["reason"].as_str().unwrap())
    };
    gaps.iter().find(is_unread)
}

#[test]
fn without_rights_a_name_is_no_namespace_more_for_certain() {
    with_names(|| {
        let _rooms = rooms();
        let listed = run_without_rights(&["-N", "all", "-tln", "--json"]).exited(0);
        // Those of both names are listed by their processes, but nobody says so.
        let warning = "portstat: up to 2 network namespaces cannot be read: ";
        assert!(listed.stderr.contains(warning), "{}", listed.stderr);
        let doubt = "; which of them are those of processes cannot be told\n";
        assert!(listed.stderr.contains(doubt), "{}", listed.stderr);
        let document = listed.json();
        assert_eq!(unread(&document).unwrap()["count"], 2);
    });
}

#[test]
fn without_rights_a_name_is_known_by_the_number_of_its_namespace() {
    with_names(|| {
        let [red, blue, other] = rooms();
        // As after the first look at a pair of veth, whoever took it.
        for (name, number) in [("red", 7), ("blue", 8)] {
            let file = File::open(format!("/run/netns/{name}")).unwrap();
            number_netns(&file, number);
        }
        let args = ["-N", "all", "-tln", "--json", "sport", "=", ":8080"];
        let listed = run_without_rights(&args).exited(0);
        let document = listed.json();
        assert_eq!(unread(&document), None, "{}", listed.stderr);
        let sockets = document["sockets"].as_array().unwrap();
        for (room, name) in [(&red, "red"), (&blue, "blue")] {
            let found = sockets.iter().filter(|one| one["netns_name"] == name);
            let inodes: Vec<&Value> = found.map(|one| &one["netns"]).collect();
            assert_eq!(inodes, [&Value::from(room.inode)]);
        }
        let by_process = format!("pid:{}", other.process.pid());
        assert!(
            sockets
                .iter()
                .any(|one| one["netns_name"] == by_process[..])
        );
        let filtered = run_without_rights(&["-N", "all", "-qtl", "netns = red"]);
        assert_eq!(filtered.code, 0, "{}", filtered.stderr);
    });
}

#[test]
fn who_may_enter_but_not_ask_processes_sees_each_once() {
    with_names(|| {
        let [red, blue, _other] = rooms();
        let args = ["-N", "all", "-tln", "--json", "sport", "=", ":8080"];
        let mut command = command(&args);
        without_capability(&mut command, CAP_SYS_PTRACE);
        let listed = finish(&mut command).exited(0);
        let document = listed.json();
        let sockets = document["sockets"].as_array().unwrap();
        for (room, name) in [(&red, "red"), (&blue, "blue")] {
            let of_name: Vec<&Value> = sockets
                .iter()
                .filter(|one| one["netns_name"] == name)
                .collect();
            let [socket] = of_name[..] else {
                panic!("{of_name:?}");
            };
            assert_eq!(socket["netns"], room.inode);
            let by_process = format!("pid:{}", room.process.pid());
            assert!(
                sockets
                    .iter()
                    .all(|one| one["netns_name"] != by_process[..])
            );
        }
        assert_eq!(unread(&document), None, "{}", listed.stderr);
    });
}

/// A listing that is repeated, and what it says so far.
struct Rounds {
    child: Child,
    lines: Receiver<Value>,
}

impl Rounds {
    fn of(args: &[&str]) -> Rounds {
        let mut command: Command = command(args);
        let mut child = command
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let stdout = child.stdout.take().unwrap();
        thread::spawn(move || {
            for line in io::BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(serde_json::from_str(&line).unwrap()).is_err() {
                    return;
                }
            }
        });
        Rounds { child, lines }
    }

    /// Waits for a row of a namespace.
    #[track_caller]
    fn wait_for(&self, inode: u64) {
        while self.lines.recv_timeout(PATIENCE).unwrap()["netns"] != inode {}
    }
}

impl Drop for Rounds {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn one_that_is_only_open_is_not_looked_for_by_those_who_may_enter_none() {
    with_names(|| {
        let (file, _listener, _) = abandoned();
        let holder = Holder::of(&[file.as_fd()]);
        let mut command = command(&["-N", "all", "-tln"]);
        without_capability(&mut command, CAP_SYS_ADMIN);
        let ran = finish(&mut command).exited(0);
        assert!(!ran.stderr.contains("cannot be read"), "{}", ran.stderr);
        drop(holder);
    });
}

#[test]
fn one_that_ends_while_it_is_read_from_outside_is_passed_over() {
    with_names(|| {
        let room = Room::listening("brief", PORT);
        // Whoever reads its tables waits at the first, that of UDP.
        let folder = format!("/proc/{}/net", room.process.pid());
        mount("none", &folder, "tmpfs", 0).unwrap();
        fs::write(format!("{folder}/tcp"), "").unwrap();
        let pipe = format!("{folder}/udp");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        let mut command = command(&["-N", "all", "-tuan", "--format", "jsonl"]);
        without_rights(&mut command);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let mut reached = None;
        wait_until("a reader of the table", || {
            let flags = OFlags::WRONLY | OFlags::NONBLOCK;
            reached = open(&pipe, flags, Mode::empty()).ok();
            reached.is_some()
        });
        drop((room, reached));
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!stderr.contains("cannot be read"), "{stderr}");
        assert_eq!(output.status.code(), Some(0), "{stderr}");
    });
}

#[test]
fn a_name_stands_in_each_round_for_what_it_means_then() {
    with_names(|| {
        let [red, _, other] = rooms();
        let args = [
            "-N",
            "all",
            "-tlc",
            "0.05",
            "--format",
            "jsonl",
            "netns = red",
        ];
        let rounds = Rounds::of(&args);
        rounds.wait_for(red.inode);
        unmount("/run/netns/red");
        fs::remove_file("/run/netns/red").unwrap();
        name_netns("red", &other.path()).unwrap();
        rounds.wait_for(other.inode);
        let after = rounds.lines.recv_timeout(PATIENCE).unwrap();
        assert_eq!(after["netns"], other.inode);
        // One that is new has ports and interfaces of its own.
        drop(rounds);
        let rounds = Rounds::of(&["-N", "all", "-tlc", "0.05", "--format", "jsonl", "dev = lo"]);
        let late = late_room();
        rounds.wait_for(late.inode);
    });
}

/// A namespace in which a listener is bound to the loopback device.
fn late_room() -> Room {
    in_new_netns(|| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)).unwrap();
        nix::sys::socket::setsockopt(
            &listener,
            nix::sys::socket::sockopt::BindToDevice,
            &std::ffi::OsString::from("lo"),
        )
        .unwrap();
        Room {
            process: Holder::named(b"late", &[listener.as_fd()]),
            inode: own_inode(),
        }
    })
}
