//! Recordings: what `record` writes, and what is said of one that is not whole.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use portstat::wire::netlink::framed;
use support::portstat::{Ran, run};
use support::recording::{DONE, DiagRow, PROC_HEADING, Recording, done, dump, proc_line};

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
