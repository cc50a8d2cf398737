//! One type for what ss, portstat and `/proc/net` say of a socket, so that they can be compared.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use serde_json::Value;

/// A socket, in ss's words.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    pub proto: String,
    pub state: String,
    pub recv_q: u64,
    pub send_q: u64,
    pub local: String,
    pub peer: String,
    pub owners: Vec<Owner>,
    /// What portstat says where it names no owner: `hidden`, `unheld`.
    pub unknown: String,
    /// What `-e` shows and everybody agrees on: `uid:`, `ino:`, `sk:`, `cgroup:`, `v6only:`,
    /// `<->`.
    pub details: Vec<String>,
    /// What `-o` and `-e` show.
    pub timer: Option<Timer>,
}

/// One descriptor of one process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    pub comm: String,
    pub pid: u32,
    pub fd: u32,
}

/// A running timer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timer {
    pub kind: String,
    pub milliseconds: u64,
    pub retransmits: u64,
}

/// What a plain listing leaves out because the arguments tell it.
#[derive(Clone, Debug, Default)]
struct Understood {
    proto: &'static str,
    state: String,
}

/// Whether one of the bundled flags is this letter.
fn has_flag(args: &[String], letter: char) -> bool {
    args.iter()
        .any(|arg| arg.starts_with('-') && !arg.starts_with("--") && arg.contains(letter))
}

/// Whether a plain listing has timers.
fn shows_timers(args: &[String]) -> bool {
    has_flag(args, 'o') || has_flag(args, 'e')
}

/// The words of the heading of a listing in ss's layout, of which ss has two in one.
#[track_caller]
pub fn heading(text: &str) -> Vec<String> {
    let line = text.lines().next().unwrap_or_else(|| panic!("no heading"));
    line.replace("PortProcess", "Port Process")
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

impl Understood {
    fn of(args: &[String]) -> Understood {
        let flag = |letter| has_flag(args, letter);
        let named = args
            .iter()
            .position(|arg| arg == "state")
            .and_then(|index| args.get(index + 1));
        Understood {
            proto: match (flag('t'), flag('u')) {
                (true, false) => "tcp",
                (false, true) => "udp",
                _ => "",
            },
            state: match named.map(String::as_str) {
                Some("established") => "ESTAB".to_owned(),
                Some("listening") => "LISTEN".to_owned(),
                Some("close" | "closed") => "UNCONN".to_owned(),
                Some(name) => name.to_uppercase(),
                None if flag('B') => "BOUND".to_owned(),
                // UDP that has a peer.
                None => "ESTAB".to_owned(),
            },
        }
    }
}

/// The rows of a listing in ss's layout, sorted.
#[track_caller]
pub fn plain(text: &str, args: &[String]) -> Vec<Row> {
    let understood = Understood::of(args);
    let mut lines = text.lines();
    let heading = lines.next().unwrap_or_else(|| panic!("no heading"));
    let (netid, state) = (heading.contains("Netid"), heading.contains("State"));
    let mut rows: Vec<Row> = lines
        .map(|line| plain_row(line, netid, state, &understood))
        .collect();
    rows.sort();
    rows
}

#[track_caller]
fn plain_row(line: &str, netid: bool, state: bool, understood: &Understood) -> Row {
    let (line, users) = cut_users(line);
    let mut fields = line.split_whitespace();
    let mut next = || {
        fields
            .next()
            .unwrap_or_else(|| panic!("too few fields: {line}"))
            .to_owned()
    };
    let mut row = Row {
        proto: if netid {
            next()
        } else {
            understood.proto.to_owned()
        },
        state: if state {
            next()
        } else {
            understood.state.clone()
        },
        recv_q: next().parse().unwrap(),
        send_q: next().parse().unwrap(),
        local: next(),
        peer: next(),
        ..Row::default()
    };
    for field in fields {
        if let Some(timer) = field.strip_prefix("timer:(") {
            row.timer = Some(plain_timer(timer.trim_end_matches(')')));
        } else if ["uid:", "ino:", "sk:", "cgroup:", "v6only:", "<", "--"]
            .iter()
            .any(|known| field.starts_with(known))
        {
            row.details.push(field.to_owned());
        }
    }
    match users {
        Some(users) if users.starts_with('(') => row.owners = plain_owners(&users),
        Some(unknown) => row.unknown = unknown,
        None => {}
    }
    row
}

/// The line without ` users:(…)`, and what stands between its brackets.
fn cut_users(line: &str) -> (String, Option<String>) {
    let Some((before, rest)) = line.split_once(" users:(") else {
        return (line.to_owned(), None);
    };
    let end = if rest.starts_with('(') {
        rest.find("))").unwrap() + 1
    } else {
        rest.find(')').unwrap()
    };
    (
        format!("{before} {}", &rest[end + 1..]),
        Some(rest[..end].to_owned()),
    )
}

/// `("name",pid=1,fd=3),("name",pid=1,fd=4)`; the names of these tests hold no such signs.
fn plain_owners(text: &str) -> Vec<Owner> {
    let mut owners: Vec<Owner> = text
        .trim_start_matches('(')
        .trim_end_matches(')')
        .split("),(")
        .map(|owner| {
            let parts: Vec<&str> = owner.split(',').collect();
            let [comm, pid, fd] = parts[..] else {
                panic!("{owner}")
            };
            Owner {
                comm: comm.trim_matches('"').to_owned(),
                pid: pid.strip_prefix("pid=").unwrap().parse().unwrap(),
                fd: fd.strip_prefix("fd=").unwrap().parse().unwrap(),
            }
        })
        .collect();
    owners.sort();
    owners
}

/// `keepalive,119min,0`.
fn plain_timer(text: &str) -> Timer {
    let parts: Vec<&str> = text.split(',').collect();
    let [kind, time, retransmits] = parts[..] else {
        panic!("{text}")
    };
    Timer {
        kind: kind.to_owned(),
        milliseconds: plain_time(time),
        retransmits: retransmits.parse().unwrap(),
    }
}

/// `119min`, `9min30sec`, `41sec`, `1.004ms` (which is 1004), `200ms`, and nothing for 0.
fn plain_time(text: &str) -> u64 {
    let (minutes, rest) = text.split_once("min").unwrap_or(("0", text));
    let (seconds, rest) = rest
        .split_once("sec")
        .or_else(|| rest.split_once('.'))
        .unwrap_or(("0", rest));
    let milliseconds = match rest.strip_suffix("ms") {
        Some(milliseconds) => milliseconds.parse().unwrap(),
        None => 0,
    };
    let number = |text: &str| text.parse::<u64>().unwrap();
    number(minutes) * 60_000 + number(seconds) * 1000 + milliseconds
}

/// The rows of a JSON document of portstat, sorted.
#[track_caller]
pub fn json(document: &Value) -> Vec<Row> {
    let mut rows: Vec<Row> = document["sockets"]
        .as_array()
        .unwrap()
        .iter()
        .map(json_row)
        .collect();
    rows.sort();
    rows
}

/// The same, with the timers as far as a plain listing has them.
#[track_caller]
pub fn json_as_plain(document: &Value, args: &[String]) -> Vec<Row> {
    let mut rows = json(document);
    if !shows_timers(args) {
        rows.iter_mut().for_each(|row| row.timer = None);
        rows.sort();
    }
    rows
}

/// A socket of a JSON document, or a line of JSON lines.
#[track_caller]
pub fn json_row(socket: &Value) -> Row {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let state = text(&socket["state"]);
    let v6only = socket["v6only"].as_bool() == Some(true);
    Row {
        proto: text(&socket["proto"]),
        recv_q: socket["recv_q"].as_u64().unwrap(),
        send_q: socket["send_q"].as_u64().unwrap(),
        local: json_end(&socket["local"], v6only),
        peer: match &socket["peer"] {
            Value::Null if socket["family"] == "ipv4" => "0.0.0.0:*".to_owned(),
            Value::Null => format!("{}:*", shown_ip(Ipv6Addr::UNSPECIFIED.into(), v6only)),
            peer => json_end(peer, v6only),
        },
        owners: json_owners(&socket["owners"]),
        unknown: match socket["owners_status"].as_str() {
            Some(status @ ("hidden" | "unheld")) => status.to_owned(),
            _ => String::new(),
        },
        details: json_details(socket),
        timer: json_timer(&socket["timer"]),
        state,
    }
}

fn json_end(end: &Value, v6only: bool) -> String {
    let ip: IpAddr = end["addr"].as_str().unwrap().parse().unwrap();
    let port = u16::try_from(end["port"].as_u64().unwrap()).unwrap();
    shown(ip, end["iface"].as_str(), port, v6only)
}

fn json_owners(owners: &Value) -> Vec<Owner> {
    let number = |value: &Value| u32::try_from(value.as_u64().unwrap()).unwrap();
    let mut owners: Vec<Owner> = owners
        .as_array()
        .unwrap()
        .iter()
        .map(|owner| Owner {
            comm: owner["comm"].as_str().unwrap().to_owned(),
            pid: number(&owner["pid"]),
            fd: number(&owner["fd"]),
        })
        .collect();
    owners.sort();
    owners
}

/// What `-e` says in the words of ss; nothing without `-e`.
fn json_details(socket: &Value) -> Vec<String> {
    let Some(extended) = socket.get("extended") else {
        return Vec::new();
    };
    let mut details = Vec::new();
    if let Some(uid) = socket["uid"].as_u64().filter(|&uid| uid != 0) {
        details.push(format!("uid:{uid}"));
    }
    details.push(format!("ino:{}", socket["inode"]));
    if let Some(cookie) = extended["cookie"].as_u64() {
        details.push(format!("sk:{cookie:x}"));
    }
    match (extended["cgroup"].as_str(), extended["cgroup_id"].as_u64()) {
        (Some(path), _) => details.push(format!("cgroup:{path}")),
        (None, Some(id)) => details.push(format!("cgroup:unreachable:{id:x}")),
        (None, None) => {}
    }
    if let Some(v6only) = socket["v6only"].as_bool() {
        details.push(format!("v6only:{}", u8::from(v6only)));
    }
    let shutdown = &extended["shutdown"];
    if let (Some(receive), Some(send)) = (shutdown["receive"].as_bool(), shutdown["send"].as_bool())
    {
        let (left, right) = (
            if receive { '-' } else { '<' },
            if send { '-' } else { '>' },
        );
        details.push(format!("{left}-{right}"));
    }
    details
}

fn json_timer(timer: &Value) -> Option<Timer> {
    (!timer.is_null()).then(|| Timer {
        kind: timer["kind"].as_str().unwrap().to_owned(),
        milliseconds: timer["expires_ms"].as_u64().unwrap(),
        retransmits: timer["retransmits"].as_u64().unwrap(),
    })
}

/// An end of a socket as ss writes it.
pub fn shown(ip: IpAddr, device: Option<&str>, port: u16, v6only: bool) -> String {
    let ip = shown_ip(ip, v6only);
    let device = device.map_or(String::new(), |device| format!("%{device}"));
    match port {
        0 => format!("{ip}{device}:*"),
        port => format!("{ip}{device}:{port}"),
    }
}

fn shown_ip(ip: IpAddr, v6only: bool) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) if ip.is_unspecified() && !v6only => "*".to_owned(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// Insists that both are the same rows, but for how far their timers ran; says which are not.
#[track_caller]
pub fn assert_same(what: &str, expected: &[Row], found: &[Row]) {
    let still = |row: &Row| Row {
        timer: row.timer.as_ref().map(|timer| Timer {
            kind: timer.kind.clone(),
            milliseconds: 0,
            retransmits: 0,
        }),
        ..row.clone()
    };
    let mut counts: BTreeMap<Row, i64> = BTreeMap::new();
    for row in expected {
        *counts.entry(still(row)).or_default() += 1;
    }
    for row in found {
        *counts.entry(still(row)).or_default() -= 1;
    }
    let lines = |wanted: fn(i64) -> bool| -> String {
        counts
            .iter()
            .filter(|(_, count)| wanted(**count))
            .map(|(row, count)| format!("\n  {} x {row:?}", count.abs()))
            .take(20)
            .collect()
    };
    let (missing, extra) = (lines(|count| count > 0), lines(|count| count < 0));
    assert!(
        missing.is_empty() && extra.is_empty(),
        "{what}: of {} rows\nmissing:{missing}\nextra:{extra}",
        expected.len()
    );
}
