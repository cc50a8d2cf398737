//! Recordings: what `record` writes, and what is said of one that is not whole.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use portstat::collect::{read_lineages, read_local_addresses};
use portstat::kernel::Host;
use portstat::model::{Gap, Holder, Lineage, LocalAddresses, LocalRoute};
use portstat::wire::netlink::framed;
use portstat::wire::rtnetlink::local_route_message;
use rustix::fs::fstat;
use support::holder::Holder as Child;
use support::namespace::{add_loopback_address, in_namespace};
use support::portstat::{Collector, Ran, run, run_by};
use support::recording::{DONE, DiagRow, PROC_HEADING, Recording, done, dump, proc_line};
use tempfile::TempDir;

const LISTEN: u8 = 10;
const LISTENING: &str = "0A";

/// What portstat prints of a recording.
#[track_caller]
fn look(path: &str, args: &[&str]) -> Ran {
    run(&[&["--from", path], args].concat())
}

/// A table of `/proc/net/tcp` with one listener on a port of 127.0.0.1.
fn proc_table(port: u16) -> String {
    let local = format!("0100007F:{port:04X}");
    let line = proc_line(&local, "00000000:0000", LISTENING, u64::from(port));
    format!("{PROC_HEADING}{line}")
}

// What it says of itself.

#[test]
fn a_recording_of_another_schema_is_refused() {
    let recording = |meta: &str| {
        Recording::empty()
            .with("proc/net/tcp", proc_table(80))
            .with("meta.json", meta)
    };
    for schema in [
        r#""portstat.recording.v2""#,
        r#""portstat.recording.v10\u001b[2J""#,
        "2",
    ] {
        let recording = recording(&format!(r#"{{"schema": {schema}}}"#));
        let ran = look(recording.path(), &["-4tln"]).exited(4);
        assert_eq!(ran.text(), "");
        assert!(!ran.stderr.contains('\u{1b}'), "{:?}", ran.stderr);
        assert!(
            ran.stderr.contains("portstat.recording.v1") && ran.stderr.contains("newer"),
            "{}",
            ran.stderr
        );
    }
    for meta in [r#"{"schema": "portstat.recording.v1"}"#, "{}"] {
        look(recording(meta).path(), &["-4tln"]).exited(0);
    }
}

// Dumps that are missing or break off.

fn v4(port: u16) -> DiagRow {
    let local = format!("127.0.0.1:{port}");
    DiagRow {
        cookie: u32::from(port),
        ..DiagRow::new(LISTEN, &local, "0.0.0.0:0")
    }
}

fn v6(port: u16) -> DiagRow {
    DiagRow {
        cookie: 100_000 + u32::from(port),
        ..DiagRow::new(LISTEN, &format!("[::1]:{port}"), "[::]:0")
    }
}

/// The end of a dump that failed for want of memory.
fn failed() -> Vec<u8> {
    framed(DONE, 2, 1, &(-12i32).to_ne_bytes())
}

/// Insists on what is listed of a dump, and on what is said of it.
#[track_caller]
fn check(recording: &Recording, ends: &[&str], said: &[&str]) {
    let ran = look(recording.path(), &["-tlnH"]).exited(0);
    let found: Vec<&str> = ran
        .text()
        .lines()
        .map(|line| line.split_whitespace().nth(3).unwrap())
        .collect();
    assert_eq!(found, ends, "{}", ran.stderr);
    assert_eq!(ran.stderr.lines().count(), said.len(), "{}", ran.stderr);
    for said in said {
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
    }
    // /proc tells less of each socket, and of no fewer.
    let whole = said.iter().all(|said| said.contains("from /proc/net"));
    let document = look(recording.path(), &["-tl", "--json"]).json();
    assert_eq!(document["collection"]["complete"], whole);
}

fn dumped(parts: &[Vec<u8>]) -> Recording {
    Recording::empty().with("diag/tcp.nlmsg", parts.concat())
}

#[test]
fn two_dumps_with_an_end_each_are_whole() {
    let whole = dumped(&[dump(&[v4(80)]), dump(&[v6(81)])]);
    check(&whole, &["127.0.0.1:80", "[::1]:81"], &[]);
    check(&dumped(&[done(), dump(&[v6(81)])]), &["[::1]:81"], &[]);
}

#[test]
fn the_end_of_one_family_is_not_that_of_the_other() {
    let only_v6 = || dumped(&[dump(&[v6(81)])]);
    check(
        &only_v6(),
        &["[::1]:81"],
        &["tcp/ipv4 sockets cannot be read"],
    );
    let with_proc = only_v6().with("proc/net/tcp", proc_table(80));
    check(
        &with_proc,
        &["127.0.0.1:80", "[::1]:81"],
        &["tcp/ipv4 read from /proc/net"],
    );
    let only_v4 = dumped(&[dump(&[v4(80)])]);
    check(
        &only_v4,
        &["127.0.0.1:80"],
        &["tcp/ipv6 sockets cannot be read"],
    );
    // Nobody asked for the family that is not there.
    look(only_v4.path(), &["-4tln"]).exited(0).quietly();
    look(only_v4.path(), &["-q", "-6t", "sport = :9"]).exited(4);
}

#[test]
fn a_dump_that_breaks_off_is_kept_only_where_there_is_nothing_better() {
    let torn = || dumped(&[v4(80).message(), dump(&[v6(81)])]);
    check(
        &torn(),
        &["127.0.0.1:80", "[::1]:81"],
        &["tcp/ipv4 dump is not complete after 1 socket: diag/tcp.nlmsg: byte 88: goes on"],
    );
    let with_proc = torn().with("proc/net/tcp", proc_table(82));
    check(
        &with_proc,
        &["127.0.0.1:82", "[::1]:81"],
        &["tcp/ipv4 read from /proc/net"],
    );
    let cut = dumped(&[dump(&[v4(80)]), v6(81).message()]);
    check(
        &cut,
        &["127.0.0.1:80", "[::1]:81"],
        &["tcp/ipv6 dump is not complete after 1 socket"],
    );
}

#[test]
fn a_dump_that_was_left_out_is_not_taken_for_an_empty_one() {
    let meta = r#"{"left_out": ["diag of tcp/ipv4: Operation not permitted (os error 1)"]}"#;
    let recording = || dumped(&[done()]).with("meta.json", meta);
    check(
        &recording(),
        &[],
        &["tcp/ipv4 sockets cannot be read: netlink: not recorded: Oper"],
    );
    let with_proc = recording().with("proc/net/tcp", proc_table(80));
    check(
        &with_proc,
        &["127.0.0.1:80"],
        &["tcp/ipv4 read from /proc/net"],
    );
}

#[test]
fn an_error_of_one_family_costs_the_other_nothing() {
    let refused = dumped(&[failed(), dump(&[v6(81)])]);
    check(&refused, &["[::1]:81"], &["Cannot allocate memory"]);
    let broken = dumped(&[v4(80).message(), failed(), dump(&[v6(81)])]);
    check(
        &broken,
        &["127.0.0.1:80", "[::1]:81"],
        &["tcp/ipv4 dump is not complete after 1 socket"],
    );
    look(dumped(&[failed(), failed()]).path(), &["-tln"]).exited(4);
}

#[test]
fn the_older_dump_of_both_families_has_one_end() {
    let mut rows = [v6(81).message(), v4(80).message(), v6(82).message()].concat();
    for message in rows.chunks_exact_mut(88) {
        message[4..6].copy_from_slice(&18u16.to_ne_bytes());
    }
    let ends = ["127.0.0.1:80", "[::1]:81", "[::1]:82"];
    check(&dumped(&[rows, done()]), &ends, &[]);
}

/// Behind an impossible length no message can be found, wherever the file is read on.
#[test]
fn nothing_is_made_up_behind_damage() {
    let mut nonsense = vec![0; 4];
    nonsense.resize(64 << 10, 1);
    let phantom = [dump(&[v4(666)]), dump(&[v6(666)])].concat();
    for shift in [0, 88] {
        let behind = [&nonsense[..nonsense.len() - shift], &phantom].concat();
        let unread = behind.len();
        check(
            &dumped(&[v4(80).message(), behind]),
            &["127.0.0.1:80"],
            &[
                &format!(
                    "tcp/ipv4 dump is not complete after 1 socket: diag/tcp.nlmsg: byte 88: \
                     impossible message length 0; the last {unread} bytes are not read"
                ),
                "tcp/ipv6 sockets cannot be read",
            ],
        );
    }
    let whole = dumped(&[dump(&[v4(80)]), dump(&[v6(81)]), vec![0; 20]]);
    check(
        &whole,
        &["127.0.0.1:80", "[::1]:81"],
        &["impossible message length 0; the last 20 bytes are not read"],
    );
}

// What `record` makes of it.

/// Records a recording; returns the folder, and the path of the copy in it.
#[track_caller]
fn record(from: &Recording, args: &[&str]) -> (TempDir, String, Ran) {
    let folder = tempfile::tempdir().unwrap();
    let again = folder.path().join("again").to_str().unwrap().to_owned();
    let ran = look(from.path(), &[&["record", &again], args].concat()).exited(0);
    (folder, again, ran)
}

#[test]
fn a_table_of_any_length_is_recorded_whole() {
    let line = proc_line("0100007F:0050", "00000000:0000", LISTENING, 7);
    let count = (17 << 20) / line.len();
    let table = format!("{PROC_HEADING}{}", line.repeat(count));
    let counters = "x".repeat(17 << 20);
    let from = Recording::empty()
        .with("proc/net/tcp", &table)
        .with("proc/net/netstat", &counters);
    let (_folder, again, ran) = record(&from, &[]);
    let said = format!("recorded {count} sockets and 0 processes");
    assert!(ran.text().starts_with(&said), "{}", ran.text());
    let read = |name: &str| fs::read_to_string(format!("{again}/{name}")).unwrap();
    assert!(read("proc/net/tcp") == table && read("proc/net/netstat") == counters);
    let (_folder, _, ran) = record(&from, &["--redact"]);
    assert!(ran.text().starts_with(&said), "{}", ran.text());
}

#[test]
fn what_a_recording_lacks_its_copy_lacks() {
    let left_out = r#"{"left_out": ["diag of tcp/ipv4: Operation not permitted"]}"#;
    let nonsense = [done(), dump(&[v6(81)]), vec![0; 40]].concat();
    for from in [
        dumped(&[done()]).with("meta.json", left_out),
        dumped(&[v4(80).message(), failed(), dump(&[v6(81)])]),
        dumped(&[dump(&[v4(80)]), v6(81).message()]),
    ] {
        let (_folder, again, _) = record(&from, &[]);
        let of = |path: &str| look(path, &["-tln"]).exited(0);
        assert_eq!(of(from.path()).text(), of(&again).text());
        assert_eq!(of(from.path()).stderr, of(&again).stderr);
    }
    let (_folder, again, ran) = record(&dumped(&[nonsense]), &[]);
    let said = "left out of the recording: diag of tcp: byte 128: impossible message length 0; \
                the last 40 bytes are not read";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    look(&again, &["-tln"]).exited(0).quietly();
}

#[test]
fn lines_that_are_no_sockets_are_not_in_a_redacted_recording() {
    let hostile =
        "0: \u{e9}00007F:0016 0100007F:0016 0A 192.0.2.77\n0: +100007F:0016\nsl 192.0.2.77\n";
    let from = Recording::empty().with("proc/net/tcp", proc_table(80) + hostile);
    let (_folder, again, ran) = record(&from, &["--redact"]);
    let said = "proc/net/tcp: 3 lines that are no sockets";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    let table = fs::read_to_string(format!("{again}/proc/net/tcp")).unwrap();
    assert_eq!(table, proc_table(80));
}

#[test]
fn the_collector_of_a_recording_is_the_one_that_was_asked_for() {
    let from = dumped(&[dump(&[v4(80)]), dump(&[v6(81)])]).with("proc/net/tcp", proc_table(82));
    for (collector, there, absent, count) in [
        (Collector::Proc, "proc/net/tcp", "diag", 1),
        (Collector::Netlink, "diag/tcp.nlmsg", "proc/net/tcp", 2),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let again = folder.path().join("again");
        let args = ["--from", from.path(), "record", again.to_str().unwrap()];
        let ran = run_by(collector, &args).exited(0);
        let said = format!("recorded {count} socket");
        assert!(ran.text().starts_with(&said), "{}", ran.text());
        assert!(ran.stderr.contains("PORTSTAT_COLLECTOR"), "{}", ran.stderr);
        assert!(again.join(there).exists() && !again.join(absent).exists());
    }
}

#[test]
fn a_name_of_a_folder_moves_no_cursor() {
    let from = dumped(&[dump(&[v4(80)]), done()]);
    let folder = tempfile::tempdir().unwrap();
    let again = folder.path().join("a\u{1b}[2J\nb");
    let args = ["record", again.to_str().unwrap()];
    let ran = look(from.path(), &args).exited(0);
    assert!(
        ran.text().ends_with("a\\x1b[2J\\x0ab\n"),
        "{:?}",
        ran.text()
    );
}

// What bind depends on.

/// The addresses of a recording, which must have them all.
#[track_caller]
fn addresses(path: &str) -> LocalAddresses {
    let mut gaps: Vec<Gap> = Vec::new();
    let host = Host::recorded(Path::new(path)).unwrap();
    let read = read_local_addresses(&host, &mut gaps);
    assert_eq!(gaps, []);
    read
}

/// The lineage of the holder of a socket in a recording.
#[track_caller]
fn lineage(path: &str, holder: Holder) -> Lineage {
    let host = Host::recorded(Path::new(path)).unwrap();
    let told = read_lineages(&host, 7, &[holder]);
    let [(pid, lineage)] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(*pid, holder.pid);
    lineage.clone()
}

/// The local routes and IPv6 addresses of a machine with a network card.
fn with_card() -> Recording {
    let route = |network: [u8; 4], prefix| {
        local_route_message(&LocalRoute {
            network: Ipv4Addr::from(network),
            prefix,
            interface: 2,
        })
    };
    let routes = [
        route([127, 0, 0, 0], 8),
        route([192, 0, 2, 7], 32),
        route([192, 0, 2, 255], 32),
        done(),
    ];
    let lines = "00000000000000000000000000000001 01 80 10 80       lo\n\
                 20010db8000000000000000000000007 02 40 00 80     eth0\n";
    let listener = DiagRow {
        cookie: 1,
        ..DiagRow::new(LISTEN, "192.0.2.7:80", "0.0.0.0:0")
    };
    let other = DiagRow {
        cookie: 2,
        ..DiagRow::new(LISTEN, "[2001:db8::7]:80", "[::]:0")
    };
    dumped(&[dump(&[listener]), dump(&[other])])
        .with("rtnl/local.nlmsg", routes.concat())
        .with("proc/net/if_inet6", lines)
}

#[test]
fn a_copy_has_the_addresses_of_the_recording() {
    let from = with_card();
    let (_folder, again, ran) = record(&from, &[]);
    assert!(!ran.stderr.contains("rtnl"), "{}", ran.stderr);
    assert_eq!(addresses(&again), addresses(from.path()));
    assert_eq!(addresses(&again).v4.unwrap().len(), 3);
    for name in ["rtnl/local.nlmsg", "proc/net/if_inet6"] {
        let read = |path: &str| fs::read(format!("{path}/{name}")).unwrap();
        // A header of ours around the end of a dump says less.
        assert_eq!(read(&again).len(), read(from.path()).len(), "{name}");
    }
}

#[test]
fn redacted_addresses_are_local_where_the_real_ones_were() {
    let (_folder, again, _) = record(&with_card(), &["--redact"]);
    let LocalAddresses { v4, v6 } = addresses(&again);
    let document = look(&again, &["-tl", "--json"]).json();
    let sockets = document["sockets"].as_array().unwrap();
    let bound = |index: usize| sockets[index]["local"]["addr"].as_str().unwrap();
    let first: Ipv4Addr = bound(0).parse().unwrap();
    let second: Ipv6Addr = bound(1).parse().unwrap();
    assert!(v4.unwrap().iter().any(|route| route.contains(first)));
    assert!(v6.unwrap().iter().any(|one| one.addr == second));
    for name in ["rtnl/local.nlmsg", "proc/net/if_inet6", "meta.json"] {
        let content = fs::read(format!("{again}/{name}")).unwrap();
        let has = |part: &[u8]| content.windows(part.len()).any(|window| window == part);
        assert!(
            !has(&[192, 0, 2]) && !has(b"20010db8") && !has(b"eth0"),
            "{name}"
        );
    }
}

#[test]
fn addresses_that_make_no_sense_are_left_out_and_said() {
    let short = framed(24, 0, 1, &[2; 5]);
    let other = framed(28, 0, 1, b"192.0.2.7");
    let from = dumped(&[done(), done()])
        .with("rtnl/local.nlmsg", [short, other, done()].concat())
        .with("proc/net/if_inet6", "192.0.2.7\n");
    let (_folder, again, ran) = record(&from, &["--redact"]);
    for said in [
        "rtnl/local.nlmsg: 1 message that is no route",
        "proc/net/if_inet6: 1 line that is no address",
    ] {
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
    let none = LocalAddresses {
        v4: Some(vec![]),
        v6: Some(vec![]),
    };
    assert_eq!(addresses(&again), none);
}

fn stat(pid: u32, name: &str, [parent, group, session]: [u32; 3]) -> String {
    let zeros = "0 ".repeat(13);
    format!("{pid} ({name}) S {parent} {group} {session} {zeros}1 0 99 4096\n")
}

#[test]
fn a_copy_has_whom_the_holders_come_from() {
    let from = dumped(&[done(), done()])
        .with_process(10, b"child", &[7])
        .with("proc/10/stat", stat(10, "child", [11, 12, 13]))
        .with("proc/10/cmdline", "child\0-secret\0")
        .with("proc/11/stat", stat(11, "parent", [1, 12, 13]))
        .with("proc/12/stat", stat(12, "leader", [11, 12, 13]))
        .with_folder("proc/11/fd")
        .with_folder("proc/12/fd");
    let holder = Holder { pid: 10, fd: 3 };
    let (_folder, again, ran) = record(&from, &[]);
    assert!(
        ran.text()
            .starts_with("recorded 0 sockets and 1 process in")
    );
    let told = lineage(&again, holder);
    assert_eq!(told, lineage(from.path(), holder));
    let words = [&b"child"[..], b"-secret"].map(<[u8]>::to_vec);
    assert_eq!(told.command_line.as_deref(), Some(&words[..]));
    assert!(told.group_leader_lives && !told.session_leader_lives);
    assert_eq!(told.serves, None);
    let parent = told.parent.clone().unwrap();
    assert_eq!(
        (&parent.comm[..], parent.session),
        (&b"parent"[..], Some(13))
    );
    // Neither is a process that could not be read.
    look(&again, &["-tlp"]).exited(0).quietly();

    let (_folder, again, _) = record(&from, &["--redact"]);
    let redacted = lineage(&again, holder);
    assert_eq!(redacted.command_line, None);
    let name = redacted.parent.clone().unwrap().comm;
    assert!(name.starts_with(b"process-"), "{name:?}");
    let expected = Lineage {
        command_line: None,
        parent: Some(portstat::model::Parent {
            comm: name,
            ..parent
        }),
        ..told
    };
    assert_eq!(redacted, expected);
    look(&again, &["-tlp"]).exited(0).quietly();
}

#[test]
fn this_machine_is_recorded_as_it_is() {
    in_namespace(|| {
        add_loopback_address(1, Ipv4Addr::new(10, 9, 0, 1));
        let listener = TcpListener::bind("10.9.0.1:0").unwrap();
        let child = Child::of(&[listener.as_fd()]);
        let holder = Holder {
            pid: child.pid(),
            fd: listener.as_raw_fd().try_into().unwrap(),
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recording");
        let path = path.to_str().unwrap();
        run(&["record", path]).exited(0);
        let mut gaps = Vec::new();
        let live = read_local_addresses(&Host::Live, &mut gaps);
        assert_eq!(addresses(path), live);
        let inode = fstat(&listener).unwrap().st_ino;
        let told = read_lineages(&Host::Live, inode, &[holder]);
        let (_, live) = told.into_iter().next().unwrap();
        let unserved = Lineage {
            serves: None,
            close_on_exec: None,
            runs_as_parent: None,
            ..live
        };
        assert_eq!(lineage(path, holder), unserved);
    });
}
