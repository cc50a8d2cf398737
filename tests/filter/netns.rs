//! Network namespaces in filters: by everything that names one, with and without rights.

use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsFd;

use crate::support::dial::set_port_range;
use crate::support::holder::Holder;
use crate::support::namespace::in_namespace;
use crate::support::netns::{Room, in_new_netns, name_netns, own_inode, with_names};
use crate::support::portstat::{Ran, run, run_without_rights};

/// Other tests have namespaces at the same time, and none of them these ports.
const PORT: u16 = 18_391;
const OTHER_PORT: u16 = 18_392;

/// How many listeners of the port a filter leaves.
#[track_caller]
fn count(ran: Ran) -> usize {
    let ran = ran.exited(0);
    ran.text().lines().count()
}

#[test]
fn a_namespace_by_everything_that_names_it() {
    with_names(|| {
        let room = Room::listening("web", PORT);
        let _other = Room::listening("api", PORT);
        let _own = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)).unwrap();
        name_netns("red", &room.path()).unwrap();
        let (pid, inode) = (room.process.pid().to_string(), room.inode.to_string());
        let list = |netns: &str, filter: &str| {
            let filter = format!("sport = :{PORT} and netns {filter}");
            count(run(&["-N", netns, "-tlnH", &filter]))
        };
        for name in ["red", "/run/netns/red", &pid, &room.path(), &inode] {
            assert_eq!(list("all", &format!("= {name}")), 1, "{name}");
            assert_eq!(list("all", &format!("!= {name}")), 2, "{name}");
            assert_eq!(list("self", &format!("= {name}")), 0, "{name}");
            assert_eq!(list(&pid, &format!("= {name}")), 1, "{name}");
        }
        assert_eq!(list("all", "= self"), 1);
        assert_eq!(list("self", "= self"), 1);
        // It is that in which portstat was started.
        assert_eq!(list(&pid, "= self"), 0);
        assert_eq!(list("all", "= 4294967295"), 0);
        for (name, reason) in [
            ("nope", "there is neither /run/netns/nope nor a process"),
            ("4194305", "nor a process of that number"),
            ("/no/such", "cannot enter netns /no/such: not there"),
            ("/dev/null", "/dev/null is no network namespace"),
        ] {
            let ran = run(&["-tl", &format!("netns = {name}")]).exited(2);
            assert!(ran.stderr.contains(reason), "{}", ran.stderr);
        }
    });
}

#[test]
fn without_rights_it_matches_or_says_what_cannot_be_told() {
    with_names(|| {
        let room = Room::listening("web", OTHER_PORT);
        let _own = TcpListener::bind((Ipv4Addr::LOCALHOST, OTHER_PORT)).unwrap();
        name_netns("red", &room.path()).unwrap();
        let (pid, inode) = (room.process.pid().to_string(), room.inode.to_string());
        let list = |netns: &str, name: &str| {
            let filter = format!("sport = :{OTHER_PORT} and netns = {name}");
            run_without_rights(&["-N", netns, "-tlnH", &filter])
        };
        // The process shows which one it is in, but not its inode.
        for name in [&pid[..], &room.path(), &format!("pid:{pid}")] {
            assert_eq!(count(list("all", name)), 1, "{name}");
        }
        for name in [&pid[..], &room.path()] {
            assert_eq!(count(list("self", name)), 0, "{name}");
            assert_eq!(count(list(&pid, name)), 1, "{name}");
        }
        assert_eq!(count(list("all", "self")), 1);
        assert_eq!(count(list("self", &own_inode().to_string())), 1);
        // Nobody says that it is the one of this name or inode.
        for name in ["red", &inode] {
            for netns in ["all", &pid] {
                let ran = list(netns, name).exited(0);
                let expected = "the filter asks for network namespaces: which one it is cannot";
                assert!(ran.stderr.contains(expected), "{name}: {}", ran.stderr);
            }
            let own = list("self", name).exited(0);
            let expected = "only one network namespace was read";
            assert!(own.stderr.contains(expected), "{name}: {}", own.stderr);
            assert_eq!(own.text(), "");
        }
        let quiet = run_without_rights(&["-N", "all", "-qtl", "netns = red"]).exited(4);
        assert!(
            quiet.stderr.contains("nothing matched, but"),
            "{}",
            quiet.stderr
        );
    });
}

/// A namespace that chooses ports out of this range, and a process in it that listens on these.
fn room(first: u16, last: u16, ports: &[u16]) -> Room {
    in_new_netns(|| {
        set_port_range(first, last);
        let listen = |&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        let listeners: Vec<TcpListener> = ports.iter().map(listen).collect();
        let fds: Vec<_> = listeners.iter().map(AsFd::as_fd).collect();
        Room {
            process: Holder::named(b"room", &fds),
            inode: own_inode(),
        }
    })
}

#[test]
fn each_namespace_has_a_range_of_its_own() {
    in_namespace(|| {
        set_port_range(50_000, 50_009);
        // Ports that are chosen, and one that was asked for.
        let rooms = [
            room(20_000, 20_009, &[0, 9001]),
            room(30_000, 30_009, &[0, 9002]),
        ];
        let _own = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let of_rooms = rooms
            .each_ref()
            .map(|room| format!("netns = {}", room.inode))
            .join(" or ");
        for collector in crate::support::portstat::Collector::BOTH {
            let list = |filter: &str| {
                let filter = format!("( {of_rooms} or netns = self ) and {filter}");
                let args = ["-N", "all", "-tlnH", "--columns", "local_port", &filter];
                let ran = crate::support::portstat::run_by(collector, &args).exited(0);
                let ports = ran
                    .text()
                    .split_whitespace()
                    .map(|port| port.parse().unwrap());
                let mut thousands: Vec<u16> = ports.map(|port: u16| port / 1000).collect();
                thousands.sort_unstable();
                thousands
            };
            assert_eq!(list("autobound"), [20, 30, 50], "{collector:?}");
            assert_eq!(list("not autobound"), [9, 9], "{collector:?}");
        }
    });
}
