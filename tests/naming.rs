//! What network namespaces are called: a name may be anything that a file can be called, and is
//! nothing but a name, wherever it is told.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::ffi::OsStr;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, socket};
use serde_json::Value;
use support::netns::{Room, in_new_netns, name_netns, with_names};
use support::portstat::{Collector, Ran, command, finish, run, run_by};

const PORT: u16 = 8080;
/// A name that would tell something of its own, were it printed as it is.
const FORGED: &str = "x\nportstat: destroyed 9 of 9 sockets";
/// The same as it is shown.
const SHOWN: &str = r"x\x0aportstat: destroyed 9 of 9 sockets";

/// A namespace of that name, with a listener in it.
fn named(name: impl AsRef<OsStr>) -> Room {
    let room = Room::listening("server", PORT);
    name_netns(name, &room.path()).unwrap();
    room
}

/// Every line on stderr is one of ours, and none is the name's.
#[track_caller]
fn check_lines(ran: &Ran) {
    for line in ran.stderr.lines() {
        assert!(line.starts_with("portstat: "), "{:?}", ran.stderr);
        assert!(!line.starts_with("portstat: destroyed 9"), "{}", ran.stderr);
    }
}

#[test]
fn a_name_is_no_line_of_its_own_in_a_warning() {
    with_names(|| {
        let _room = named(FORGED);
        // Of each namespace that is entered it says so.
        let ran = run_by(Collector::Proc, &["-N", "all", "-tan"]).exited(0);
        check_lines(&ran);
        assert!(ran.stderr.contains(SHOWN), "{}", ran.stderr);
        let document = run_by(Collector::Proc, &["-N", "all", "-tan", "--json"]).json();
        let gaps = document["collection"]["gaps"].as_array().unwrap();
        assert!(
            gaps.iter()
                .any(|gap| gap["where"].as_str().unwrap_or("").contains(SHOWN))
        );
    });
}

#[test]
fn a_name_is_no_line_of_its_own_in_what_became_of_sockets() {
    with_names(|| {
        let (_bound, room) = in_new_netns(|| {
            let flags = SockFlag::empty();
            let bound = socket(AddressFamily::Inet, SockType::Stream, flags, None).unwrap();
            let addr = SockaddrIn::new(127, 0, 0, 1, PORT);
            bind(bound.as_raw_fd(), &addr).unwrap();
            let room = Room::here(&bound);
            (bound, room)
        });
        name_netns(FORGED, &room.path()).unwrap();
        let filter = format!("sport = :{PORT} and netns = {}", room.inode);
        let ran = run(&["-N", "all", "-K", "--yes", "-taB", &filter]);
        check_lines(&ran);
        // A kernel before 6.8 does not list it.
        if ran.code == 4 {
            assert!(
                ran.stderr.contains(&format!(" netns {SHOWN}: ")),
                "{}",
                ran.stderr
            );
        }
    });
}

#[test]
fn what_is_not_there_is_named_in_one_line() {
    let ran = run(&["-N", "nope\nportstat: destroyed 9 of 9 sockets", "-tln"]).exited(4);
    check_lines(&ran);
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    let ran = run(&[
        "-tln",
        "netns = \"/nope\\x0aportstat: destroyed 9 of 9 sockets\"",
    ]);
    assert!(ran.stderr.contains(r"\x0aportstat"), "{}", ran.stderr);
    let is_forged = |line: &str| line.starts_with("portstat: destroyed");
    assert!(!ran.stderr.lines().any(is_forged), "{}", ran.stderr);
}

#[test]
fn a_warning_has_the_name_that_rows_have() {
    with_names(|| {
        let room = named("host");
        let ran = run_by(Collector::Proc, &["-N", "all", "-tln"]).exited(0);
        let port = format!(":{PORT} ");
        let mut rows = ran.text().lines().filter(|row| row.contains(&port));
        let name = rows
            .find_map(|row| row.split_once(" netns:host"))
            .unwrap()
            .1;
        assert_eq!(
            name,
            format!(":{}", room.inode),
            "the first process lives in another"
        );
        let named = |line: &str| line.contains(&format!("host{name}"));
        assert!(ran.stderr.lines().any(named), "{}", ran.stderr);
    });
}

#[test]
fn a_name_need_be_no_text() {
    with_names(|| {
        let name = OsStr::from_bytes(b"b\xffd");
        let room = named(name);
        let filter = format!("sport = :{PORT} and netns = {}", room.inode);
        let rows = run(&["-N", "all", "-tln", &filter]).exited(0);
        assert!(rows.text().contains(r"netns:b\xffd"), "{}", rows.text());
        let listed = run(&["-N", "all", "-tln", "--format", "jsonl", &filter]);
        assert_eq!(listed.exited(0).json_lines()[0]["netns_name"], r"b\xffd");
        let mut alone = command(&["-tln", "--format", "jsonl"]);
        let alone = finish(alone.arg("-N").arg(name)).exited(0).json_lines();
        assert_eq!(alone[0]["netns"], room.inode);
        assert_eq!(alone[0]["netns_name"], r"b\xffd");
        let told = run(&["-N", "all", "ephemeral", "--json", "--top", "100"]).json();
        let judged = told["netns"].as_array().unwrap().iter();
        let ours = |one: &&Value| one["id"] == room.inode;
        assert_eq!(judged.clone().find(ours).unwrap()["name"], r"b\xffd");
    });
}

#[test]
fn what_many_namespaces_lack_alike_is_told_once() {
    with_names(|| {
        let rooms: Vec<Room> = (0..6).map(|number| named(format!("n{number}"))).collect();
        let ran = run_by(Collector::Proc, &["-N", "all", "-wan"]).exited(0);
        let about: Vec<&str> = { ran.stderr.lines() }
            .filter(|line| line.contains("read from /proc/net"))
            .collect();
        let [line] = about[..] else {
            panic!("{}", ran.stderr);
        };
        // Those that nobody else's test enters, and its own.
        let count = rooms.len() + 1;
        assert!(
            line.starts_with(&format!(
                "portstat: in {count} network namespaces: raw/ipv4"
            )),
            "{line}"
        );
        assert!(
            line.ends_with("v6only and devices are not told there"),
            "{line}"
        );
        let few = run_by(Collector::Proc, &["-N", "all", "-wan", "--json"]).json();
        let gaps = few["collection"]["gaps"].as_array().unwrap();
        assert_eq!(
            gaps.iter().filter(|gap| gap["what"] == "details").count(),
            1
        );
    });
}
