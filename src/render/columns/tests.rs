//! Every column of some rows.

use super::*;
use crate::model::{
    Endpoint, Ends, Holder, Owners, Process, Processes, Protocol, Queues, Row, Socket, State,
};
use std::time::{Duration, Instant};

fn socket() -> Socket {
    let nowhere = Endpoint {
        addr: "0.0.0.0".parse().unwrap(),
        port: 0,
    };
    Socket {
        protocol: Protocol::Tcp,
        state: State::Listen,
        v6only: None,
        ends: Ends::inet(nowhere, nowhere),
        interface: 0,
        queues: Queues::Backlog {
            pending: 0,
            max: Some(128),
        },
        timer: None,
        uid: 0,
        inode: 5,
        cookie: 1,
        netns: 0,
    }
}

/// A cell of a socket that these processes hold, each by two descriptors.
fn owned(column: Column, processes: &Processes) -> String {
    let mut holders: Vec<Holder> = processes
        .keys()
        .flat_map(|&pid| [3, 4].map(|fd| Holder { pid, fd }))
        .collect();
    holders.sort();
    let socket = socket();
    let owners = Owners::Known {
        holders: &holders,
        processes,
    };
    let row = Row {
        owners,
        ..Row::bare(&socket)
    };
    let mut out = Vec::new();
    column.push(&mut out, &row);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_name_is_no_owner() {
    let named = |text: &str| Process {
        comm: text.into(),
        exe: Some(format!("/bin/{text}").into()),
        unit: Some(text.into()),
        ..Process::default()
    };
    let processes = Processes::from([
        (7, named("a[1], b")),
        (8, named("(hidden)")),
        (9, named("pid=1")),
    ]);
    assert_eq!(
        owned(Column::Process, &processes),
        r"a\x5b1\x5d\x2c b[7], \x28hidden\x29[8], pid\x3d1[9]"
    );
    assert_eq!(
        owned(Column::Exe, &processes),
        r"/bin/a[1]\x2c b,/bin/(hidden),/bin/pid=1"
    );
    assert_eq!(
        owned(Column::Unit, &processes),
        r"a[1]\x2c b,(hidden),pid=1"
    );
    assert_eq!(owned(Column::Pid, &processes), "7,8,9");
}

#[test]
fn many_owners_take_no_longer_each_than_few() {
    let process = |pid: u32| Process {
        comm: format!("p{pid}").into(),
        exe: Some(format!("/bin/{pid}").into()),
        ..Process::default()
    };
    let processes: Processes = (1..=40_000).map(|pid| (pid, process(pid))).collect();
    let begun = Instant::now();
    for column in [Column::Process, Column::Pid, Column::Exe] {
        assert_eq!(owned(column, &processes).matches(',').count(), 39_999);
    }
    // Compared with each other they would take minutes.
    assert!(begun.elapsed() < Duration::from_secs(60));
}

#[test]
fn every_column_is_found_by_its_name_and_its_heading() {
    for column in Column::all() {
        assert_eq!(column.name().parse(), Ok(column));
        assert_eq!(column.heading().parse(), Ok(column));
    }
    let error = "nope".parse::<Column>().unwrap_err().to_string();
    assert!(
        error.contains("nope") && error.contains("portstat(1)"),
        "{error}"
    );
    let error = "retransmissions".parse::<Column>().unwrap_err().to_string();
    assert!(error.contains("near it are retrans"), "{error}");
}
