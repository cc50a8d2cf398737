//! Filters by who holds a socket, which are judged once owners are known.

use std::collections::BTreeSet;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process;

use serde_json::Value;

use crate::support::holder::{Holder, without_rights};
use crate::support::namespace::in_namespace;
use crate::support::population::Random;
use crate::support::portstat::{self, Collector, Ran, csv_records};
use crate::support::recording::{DiagRow, Recording, dump};

/// More than are held back before the first is printed.
const SOCKETS: u16 = 5_000;
/// Processes 1 to this, each with its own number in its name.
const PROCESSES: u32 = 12;
/// Ids of containers that begin alike.
const IDS: [&str; 2] = ["0a1b", "0a1c"];

/// Sockets whose ports are 1 and up; some are held by nobody, some by several processes.
fn recording() -> Recording {
    let mut random = Random(41);
    let mut held = vec![Vec::new(); PROCESSES as usize + 1];
    let rows: Vec<DiagRow> = (1..=SOCKETS)
        .map(|port| {
            let row = DiagRow::new(1, &format!("127.0.0.1:{port}"), "127.0.0.2:443");
            if random.chance(10) {
                return row;
            }
            for _ in 0..1 + random.below(2) {
                held[1 + random.below(PROCESSES as usize)].push(u64::from(port));
            }
            DiagRow {
                inode: port.into(),
                uid: port.into(),
                ..row
            }
        })
        .collect();
    let mut recording = Recording::empty()
        .with("diag/tcp.nlmsg", [dump(&rows), dump(&[])].concat())
        .with("diag/udp.nlmsg", [dump(&[]), dump(&[])].concat())
        .with("proc/sys/net/ipv4/ip_local_port_range", "32768 60999\n")
        .with("meta.json", r#"{"hidden_processes": null}"#);
    for pid in 1..=PROCESSES {
        let cgroup = match pid % 4 {
            0 => "/system.slice/web.service".to_owned(),
            1 => format!("/system.slice/docker-{}.scope", IDS[0].repeat(16)),
            2 => format!("/kubepods/pod1/{}", IDS[1].repeat(16)),
            _ => "/machine.slice/systemd-nspawn@box.service".to_owned(),
        };
        let inodes = &held[pid as usize];
        recording = recording
            .with_process(pid, format!("p {pid}").as_bytes(), inodes)
            .with(&format!("proc/{pid}/cgroup"), format!("0::{cgroup}\n"));
    }
    recording
}

/// What a listing of everything says of a socket.
struct Told<'a>(&'a Value);

impl Told<'_> {
    fn port(&self) -> u64 {
        self.0["local"]["port"].as_u64().unwrap()
    }

    fn pids(&self) -> BTreeSet<u64> {
        let owners = self.0["owners"].as_array().unwrap();
        owners
            .iter()
            .map(|owner| owner["pid"].as_u64().unwrap())
            .collect()
    }

    fn any(&self, is_meant: impl Fn(u64) -> bool) -> bool {
        self.pids().into_iter().any(is_meant)
    }
}

/// A filter, and what it means of a socket.
type Case = (&'static str, fn(&Told<'_>) -> bool);

const CASES: [Case; 18] = [
    ("pid = 5", |told| told.any(|pid| pid == 5)),
    ("pid != 5", |told| !told.any(|pid| pid == 5)),
    ("not pid != 5", |told| told.any(|pid| pid == 5)),
    ("pid > 10", |told| told.any(|pid| pid > 10)),
    ("pid <= 0", |_| false),
    ("pid >= 3 and pid < 3", |told| {
        told.any(|pid| pid >= 3) && told.any(|pid| pid < 3)
    }),
    ("comm = 'p 7'", |told| told.any(|pid| pid == 7)),
    ("comm = \"p 7\" comm = \"p 8\"", |told| {
        told.any(|pid| pid == 7) && told.any(|pid| pid == 8)
    }),
    ("comm = 'p 7' or sport < :50", |told| {
        told.any(|pid| pid == 7) || told.port() < 50
    }),
    ("not ( comm = 'p 7' or sport < :50 )", |told| {
        !(told.any(|pid| pid == 7) || told.port() < 50)
    }),
    ("pid = 3 and sport > :4000", |told| {
        told.any(|pid| pid == 3) && told.port() > 4000
    }),
    ("pid != 3 and uid >= 2500 and inode != 3000", |told| {
        let (port, held) = (told.port(), !told.pids().is_empty());
        !told.any(|pid| pid == 3) && port >= 2500 && port != 3000 && held
    }),
    ("unit = web", |told| told.any(|pid| pid % 4 == 0)),
    ("unit != web.service", |told| !told.any(|pid| pid % 4 == 0)),
    ("container = 0a1b", |told| told.any(|pid| pid % 4 == 1)),
    ("container = 0a1", |told| {
        told.any(|pid| pid % 4 == 1 || pid % 4 == 2)
    }),
    ("container = box", |told| told.any(|pid| pid % 4 == 3)),
    ("container != 0a1 and pid > 0", |told| {
        !told.any(|pid| pid % 4 == 1 || pid % 4 == 2) && !told.pids().is_empty()
    }),
];

/// The local ports that a listing shows, in one of the formats; of a summary only their number.
fn listed(list: impl Fn(&[&str]) -> Ran, format: usize) -> (Option<Vec<u64>>, u64) {
    let of = |sockets: &[Value]| -> Vec<u64> {
        sockets.iter().map(|socket| Told(socket).port()).collect()
    };
    let number = |text: &str| text.parse().unwrap();
    let columns = ["--columns", "local_port"];
    let ports: Vec<u64> = match format {
        0 => {
            let ran = list(&[&columns[..], &["-H"]].concat());
            ran.text().lines().map(number).collect()
        }
        1 => {
            let ran = list(&[&columns[..], &["--format", "csv"]].concat());
            let records = csv_records(ran.text());
            records[1..]
                .iter()
                .map(|record| number(&record[0]))
                .collect()
        }
        2 => of(&list(&["--format", "jsonl"]).json_lines()),
        3 => {
            let document = list(&["--json"]).json();
            let counted = document["groups"]["ESTAB"].as_u64().unwrap_or(0);
            let ports = of(document["sockets"].as_array().unwrap());
            assert_eq!(counted, ports.len() as u64);
            ports
        }
        _ => {
            let document = list(&["-s", "--json"]).json();
            let counts = &document["counts"];
            return (None, counts[0]["count"].as_u64().unwrap_or(0));
        }
    };
    let count = ports.len() as u64;
    (Some(ports), count)
}

#[test]
fn every_format_lists_what_the_owners_let_pass() {
    let recording = recording();
    let run = |args: &[&str]| portstat::run(&[&["--from", recording.path(), "-ta"], args].concat());
    let document = run(&["--json", "-p"]).exited(0).json();
    let sockets = document["sockets"].as_array().unwrap();
    assert_eq!(sockets.len(), usize::from(SOCKETS));
    for (number, (filter, is_meant)) in CASES.into_iter().enumerate() {
        let told = sockets.iter().map(Told).filter(|told| is_meant(told));
        let expected: Vec<u64> = told.map(|told| told.port()).collect();
        let count = expected.len() as u64;
        let list = |args: &[&str]| run(&[args, &[filter]].concat()).exited(0).quietly();
        assert_eq!(listed(list, 0), (Some(expected.clone()), count), "{filter}");
        let (ports, counted) = listed(list, 1 + number % 4);
        assert_eq!(counted, count, "{filter}");
        assert!(ports.is_none_or(|ports| ports == expected), "{filter}");
        let code = i32::from(expected.is_empty());
        run(&["-q", filter]).exited(code).quietly();
    }
}

#[test]
fn owners_are_printed_only_when_asked_for() {
    let recording = recording();
    let run = |args: &[&str]| {
        let args = [&["--from", recording.path(), "-tan", "pid = 5"], args].concat();
        portstat::run(&args).exited(0).quietly()
    };
    assert!(!run(&[]).text().contains("p 5"));
    assert!(run(&["-p"]).text().contains("(\"p 5\",pid=5,fd="));
    let sockets = run(&["--format", "jsonl"]).json_lines();
    assert_eq!(sockets[0]["owners_status"], Value::Null);
}

#[test]
fn whose_owner_is_hidden_passes_as_if_it_had_none() {
    let row = DiagRow {
        inode: 9,
        ..DiagRow::new(10, "127.0.0.1:80", "0.0.0.0:0")
    };
    // Nothing says that these are all processes.
    let recording = Recording::empty()
        .with("diag/tcp.nlmsg", [dump(&[row]), dump(&[])].concat())
        .with_process(7, b"other", &[]);
    let run = |args: &[&str]| portstat::run(&[&["--from", recording.path()], args].concat());
    let ran = run(&["-tln", "comm = nginx"]).exited(0);
    assert_eq!(ran.text().lines().count(), 1);
    assert!(
        ran.stderr.contains("owners of 1 socket are hidden"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("the filter asks for owners"),
        "{}",
        ran.stderr
    );
    let ran = run(&["-qtln", "comm = nginx"]).exited(4);
    assert!(ran.stderr.contains("hidden"), "{}", ran.stderr);
    run(&["-qtln", "comm != nginx"]).exited(0);
    // Nobody's owner decides here.
    run(&["-qtln", "comm = nginx and sport = :81"])
        .exited(1)
        .quietly();
    let document = run(&["-tln", "--json", "comm = nginx"]).json();
    assert_eq!(document["collection"]["complete"], false);
}

#[test]
fn live_processes_by_number_and_name() {
    in_namespace(|| {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let name = b"its own \"name\"";
        let holder = Holder::named(name, &[server.as_fd()]);
        let states = |collector, filter: &str| -> Vec<String> {
            let args = ["-tanH", "--columns", "state,peer_port", filter];
            let ran = portstat::run_by(collector, &args).exited(0);
            let mut lines: Vec<String> = ran.text().lines().map(str::to_owned).collect();
            lines.iter_mut().for_each(|line| line.truncate(6));
            lines.sort();
            lines.iter().map(|line| line.trim().to_owned()).collect()
        };
        for collector in Collector::BOTH {
            let own = process::id();
            assert_eq!(
                states(collector, &format!("pid = {}", holder.pid())),
                ["LISTEN"]
            );
            assert_eq!(
                states(collector, &format!("pid = {own}")),
                ["ESTAB", "LISTEN"]
            );
            // Nobody holds the connection that was not accepted.
            assert_eq!(states(collector, &format!("pid != {own}")), ["ESTAB"]);
            let named = r#"comm = "its own \"name\"""#;
            assert_eq!(states(collector, named), ["LISTEN"]);
            assert_eq!(
                states(collector, &format!("{named} and pid = {own}")),
                ["LISTEN"]
            );
        }
        let mut command = portstat::command(&["-tan", "pid > 0"]);
        without_rights(&mut command);
        let ran = portstat::finish(&mut command);
        assert!(ran.stderr.contains("hidden"), "{}", ran.stderr);
        drop(client);
    });
}
