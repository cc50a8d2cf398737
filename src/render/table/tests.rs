//! Tables of a row over and over.

use super::*;
use crate::model::{
    Endpoint, Ends, Holder, Owners, Process, Processes, Protocol, Queues, Socket, State,
};

fn drawn(comm: &str, width: Option<usize>) -> String {
    drawn_often(1, comm, width)
}

/// A table of the same row, over and over.
fn drawn_often(count: usize, comm: &str, width: Option<usize>) -> String {
    drawn_with(count, comm, width, DetailSet::NONE)
}

fn drawn_with(count: usize, comm: &str, width: Option<usize>, details: DetailSet) -> String {
    let socket = Socket {
        protocol: Protocol::Tcp,
        state: State::Listen,
        v6only: None,
        ends: Ends::inet(
            Endpoint {
                addr: "127.0.0.1".parse().unwrap(),
                port: 80,
            },
            Endpoint {
                addr: "0.0.0.0".parse().unwrap(),
                port: 0,
            },
        ),
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
    };
    let process = Process {
        comm: comm.as_bytes().to_vec(),
        ..Process::default()
    };
    let processes = Processes::from([(1, process.clone()), (2, process)]);
    let holders = [Holder { pid: 1, fd: 3 }, Holder { pid: 2, fd: 3 }];
    let row = Row {
        owners: Owners::Known {
            holders: &holders,
            processes: &processes,
        },
        user: Some("root"),
        ..Row::bare(&socket)
    };
    let mut out = Vec::new();
    let options = TableOptions {
        columns: None,
        beyond_ip: false,
        timers: false,
        details,
        namespaces: false,
        header: true,
        width,
        paint: Paint::Plain,
    };
    table(&mut out, count, &|_| row.clone(), &options).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn columns_that_say_nothing_are_left_out() {
    assert_eq!(
        drawn("web", None),
        "PROTO  SEND-Q  LOCAL         PROCESS   USER\n\
         LISTEN 1\n\
         tcp    128     127.0.0.1:80  web[1,2]  root\n"
    );
}

#[test]
fn a_long_process_is_wrapped_and_touches_nothing() {
    let text = drawn("a-rather-long-name", Some(50));
    for line in text.lines() {
        assert!(width(line.as_bytes()) <= 50, "{text}");
    }
    assert!(text.contains("  root\n"), "{text}");
}

#[test]
fn details_without_room_stand_below_their_row() {
    let details = DetailSet {
        extended: true,
        ..DetailSet::NONE
    };
    for count in [1, MOST_WRAPPED + 1] {
        let text = drawn_with(count, "web", Some(45), details);
        let lines: Vec<&str> = text.lines().take(4).collect();
        assert_eq!(
            lines,
            [
                "PROTO  SEND-Q  LOCAL         PROCESS   USER",
                &format!("LISTEN {count}"),
                "tcp    128     127.0.0.1:80  web[1,2]  root",
                "        uid:0 inode:5 class:system cookie:1",
            ]
        );
        let narrow = drawn_with(count, "web", Some(20), details);
        assert!(
            narrow.contains("\n        uid:0\n        inode:5\n"),
            "{narrow}"
        );
    }
    // What is read first goes last.
    let text = drawn_with(1, "web", Some(64), details);
    assert!(text.contains("USER  UID  INODE  CLASS\n"), "{text}");
    assert!(text.ends_with("system\n        cookie:1\n"), "{text}");
    for width in [None, Some(100)] {
        let text = drawn_with(1, "web", width, details);
        assert!(
            text.contains("USER  UID  INODE  CLASS   COOKIE\n"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 3);
    }
}

#[test]
fn what_cannot_fit_is_not_broken() {
    // One gap narrower, without the user, or as it is.
    let wide = drawn("bus-daemon-x", None);
    let full = wide.lines().last().unwrap().len();
    for room in 10..full {
        let text = drawn("bus-daemon-x", Some(room));
        let fits = text.lines().all(|line| width(line.as_bytes()) <= room);
        let rows = text.lines().count();
        assert!(fits || rows == 3, "{room}: {text}");
    }
    let text = drawn("bus-daemon-x", Some(full - 3));
    assert!(text.contains("bus-daemon-x[1,2] root"), "{text}");
    assert!(drawn("x", Some(34)).contains("127.0.0.1:80 x[1,2]\n"));
}

#[test]
fn many_rows_are_drawn_as_few() {
    for comm in ["web", "日本語", "\u{202e}x"] {
        let few = drawn(comm, None);
        let lines: Vec<&str> = few.lines().collect();
        for count in [MOST_WRAPPED, MOST_WRAPPED + 1, 5000] {
            let many = drawn_often(count, comm, Some(10_000));
            let row = format!("{}\n", lines[2]);
            let expected = format!("{}\nLISTEN {count}\n{}", lines[0], row.repeat(count));
            assert!(many == expected, "{}", &many[..300]);
        }
    }
}

#[test]
fn wide_characters_keep_columns_apart() {
    let text = drawn("日本語", None);
    assert!(text.contains("日本語[1,2]  root"), "{text}");
    assert!(text.contains("PROCESS      USER"), "{text}");
}
