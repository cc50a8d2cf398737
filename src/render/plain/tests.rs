//! Rows in the layout of ss.

use super::*;
use crate::model::{
    Details, Endpoint, Ends, Holder, Owners, Process, Processes, Protocol, Queues, Socket, State,
    Timer, TimerKind,
};

fn socket(local: &str, peer: &str) -> Socket {
    let endpoint = |text: &str| {
        let addr: std::net::SocketAddr = text.parse().unwrap();
        Endpoint {
            addr: addr.ip(),
            port: addr.port(),
        }
    };
    Socket {
        protocol: Protocol::Tcp,
        state: State::Listen,
        v6only: None,
        ends: Ends::inet(endpoint(local), endpoint(peer)),
        interface: 0,
        queues: Queues::Backlog {
            pending: 0,
            max: Some(128),
        },
        timer: None,
        uid: 0,
        inode: 5,
        cookie: 0x1001,
        netns: 0,
    }
}

fn options() -> PlainOptions {
    PlainOptions {
        header: true,
        state: true,
        ..PlainOptions::default()
    }
}

fn shown(options: PlainOptions, rows: &[Row<'_>]) -> String {
    let mut out = Vec::new();
    let mut plain = Plain::new(options);
    plain.rows(rows, &mut out);
    plain.finish(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn the_layout_is_that_of_ss() {
    let processes = Processes::from([(
        9175,
        Process {
            comm: b"worker".to_vec(),
            ..Process::default()
        },
    )]);
    let holders = [Holder { pid: 9175, fd: 3 }, Holder { pid: 9175, fd: 8 }];
    let (one, two) = (
        socket("127.0.0.1:18080", "0.0.0.0:0"),
        socket("[::]:18443", "[::]:0"),
    );
    let first = Row {
        owners: Owners::Known {
            holders: &holders,
            processes: &processes,
        },
        ..Row::bare(&one)
    };
    assert_eq!(
        shown(options(), &[first, Row::bare(&two)]),
        "State  Recv-Q Send-Q Local Address:Port  Peer Address:Port Process\n\
         LISTEN 0      128        127.0.0.1:18080      0.0.0.0:*    \
         users:((\"worker\",pid=9175,fd=3),(\"worker\",pid=9175,fd=8))\n\
         LISTEN 0      128                *:18443            *:*\n"
    );
}

#[test]
fn a_header_even_without_rows_and_none_when_it_is_unwanted() {
    assert!(shown(options(), &[]).starts_with("State"));
    let mut quiet = options();
    quiet.header = false;
    assert_eq!(shown(quiet, &[]), "");
}

#[test]
fn v6only_devices_names_and_details() {
    let mut socket = socket("[::]:80", "[::]:0");
    socket.v6only = Some(true);
    socket.interface = 1;
    socket.uid = 33;
    socket.timer = Some(Timer {
        kind: TimerKind::Keepalive,
        expires_ms: 7_199_000,
        retransmits: 0,
    });
    let details = Details {
        shutdown: Some(2),
        cgroup: Some(7),
        mark: None,
        ..Details::default()
    };
    let row = Row {
        interface: Some(b"lo"),
        local_service: Some("http"),
        details: Some(&details),
        cgroup: Some(b"/system.slice"),
        ..Row::bare(&socket)
    };
    let mut all = options();
    (all.timers, all.details.extended, all.port_names) = (true, true, true);
    all.header = false;
    assert_eq!(
        shown(all, &[row]),
        "LISTEN 0 128 [::]%lo:http [::]:* timer:(keepalive,119min,0) uid:33 ino:5 sk:1001 \
         cgroup:/system.slice v6only:1 <--\n"
    );
}

#[test]
fn a_name_forges_no_owner() {
    let processes = Processes::from([(
        7,
        Process {
            comm: b"x\",pid=1,fd=6)\x1b".to_vec(),
            ..Process::default()
        },
    )]);
    let holders = [Holder { pid: 7, fd: 6 }];
    let socket = socket("127.0.0.1:1", "0.0.0.0:0");
    let row = Row {
        owners: Owners::Known {
            holders: &holders,
            processes: &processes,
        },
        ..Row::bare(&socket)
    };
    let text = shown(options(), &[row]);
    assert!(
        text.contains(r#"(("x\",pid\x3d1,fd\x3d6)\x1b",pid=7,fd=6))"#),
        "{text}"
    );
}

#[test]
fn names_of_the_system_forge_no_field() {
    let mut socket = socket("127.0.0.1:1", "0.0.0.0:0");
    socket.interface = 1;
    let details = Details {
        cgroup: Some(7),
        ..Details::default()
    };
    let mut row = Row {
        details: Some(&details),
        cgroup: Some("/a ino:1 pid=1\u{a0}b".as_bytes()),
        interface: Some(b"e 0"),
        ..Row::bare(&socket)
    };
    row.hosts.peer = Some(b"h 1.2.3.4:5");
    let mut extended = options();
    (extended.details.extended, extended.header) = (true, false);
    assert_eq!(
        shown(extended, &[row]),
        "LISTEN 0 128 127.0.0.1%e\\x200:1 h\\x201.2.3.4:5:* ino:5 sk:1001 \
         cgroup:/a\\x20ino:1\\x20pid\\x3d1\\u{a0}b\n"
    );
}

#[test]
fn chosen_columns_never_slip() {
    let socket = socket("127.0.0.1:1", "0.0.0.0:0");
    let mut chosen = options();
    chosen.columns = Some(vec![Column::State, Column::User, Column::LocalPort]);
    let mut row = Row::bare(&socket);
    row.user = None;
    assert_eq!(
        shown(chosen.clone(), &[row.clone()]),
        "STATE  USER LOCAL-PORT\nLISTEN 0    1\n"
    );
    chosen.columns = Some(vec![Column::Process, Column::LocalPort]);
    assert_eq!(shown(chosen, &[row]), "PROCESS LOCAL-PORT\n-       1\n");
}
