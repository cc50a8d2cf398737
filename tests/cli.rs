//! The command line over recordings made by hand: what is printed, what is refused, and what is
//! said of a recording that is damaged. Nothing here looks at this machine's own sockets.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use portstat::wire::netlink::framed;

use support::population::Random;
use support::portstat::{Ran, bounded, bounded_by, command, csv_records, finish, run};
use support::recording::{DONE, DiagRow, PROC_HEADING, ROW, Recording, done, dump, proc_line};
use support::terminal::shown_on_terminal;
use support::waiting::PATIENCE;

/// The kernel's numbers of some states.
const ESTABLISHED: u8 = 1;
const TIME_WAIT: u8 = 6;
const CLOSE: u8 = 7;
const LISTEN: u8 = 10;

const FORMATS: [&str; 5] = ["table", "plain", "json", "jsonl", "csv"];

/// What portstat prints of a recording.
#[track_caller]
fn look(path: &str, args: &[&str]) -> Ran {
    run(&[&["--from", path], args].concat())
}

// A recording of which everything printed is known.

fn small_dump() -> Vec<u8> {
    let listener = DiagRow {
        queues: (1, 128),
        inode: 101,
        cookie: 0x1001,
        ..DiagRow::new(LISTEN, "127.0.0.1:80", "0.0.0.0:0")
    };
    let dual = DiagRow {
        queues: (0, 4096),
        uid: 33,
        inode: 102,
        cookie: 0x1002,
        v6only: Some(false),
        ..DiagRow::new(LISTEN, "[::]:8443", "[::]:0")
    };
    let v6only = DiagRow {
        queues: (0, 5),
        uid: 4242,
        inode: 103,
        cookie: 0x1003,
        interface: 7,
        v6only: Some(true),
        ..DiagRow::new(LISTEN, "[::]:2222", "[::]:0")
    };
    let open = DiagRow {
        queues: (10, 2000),
        timer: (1, 200, 1),
        uid: 33,
        inode: 104,
        cookie: 0x1004,
        ..DiagRow::new(
            ESTABLISHED,
            "[::ffff:10.0.0.1]:8443",
            "[::ffff:10.0.0.9]:40000",
        )
    };
    let waiting = DiagRow {
        timer: (3, 41_500, 0),
        cookie: 0x1005,
        ..DiagRow::new(TIME_WAIT, "10.0.0.1:40001", "10.0.0.5:5432")
    };
    let bound = DiagRow {
        uid: 33,
        inode: 105,
        cookie: 0x1006,
        ..DiagRow::new(CLOSE, "10.0.0.1:47123", "0.0.0.0:0")
    };
    [
        dump(&[listener, waiting, bound]),
        dump(&[dual, v6only, open]),
    ]
    .concat()
}

fn small() -> Recording {
    let server = DiagRow {
        queues: (768, 0),
        inode: 106,
        cookie: 0x1007,
        ..DiagRow::new(CLOSE, "0.0.0.0:53", "0.0.0.0:0")
    };
    Recording::empty()
        .with("diag/tcp.nlmsg", small_dump())
        .with("diag/udp.nlmsg", [dump(&[server]), done()].concat())
        .with(
            "etc/services",
            "http 80/tcp www\ndomain 53/udp\ndb 5432/tcp\napi 8443/tcp\n",
        )
        .with(
            "etc/passwd",
            "root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/:/bin/false\n",
        )
        .with("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n")
        .with("proc/sys/net/ipv4/ip_local_reserved_ports", "\n")
        .with_process(700, b"nginx", &[101, 102, 104])
        .with_process(701, b"nginx", &[102])
        .with_process(800, b"named", &[106, 106])
        .with_link("proc/700/exe", "/usr/sbin/nginx")
        .with("proc/700/cgroup", "0::/system.slice/nginx.service\n")
        .with(
            "meta.json",
            r#"{"schema": "portstat.recording.v1", "host": "web01", "taken_at_ms": 1795176000123,
                "netns": 4026531840, "interfaces": {"7": "eth0"}, "hidden_processes": null}"#,
        )
}

#[track_caller]
fn check_golden(args: &[&str], expected: &str) {
    let recording = small();
    let ran = look(recording.path(), args).exited(0).quietly();
    assert_eq!(ran.text(), expected, "{}", ran.text());
}

#[test]
fn no_line_ends_in_a_blank() {
    let recording = small();
    for args in [
        &["-tanm"][..],
        &["-tuanmpoie"],
        &["-tan"],
        &["-tanm", "--format", "table"],
    ] {
        let ran = look(recording.path(), args).exited(0);
        let text = ran.text();
        let blank = text.lines().find(|line| line.ends_with([' ', '\t']));
        assert_eq!(blank, None, "{args:?}: {text}");
    }
}

#[test]
fn plain_is_the_layout_of_ss() {
    check_golden(
        &["-tuanpo"],
        r#"Netid State     Recv-Q Send-Q     Local Address:Port       Peer Address:Port  Process
udp   UNCONN    768    0                0.0.0.0:53              0.0.0.0:*     users:(("named",pid=800,fd=3),("named",pid=800,fd=4))
tcp   LISTEN    1      128            127.0.0.1:80              0.0.0.0:*     users:(("nginx",pid=700,fd=3))
tcp   TIME-WAIT 0      0               10.0.0.1:40001          10.0.0.5:5432  timer:(timewait,41sec,0)
tcp   BOUND     0      0               10.0.0.1:47123           0.0.0.0:*     users:(unheld)
tcp   LISTEN    0      4096                   *:8443                  *:*     users:(("nginx",pid=700,fd=4),("nginx",pid=701,fd=3))
tcp   LISTEN    0      5              [::]%eth0:2222               [::]:*     users:(unheld)
tcp   ESTAB     10     2000   [::ffff:10.0.0.1]:8443  [::ffff:10.0.0.9]:40000 users:(("nginx",pid=700,fd=5)) timer:(on,200ms,1)
"#,
    );
}

#[test]
fn plain_names_ports_without_n() {
    check_golden(
        &["-tl", "-e"],
        r#"State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process
LISTEN 1      128        127.0.0.1:http      0.0.0.0:*    ino:101 sk:1001
LISTEN 0      4096               *:api             *:*    uid:33 ino:102 sk:1002 v6only:0
LISTEN 0      5          [::]%eth0:2222         [::]:*    uid:4242 ino:103 sk:1003 v6only:1
"#,
    );
}

#[test]
fn a_table_is_grouped_and_judged() {
    check_golden(
        &["-tuap", "--format", "table"],
        "PROTO  RECV-Q  SEND-Q  LOCAL                   PEER                     SERVICE  PROCESS         USER
LISTEN 4
udp    768     0       0.0.0.0:53                                       domain   named[800]      root
tcp    1       128     127.0.0.1:80                                     http     nginx[700]      root
tcp    0       5       [::]%eth0:2222                                            (unheld)        4242
tcp    0       4096    *:8443                                           api      nginx[700,701]  www-data
ESTAB 1
tcp    10      2000    [::ffff:10.0.0.1]:8443  [::ffff:10.0.0.9]:40000  api      nginx[700]      www-data
TIME-WAIT 1
tcp    0       0       10.0.0.1:40001          10.0.0.5:5432            db       -
BOUND 1
tcp    0       0       10.0.0.1:47123                                            (unheld)        www-data
ephemeral ports ok: 1 of 28232 (0.0 %) from 10.0.0.1 to 10.0.0.5:5432, 1 of them TIME-WAIT (32768-60999)
",
    );
}

#[test]
fn json_is_one_document() {
    check_golden(
        &["-uanp", "--json"],
        r#"{"schema":"portstat.list.v1","host":"web01","taken_at":"2026-11-20T12:00:00.123Z",
"collection":{"tcp":null,"udp":"netlink","complete":true,"gaps":[]},
"groups":{"LISTEN":1},
"ephemeral":null,
"sockets":[{"proto":"udp","family":"ipv4","state":"UNCONN","local":{"addr":"0.0.0.0","port":53,"service":"domain","class":"system","iface":null},"peer":null,"recv_q":768,"send_q":0,"backlog":null,"uid":0,"user":"root","inode":106,"netns":4026531840,"v6only":null,"owners":[{"pid":800,"comm":"named","fd":3,"exe":null,"unit":null,"container":null},{"pid":800,"comm":"named","fd":4,"exe":null,"unit":null,"container":null}],"owners_status":"known","timer":null}]}
"#,
    );
}

#[test]
fn json_lines_are_the_same_objects() {
    check_golden(
        &[
            "-tanpe", "--format", "jsonl", "dport", "=", ":db", "or", "sport", "=", ":api",
        ],
        r#"{"proto":"tcp","family":"ipv4","state":"TIME-WAIT","local":{"addr":"10.0.0.1","port":40001,"service":null,"class":"registered","iface":null},"peer":{"addr":"10.0.0.5","port":5432,"service":"db","class":"registered"},"recv_q":0,"send_q":0,"backlog":null,"uid":null,"user":null,"inode":0,"netns":4026531840,"v6only":null,"owners":[],"owners_status":"none","timer":{"kind":"timewait","expires_ms":41500,"retransmits":0},"extended":{"cookie":4101,"mark":null,"cgroup":null,"cgroup_id":null,"shutdown":null}}
{"proto":"tcp","family":"ipv6","state":"LISTEN","local":{"addr":"::","port":8443,"service":"api","class":"registered","iface":null},"peer":null,"recv_q":0,"send_q":4096,"backlog":{"pending":0,"max":4096},"uid":33,"user":"www-data","inode":102,"netns":4026531840,"v6only":false,"owners":[{"pid":700,"comm":"nginx","fd":4,"exe":"/usr/sbin/nginx","unit":"nginx.service","container":null},{"pid":701,"comm":"nginx","fd":3,"exe":null,"unit":null,"container":null}],"owners_status":"known","timer":null,"extended":{"cookie":4098,"mark":null,"cgroup":null,"cgroup_id":null,"shutdown":null}}
{"proto":"tcp","family":"ipv6","state":"ESTAB","local":{"addr":"::ffff:10.0.0.1","port":8443,"service":"api","class":"registered","iface":null},"peer":{"addr":"::ffff:10.0.0.9","port":40000,"service":null,"class":"registered"},"recv_q":10,"send_q":2000,"backlog":null,"uid":33,"user":"www-data","inode":104,"netns":4026531840,"v6only":null,"owners":[{"pid":700,"comm":"nginx","fd":5,"exe":"/usr/sbin/nginx","unit":"nginx.service","container":null}],"owners_status":"known","timer":{"kind":"on","expires_ms":200,"retransmits":1},"extended":{"cookie":4100,"mark":null,"cgroup":null,"cgroup_id":null,"shutdown":null}}
"#,
    );
}

#[test]
fn csv_is_rfc_4180() {
    check_golden(
        &["-tuap", "--format", "csv"],
        &r#"proto,family,state,recv_q,send_q,local_addr,local_port,peer_addr,peer_port,service,class,iface,uid,user,inode,process,owners_status
udp,ipv4,UNCONN,768,0,0.0.0.0,53,,,domain,system,,0,root,106,named[800],known
tcp,ipv4,LISTEN,1,128,127.0.0.1,80,,,http,system,,0,root,101,nginx[700],known
tcp,ipv4,TIME-WAIT,0,0,10.0.0.1,40001,10.0.0.5,5432,db,registered,,,,,-,none
tcp,ipv4,BOUND,0,0,10.0.0.1,47123,,,,registered,,33,www-data,105,(unheld),unheld
tcp,ipv6,LISTEN,0,4096,::,8443,,,api,registered,,33,www-data,102,"nginx[700,701]",known
tcp,ipv6,LISTEN,0,5,::,2222,,,,registered,eth0,4242,4242,103,(unheld),unheld
tcp,ipv6,ESTAB,10,2000,::ffff:10.0.0.1,8443,::ffff:10.0.0.9,40000,api,registered,,33,www-data,104,nginx[700],known
"#
        .replace('\n', "\r\n"),
    );
}

#[test]
fn csv_has_timers_when_asked_for() {
    let recording = small();
    for flag in ["-tano", "-tane"] {
        let ran = look(recording.path(), &[flag, "--format", "csv"]).exited(0);
        let records = csv_records(ran.text());
        let timer = records[0].iter().position(|name| name == "timer").unwrap();
        let timers: Vec<&str> = records[1..]
            .iter()
            .map(|record| &record[timer][..])
            .filter(|cell| !cell.is_empty())
            .collect();
        assert_eq!(timers, ["timewait, 41sec", "on, 200ms, x1"]);
    }
}

#[test]
fn nobody_is_looked_for_whom_no_column_names() {
    let recording = Recording::empty().with("diag/tcp.nlmsg", small_dump());
    let args = ["-tanpr", "--columns", "local_port,state"];
    look(recording.path(), &args).exited(0).quietly();
    let ran = look(recording.path(), &["-tan", "--columns", "pid"]).exited(0);
    assert!(ran.stderr.contains("owners"), "{}", ran.stderr);
}

#[test]
fn without_flags_it_is_the_overview() {
    check_golden(
        &[],
        "PROTO  RECV-Q  SEND-Q  LOCAL           SERVICE  PROCESS         USER
LISTEN 4
udp    768     0       0.0.0.0:53      domain   named[800]      root
tcp    1       128     127.0.0.1:80    http     nginx[700]      root
tcp    0       5       [::]%eth0:2222           (unheld)        4242
tcp    0       4096    *:8443          api      nginx[700,701]  www-data

TCP 6: 1 ESTAB, 1 TIME-WAIT, 3 LISTEN, 1 BOUND
UDP 1: 1 UNCONN
ephemeral ports ok: 1 of 28232 (0.0 %) from 10.0.0.1 to 10.0.0.5:5432, 1 of them TIME-WAIT (32768-60999)
",
    );
}

#[test]
fn counts_instead_of_a_list() {
    check_golden(
        &["-s"],
        "PROTO STATE            IPV4      IPV6     TOTAL
udp   total               1         0         1
udp   UNCONN              1         0         1
tcp   total               3         3         6
tcp   ESTAB               0         1         1
tcp   TIME-WAIT           1         0         1
tcp   LISTEN              1         2         3
tcp   BOUND               1         0         1
ephemeral ports ok: 1 of 28232 (0.0 %) from 10.0.0.1 to 10.0.0.5:5432, 1 of them TIME-WAIT (32768-60999)
",
    );
}

/// Insists on the order in which local ports come when sorted by a column.
#[track_caller]
fn check_order(column: &str, expected: &str) {
    let recording = small();
    let args = [
        "-tuaH",
        "--columns",
        "local_port,pid,timer,peer,user",
        "--sort",
    ];
    let ran = look(recording.path(), &[&args[..], &[column]].concat()).exited(0);
    let ports: Vec<&str> = ran
        .text()
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(ports.join(" "), expected, "{column}: {}", ran.text());
}

#[test]
fn rows_without_a_value_come_last_in_either_order() {
    // Unsorted: 53 80 40001 47123 8443 2222 8443.
    check_order("timer", "8443 40001 53 80 47123 8443 2222");
    check_order("-timer", "40001 8443 53 80 47123 8443 2222");
    check_order("peer_port", "40001 8443 53 80 47123 8443 2222");
    check_order("-peer_port", "8443 40001 53 80 47123 8443 2222");
    check_order("-peer", "8443 40001 53 80 47123 8443 2222");
    check_order("service", "8443 8443 40001 53 80 47123 2222");
    check_order("-service", "80 53 40001 8443 8443 47123 2222");
    check_order("-uid", "2222 47123 8443 8443 53 80 40001");
    check_order("-inode", "53 47123 8443 2222 8443 80 40001");
    check_order("-process", "80 8443 8443 53 47123 2222 40001");
    check_order("state", "47123 8443 80 8443 2222 40001 53");
    check_order("-state", "53 40001 80 8443 2222 8443 47123");
}

#[test]
fn counts_are_of_what_was_read() {
    let verdict = "ephemeral ports ok: 1 of 28232 (0.0 %) from 10.0.0.1 to 10.0.0.5:5432, \
                   1 of them TIME-WAIT (32768-60999)\n";
    check_golden(
        &["-tsH"],
        &("tcp   total               3         3         6
tcp   ESTAB               0         1         1
tcp   TIME-WAIT           1         0         1
tcp   LISTEN              1         2         3
tcp   BOUND               1         0         1
"
        .to_owned()
            + verdict),
    );
    check_golden(
        &["-4sH", "sport = :53 or sport = :80"],
        &("udp   total               1         -         1
udp   UNCONN              1         -         1
tcp   total               1         -         1
tcp   LISTEN              1         -         1
"
        .to_owned()
            + verdict),
    );
    // What could not be read was not counted.
    let tcp_alone = Recording::empty().with("tcp.dump", small_dump());
    for args in [&["-sH"][..], &[]] {
        let ran = look(&tcp_alone.path_of("tcp.dump"), args).exited(0);
        let text = ran.text().to_lowercase();
        assert!(text.contains("tcp") && !text.contains("udp"), "{text}");
        assert!(ran.stderr.contains("udp/ipv4"), "{}", ran.stderr);
    }
}

#[test]
fn rounds_of_tables_stand_apart() {
    let recording = small();
    for (flags, first) in [("-tsc", "PROTO STATE"), ("-tlc", "PROTO  RECV-Q")] {
        let args = [
            "--from",
            recording.path(),
            flags,
            "0.01",
            "--format",
            "table",
        ];
        let mut child = command(&args).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let lines: Vec<String> = lines.map_while(Result::ok).take(40).collect();
        let heads: Vec<usize> = (0..lines.len())
            .filter(|&index| lines[index].starts_with(first))
            .collect();
        assert!(heads.len() > 2, "{lines:?}");
        for &head in &heads[1..] {
            assert_eq!(lines[head - 1], "", "{lines:?}");
        }
        child.wait().unwrap();
    }
}

// Usage.

/// Insists that arguments are refused, with a message that names all of `named`.
#[track_caller]
fn check_refused(args: &[&str], named: &[&str]) {
    let ran = run(args).exited(2);
    assert_eq!(ran.text(), "", "{args:?}");
    for name in named {
        assert!(ran.stderr.contains(name), "{args:?}: {}", ran.stderr);
    }
    assert!(!ran.stderr.contains('\x1b'), "{args:?}: {:?}", ran.stderr);
}

#[test]
fn unknown_flags_are_named() {
    check_refused(&["-Z9"], &["-Z"]);
    check_refused(&["-tZ"], &["-Z"]);
    check_refused(&["--nope"], &["--nope"]);
    check_refused(&["record"], &["<DIR>"]);
    check_refused(&["completions", "tcsh"], &["tcsh", "bash, zsh, fish"]);
    check_refused(&["-t", "--from"], &["--from"]);
}

#[test]
fn unknown_columns_and_formats_are_named_beside_those_there_are() {
    check_refused(
        &["-t", "--columns", "nope"],
        &["nope", "there are proto, state", "see portstat(1)"],
    );
    check_refused(
        &["-t", "--columns", "pid,receive-q"],
        &["receive-q", "near it are recv_q"],
    );
    check_refused(&["-t", "--columns", ""], &["there are proto"]);
    check_refused(
        &["-t", "--sort", "status"],
        &["status", "near it are state, owners_status"],
    );
    check_refused(&["-t", "--sort", "-nope"], &["nope", "there are proto"]);
    check_refused(&["--format", "xml"], &["xml", "jsonl"]);
    check_refused(&["--color", "sometimes"], &["sometimes", "always"]);
}

#[test]
fn flags_that_contradict_each_other_are_both_named() {
    check_refused(&["--json", "--format", "plain"], &["--json", "--format"]);
    check_refused(&["-q", "-c"], &["-q", "-c"]);
    check_refused(&["-s", "--columns", "pid"], &["-s", "--columns"]);
    check_refused(&["--json", "--columns", "pid"], &["json", "--columns"]);
    check_refused(&["-t", "record", "x"], &["record"]);
}

#[test]
fn an_interval_that_is_none_is_refused() {
    check_refused(&["-tc=0"], &["0", "seconds"]);
    check_refused(&["-tc=nope"], &["nope", "seconds"]);
    check_refused(&["-tc=-1"], &["-1", "seconds"]);
    check_refused(&["-tc=inf"], &["inf", "seconds"]);
    check_refused(&["-tc=NaN"], &["NaN", "seconds"]);
    check_refused(&["-t", "-c", "0"], &["0", "seconds"]);
}

#[test]
fn a_mistake_in_a_filter_names_its_column_and_what_was_expected() {
    for (filter, column, expected) in [
        ("sport = :http999", 9, "a port"),
        ("sport = :70000", 9, "a port"),
        ("sport nope", 7, "="),
        ("src localhost", 5, "with -n names of hosts"),
        ("state nope", 7, "a state"),
        ("( sport = :80", 14, "\")\""),
        ("sport = :80 )", 13, "the end"),
        ("dst 10.0.0.0/33", 5, "an address"),
        ("dst < 10.0.0.1", 5, "= or !="),
        ("sport = :80 and", 16, "sport"),
        ("nonsense", 1, "sport"),
    ] {
        let column = format!("column {column}:");
        let words: Vec<&str> = filter.split(' ').collect();
        check_refused(
            &[&["-tan"], &words[..]].concat(),
            &[&column, expected, filter],
        );
        // As one argument, as scripts written for ss have it.
        check_refused(&["-tan", filter], &[&column, expected, filter]);
    }
}

#[test]
fn a_first_word_that_is_no_filter_is_told_what_may_be_meant() {
    for (words, expected) in [
        ("8080", "portstat why 8080"),
        ("-i :80", "'sport = :80'"),
        ("nginx", "comm = nginx"),
        ("help", "portstat --help"),
        ("ephemral", "portstat ephemeral"),
        (":99999", "ports end at 65535"),
        ("sport = :99999", "ports end at 65535"),
        ("-tn dport = :99999", "ports end at 65535"),
        ("-c 1x", "no number of seconds"),
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        let ran = run(&words).exited(2);
        assert!(ran.stderr.contains(expected), "{words:?}: {}", ran.stderr);
        assert!(!ran.stderr.contains("fwmark"), "{words:?}: {}", ran.stderr);
    }
}

#[test]
fn what_is_shown_of_bad_arguments_is_escaped() {
    check_refused(&["-tan", "sport = \x1b[2J"], &["column 9"]);
    check_refused(&["-t", "--columns", "\x1b[2J"], &[]);
    check_refused(&["-t", "--sort", "\x1b[2J"], &[]);
    check_refused(&["--\x1b[2J"], &[]);
    let ran = run(&["--from", "/nonexistent\x1b[2J\nx", "-t"]).exited(4);
    assert!(!ran.stderr.contains('\x1b'), "{:?}", ran.stderr);
    assert_eq!(ran.stderr.lines().count(), 1, "{:?}", ran.stderr);
}

#[test]
fn arguments_that_are_no_text_are_refused() {
    for bytes in [&b"\xff"[..], b"--columns=\xff", b"sport = \xff"] {
        let mut command = command(&["-t"]);
        finish(command.arg(OsStr::from_bytes(bytes))).exited(2);
    }
}

#[test]
fn an_unknown_collector_is_refused() {
    let ran = finish(command(&["-t"]).env("PORTSTAT_COLLECTOR", "nope")).exited(2);
    assert!(ran.stderr.contains("nope") && ran.stderr.contains("netlink or proc"));
    finish(command(&["-t"]).env("PORTSTAT_COLLECTOR", "")).exited(0);
}

#[test]
fn an_unknown_way_to_owners_is_refused() {
    let ran = finish(command(&["-t"]).env("PORTSTAT_OWNERS", "nope")).exited(2);
    assert!(ran.stderr.contains("nope") && ran.stderr.contains("proc or bpf"));
    finish(command(&["-t"]).env("PORTSTAT_OWNERS", "")).exited(0);
}

#[test]
fn help_is_short_or_has_examples() {
    let short = run(&["-h"]).exited(0).quietly();
    let long = run(&["--help"]).exited(0).quietly();
    assert!(!short.text().contains("Examples:"), "{}", short.text());
    assert!(long.text().contains("portstat -tlnp"), "{}", long.text());
    for help in [&short, &long] {
        assert!(help.text().contains("--format"), "{}", help.text());
        assert!(!help.text().contains('\x1b'), "{:?}", help.text());
    }
    let version = run(&["-V"]).exited(0).quietly();
    assert_eq!(
        version.text(),
        concat!("portstat ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

// Colours.

#[test]
fn no_escape_byte_reaches_a_pipe() {
    let recording = small();
    for format in FORMATS {
        for more in [&[][..], &["--color", "auto"], &["--color", "never"]] {
            let args = [&["-tuapoe", "--format", format], more].concat();
            let ran = look(recording.path(), &args).exited(0);
            assert!(!ran.stdout.contains(&0x1b), "{format} {more:?}");
            assert!(!ran.stderr.contains('\x1b'), "{format} {more:?}");
        }
    }
    for args in [&[][..], &["-s"], &["--format", "table"]] {
        let ran = look(recording.path(), args).exited(0);
        assert!(!ran.stdout.contains(&0x1b), "{args:?}");
    }
}

#[test]
fn colours_in_a_pipe_must_be_asked_for_and_are_for_people() {
    let recording = small();
    for format in FORMATS {
        let args = ["-tua", "--format", format, "--color", "always"];
        let ran = look(recording.path(), &args).exited(0);
        assert_eq!(ran.stdout.contains(&0x1b), format == "table", "{format}");
    }
}

/// Whether there are colours on a terminal, in an environment with this variable.
#[track_caller]
fn is_coloured(args: &[&str], variable: (&str, &str)) -> bool {
    let recording = small();
    let args = [&["--from", recording.path()], args].concat();
    let shown = shown_on_terminal(command(&args).env(variable.0, variable.1));
    let text = String::from_utf8_lossy(&shown);
    assert!(text.contains("127.0.0.1:80"), "{text}");
    assert!(text.contains("RECV-Q"), "a table on a terminal: {text}");
    shown.contains(&0x1b)
}

#[test]
fn a_terminal_has_colours_unless_told() {
    for args in [&["-tua"][..], &[]] {
        assert!(is_coloured(args, ("NO_COLOR", "")));
        assert!(!is_coloured(args, ("NO_COLOR", "1")));
        assert!(!is_coloured(args, ("TERM", "dumb")));
    }
    assert!(!is_coloured(
        &["-tua", "--color", "never"],
        ("NO_COLOR", "")
    ));
}

// A reader that has enough, and other places where output ends.

/// A recording whose listing does not fit into a pipe in any format.
fn large() -> Recording {
    let rows: Vec<DiagRow> = (0..5000u16)
        .map(|index| DiagRow {
            inode: 1000 + u32::from(index),
            cookie: 1 + u32::from(index),
            ..DiagRow::new(
                ESTABLISHED,
                &format!("10.0.0.1:{}", 1024 + index),
                "10.0.0.2:80",
            )
        })
        .collect();
    Recording::empty().with("diag/tcp.nlmsg", [dump(&rows), done()].concat())
}

/// Reads one line of what portstat prints, and no more; returns its exit code and complaints.
#[track_caller]
fn read_one_line(args: &[&str]) -> (Option<i32>, String) {
    let mut child = command(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert!(line.len() > 1, "{line:?}");
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), stderr)
}

#[test]
fn a_reader_that_has_enough_ends_it_quietly() {
    let recording = large();
    for format in FORMATS {
        let args = ["--from", recording.path(), "-tan", "--format", format];
        assert_eq!(read_one_line(&args), (Some(0), String::new()), "{format}");
        let sorted = [&args[..], &["--sort", "-local_port"]].concat();
        assert_eq!(
            read_one_line(&sorted),
            (Some(0), String::new()),
            "{format}, sorted"
        );
    }
    let repeated = [
        "--from",
        recording.path(),
        "-tanc=0.01",
        "sport",
        "=",
        ":2000",
    ];
    assert_eq!(read_one_line(&repeated), (Some(0), String::new()));
    for args in [&["--help"][..], &["completions", "bash"]] {
        assert_eq!(read_one_line(args), (Some(0), String::new()), "{args:?}");
    }
}

#[test]
fn output_that_cannot_be_written_is_said() {
    let recording = large();
    for format in FORMATS {
        let args = ["--from", recording.path(), "-tan", "--format", format];
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = command(&args).stdout(full).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{format}: {stderr}");
        assert!(
            stderr.contains("cannot write the output"),
            "{format}: {stderr}"
        );
    }
}

#[test]
fn help_that_cannot_be_written_is_said() {
    for args in [&["--help"][..], &["-h"], &["-V"], &["completions", "bash"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = command(args).stdout(full).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{args:?}: {stderr}");
        assert!(
            stderr.contains("cannot write the output"),
            "{args:?}: {stderr}"
        );
    }
}

/// Between two rounds, and when there is nothing to print in any.
#[test]
fn rounds_end_when_nobody_reads_them() {
    let recording = small();
    for args in [
        &["-Htanc", "0.05", "state", "closing"][..],
        &["-Htanc", "3600", "state", "closing"],
        &["-tanc", "3600"],
        &["-sc", "3600"],
    ] {
        let args = [&["--from", recording.path()], args].concat();
        let mut child = command(&args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > PATIENCE {
                child.kill().unwrap();
                panic!("{args:?} goes on");
            }
            thread::sleep(Duration::from_millis(5));
        };
        assert_eq!(status.code(), Some(0), "{args:?}");
    }
}

#[test]
fn rounds_come_at_their_interval() {
    let recording = small();
    let args = ["--from", recording.path(), "-Htlc", "0.2", "sport = :80"];
    let mut child = command(&args).stdout(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.take(3).filter(Result::is_ok).count(), 3);
    assert!(begun.elapsed() >= Duration::from_millis(400));
    child.wait().unwrap();
}

#[test]
fn a_large_recording_is_listed_whole_in_every_format() {
    let recording = large();
    let list = |format: &str| look(recording.path(), &["-tan", "--format", format]).exited(0);
    assert_eq!(list("plain").text().lines().count(), 1 + 5000);
    assert_eq!(list("jsonl").json_lines().len(), 5000);
    assert_eq!(csv_records(list("csv").text()).len(), 1 + 5000);
    assert_eq!(
        list("json").json()["sockets"].as_array().unwrap().len(),
        5000
    );
    assert!(list("table").text().contains("ESTAB 5000\n"));
}

#[test]
fn quiet_says_when_it_cannot_tell_whatever_would_be_printed() {
    let cut = Recording::empty().with("tcp.dump", &small_dump()[..100]);
    let path = cut.path_of("tcp.dump");
    for flags in ["-tq", "-tsq", "-tlq"] {
        look(&path, &[flags, "sport = :9"]).exited(4);
        let found = look(&path, &[flags, "state listening sport = :80"]).exited(0);
        assert_eq!((found.text(), &found.stderr[..]), ("", ""));
    }
    let whole = small();
    look(whole.path(), &["-sq", "sport = :9"])
        .exited(1)
        .quietly();
    look(whole.path(), &["-sq", "sport = :80"])
        .exited(0)
        .quietly();
}

// How the ephemeral ports stand, and when that cannot be said.

/// Insists that nobody says that all is well with the ephemeral ports, and that it is said why.
#[track_caller]
fn check_no_verdict(recording: &Recording, args: &[&str], why: &str) {
    let ran = look(recording.path(), args).exited(0);
    assert!(!ran.text().contains("ephemeral ports"), "{}", ran.text());
    let said = ran.stderr.matches(why).count();
    assert_eq!(said, 1, "{args:?}: {}", ran.stderr);
}

#[test]
fn what_was_not_seen_of_connections_is_not_well() {
    const TABLE: [&str; 2] = ["--format", "table"];
    let udp = [
        dump(&[DiagRow::new(CLOSE, "0.0.0.0:53", "0.0.0.0:0")]),
        done(),
    ]
    .concat();
    let udp_alone = || {
        Recording::empty()
            .with("diag/udp.nlmsg", &udp)
            .with("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n")
    };
    let why = "tcp/ipv4 sockets cannot be read: ";
    check_no_verdict(&udp_alone(), &[&["-ul"], &TABLE[..]].concat(), why);
    let why = "no verdict on ephemeral ports: ";
    check_no_verdict(&udp_alone(), &["-us"], why);
    let document = look(udp_alone().path(), &["-us", "--json"]).json();
    assert_eq!(document["ephemeral"], serde_json::Value::Null);
    let gap = &document["collection"]["gaps"][0];
    assert_eq!(gap["what"], "verdict on ephemeral ports", "{document}");

    // Read in part, whether for the listing or for the verdict alone.
    let cut = udp_alone().with("diag/tcp.nlmsg", &small_dump()[..300]);
    let why = "diag/tcp.nlmsg: byte ";
    for args in [&["-ul"][..], &["-ua"], &["-tl"], &["-ta"], &["-tua"]] {
        check_no_verdict(&cut, &[args, &TABLE[..]].concat(), why);
    }
    for args in [&["-us"][..], &["-s"], &["-ts", "state", "listening"], &[]] {
        check_no_verdict(&cut, args, why);
    }
}

#[test]
fn settings_that_cannot_be_read_are_said_where_a_verdict_would_stand() {
    let said = |args: &[&str]| {
        let without = Recording::empty().with("diag/tcp.nlmsg", small_dump());
        let ran = look(without.path(), args).exited(0);
        let said = ran.stderr.matches("no ephemeral port range: ").count();
        if args.contains(&"--json") {
            let gaps = &ran.json()["collection"]["gaps"];
            let is_it = |gap: &&serde_json::Value| gap["what"] == "ephemeral port range";
            let count = gaps.as_array().unwrap().iter().filter(is_it).count();
            assert_eq!(count, said, "{args:?}: {gaps}");
        }
        said
    };
    for args in [
        &["-ts"][..],
        &["-ts", "--json"],
        &["-ta", "--json"],
        &["-tl", "--format", "table"],
        &[],
    ] {
        assert_eq!(said(args), 1, "{args:?}");
    }
    for args in [
        &["-ta"][..],
        &["-tl", "--json"],
        &["-ta", "--json", "sport = :80"],
        &["-ts", "--format", "csv"],
        &["-ts", "--format", "jsonl"],
    ] {
        assert_eq!(said(args), 0, "{args:?}");
    }
}

/// A table of these rows as text takes four times as much.
#[test]
fn a_large_table_is_drawn_without_being_kept() {
    const ROWS: u32 = 100_000;
    let row = |index: u32| {
        DiagRow {
            cookie: index + 1,
            inode: index + 1,
            ..DiagRow::new(ESTABLISHED, "10.0.0.1:1024", "10.0.0.2:80")
        }
        .message()
    };
    let mut bytes: Vec<u8> = (0..ROWS).flat_map(row).collect();
    bytes.extend(done());
    let recording = Recording::empty().with("diag/tcp.nlmsg", bytes);
    let args = ["--from", recording.path(), "-4tan", "--format", "table"];
    let ran = finish(bounded_by(&mut command(&args), 55 << 20)).exited(0);
    assert!(ran.text().contains(&format!("ESTAB {ROWS}\n")));
    assert_eq!(ran.text().lines().count() as u32, ROWS + 2);
}

// Recordings of several layouts.

const LISTENER_LINE: (&str, &str, &str) = ("0100007F:1F90", "00000000:0000", "0A");

/// A table of `/proc/net` with a listener on 127.0.0.1:8080 by inode 54321.
fn proc_table() -> String {
    let (local, peer, state) = LISTENER_LINE;
    format!("{PROC_HEADING}{}", proc_line(local, peer, state, 54321))
}

/// Insists that the recording holds the one listener of [`proc_table`], owned by a process.
#[track_caller]
fn check_listener(path: &str, owner: &str) {
    let ran = look(path, &["-tlnp"]).exited(0);
    let lines: Vec<&str> = ran.text().lines().collect();
    assert_eq!(lines.len(), 2, "{}", ran.text());
    let fields: Vec<&str> = lines[1].split_whitespace().collect();
    assert_eq!(
        fields,
        ["LISTEN", "0", "0", "127.0.0.1:8080", "0.0.0.0:*", owner]
    );
}

#[test]
fn a_copy_of_proc_in_a_folder_is_a_recording() {
    let recording = Recording::empty()
        .with("proc/net/tcp", proc_table())
        .with_process(77, b"httpd", &[1, 54321]);
    check_listener(recording.path(), "users:((\"httpd\",pid=77,fd=4))");
}

#[test]
fn a_copy_of_proc_itself_is_a_recording() {
    let recording = Recording::empty()
        .with("net/tcp", proc_table())
        // Older kernels have no comm: the name in stat ends with the last bracket.
        .with("77/stat", "77 (a) b (c) S 1 77")
        .with_link("77/fd/9", "socket:[54321]")
        .with_link("77/fd/10", "socket:[54321x]")
        .with_link("77/fd/11", "/tmp/socket:[54321]")
        .with_link("77/fd/x", "socket:[54321]");
    let ran = look(recording.path(), &["-tlnp"]).exited(0);
    assert!(
        ran.text().ends_with("users:((\"a) b (c\",pid=77,fd=9))\n"),
        "{}",
        ran.text()
    );
}

#[test]
fn proc_itself_is_a_recording_of_now() {
    let ran = look("/proc", &["-tuan", "--json"]).exited(0);
    assert_eq!(ran.json()["collection"]["tcp"], "proc");
}

#[test]
fn a_file_that_ss_wrote_is_a_recording() {
    let recording = Recording::empty().with("tcp.dump", small_dump());
    let ran = look(&recording.path_of("tcp.dump"), &["-tan"])
        .exited(0)
        .quietly();
    assert_eq!(ran.text().lines().count(), 1 + 6);
    // It holds TCP alone, which is said where UDP is asked for too.
    let ran = look(&recording.path_of("tcp.dump"), &["-tuan"]).exited(0);
    assert_eq!(ran.text().lines().count(), 1 + 6);
    assert!(ran.stderr.contains("udp"), "{}", ran.stderr);
}

#[test]
fn what_a_recording_does_not_hold_is_said() {
    let recording = Recording::empty().with("proc/net/tcp", proc_table());
    let ran = look(recording.path(), &["-tunapl"]).exited(0);
    for missing in ["tcp/ipv6", "udp/ipv4", "udp/ipv6", "owners of 1 socket"] {
        assert!(ran.stderr.contains(missing), "{missing}: {}", ran.stderr);
    }
    assert!(ran.text().contains("users:(hidden)"), "{}", ran.text());
    let document = look(recording.path(), &["-tuap", "--json"])
        .exited(0)
        .json();
    assert_eq!(document["collection"]["complete"], false);
    assert_eq!(document["collection"]["udp"], serde_json::Value::Null);
    assert_eq!(document["host"], serde_json::Value::Null);
}

#[test]
fn a_recording_of_nothing_is_no_recording() {
    let check = |path: &str, named: &str| {
        let ran = look(path, &["-tan"]).exited(4);
        assert_eq!(ran.text(), "");
        assert!(ran.stderr.contains(path), "{}", ran.stderr);
        assert!(ran.stderr.contains(named), "{}", ran.stderr);
    };
    check("/nonexistent", "No such file");
    check("/dev/null", "");
    let empty = Recording::empty();
    check(empty.path(), "no recording");
    check(
        Recording::empty().with("meta.json", "{}").path(),
        "no recording",
    );
}

#[test]
fn a_recording_without_any_table_cannot_be_listed() {
    for recording in [
        Recording::empty().with_folder("proc"),
        Recording::empty().with_folder("diag"),
        Recording::empty().with_folder("net"),
        Recording::empty().with_process(7, b"x", &[1]),
    ] {
        for args in [&["-tan"][..], &["--json"], &["-s"], &[], &["-q", "-t"]] {
            let ran = look(recording.path(), args).exited(4);
            assert_eq!(ran.text(), "", "{args:?}");
            assert!(
                ran.stderr.starts_with("portstat: cannot read any socket"),
                "{}",
                ran.stderr
            );
        }
    }
}

// Damage.

/// Insists that a recording of a dump can be read as far as it is whole: exit code 0 and `rows`
/// rows, and a warning that names the byte where it ends to be; or exit code 4.
#[track_caller]
fn check_damaged(bytes: &[u8], rows: usize, byte: Option<usize>) {
    let recording = Recording::empty().with("tcp.dump", bytes);
    let ran = look(&recording.path_of("tcp.dump"), &["-tan"]);
    if ran.code == 4 {
        assert_eq!(rows, 0, "{}", ran.stderr);
        return;
    }
    let ran = ran.exited(0);
    assert_eq!(
        ran.text().lines().count(),
        1 + rows,
        "{}\n{}",
        ran.text(),
        ran.stderr
    );
    match byte {
        None => assert_eq!(ran.stderr, ""),
        Some(byte) => assert!(
            ran.stderr.contains(&format!("byte {byte}:")),
            "byte {byte}: {}",
            ran.stderr
        ),
    }
}

#[test]
fn a_truncated_dump_is_read_as_far_as_it_goes() {
    let rows = [
        DiagRow {
            cookie: 1,
            ..DiagRow::new(LISTEN, "127.0.0.1:80", "0.0.0.0:0")
        },
        DiagRow {
            cookie: 2,
            v6only: Some(true),
            ..DiagRow::new(LISTEN, "[::1]:80", "[::]:0")
        },
    ];
    let whole = [dump(&rows[..1]), dump(&rows[1..])].concat();
    let [v4, v6] = rows.map(|row| row.message().len());
    let first = v4 + done().len();
    let messages = [0, v4, first, first + v6, whole.len()];
    for cut in 0..whole.len() {
        let complete = [v4, first + v6].iter().filter(|end| **end <= cut).count();
        // Where a whole message is followed by nothing, the end itself is what is missing.
        let place = messages.iter().rfind(|end| **end <= cut).copied();
        check_damaged(&whole[..cut], complete, place);
    }
    check_damaged(&whole, 2, None);
}

#[test]
fn a_warning_names_the_file_that_was_given() {
    let bytes = small_dump();
    let recording = Recording::empty().with("tcp.dump", &bytes[..100]);
    let ran = look(&recording.path_of("tcp.dump"), &["-tan"]).exited(0);
    assert!(ran.stderr.contains("tcp.dump"), "{}", ran.stderr);
}

#[test]
fn an_impossible_length_ends_a_dump_where_it_stands() {
    let row = DiagRow {
        cookie: 1,
        ..DiagRow::new(LISTEN, "127.0.0.1:80", "0.0.0.0:0")
    };
    let first = row.message().len();
    for length in [0, 1, 15, 16, 17, 1 << 20, 1 << 30, u32::MAX] {
        let mut bytes = [row.message(), row.message(), done()].concat();
        bytes[first..first + 4].copy_from_slice(&length.to_ne_bytes());
        check_damaged(&bytes, 1, Some(first));
    }
}

#[test]
fn rows_that_make_no_sense_are_counted_and_passed_over() {
    let good = |cookie| {
        DiagRow {
            cookie,
            ..DiagRow::new(LISTEN, "127.0.0.1:80", "0.0.0.0:0")
        }
        .message()
    };
    let mut bad_family = good(2);
    bad_family[16] = 99;
    let short = framed(ROW, 0, 1, &[2; 71]);
    let bytes = [good(1), bad_family, short, good(3), done()].concat();
    check_damaged(&bytes, 2, Some(good(1).len()));

    let recording = Recording::empty().with("tcp.dump", &bytes);
    let document = look(&recording.path_of("tcp.dump"), &["-ta", "--json"]).json();
    let gap = &document["collection"]["gaps"][0];
    assert_eq!(
        (&gap["what"], &gap["count"]),
        (&"sockets".into(), &2.into())
    );
    assert_eq!(document["collection"]["complete"], false);
}

#[test]
fn what_the_kernel_said_of_a_recorded_dump_is_passed_on() {
    let row = DiagRow {
        cookie: 1,
        ..DiagRow::new(LISTEN, "127.0.0.1:80", "0.0.0.0:0")
    };
    let mut interrupted = [row.message(), done()].concat();
    interrupted[6] |= 0x10;
    let failed = framed(DONE, 2, 1, &(-12i32).to_ne_bytes());
    let failed = [row.message(), failed].concat();
    for (bytes, said) in [
        (interrupted, "interrupted"),
        (failed, "Cannot allocate memory"),
    ] {
        let recording = Recording::empty().with("tcp.dump", bytes);
        let ran = look(&recording.path_of("tcp.dump"), &["-tan"]).exited(0);
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
        assert!(ran.text().contains("127.0.0.1:80"), "{}", ran.text());
    }
}

#[test]
fn no_damage_to_a_dump_is_worse_than_a_warning() {
    let whole = small_dump();
    let mut random = Random(7);
    for _ in 0..150 {
        let mut bytes = whole.clone();
        for _ in 0..1 + random.below(6) {
            let at = random.below(bytes.len());
            bytes[at] = random.below(256) as u8;
        }
        let recording = Recording::empty()
            .with("diag/tcp.nlmsg", &bytes)
            .with("diag/udp.nlmsg", &bytes);
        let ran = look(recording.path(), &["-tuapoe", "--json"]);
        match ran.code {
            0 => assert!(ran.json()["sockets"].is_array()),
            code => assert_eq!(code, 4, "{}", ran.stderr),
        }
    }
}

#[test]
fn bad_lines_of_proc_are_counted_and_the_first_is_named() {
    let (local, peer, state) = LISTENER_LINE;
    let table = [
        PROC_HEADING,
        &proc_line(local, peer, state, 54321),
        "garbage\n",
        "\n",
        "   1: 0100007F:1F9 00000000:0000 0A\n",
        &proc_line("ZZZZZZZZ:0050", peer, state, 1),
        &proc_line(local, peer, "FFFF", 1),
        "\x00\x1b[2J\u{fffd}\n",
        &"9".repeat(100_000),
    ]
    .concat();
    let recording = Recording::empty().with("proc/net/tcp", table);
    let ran = look(recording.path(), &["-4tan"]).exited(0);
    assert_eq!(ran.text().lines().count(), 2, "{}", ran.text());
    assert!(
        ran.stderr.contains("proc/net/tcp: line 3"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("7 such places"), "{}", ran.stderr);
    assert!(!ran.stderr.contains('\x1b'), "{:?}", ran.stderr);

    let document = look(recording.path(), &["-4ta", "--json"]).exited(0).json();
    let gaps = document["collection"]["gaps"].as_array().unwrap();
    let gap = gaps.iter().find(|gap| gap["what"] == "sockets").unwrap();
    assert_eq!(
        (&gap["where"], &gap["count"]),
        (&"proc/net/tcp line 3".into(), &7.into())
    );
    assert_eq!(document["collection"]["complete"], false);
}

#[test]
fn a_table_of_proc_cut_anywhere_loses_no_line_before_the_cut() {
    let table = proc_table();
    let heading = PROC_HEADING.len();
    for cut in (0..table.len()).step_by(3) {
        let recording = Recording::empty().with("proc/net/tcp", &table[..cut]);
        let ran = look(recording.path(), &["-4tan"]);
        assert!(matches!(ran.code, 0 | 4), "cut at {cut}: {}", ran.stderr);
        // The line is a socket as soon as its inode is there; until then it is said.
        if ran.text().lines().count() < 2 && cut > heading {
            assert!(
                ran.stderr.contains("line 2"),
                "cut at {cut}: {}",
                ran.stderr
            );
        }
    }
}

#[test]
fn bad_lines_of_services_are_counted_and_the_first_is_named() {
    let recording = small().with(
        "etc/services",
        b"# names\nhttp 80/tcp\nnonsense\n\xff\xfe 1/tcp\nbig 70000/tcp\napi 8443/tcp\n",
    );
    let ran = look(recording.path(), &["-tl"]).exited(0);
    assert!(ran.text().contains(":http "), "{}", ran.text());
    assert!(ran.text().contains(":api "), "{}", ran.text());
    assert!(
        ran.stderr.contains("etc/services: line 3"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("3 such places"), "{}", ran.stderr);
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    // Without names there is nothing to say about them.
    look(recording.path(), &["-tln"]).exited(0).quietly();
}

#[test]
fn nonsense_in_the_other_files_is_survived() {
    let garbage: Vec<u8> = (0..=255u8).cycle().take(3000).collect();
    for name in [
        "meta.json",
        "etc/passwd",
        "etc/services",
        "etc/hosts",
        "proc/sys/net/ipv4/ip_local_port_range",
        "proc/sys/net/ipv4/ip_local_reserved_ports",
        "proc/700/cgroup",
        "proc/700/comm",
    ] {
        let recording = small().with(name, &garbage);
        for args in [&[][..], &["-tuape", "--json"], &["-tuap"], &["-s"]] {
            let ran = look(recording.path(), args).exited(0);
            let harmful = |c: char| c.is_control() && c != '\n';
            assert!(
                !ran.text().contains(harmful),
                "{name} {args:?}: {:?}",
                ran.text()
            );
            assert!(
                !ran.stderr.contains(harmful),
                "{name} {args:?}: {:?}",
                ran.stderr
            );
        }
    }
}

#[test]
fn text_of_a_recording_forges_nothing() {
    let hostile = "x\",pid=1,fd=6)\u{1b}[2J\n\r\u{202e}";
    let json_text = r#"x\",pid=1,fd=6)\u001b[2J\n\r\u202e"#;
    let recording = small()
        .with(
            "etc/passwd",
            format!("{}:x:33:33::/:/\n", hostile.replace('\n', "")),
        )
        .with("etc/services", "a\x1b[2J 80/tcp\n\"b\" 8443/tcp\n")
        .with("proc/700/comm", format!("{hostile}\n"))
        .with("proc/701/cgroup", "0::/a\x1b[2J.service\n")
        .with_link("proc/701/exe", hostile)
        .with(
            "meta.json",
            format!(r#"{{"host": "{json_text}", "interfaces": {{"7": "{json_text}"}}}}"#),
        );
    let expected = small();
    for format in FORMATS {
        let args = ["-tuape", "--format", format];
        let ran = look(recording.path(), &args).exited(0);
        let harmless = look(expected.path(), &args).exited(0);
        let ends_lines = |c| c == '\n' || (c == '\r' && format == "csv");
        let harmful = |c: char| (c.is_control() && !ends_lines(c)) || c == '\u{202e}';
        assert!(!ran.text().contains(harmful), "{format}: {:?}", ran.text());
        assert!(!ran.stderr.contains(harmful), "{format}: {:?}", ran.stderr);
        let lines = |ran: &Ran| ran.text().lines().count();
        assert_eq!(lines(&ran), lines(&harmless), "{format}: {}", ran.text());
    }
    let document = look(recording.path(), &["-tape", "--json", "sport = :80"]).json();
    let socket = &document["sockets"][0];
    assert_eq!(document["host"], hostile);
    assert_eq!(socket["owners"].as_array().unwrap().len(), 1);
    assert_eq!(socket["owners"][0]["comm"], hostile);
}

/// Insists that a recording in which something lies that it should not is read as far as it can
/// be, and soon.
#[track_caller]
fn check_survived(recording: &Recording) {
    for args in [
        &[][..],
        &["-tuape"],
        &["-tuape", "--json"],
        &["-tuar"],
        &["-s"],
        &["-q", "-t"],
    ] {
        let args = [&["--from", recording.path()], args].concat();
        let ran = finish(bounded(&mut command(&args)));
        assert!(
            matches!(ran.code, 0 | 4),
            "{args:?}: {} {}",
            ran.code,
            ran.stderr
        );
    }
}

/// Every file that is read of a recording.
const FILES: [&str; 14] = [
    "diag/tcp.nlmsg",
    "diag/udp.nlmsg",
    "proc/net/tcp",
    "proc/net/udp6",
    "proc/sys/net/ipv4/ip_local_port_range",
    "proc/sys/net/ipv4/ip_local_reserved_ports",
    "proc/9/comm",
    "proc/9/stat",
    "proc/9/cgroup",
    "proc/9/fd/5",
    "proc/9/exe",
    "etc/services",
    "etc/passwd",
    "etc/hosts",
];

/// A recording with a process whose own files are still to come.
fn bare() -> Recording {
    let listener = DiagRow {
        inode: 101,
        ..DiagRow::new(LISTEN, "127.0.0.1:80", "0.0.0.0:0")
    };
    Recording::empty()
        .with("diag/raw.nlmsg", dump(&[listener]))
        .with_link("proc/9/fd/3", "socket:[101]")
}

#[test]
fn a_pipe_in_a_recording_blocks_nobody() {
    for name in FILES {
        check_survived(&bare().with("net/tcp", proc_table()).with_pipe(name));
    }
    check_survived(
        &Recording::empty()
            .with_pipe("proc/net/tcp")
            .with_pipe("proc/net/tcp6"),
    );
    check_survived(
        &Recording::empty()
            .with("proc/net/tcp", proc_table())
            .with_pipe("proc/9"),
    );
    check_survived(
        &Recording::empty()
            .with("proc/net/tcp", proc_table())
            .with_pipe("proc/9/fd"),
    );
    let pipe = Recording::empty().with_pipe("pipe");
    look(&pipe.path_of("pipe"), &["-t"]).exited(4);
}

#[test]
fn a_pipe_for_its_meta_data_blocks_nobody() {
    check_survived(
        &Recording::empty()
            .with("proc/net/tcp", proc_table())
            .with_pipe("meta.json"),
    );
}

#[test]
fn links_that_lead_in_circles_are_followed_by_nobody() {
    for name in FILES {
        let own = name.rsplit('/').next().unwrap();
        check_survived(&bare().with("net/tcp", proc_table()).with_link(name, own));
    }
    check_survived(
        &Recording::empty()
            .with("proc/net/tcp", proc_table())
            .with_link("meta.json", "meta.json"),
    );
    check_survived(
        &Recording::empty()
            .with("proc/net/tcp", proc_table())
            .with_link("proc/9", "9"),
    );
    check_survived(
        &Recording::empty()
            .with("proc/net/tcp", proc_table())
            .with_link("proc/8/fd", "../8"),
    );
    check_survived(
        &Recording::empty()
            .with("net/tcp", proc_table())
            .with_link("proc", "."),
    );
    let circle = Recording::empty().with_link("circle", "circle");
    look(&circle.path_of("circle"), &["-t"]).exited(4);
}

#[test]
fn folders_where_files_should_be_are_survived() {
    for name in FILES {
        let recording = bare().with("net/tcp", proc_table());
        // Their parents are made with a file beside them.
        let beside = format!("{name}.beside");
        check_survived(&recording.with(&beside, "").with_folder(name));
    }
}

#[test]
fn devices_in_a_recording_are_not_read() {
    for device in ["/dev/zero", "/dev/full", "/dev/null"] {
        for name in FILES {
            check_survived(&bare().with_link(name, device));
        }
        check_survived(
            &Recording::empty()
                .with("proc/net/tcp", proc_table())
                .with_link("meta.json", device),
        );
    }
}

// `ephemeral`, whose exit codes are those of a plugin.

/// Twenty ports of twenty, held by one process.
fn exhausted() -> Recording {
    let rows: Vec<DiagRow> = (0..20u32)
        .map(|offset| DiagRow {
            inode: 500 + offset,
            cookie: 0x2000 + offset,
            ..DiagRow::new(
                ESTABLISHED,
                &format!("10.0.0.9:{}", 40000 + offset),
                "10.0.0.5:5432",
            )
        })
        .collect();
    let inodes: Vec<u64> = (500..520).collect();
    Recording::empty()
        .with("diag/tcp.nlmsg", [dump(&rows), done()].concat())
        .with("diag/udp.nlmsg", [done(), done()].concat())
        .with("proc/sys/net/ipv4/ip_local_port_range", "40000\t40019\n")
        .with_process(812, b"pg\x1b|bouncer", &inodes)
}

#[test]
fn ephemeral_ends_with_the_code_of_its_status() {
    let recording = exhausted();
    let report = |args: &[&str]| look(recording.path(), &[&["ephemeral"], args].concat());
    let ran = report(&[]).exited(2);
    let text = ran.text();
    let first = text.lines().next().unwrap();
    assert_eq!(
        first,
        "CRITICAL: 100% of the ephemeral ports from 10.0.0.9 to 10.0.0.5:5432/tcp are in use \
         (20 of 20)"
    );
    assert!(text.contains(r"pg\x1b|bouncer[812] 20"), "{text}");
    let ran = report(&["--format", "nagios"]).exited(2);
    let line = ran.text();
    assert!(line.contains(r"top pg\x1b/bouncer[812])"), "{line}");
    report(&["--dst", "10.0.0.5:5433"]).exited(0);
    report(&["--quiet", "--dst=10.0.0.6"]).exited(0).quietly();
    let one = report(&["--src=10.0.0.9", "--dst=10.0.0.5:1", "--json"]).exited(0);
    assert!(
        one.text()
            .contains("\"dport\":1,\"capacity\":20,\"used\":0,"),
        "{}",
        one.text()
    );
}

#[test]
fn ephemeral_answers_bad_usage_and_blindness_with_3() {
    let recording = exhausted();
    for args in [
        &["--no-such-flag"][..],
        &["--warn", "95", "--crit", "80"],
        &["--warn=200"],
        &["--format=csv"],
        &["--format=nothing"],
        &["--dst=host:1"],
        &["--repeat=5"],
        &["--top=0"],
        &["--sample=1"],
    ] {
        let ran = look(recording.path(), &[&["ephemeral"], args].concat()).exited(3);
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{args:?}");
    }
    look("/dev/null/nowhere", &["ephemeral"]).exited(3);
    look(recording.path(), &["-t", "ephemeral"]).exited(3);
    look(recording.path(), &["-t", "--format=nagios"]).exited(2);

    let blind = Recording::empty().with("diag/tcp.nlmsg", done());
    let unknown = |format: &str| look(blind.path(), &["ephemeral", "--format", format]).exited(3);
    assert!(unknown("nagios").text().starts_with("PORTS UNKNOWN - "));
    assert!(unknown("json").text().contains("\"status\":\"unknown\""));
    assert!(unknown("human").stdout.is_empty());
}
