//! The predictor, clause by clause, over sockets made by hand.

mod causes;
mod connect;
mod errors;
mod fixes;
mod flags;
mod heed;
mod lineage;
mod matrix;
mod pools;

use super::*;
use crate::model::{
    Call, Endpoint, Ends, LocalAddresses, LocalRoute, LocalV6, PortRange, PortSet, Protocol,
    Queues, State, Timer, TimerKind,
};

const LOOPBACK: u32 = 1;
const ETHERNET: u32 = 2;

fn addr(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// `127.0.0.1:80`, `[::1]:80`; `*` and `[*]` have no port.
fn endpoint(text: &str) -> Endpoint {
    let (addr, port) = match text {
        "*" => (addr("0.0.0.0"), 0),
        "[*]" => (addr("::"), 0),
        _ => {
            let socket: std::net::SocketAddr = text.parse().unwrap();
            (socket.ip(), socket.port())
        }
    };
    Endpoint { addr, port }
}

fn settings(first: u16, last: u16, reserved: &[u16]) -> crate::analyze::EphemeralSettings {
    let mut set = PortSet::new();
    reserved.iter().for_each(|&port| set.insert(port));
    crate::analyze::EphemeralSettings::new(PortRange::new(first, last).unwrap(), set)
}

/// A machine with 127.0.0.0/8, 10.9.0.1, `::1`, 2001:db8::1 and fe80::1, and twenty ports to draw.
fn machine() -> Machine {
    let route = |network: &str, prefix, interface| LocalRoute {
        network: network.parse().unwrap(),
        prefix,
        interface,
    };
    let v6 = |addr: &str, interface| LocalV6 {
        addr: addr.parse().unwrap(),
        interface,
        tentative: false,
        duplicate: false,
    };
    Machine {
        addresses: LocalAddresses {
            v4: Some(vec![
                route("127.0.0.0", 8, LOOPBACK),
                route("10.9.0.1", 32, ETHERNET),
            ]),
            v6: Some(vec![
                v6("::1", LOOPBACK),
                v6("2001:db8::1", ETHERNET),
                v6("fe80::1", ETHERNET),
            ]),
        },
        unprivileged_port_start: Some(1024),
        nonlocal_v4: Some(false),
        nonlocal_v6: Some(false),
        autobind_reuse: Some(false),
        ports: Some(settings(40000, 40019, &[])),
        ..Machine::default()
    }
}

fn row(state: State, local: &str, peer: &str) -> Existing {
    let ends = InetEnds {
        local: endpoint(local),
        peer: endpoint(peer),
    };
    Existing {
        ends,
        socket: Socket {
            protocol: Protocol::Tcp,
            state,
            v6only: None,
            ends: Ends::Inet(ends),
            interface: 0,
            queues: Queues::Bytes {
                unread: 0,
                unacknowledged: 0,
            },
            timer: None,
            uid: 0,
            inode: 77,
            cookie: 0,
            netns: 0,
        },
        flags: SocketFlags {
            reuse_address: Some(false),
            reuse_port: Some(false),
            v6only: Some(false),
        },
        holding: Holding::Unknown,
    }
}

fn listener(local: &str) -> Existing {
    row(
        State::Listen,
        local,
        if local.contains('[') { "[*]" } else { "*" },
    )
}

fn bound(local: &str) -> Existing {
    Existing {
        socket: Socket {
            state: State::BoundInactive,
            ..listener(local).socket
        },
        ..listener(local)
    }
}

fn established(local: &str, peer: &str) -> Existing {
    row(State::Established, local, peer)
}

fn time_wait(local: &str, peer: &str, expires_ms: u32) -> Existing {
    let existing = row(State::TimeWait, local, peer);
    Existing {
        socket: Socket {
            inode: 0,
            timer: Some(Timer {
                kind: TimerKind::Timewait,
                expires_ms,
                retransmits: 0,
            }),
            ..existing.socket
        },
        holding: Holding::Nobody,
        ..existing
    }
}

fn udp(local: &str) -> Existing {
    let existing = listener(local);
    Existing {
        socket: Socket {
            protocol: Protocol::Udp,
            state: State::Close,
            ..existing.socket
        },
        ..existing
    }
}

/// Changes of a socket, one after another.
trait With: Sized {
    fn with(self, change: impl FnOnce(&mut Self)) -> Self;
}

impl<T> With for T {
    fn with(mut self, change: impl FnOnce(&mut T)) -> T {
        change(&mut self);
        self
    }
}

fn ra(existing: &mut Existing) {
    existing.flags.reuse_address = Some(true);
}

fn rp(existing: &mut Existing) {
    existing.flags.reuse_port = Some(true);
}

fn v6only(existing: &mut Existing) {
    existing.socket.v6only = Some(true);
    existing.flags.v6only = Some(true);
}

fn orphan(existing: &mut Existing) {
    existing.socket.inode = 0;
    existing.holding = Holding::Nobody;
}

/// A TCP bind: `0.0.0.0:8080`, and after that any of `ra`, `rp`, `v6only`, `udp`, `free`, `dev`,
/// `other` (user) and `root`, who may bind every port.
fn bind(text: &str) -> Query {
    let mut words = text.split(' ');
    let local = endpoint(words.next().unwrap());
    let mut query = Query {
        operation: Operation::Bind,
        protocol: Protocol::Tcp,
        addr: Some(local.addr),
        port: local.port,
        device: None,
        device_by_destination: false,
        reuse_address: false,
        reuse_port: false,
        v6only: false,
        free_bind: false,
        user: User {
            uid: 0,
            is_anonymous: false,
            may_bind_low: Some(false),
        },
    };
    for word in words {
        match word {
            "ra" => query.reuse_address = true,
            "rp" => query.reuse_port = true,
            "v6only" => query.v6only = true,
            "udp" => query.protocol = Protocol::Udp,
            "free" => query.free_bind = true,
            "dev" => query.device = Some(ETHERNET),
            "other" => query.user.uid = 65534,
            "root" => query.user.may_bind_low = Some(true),
            _ => panic!("{word}?"),
        }
    }
    query
}

fn ask(query: &str, existing: &[Existing]) -> Answer {
    predict(&bind(query), existing, &machine(), None, true)
}

/// What an answer comes to, in one line: `free`, `EADDRINUSE listener`, `assumed` at the end where
/// something was.
fn summary(answer: &Answer) -> String {
    let mut words = Vec::new();
    words.push(match (answer.outcome, answer.errno) {
        (Outcome::Blocked, Some(errno)) => errno.to_string(),
        (outcome, _) => outcome.name().to_owned(),
    });
    let causes = answer.blockers.iter().map(|one| one.cause.name());
    words.extend(causes.map(str::to_owned));
    words.extend((!answer.assumptions.is_empty()).then(|| "assumed".to_owned()));
    words.join(" ")
}

/// A bind, what is there, and what comes of it.
#[track_caller]
fn check(query: &str, existing: &[Existing], expected: &str) -> Answer {
    let answer = ask(query, existing);
    assert_eq!(summary(&answer), expected, "{query}");
    answer
}
