//! Events of other network namespaces.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, UdpSocket};
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::stream::{Stream, has_joined, waiting_for};
use crate::support::holder::without_rights;
use crate::support::namespace::{in_namespace, is_forbidden, skip};
use crate::support::netns::{Room, empty_run, name_netns};
use crate::support::portstat::command;
use crate::support::waiting::{PATIENCE, wait_until};

const PORT: u16 = 8080;
const ALL: &str = "0000000f";

/// Whether portstat hears of what happens in a room.
fn hears_of(stream: &Stream, room: &Room) -> bool {
    let table = format!("/proc/{}/net/netlink", room.process.pid());
    has_joined(&table, stream.pid(), ALL)
}

fn with_names(body: impl FnOnce()) {
    in_namespace(|| match empty_run() {
        Ok(()) => body(),
        Err(error) if is_forbidden(&error) => skip(&error),
        Err(error) => panic!("{error}"),
    });
}

#[test]
fn every_namespace_is_heard_of_and_rows_tell_which() {
    with_names(|| {
        let rooms = ["web", "api"].map(|name| Room::listening(name, PORT));
        name_netns("red", &rooms[0].path()).unwrap();
        let stream = Stream::of(&["-p", "-N", "all", "sport = :8080"]);
        for room in &rooms {
            wait_until("that a room is heard of", || hears_of(&stream, room));
        }
        // What is there now is seen once something younger was.
        stream.wait_until_seen_by(PORT);
        let inodes = rooms.each_ref().map(|room| room.inode);
        let [red, other] = rooms;
        drop(red);
        let event = stream.event_that(|event| event["netns"] == inodes[0]);
        assert_eq!(event["netns_name"], "red");
        assert_eq!(event["owners"][0]["comm"], "web", "{event}");
        assert_eq!(event["last_state"], "LISTEN");
        drop(other);
        let event = stream.event_that(|event| event["netns"] == inodes[1]);
        assert_eq!(event["owners"][0]["comm"], "api", "{event}");
    });
}

#[test]
fn a_namespace_that_appears_later_is_heard_of_and_one_that_ends_is_let_go() {
    with_names(|| {
        let stream = Stream::of(&["-N", "all", "--format", "plain", "-nH", "sport = :8080"]);
        let room = Room::listening("late", PORT);
        let inode = room.inode;
        wait_until("that the new room is heard of", || hears_of(&stream, &room));
        drop(room);
        let line = stream.line();
        assert!(line.ends_with(&format!("netns:{inode}")), "{line}");
        // Nothing of it is left: not even the socket that heard of it.
        let link = format!("/proc/{}/fd", stream.pid());
        wait_until("that one namespace is left", || {
            let sockets = std::fs::read_dir(&link).unwrap().filter(|fd| {
                let path = fd.as_ref().unwrap().path();
                let target = std::fs::read_link(path).unwrap_or_default();
                target.to_string_lossy().starts_with("socket:")
            });
            sockets.count() == 1
        });
    });
}

/// While nobody reads what is printed, a namespace comes and goes.
#[test]
fn what_a_namespace_announced_is_told_although_it_is_over() {
    with_names(|| {
        let args = ["-E", "-N", "all", "-nH", "--format=plain", "sport = :8080"];
        let mut child = command(&args).stdout(Stdio::piped()).spawn().unwrap();
        let queue = || waiting_for(child.id()).unwrap_or_default();
        wait_until("that events wait to be read", || {
            (0..1000).for_each(|_| drop(UdpSocket::bind((Ipv4Addr::LOCALHOST, PORT)).unwrap()));
            let before = queue();
            thread::sleep(Duration::from_millis(100));
            before > 0 && queue() == before
        });
        let room = Room::listening("late", PORT);
        let table = format!("/proc/{}/net/netlink", room.process.pid());
        wait_until("that the room is heard of", || {
            has_joined(&table, child.id(), ALL)
        });
        let end = format!(" netns:{}", room.inode);
        drop(room);
        // There are looks meanwhile, which nothing shows.
        thread::sleep(Duration::from_millis(2500));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut ends = lines.map(move |line| line.unwrap().ends_with(&end));
        let (tell, told) = mpsc::channel();
        let reader = thread::spawn(move || ends.any(|is_it| is_it && tell.send(()).is_ok()));
        let found = told.recv_timeout(PATIENCE);
        child.kill().unwrap();
        child.wait().unwrap();
        reader.join().unwrap();
        found.unwrap();
    });
}

#[test]
fn one_is_heard_of_by_its_name_or_process() {
    with_names(|| {
        for by_name in [true, false] {
            let room = Room::listening("web", PORT);
            let pid = room.process.pid().to_string();
            if by_name {
                name_netns("red", &room.path()).unwrap();
            }
            let target = if by_name { "red" } else { &pid };
            let stream = Stream::start(&mut command(&["-E", "-N", target]));
            wait_until("that the room is heard of", || hears_of(&stream, &room));
            drop(UdpSocket::bind((Ipv4Addr::LOCALHOST, 7)).unwrap());
            let inode = room.inode;
            drop(room);
            let event = stream.event();
            assert_eq!(event["netns"], inode);
            assert_eq!(event["local"]["port"], PORT);
        }
    });
}

#[test]
fn what_may_not_be_entered_is_an_error_or_a_warning() {
    with_names(|| {
        let room = Room::listening("web", PORT);
        let pid = room.process.pid().to_string();
        let mut one = command(&["-E", "-N", &pid]);
        without_rights(&mut one);
        let refused = crate::support::portstat::finish(&mut one).exited(4);
        assert!(
            refused.stderr.contains("cannot enter netns"),
            "{}",
            refused.stderr
        );
        let mut all = command(&["-E", "-N", "all"]);
        without_rights(&mut all);
        let stream = Stream::joining(&mut all, ALL);
        drop(UdpSocket::bind((Ipv4Addr::LOCALHOST, 7)).unwrap());
        stream.event_on(7);
        // As who holds it would be, the namespaces are looked at again and again.
        stream.wait_until_seen();
        let errors = stream.errors();
        let of_namespaces = errors.lines().filter(|line| line.contains("namespace"));
        assert_eq!(of_namespaces.count(), 1, "{errors}");
    });
}
