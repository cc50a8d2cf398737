//! Answers made by hand, for people and for programs.

mod advised;
mod holders;
mod parts;
mod remedies;
mod whole;

use std::net::IpAddr;
use std::time::Duration;

use super::*;
use crate::analyze::why::{
    Assumption, Blocker, Cause, Fix, Holding, Ipv6, Note, Operation, Query, Route, User,
};
use crate::analyze::{EphemeralSettings, PoolKey};
use crate::model::{
    Call, Condition, Endpoint, Ends, Gap, HiddenCause, Holder, Lineage, Owners, Parent, PortSet,
    Process, Processes, Publisher, Queues, Row, Socket, SocketFlags, State, Timer, TimerKind,
};
use crate::render::{Collection, Paint};

fn end(text: &str) -> Endpoint {
    let end: std::net::SocketAddr = text.parse().unwrap();
    Endpoint {
        addr: end.ip(),
        port: end.port(),
    }
}

fn socket(state: State, local: &str, peer: Option<&str>) -> Socket {
    let local = end(local);
    let none = Endpoint {
        addr: match local.addr {
            IpAddr::V4(_) => "0.0.0.0".parse().unwrap(),
            IpAddr::V6(_) => "::".parse().unwrap(),
        },
        port: 0,
    };
    let waits = state == State::TimeWait;
    Socket {
        protocol: Protocol::Tcp,
        state,
        v6only: None,
        ends: Ends::inet(local, peer.map_or(none, end)),
        interface: 0,
        queues: Queues::Bytes {
            unread: 0,
            unacknowledged: 0,
        },
        timer: waits.then_some(Timer {
            kind: TimerKind::Timewait,
            expires_ms: 41_000,
            retransmits: 0,
        }),
        uid: 0,
        inode: if waits { 0 } else { 7 },
        cookie: 1,
        netns: 0,
    }
}

fn query(addr: &str, port: u16) -> Query {
    Query {
        operation: Operation::Bind,
        protocol: Protocol::Tcp,
        addr: Some(addr.parse().unwrap()),
        port,
        device: None,
        device_by_destination: false,
        reuse_address: false,
        reuse_port: false,
        v6only: false,
        free_bind: false,
        user: User {
            uid: 0,
            is_anonymous: false,
            may_bind_low: Some(true),
        },
    }
}

fn blocker(cause: Cause, socket: Option<usize>, fixes: &[Fix]) -> Blocker {
    Blocker {
        cause,
        socket,
        frees_in: None,
        pool: None,
        fixes: fixes.to_vec(),
    }
}

fn blocked(query: Query, errno: Errno, blockers: Vec<Blocker>) -> Answer {
    Answer {
        query,
        outcome: Outcome::Blocked,
        errno: Some(errno),
        assumptions: Vec::new(),
        blockers,
        with_reuse_address: Some(Outcome::Blocked),
        notes: Vec::new(),
    }
}

/// A socket and the processes that hold it: pid, name, unit, parent, words.
type Held<'a> = (Socket, Vec<(u32, &'a str, &'a str, u32, &'a str)>);

/// What is told of answers; of the first socket's holders too.
struct Scene<'a> {
    sockets: Vec<Held<'a>>,
    answers: Vec<(Answer, Option<Probe>)>,
    machine: Machine,
    gaps: Vec<Gap>,
    user: Option<&'a str>,
    device: Option<&'a str>,
    at: Vec<&'a str>,
    published: Vec<(u32, Published)>,
    user_units: Vec<(u32, u32)>,
    reader: u32,
    root_is_outside: bool,
    anonymous: Option<u32>,
    entrance: Option<Entrance>,
    serves: Option<bool>,
    condition: Condition,
    pools: Vec<(PoolKey, PoolNotes)>,
}

impl<'a> Scene<'a> {
    fn new(sockets: Vec<Held<'a>>, answers: Vec<Answer>) -> Scene<'a> {
        let range = PortRange::new(32768, 60999).unwrap();
        let mut reserved = PortSet::new();
        reserved.insert(5000);
        Scene {
            sockets,
            answers: answers.into_iter().map(|answer| (answer, None)).collect(),
            machine: Machine {
                ports: Some(EphemeralSettings::new(range, reserved)),
                ..Machine::default()
            },
            gaps: Vec::new(),
            user: Some("root"),
            device: None,
            at: Vec::new(),
            published: Vec::new(),
            user_units: Vec::new(),
            reader: 0,
            root_is_outside: false,
            anonymous: None,
            entrance: None,
            serves: None,
            condition: Condition::Usual,
            pools: Vec::new(),
        }
    }

    fn existing(&self) -> Vec<Existing> {
        let existing = self.sockets.iter().map(|(socket, holders)| {
            let holders = holders.iter().map(|&(pid, _, _, parent, words)| {
                let words = words.split_terminator(' ');
                let lineage = Lineage {
                    command_line: Some(words.map(|word| word.as_bytes().to_vec()).collect()),
                    parent: Some(Parent {
                        pid: parent,
                        comm: if parent == 1 {
                            b"systemd".to_vec()
                        } else {
                            b"bash".to_vec()
                        },
                        ..Parent::default()
                    }),
                    serves: self.serves,
                    condition: self.condition,
                    ..Lineage::default()
                };
                (pid, lineage)
            });
            let holding = Holding::By(holders.collect());
            Existing::new(*socket, SocketFlags::default(), holding).unwrap()
        });
        existing.collect()
    }

    fn told(&self, write: impl Fn(&mut Vec<u8>, &WhyReport<'_>)) -> String {
        let mut processes = Processes::new();
        let mut holders: Vec<Vec<Holder>> = Vec::new();
        for (_, held) in &self.sockets {
            for &(pid, comm, unit, ..) in held {
                processes.insert(
                    pid,
                    Process {
                        comm: comm.as_bytes().to_vec(),
                        unit: (!unit.is_empty()).then(|| unit.as_bytes().to_vec()),
                        ..Process::default()
                    },
                );
            }
            holders.push(
                held.iter()
                    .map(|one| Holder { pid: one.0, fd: 6 })
                    .collect(),
            );
        }
        let rows = self
            .sockets
            .iter()
            .zip(&holders)
            .map(|((socket, _), holders)| Row {
                owners: match holders[..] {
                    [] if socket.inode == 0 => Owners::None,
                    [] => Owners::Hidden,
                    _ => Owners::Known {
                        holders,
                        processes: &processes,
                    },
                },
                user: (socket.inode != 0).then_some("root"),
                ..Row::bare(socket)
            });
        let rows: Vec<InetRow<'_>> = rows.map(|row| InetRow::new(row).unwrap()).collect();
        let existing = self.existing();
        let port = self.answers[0].0.query.port;
        let limits = self.machine.ports.as_ref();
        let report = WhyReport {
            document: Document {
                schema: "portstat.why.v1",
                host: Some("web01".to_owned()),
                taken_at: None,
                collection: Collection {
                    sources: Vec::new(),
                    gaps: self.gaps.clone(),
                },
            },
            netns: Some(4_026_531_840),
            entrance: self.entrance.clone(),
            answers: self.answers.clone(),
            sockets: &rows,
            existing: &existing,
            machine: &self.machine,
            port: (port != 0).then(|| PortContext {
                port,
                protocol: Protocol::Tcp,
                is_own: true,
                service: (port == 8080).then_some("http-alt"),
                description: (port == 8080).then_some("Alternative web"),
                range: limits.map(|limits| limits.range()),
                reserved: limits.is_some_and(|limits| limits.reserved_ports().contains(port)),
            }),
            pools: self.pools.clone(),
            elsewhere: Vec::new(),
            device: self.device.map(str::to_owned),
            at: self.at.iter().map(|name| (*name).to_owned()).collect(),
            user: self.user.map(str::to_owned),
            named: None,
            published: self.published.clone(),
            reader: self.reader,
            root_is_outside: self.root_is_outside,
            anonymous: self.anonymous,
            crowds: Crowds::default(),
            user_units: self.user_units.clone(),
        };
        let mut out = Vec::new();
        write(&mut out, &report);
        String::from_utf8(out).unwrap()
    }

    fn people(&self) -> String {
        self.told(|out, report| human(out, report, Paint::Plain, None))
    }

    fn program(&self) -> serde_json::Value {
        serde_json::from_str(&self.told(json)).unwrap()
    }
}

const MASTER: (u32, &str, &str, u32, &str) = (
    812,
    "nginx",
    "nginx.service",
    1,
    "nginx: master process /usr/sbin/nginx",
);
const WORKER: (u32, &str, &str, u32, &str) =
    (813, "nginx", "nginx.service", 812, "nginx: worker process");

fn dual_stack() -> Scene<'static> {
    let listener = socket(State::Listen, "[::]:8080", None);
    let with = |addr: &str, cause: Cause, fixes: &[Fix]| {
        let blocker = blocker(cause, Some(0), fixes);
        blocked(query(addr, 8080), Errno::AddressInUse, vec![blocker])
    };
    let fixes = [Fix::AnotherAddress, Fix::V6Only, Fix::StopOwner];
    Scene::new(
        vec![(listener, vec![MASTER, WORKER])],
        vec![
            with("0.0.0.0", Cause::DualStackListener, &fixes),
            with("::", Cause::Listener, &fixes[..1]),
        ],
    )
}
