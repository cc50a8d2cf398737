//! Recordings: what `record` writes, and what is said of one that is not whole.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::fs;

use portstat::wire::netlink::framed;
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
    let unix = "x".repeat(17 << 20);
    let from = Recording::empty()
        .with("proc/net/tcp", &table)
        .with("proc/net/unix", &unix);
    let (_folder, again, ran) = record(&from, &[]);
    let said = format!("recorded {count} sockets and 0 processes");
    assert!(ran.text().starts_with(&said), "{}", ran.text());
    let read = |name: &str| fs::read_to_string(format!("{again}/{name}")).unwrap();
    assert!(read("proc/net/tcp") == table && read("proc/net/unix") == unix);
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
