//! Other network namespaces than that of the process: by name, process and file, and all at once.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener, UnixStream};

use nix::errno::Errno;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::BindToDevice;
use serde_json::Value;
use support::dial::{Server, Source, set_port_range};
use support::holder::Holder;
use support::namespace::in_namespace;
use support::netns::{Room, in_new_netns, name_netns, own_inode, with_names};
use support::portstat::{command, csv_records, finish, run, run_without_rights};

/// The port that somebody has in each namespace.
const PORT: u16 = 8080;

/// Three namespaces, of which two have names.
fn rooms() -> [Room; 3] {
    let rooms = ["web", "api", "db"].map(|name| Room::listening(name, PORT));
    name_netns("red", &rooms[0].path()).unwrap();
    name_netns("blue", &rooms[1].path()).unwrap();
    rooms
}

fn is_of(room: &Room, socket: &Value) -> bool {
    socket["netns"] == room.inode
}

#[test]
fn the_same_port_in_three_namespaces_is_three_rows_of_three_owners_and_names() {
    with_names(|| {
        let rooms = rooms();
        let filter = ["-N", "all", "-tlp", "sport", "=", ":8080"];
        let listed = run(&[&filter[..], &["--format", "jsonl"]].concat()).exited(0);
        let sockets = listed.json_lines();
        let names = [Value::from("red"), Value::from("blue"), Value::Null];
        for ((room, comm), name) in rooms.iter().zip(["web", "api", "db"]).zip(names) {
            let found: Vec<&Value> = sockets.iter().filter(|one| is_of(room, one)).collect();
            let [socket] = found[..] else {
                panic!("{found:?}");
            };
            assert_eq!(socket["local"]["port"], PORT);
            assert_eq!(socket["owners"][0]["comm"], comm);
            assert_eq!(socket["owners"][0]["pid"], room.process.pid());
            assert_eq!(socket["netns_name"], name);
            assert_eq!(socket["container"], Value::Null);
        }

        let document = run(&[&filter[..], &["--json"]].concat()).exited(0).json();
        let in_document = document["sockets"].as_array().unwrap().iter();
        let ours = |one: &&Value| rooms.iter().any(|room| is_of(room, one));
        assert_eq!(in_document.filter(ours).count(), 3);
    });
}

#[test]
fn every_format_for_people_and_scripts_tells_which_namespace() {
    with_names(|| {
        let rooms = rooms();
        let labels = ["red", "blue", &rooms[2].inode.to_string()].map(str::to_owned);
        let list = |more: &[&str]| {
            let args = [&["-N", "all", "-tln"], more, &["sport", "=", ":8080"]].concat();
            run(&args).exited(0).text().to_owned()
        };

        // What follows stands behind all that ss prints.
        let plain = list(&["-p"]);
        for (room, label) in rooms.iter().zip(&labels) {
            let pid = format!("pid={},", room.process.pid());
            let line = plain.lines().find(|line| line.contains(&pid)).unwrap();
            let fields: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(fields[0], "LISTEN");
            assert_eq!(fields[3], "127.0.0.1:8080");
            assert_eq!(fields.last().unwrap(), &format!("netns:{label}"));
        }
        assert!(!plain.lines().next().unwrap().contains("netns"));

        let csv = csv_records(&list(&["--format", "csv"]));
        assert_eq!(csv[0].last().unwrap(), "netns");
        let chosen = list(&["--columns", "local_port,netns"]);
        let table = list(&["--format", "table"]);
        assert!(table.lines().next().unwrap().contains("NETNS"), "{table}");
        for label in &labels {
            assert!(csv.iter().any(|record| record.last().unwrap() == label));
            let is_chosen = |line: &str| line.split_whitespace().eq(["8080", &label[..]]);
            assert!(chosen.lines().any(is_chosen), "{chosen}");
            assert!(table.contains(label), "{table}");
        }
        // Of one alone there is nothing to tell apart.
        let alone = run(&["-N", "red", "-tln", "--format", "table"]).exited(0);
        assert!(!alone.text().contains("NETNS"));
    });
}

#[test]
fn without_rights_it_says_what_it_missed() {
    with_names(|| {
        let rooms = rooms();
        let args = ["-N", "all", "-tlnp", "--json", "sport", "=", ":8080"];
        let listed = run_without_rights(&args).exited(0);
        assert!(
            listed
                .stderr
                .contains("may not be entered (needs CAP_SYS_PTRACE and CAP_SYS_ADMIN)"),
            "{}",
            listed.stderr
        );
        let document = listed.json();
        // Not even the inodes may be read, but the tables may.
        for room in &rooms {
            let name = format!("pid:{}", room.process.pid());
            let sockets = document["sockets"].as_array().unwrap().iter();
            let found = sockets.filter(|one| one["netns_name"] == name[..]);
            assert_eq!(found.count(), 1, "{name}");
        }
        let gaps = document["collection"]["gaps"].as_array().unwrap();
        let gap = gaps.iter().find(|gap| gap["what"] == "namespaces").unwrap();
        assert!(gap["count"].as_u64().unwrap() >= 3, "{gap}");
        assert_eq!(gap["remedy"], "run with CAP_SYS_PTRACE and CAP_SYS_ADMIN");
    });
}

#[test]
fn one_namespace_is_found_by_name_process_and_file() {
    with_names(|| {
        let rooms = rooms();
        let pid = rooms[1].process.pid().to_string();
        for target in ["blue", &pid, &rooms[1].path(), "/run/netns/blue"] {
            let args = ["-N", target, "-tlp", "--format", "jsonl"];
            let sockets = run(&args).exited(0).quietly().json_lines();
            assert_eq!(sockets.len(), 1, "{target}: {sockets:?}");
            assert!(is_of(&rooms[1], &sockets[0]));
            assert_eq!(sockets[0]["netns_name"], "blue");
            assert_eq!(sockets[0]["owners"][0]["comm"], "api");
        }
        // By the files of /proc too, which are those of the thread.
        let mut by_proc = command(&["-N", "blue", "-tlnH"]);
        let by_proc = finish(by_proc.env("PORTSTAT_COLLECTOR", "proc")).exited(0);
        assert!(by_proc.text().contains("127.0.0.1:8080"));
        assert_eq!(run(&["-N", "self", "-tlnH"]).exited(0).text(), "");
    });
}

#[test]
fn a_name_wins_over_a_number_and_says_so() {
    with_names(|| {
        let rooms = rooms();
        let pid = rooms[1].process.pid().to_string();
        name_netns(&pid, &rooms[0].path()).unwrap();
        let listed = run(&["-N", &pid, "-tlp"]).exited(0);
        assert!(listed.text().contains("\"web\""), "{}", listed.text());
        let warning = format!("that of process {pid} is /proc/{pid}/ns/net");
        assert!(listed.stderr.contains(&warning), "{}", listed.stderr);
        let by_path = run(&["-N", &rooms[1].path(), "-tlp"]).exited(0).quietly();
        assert!(by_path.text().contains("\"api\""));
    });
}

#[test]
fn what_may_not_be_entered_is_read_from_outside_or_refused() {
    with_names(|| {
        let rooms = rooms();
        let pid = rooms[0].process.pid().to_string();
        let listed = run_without_rights(&["-N", &pid, "-tln"]).exited(0);
        assert!(listed.text().contains("127.0.0.1:8080"));
        assert!(
            listed
                .stderr
                .contains("read from /proc/net (netlink: cannot enter netns"),
            "{}",
            listed.stderr
        );
        let refusal = "portstat: cannot enter netns /run/netns/blue: permission denied (needs \
                       CAP_SYS_ADMIN)\n";
        // That file may be opened.
        let refused = run_without_rights(&["-N", "blue", "-tln"]).exited(4);
        assert_eq!(refused.stderr, refusal);
        // That of a process with more rights may not.
        let path = rooms[0].path();
        let beside = format!("cannot enter netns {path}: permission denied (needs CAP_SYS_PTRACE");
        let listed = run_without_rights(&["-N", &path, "-tln"]).exited(0);
        assert!(listed.stderr.contains(&beside), "{}", listed.stderr);
        // A range that cannot be read is no verdict, and least of all that of another namespace.
        let ephemeral = run_without_rights(&["-N", &pid, "ephemeral"]).exited(3);
        assert!(ephemeral.stderr.contains("no ephemeral port range"));
        let probed = run_without_rights(&["-N", &pid, "why", "8081", "--probe"]);
        assert!(
            !probed.text().contains("asked the kernel"),
            "{}",
            probed.text()
        );
    });
}

#[test]
fn what_is_not_there_is_an_error() {
    let missing = run(&["-N", "no-such-netns", "-tln"]).exited(4);
    assert_eq!(
        missing.stderr,
        "portstat: no netns \"no-such-netns\": there is neither /run/netns/no-such-netns nor a \
         process of that number\n"
    );
    let other = run(&["-N", "/dev/null", "-tln"]).exited(4);
    assert_eq!(
        other.stderr,
        "portstat: /dev/null is no network namespace\n"
    );
    run(&["-N", "no-such-netns", "ephemeral"]).exited(3);
    run(&["-N", "no-such-netns", "why", "80"]).exited(4);
    run(&["-N", "blue", "--from", "x"]).exited(2);
    let hostile = run(&["-N", "a\x1b[2Jb", "-tln"]).exited(4);
    assert!(!hostile.stderr.contains('\x1b'), "{}", hostile.stderr);
}

#[test]
fn every_command_takes_it() {
    in_namespace(|| {
        let room = Room::listening("web", PORT);
        let pid = room.process.pid().to_string();
        let with = |args: &[&str]| run(&[&["-N", &pid], args].concat());
        assert!(with(&["-tln"]).exited(0).text().contains(":8080"));
        let overview = with(&[]).exited(0);
        assert!(overview.text().contains("8080"), "{}", overview.text());
        let summary = with(&["-s", "--format", "csv"]).exited(0);
        assert!(summary.text().contains("tcp,ipv4,LISTEN,1"));
        with(&["-q", "-tl", "sport", "=", ":8080"]).exited(0);
        with(&["-q", "-tl", "sport", "=", ":8081"]).exited(1);
        with(&["ephemeral", "--quiet"]).exited(0).quietly();
        let why = with(&["why", "127.0.0.1:8080", "--json"]).exited(1).json();
        let blocker = &why["answers"][0]["blockers"][0]["socket"];
        assert_eq!(blocker["owners"][0]["comm"], "web", "{why}");
        with(&["why", "127.0.0.1:8081", "--probe"]).exited(0);
        // Where this process is, the port is free.
        run(&["why", "127.0.0.1:8080"]).exited(0);

        let folder = tempfile::tempdir().unwrap();
        let recording = folder.path().join("web");
        let recording = recording.to_str().unwrap();
        with(&["record", recording]).exited(0);
        let replayed = run(&["--from", recording, "-tlp", "--json"])
            .exited(0)
            .json();
        let socket = &replayed["sockets"][0];
        assert_eq!(socket["netns"], room.inode);
        assert_eq!(socket["owners"][0]["comm"], "web");

        let everywhere = |args: &[&str]| run(&[&["-N", "all"], args].concat());
        let overview = everywhere(&[]).exited(0);
        assert!(overview.text().contains("8080"), "{}", overview.text());
        let counts = everywhere(&["-s", "-t", "--json"]).exited(0).json();
        let counts = counts["counts"].as_array().unwrap();
        let here = counts.iter().find(|count| count["netns"] == room.inode);
        let here = here.unwrap();
        assert_eq!(
            (&here["state"], &here["count"]),
            (&"LISTEN".into(), &1.into())
        );
        let text = everywhere(&["-s", "-t"]).exited(0).text().to_owned();
        assert!(text.lines().next().unwrap().ends_with("  NETNS"), "{text}");
        let csv = everywhere(&["-s", "--format", "csv"])
            .exited(0)
            .text()
            .to_owned();
        assert!(
            csv.starts_with("proto,family,state,count,netns\r\n"),
            "{csv}"
        );
        let elsewhere = run(&["-tln", "netns", "=", &room.inode.to_string()]).exited(0);
        assert!(elsewhere.stderr.contains("-N NAME"), "{}", elsewhere.stderr);
        everywhere(&["-q", "-tl", "sport", "=", ":8080"]).exited(0);
        for only_one in [&["why", "80"][..], &["record", "x"]] {
            everywhere(only_one).exited(2);
        }
        everywhere(&["ephemeral", "--probe"]).exited(3);
    });
}

#[test]
fn one_that_only_a_descriptor_keeps_can_be_named() {
    in_namespace(|| {
        let (kept, listener) = in_new_netns(|| {
            let kept = std::fs::File::open("/proc/thread-self/ns/net").unwrap();
            (
                kept,
                TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)).unwrap(),
            )
        });
        let path = format!(
            "/proc/{}/fd/{}",
            std::process::id(),
            kept.as_fd().as_raw_fd()
        );
        let ran = run(&["-N", &path, "-tlnH", "--columns", "local_port"]).exited(0);
        assert_eq!(ran.text().trim(), PORT.to_string());
        let ran = run(&["-N", &path, "-qtl", &format!("netns = {path}")]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        drop(listener);
    });
}

/// A namespace in which every ephemeral port is in use.
fn full_room() -> Room {
    in_new_netns(|| {
        set_port_range(40_000, 40_003);
        let server = Server::on(&[9000]);
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, 9000));
        let (connections, error) = server.fill(Source::Any, to);
        assert_eq!(error, Errno::EADDRNOTAVAIL);
        let ends: Vec<_> = connections
            .iter()
            .flat_map(|ends| [ends.client.as_fd(), ends.server.as_fd()])
            .collect();
        Room {
            process: Holder::named(b"hog", &ends),
            inode: own_inode(),
        }
    })
}

#[test]
fn ports_run_out_in_one_namespace_and_not_in_another() {
    in_namespace(|| {
        let (full, empty) = (full_room(), Room::listening("web", PORT));
        let judge = |target: &str| run(&["-N", target, "ephemeral", "--json"]);
        let of = |room: &Room| judge(&room.process.pid().to_string());

        let critical = of(&full).exited(2).json();
        assert_eq!(critical["netns"][0]["range"]["first"], 40_000);
        assert_eq!(critical["netns"][0]["pools"][0]["owners"][0]["comm"], "hog");
        let ok = of(&empty).exited(0).json();
        assert_eq!(ok["netns"][0]["id"], empty.inode);
        assert_ne!(ok["netns"][0]["range"]["first"], 40_000);

        // What was not seen is no namespace in which all is well; what was is told all the same.
        let unknown = run_without_rights(&["-N", "all", "ephemeral", "--json"]);
        let unknown = unknown.exited(3).json();
        assert_eq!(unknown["status"], "unknown");
        assert!(
            unknown["reason"]
                .as_str()
                .unwrap()
                .contains("cannot be read")
        );
        assert!(!unknown["netns"].as_array().unwrap().is_empty());

        // Of all of them the full one is the worst, and makes the verdict.
        let all = judge("all").exited(2).json();
        let namespaces = all["netns"].as_array().unwrap();
        assert_eq!(all["status"], "critical");
        assert_eq!(namespaces[0]["pools"][0]["status"], "critical");
        let ours = |room: &Room| {
            namespaces
                .iter()
                .find(|one| one["id"] == room.inode)
                .unwrap()
        };
        assert_eq!(ours(&full)["pools"][0]["owners"][0]["comm"], "hog");
        assert_eq!(ours(&full)["capacity"], 4);
        assert_eq!(ours(&empty)["range"], ok["netns"][0]["range"]);

        let listed = run(&["-N", "all", "-tn"]).exited(0);
        let place = format!("in netns {}", full.inode);
        let is_warning = |line: &str| line.contains("ephemeral ports critical");
        let warning = listed.stderr.lines().find(|line| is_warning(line)).unwrap();
        assert!(warning.contains(&place), "{warning}");

        let nagios = run(&["-N", "all", "ephemeral", "--format", "nagios"]).exited(2);
        assert!(nagios.text().starts_with("PORTS CRITICAL - netns "));
        let metrics = run(&["-N", "all", "ephemeral", "--format", "prometheus"]).exited(2);
        let families = metrics
            .text()
            .matches("# TYPE portstat_sockets gauge")
            .count();
        assert_eq!(families, 1);
        let label = format!("{{netns=\"{}\"}} 4", full.inode);
        assert!(metrics.text().contains(&label), "{}", metrics.text());
        let people = run(&["-N", "all", "ephemeral"]).exited(2);
        assert!(people.text().starts_with("CRITICAL: netns "));
    });
}

#[test]
fn a_namespace_without_a_process_is_found_by_its_name() {
    with_names(|| {
        let (_listener, inode) = in_new_netns(|| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)).unwrap();
            name_netns("kept", "/proc/thread-self/ns/net").unwrap();
            (listener, own_inode())
        });
        for target in ["all", "kept"] {
            let listed = run(&["-N", target, "-tlp", "--format", "jsonl"]).exited(0);
            let sockets = listed.json_lines();
            let kept = sockets.iter().find(|one| one["netns"] == inode).unwrap();
            assert_eq!(kept["netns_name"], "kept");
            // Whoever holds a socket need not live where it is.
            assert_eq!(kept["owners"][0]["pid"], std::process::id());
        }
    });
}

/// A namespace in which a process has a server of an abstract name, and a client of it; and a
/// listener that is bound to the loopback device.
fn room_of_pairs(comm: &str) -> Room {
    in_new_netns(|| {
        let name = UnixAddr::from_abstract_name("same").unwrap();
        let server = UnixListener::bind_addr(&name).unwrap();
        let client = UnixStream::connect_addr(&name).unwrap();
        let (accepted, _) = server.accept().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)).unwrap();
        setsockopt(&listener, BindToDevice, &OsString::from("lo")).unwrap();
        let held = [server.as_fd(), client.as_fd(), accepted.as_fd()];
        let held = [&held[..], &[listener.as_fd()]].concat();
        Room {
            process: Holder::named(comm.as_bytes(), &held),
            inode: own_inode(),
        }
    })
}

#[test]
fn unix_sockets_of_a_name_are_others_in_each_namespace() {
    with_names(|| {
        let rooms = ["web", "api"].map(room_of_pairs);
        let listed = run(&["-N", "all", "-xap", "--format", "jsonl"]).exited(0);
        let sockets = listed.json_lines();
        for (room, comm) in rooms.iter().zip(["web", "api"]) {
            let found: Vec<&Value> = sockets.iter().filter(|one| is_of(room, one)).collect();
            assert_eq!(found.len(), 3, "{found:?}");
            assert!(found.iter().all(|one| one["owners"][0]["comm"] == comm));
            let client = found.iter().find(|one| one["local"]["path"].is_null());
            let peer = &client.unwrap()["peer"];
            assert_eq!(peer["path"], "@same");
            assert_eq!(peer["owners"][0]["comm"], comm, "{peer}");
        }
        let plain = run(&["-N", "all", "-xaem"]).exited(0);
        for room in &rooms {
            let end = format!(" netns:{}", room.inode);
            let of_room = plain.text().lines().filter(|line| line.ends_with(&end));
            assert_eq!(of_room.count(), 3, "{}", plain.text());
        }
        // Not even the socket by which it asks.
        let netlink = run(&["-N", "all", "-a", "--netlink", "--format", "jsonl"]).exited(0);
        let mut owned = netlink.json_lines().into_iter();
        let is_ours = |one: &Value| rooms.iter().any(|room| is_of(room, one));
        assert!(owned.all(|one| !is_ours(&one) || one["local"]["port_id"] == 0));
    });
}

/// Insists on the namespaces, of these, in which a filter leaves listeners.
#[track_caller]
fn check_filter(filter: &str, rooms: &[&Room], expected: &[&Room]) {
    let args = ["-N", "all", "-tl", "--format", "jsonl", filter];
    let sockets = run(&args).exited(0).json_lines();
    let is_left = |room: &&&Room| sockets.iter().any(|one| is_of(room, one));
    let left: Vec<u64> = rooms
        .iter()
        .filter(is_left)
        .map(|room| room.inode)
        .collect();
    let expected: Vec<u64> = expected.iter().map(|room| room.inode).collect();
    assert_eq!(left, expected, "{filter}");
}

#[test]
fn filters_judge_each_socket_in_its_own_namespace() {
    with_names(|| {
        let [red, blue, other] = &rooms();
        let bound = &room_of_pairs("bound");
        let rooms = [red, blue, other, bound];
        check_filter("netns = red", &rooms, &[red]);
        check_filter("netns != red and sport = :8080", &rooms, &rooms[1..]);
        check_filter(&format!("netns = {}", other.inode), &rooms, &[other]);
        check_filter("netns = red or comm = bound", &rooms, &[red, bound]);
        let pid = format!(
            "pid = {} or pid = {}",
            blue.process.pid(),
            other.process.pid()
        );
        check_filter(&pid, &rooms, &[blue, other]);
        check_filter("dev = lo", &rooms, &[bound]);
        check_filter("dev != lo and netns != blue", &rooms, &[red, other]);
        check_filter("netns = red and netns = blue", &rooms, &[]);

        let alone = |filter: &str| {
            let args = ["-N", "red", "-tl", "--format", "jsonl", filter];
            run(&args).exited(0).json_lines().len()
        };
        assert_eq!(alone("netns = red"), 1);
        assert_eq!(alone("netns = blue"), 0);
        let own = run(&["-tl", "netns = red"]).exited(0);
        assert!(!own.text().contains("8080"));
    });
}
