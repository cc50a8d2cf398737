//! Whatever JSON tells of a socket has a column, or a reason why not.

mod samples;

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use serde_json::Value;

use super::Column;
use crate::model::{
    BeyondIp, Destruction, DetailSet, Ends, Fate, Holder, HostNames, Names, Namespace, NetlinkEnds,
    NetlinkPeer, Owners, PacketEnds, Process, Processes, Protocol, Row, SocketKind, State,
    UnixEnds,
};
use crate::render::{JsonFields, json_row};
use samples::{CONTROLS, beyond_ip, end, socket, tcp};

/// Where a column has the same, by another name or in other words.
const ELSEWHERE: [(&str, &str); 23] = [
    ("backlog.pending", "recv_q"),
    ("backlog.max", "send_q"),
    ("local.class", "class"),
    ("local.iface", "iface"),
    ("local.host", "local"),
    ("peer.host", "peer"),
    ("local.path", "path"),
    ("local.abstract", "path"),
    ("local.path_hex", "path"),
    ("peer.abstract", "peer_path"),
    ("peer.path_hex", "peer_path"),
    ("peer.owners.pid", "peer_process"),
    ("peer.owners.comm", "peer_process"),
    ("peer.owners_status", "peer_process"),
    ("netns", "netns_inode"),
    ("netns_name", "netns"),
    ("container", "netns_container"),
    ("extended.shutdown.receive", "shutdown"),
    ("extended.shutdown.send", "shutdown"),
    ("unix.file.major", "file_device"),
    ("unix.file.minor", "file_device"),
    ("tcp_info.options", "options"),
    ("ulp.name", "ulp"),
];

/// What has none, and why.
const NOWHERE: [(&str, &str); 8] = [
    ("event", "all that -E prints are the same event"),
    ("destroyed", "-K says on stderr what became of each"),
    ("error", "-K says on stderr what became of each"),
    ("peer.owners.fd", "names and pids tell who is there"),
    ("peer.owners.exe", "names and pids tell who is there"),
    ("peer.owners.unit", "names and pids tell who is there"),
    ("peer.owners.container", "names and pids tell who is there"),
    ("congestion_control.kind", "the names of its columns say it"),
];

/// Objects whose names are left out in the names of columns, or are others there.
const OBJECTS: [(&str, &str); 16] = [
    ("extended.", ""),
    ("memory.rmem_alloc_bytes", "rmem"),
    ("memory.rcvbuf_bytes", "rcvbuf"),
    ("memory.sndbuf_bytes", "sndbuf"),
    ("memory.wmem_queued_bytes", "wmem"),
    ("memory.", ""),
    ("tcp_info.", ""),
    ("tos.", ""),
    ("owners.", ""),
    ("ulp.", ""),
    ("netlink.", ""),
    ("unix.pending", "pending_inodes"),
    ("unix.", ""),
    ("packet.version", "packet_version"),
    ("packet.flags", "packet_flags"),
    ("packet.", ""),
];

/// A value without parts, or a list of such, as a cell has it.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Bool(flag) => Some(flag.to_string()),
        // A whole number has no fraction in a cell.
        Value::Number(number) => Some(number.to_string().trim_end_matches(".0").to_owned()),
        Value::String(text) => Some(text.clone()),
        Value::Array(values) if !values.iter().any(Value::is_object) => {
            let texts: Vec<String> = values.iter().filter_map(text).collect();
            Some(texts.join(","))
        }
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// The leaves of an object, each by the names that lead there.
fn leaves(value: &Value, path: &str, found: &mut BTreeMap<String, String>) {
    if let Some(text) = text(value) {
        found.insert(path.to_owned(), text);
        return;
    }
    if let Value::Array(values) = value {
        values.iter().for_each(|value| leaves(value, path, found));
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        let path = match path {
            "" => name.clone(),
            path => format!("{path}.{name}"),
        };
        leaves(value, &path, found);
    }
}

/// The name that the column of a leaf has to have.
fn column_name(path: &str, kind: &str) -> String {
    let path = match path.strip_prefix("congestion_control.") {
        Some(rest) => format!("{kind}_{rest}"),
        None => path.to_owned(),
    };
    let object = OBJECTS.iter().find(|(object, _)| path.starts_with(object));
    let name = match object {
        Some((object, name)) => path.replacen(object, name, 1),
        None => path,
    };
    name.replace('.', "_")
}

/// Insists that every leaf of the rows has a column, and that its cell says what JSON says.
#[track_caller]
fn check(rows: &[Row<'_>]) {
    let mut told = BTreeSet::new();
    let mut empty = BTreeSet::new();
    for row in rows {
        let mut json = Vec::new();
        let fields = JsonFields {
            netns: None,
            details: DetailSet::ALL,
        };
        json_row(&mut json, row, fields);
        let mut found = BTreeMap::new();
        leaves(&serde_json::from_slice(&json).unwrap(), "", &mut found);
        let kind = found.get("congestion_control.kind").cloned();
        for (path, expected) in found {
            if expected.is_empty() {
                empty.insert(path);
                continue;
            }
            check_cell(row, &path, kind.as_deref().unwrap_or_default(), &expected);
            told.insert(path);
        }
    }
    // What no row told may be an object that another one has.
    empty.retain(|path| !told.iter().any(|told| told.starts_with(path)));
    assert!(empty.is_empty(), "no row tells {empty:?}");
    let listed = ELSEWHERE.iter().chain(&NOWHERE);
    let idle: Vec<_> = listed.filter(|(path, _)| !told.contains(*path)).collect();
    assert!(idle.is_empty(), "{idle:?}");
}

#[track_caller]
fn check_cell(row: &Row<'_>, path: &str, kind: &str, expected: &str) {
    let listed = |list: &[(&str, &'static str)]| {
        let found = list.iter().find(|(known, _)| *known == path);
        found.map(|(_, name)| *name)
    };
    if listed(&NOWHERE).is_some() {
        return;
    }
    let elsewhere = listed(&ELSEWHERE);
    let name = elsewhere.map_or_else(|| column_name(path, kind), str::to_owned);
    let column: Column = name
        .parse()
        .unwrap_or_else(|_| panic!("{path}: no column {name}"));
    let mut cell = Vec::new();
    column.push(&mut cell, row);
    let cell = String::from_utf8(cell).unwrap();
    match elsewhere {
        Some(_) => assert!(!cell.is_empty(), "{path}: {name}"),
        None => assert_eq!(cell, expected, "{path}"),
    }
}

#[test]
fn what_json_tells_has_a_column() {
    let processes = Processes::from([(
        7,
        Process {
            comm: b"web".to_vec(),
            exe: Some(b"/bin/web".to_vec()),
            unit: Some(b"web.service".to_vec()),
            containers: vec![b"shop".to_vec()],
        },
    )]);
    let owners = Owners::Known {
        holders: &[Holder { pid: 7, fd: 3 }],
        processes: &processes,
    };
    let namespace = Namespace {
        inode: Some(1),
        name: Some(b"blue".to_vec()),
        container: Some(b"shop".to_vec()),
        ..Namespace::default()
    };
    let destruction = Destruction {
        at: SystemTime::UNIX_EPOCH,
        last_state: Some(State::Listen),
    };
    let beyond = BeyondIp {
        name: Some(b"\0a\xff"),
        peer_name: Some(b"\0\xff"),
        peer_owners: owners,
        port_process: None,
    };
    let mut names = Names::default();
    let ends = [
        Ends::Unix(UnixEnds {
            kind: SocketKind::Stream,
            name: names.push(b"a"),
            peer: 9,
        }),
        Ends::Packet(PacketEnds {
            kind: SocketKind::Raw,
            protocol: 0x800,
        }),
        Ends::Netlink(NetlinkEnds {
            protocol: 0,
            port: 1,
            peer: Some(NetlinkPeer { port: 2, group: 3 }),
        }),
    ];
    let protocols = [Protocol::Unix, Protocol::Packet, Protocol::Netlink];
    let details = CONTROLS.map(tcp);
    let of_ends = beyond_ip();
    let inet = Ends::inet(end("10.0.0.1:80"), end("10.0.0.2:50000"));
    let sockets = [0, 1, 2].map(|index| socket(protocols[index], ends[index]));
    let connection = socket(Protocol::Tcp, inet);
    let inet_rows = details.iter().map(|details| Row {
        details: Some(details),
        cgroup: Some(b"/web"),
        owners,
        user: Some("www-data"),
        interface: Some(b"eth0"),
        local_service: Some("http"),
        peer_service: Some("drawn"),
        hosts: HostNames {
            local: Some(b"here"),
            peer: Some(b"there"),
        },
        namespace: Some(&namespace),
        fate: Some(Fate::Gone),
        destruction: Some(&destruction),
        ..Row::bare(&connection)
    });
    let other_rows = sockets.iter().zip(&of_ends).map(|(socket, details)| Row {
        details: Some(details),
        beyond_ip: Some(Box::new(beyond.clone())),
        interface: Some(b"eth0"),
        ..Row::bare(socket)
    });
    check(&inet_rows.chain(other_rows).collect::<Vec<_>>());
}
