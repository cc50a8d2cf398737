//! Every format over one report made by hand, and over names that would forge it.

use super::*;
use crate::analyze::{Ask, Ephemeral};
use crate::model::{Ends, PortRange, Protocol, Queues, Socket, State, Timer, TimerKind};
use crate::render::{Collection, Document, Paint};
use std::slice::from_ref;

fn settings() -> EphemeralSettings {
    let range = PortRange::new(32768, 60999).unwrap();
    EphemeralSettings::new(range, PortSet::new())
}

fn socket(state: State, local: (&str, u16), peer: (&str, u16)) -> Socket {
    let end = |(addr, port): (&str, u16)| Endpoint {
        addr: addr.parse().unwrap(),
        port,
    };
    Socket {
        protocol: Protocol::Tcp,
        state,
        v6only: None,
        ends: Ends::inet(end(local), end(peer)),
        interface: 0,
        queues: Queues::Bytes {
            unread: 0,
            unacknowledged: 0,
        },
        timer: (state == State::TimeWait).then_some(Timer {
            kind: TimerKind::Timewait,
            expires_ms: 30_000,
            retransmits: 0,
        }),
        uid: 0,
        inode: 0,
        cookie: 0,
        netns: 0,
    }
}

/// 23,701 ports towards a database, 19,000 of them in TIME-WAIT.
fn database() -> Ephemeral {
    let mut count = Ephemeral::new(settings());
    let firsts = (32768..=60999u16).step_by(2);
    let ports = firsts.chain((32769..=60999).step_by(2)).take(23_701);
    for (index, port) in ports.enumerate() {
        let state = if index < 19_000 {
            State::TimeWait
        } else {
            State::Established
        };
        count.add(&socket(state, ("10.0.0.9", port), ("10.0.0.5", 5432)));
    }
    count
}

fn told(
    count: &Ephemeral,
    comm: &[u8],
    write: impl Fn(&mut Vec<u8>, &EphemeralReport<'_>),
) -> String {
    let findings = count.judge(&Ask::ALL, Thresholds::DEFAULT, 10);
    let notes = findings.pools.iter().map(|pool| PoolNotes {
        owners: vec![OwnerShare {
            pid: 812,
            comm: comm.to_vec(),
            ports: 4700,
        }],
        owners_status: Some("known"),
        advice: count.advice(pool),
    });
    let report = EphemeralReport {
        taken_at: Some(SystemTime::UNIX_EPOCH),
        netns: Netns {
            id: Some(4_026_531_840),
            name: Some(b"a\"b\\c".to_vec()),
            entrance: None,
        },
        settings: count.settings(),
        thresholds: Thresholds::DEFAULT,
        notes: notes.collect(),
        findings: &findings,
        exposed: count
            .exposed()
            .into_iter()
            .map(|exposed| (exposed, Vec::new()))
            .collect(),
        reserve: count.to_reserve(),
        summary: &Summary::default(),
        backlogs: &[(
            Endpoint {
                addr: "::".parse().unwrap(),
                port: 80,
            },
            Backlog {
                pending: 32,
                max: 128,
            },
        )],
        probe: None,
    };
    let mut out = Vec::new();
    write(&mut out, &report);
    String::from_utf8(out).unwrap()
}

fn people(out: &mut Vec<u8>, report: &EphemeralReport<'_>) {
    human(out, from_ref(report), Paint::Plain, None);
}

fn document() -> Document {
    Document {
        schema: "portstat.ephemeral.v1",
        host: Some("web01".to_owned()),
        taken_at: None,
        collection: Collection::default(),
    }
}

fn as_json(out: &mut Vec<u8>, report: &EphemeralReport<'_>) {
    json(out, &document(), from_ref(report), None);
}

fn as_nagios(out: &mut Vec<u8>, report: &EphemeralReport<'_>) {
    nagios(out, from_ref(report));
}

fn as_prometheus(out: &mut Vec<u8>, report: &EphemeralReport<'_>) {
    prometheus(out, &document(), from_ref(report));
}

#[test]
fn the_first_line_for_people_stands_alone() {
    let text = told(&database(), b"pgbouncer", people);
    assert_eq!(
        text.lines().next().unwrap(),
        "WARNING: 84% of the ephemeral ports from 10.0.0.9 to 10.0.0.5:5432/tcp are in use \
         (23701 of 28232, 19000 TIME-WAIT)"
    );
    for part in [
        "tcp 10.0.0.9 -> 10.0.0.5:5432  [################....]  84%  23701/28232",
        "pgbouncer[812] 4700",
        "4531",
        "pool them (pgbouncer[812])",
        "sysctl -w net.ipv4.tcp_tw_reuse=1",
        "sysctl -w net.ipv4.ip_local_port_range=\"10240 65535\"",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn no_line_is_wider_than_the_terminal_but_for_commands() {
    let mut listens = database();
    for last in 1..=20 {
        let addr = format!("127.0.0.{last}");
        listens.add(&socket(State::Listen, (&addr, 40_000), ("0.0.0.0", 0)));
    }
    for columns in [80, 100, 120] {
        let on_terminal = |out: &mut Vec<u8>, report: &EphemeralReport<'_>| {
            human(out, from_ref(report), Paint::Plain, Some(columns));
        };
        for name in [&b"pgbouncer"[..], b"a name of 15 by"] {
            let text = told(&listens, name, on_terminal);
            for line in text
                .lines()
                .filter(|line| !line.starts_with("      sysctl"))
            {
                assert!(line.len() <= columns.into(), "{columns}: {line}\n{text}");
            }
            for part in ["  84%", "23701/28232", "127.0.0.3 and 17 more"] {
                assert!(text.contains(part), "{columns}: {part}\n{text}");
            }
            assert!(!text.contains("RECLAIMABLE"), "{text}");
        }
    }
}

#[test]
fn nothing_in_use_and_nothing_to_use_have_their_lines() {
    let text = told(&Ephemeral::new(settings()), b"", people);
    assert!(text.starts_with("OK: no ephemeral port is in use (28232 are free)\n"));
    let mut all = PortSet::new();
    all.insert(7);
    let none = EphemeralSettings::new(PortRange::new(7, 7).unwrap(), all);
    let none = Ephemeral::new(none);
    let text = told(&none, b"", people);
    assert!(
        text.starts_with("CRITICAL: every port of 7-7 is reserved"),
        "{text}"
    );
    let text = told(&none, b"", as_nagios);
    assert!(text.contains("worst_pct=100%"), "{text}");
}

#[test]
fn listeners_inside_the_range_come_with_the_command_that_protects_them() {
    let mut count = Ephemeral::new(settings());
    count.add(&socket(State::Listen, ("0.0.0.0", 40010), ("0.0.0.0", 0)));
    let text = told(&count, b"", people);
    assert!(text.contains("  40010 on 0.0.0.0\n"), "{text}");
    assert!(text.contains("sysctl -w net.ipv4.ip_local_reserved_ports=40010\n"));
}

#[test]
fn nagios_has_its_line() {
    assert_eq!(
        told(&database(), b"pgbouncer", as_nagios),
        "PORTS WARNING - 84% of ephemeral ports from 10.0.0.9 to 10.0.0.5:5432/tcp in use \
         (23701/28232, 19000 TIME-WAIT, top pgbouncer[812]) \
         | worst_pct=84%;80;95;0;100 used=23701;;;0;28232\n"
    );
    let mut out = Vec::new();
    nagios_unknown(&mut out, "a|b\nc");
    assert_eq!(out, b"PORTS UNKNOWN - a/b c\n");
}

#[test]
fn metrics_have_help_and_type_and_escaped_labels() {
    let text = told(&database(), b"", as_prometheus);
    for line in [
        "# TYPE portstat_ephemeral_worst_ratio gauge",
        r#"portstat_ephemeral_worst_ratio{netns="a\"b\\c",pool="udp-bind"} 0"#,
        r#"portstat_ephemeral_capacity_ports{netns="a\"b\\c"} 28232"#,
        r#"portstat_listen_backlog_ratio{netns="a\"b\\c",addr="::",port="80"} 0.25"#,
        "portstat_last_run_timestamp_seconds 0.000",
        "portstat_visibility_complete 1",
    ] {
        assert!(text.lines().any(|one| one == line), "{line}\n{text}");
    }
    assert!(text.contains("pool=\"tcp-connect\"} 0.839508"), "{text}");
}

#[test]
fn json_is_one_document() {
    let text = told(&database(), b"pg\xff\"", as_json);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["status"], "warning");
    assert_eq!(value["thresholds"]["crit"], 95);
    let pool = &value["netns"][0]["pools"][0];
    assert_eq!(pool["pool"], "tcp-connect");
    assert_eq!(
        (&pool["dst"], &pool["dport"]),
        (&"10.0.0.5".into(), &5432.into())
    );
    assert_eq!(pool["percent"], 84.0);
    assert_eq!(pool["owners"][0]["ports"], 4700);
    assert!(
        pool["advice"][0]
            .as_str()
            .unwrap()
            .starts_with("19000 ports")
    );
    let mut out = Vec::new();
    let document = Document {
        schema: "portstat.ephemeral.v1",
        host: None,
        taken_at: None,
        collection: Collection::default(),
    };
    json_unknown(&mut out, &document, Thresholds::DEFAULT, "no \"range\"");
    let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(value["status"], "unknown");
    assert_eq!(value["reason"], "no \"range\"");
}

#[test]
fn names_of_processes_forge_nothing() {
    let name = b"x\n|\x1b[2J\"";
    for write in [people, as_nagios] {
        let text = told(&database(), name, write);
        assert!(!text.contains('\x1b') && !text.contains("x\n"), "{text}");
    }
    let text = told(&database(), name, as_nagios);
    assert_eq!(text.matches('|').count(), 1, "{text}");
}
