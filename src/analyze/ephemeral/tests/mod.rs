//! The model, clause by clause, over rows made by hand.

mod connect;
mod empty;
mod interfaces;
mod others;

use super::*;
use crate::model::{
    Endpoint, Ends, PortRange, PortSet, Protocol, Queues, Socket, State, Timer, TimerKind,
};

fn settings(first: u16, last: u16, reserved: &[u16]) -> EphemeralSettings {
    let mut set = PortSet::new();
    reserved.iter().for_each(|&port| set.insert(port));
    EphemeralSettings::new(PortRange::new(first, last).unwrap(), set)
}

fn twenty() -> Ephemeral {
    Ephemeral::new(settings(40000, 40019, &[]))
}

fn endpoint(addr: &str, port: u16) -> Endpoint {
    Endpoint {
        addr: addr.parse().unwrap(),
        port,
    }
}

fn row(state: State, local: (&str, u16), peer: (&str, u16)) -> Socket {
    Socket {
        protocol: Protocol::Tcp,
        state,
        v6only: None,
        ends: Ends::inet(endpoint(local.0, local.1), endpoint(peer.0, peer.1)),
        interface: 0,
        queues: Queues::Bytes {
            unread: 0,
            unacknowledged: 0,
        },
        timer: None,
        uid: 0,
        inode: 0,
        cookie: 0,
        netns: 0,
    }
}

fn established(local: (&str, u16), peer: (&str, u16)) -> Socket {
    row(State::Established, local, peer)
}

fn listener(addr: &str, port: u16) -> Socket {
    let any = if addr.contains(':') { "::" } else { "0.0.0.0" };
    row(State::Listen, (addr, port), (any, 0))
}

fn udp(local: (&str, u16), peer: (&str, u16)) -> Socket {
    Socket {
        protocol: Protocol::Udp,
        ..established(local, peer)
    }
}

fn time_wait(local: (&str, u16), peer: (&str, u16), age_ms: u32) -> Socket {
    Socket {
        timer: Some(Timer {
            kind: TimerKind::Timewait,
            expires_ms: 60_000 - age_ms,
            retransmits: 0,
        }),
        ..row(State::TimeWait, local, peer)
    }
}

const SERVER: (&str, u16) = ("127.0.0.1", 9000);

/// The pool of a source towards a destination, whether or not anything uses it.
#[track_caller]
fn pool(count: &Ephemeral, source: &str, destination: (&str, u16)) -> Pool {
    let ask = Ask {
        source: Some(source.parse().unwrap()),
        destination: Some((destination.0.parse().unwrap(), Some(destination.1))),
    };
    let findings = count.judge(&ask, Thresholds::DEFAULT, 10);
    assert_eq!(findings.pools.len(), 1);
    findings.pools[0].clone()
}

fn free(count: &Ephemeral, source: &str, destination: (&str, u16)) -> (u32, u32, u32) {
    let pool = pool(count, source, destination);
    assert!(pool.free_min <= pool.free && pool.free <= pool.free_max);
    (pool.free_min, pool.free, pool.free_max)
}

fn all(count: &Ephemeral) -> Findings {
    count.judge(&Ask::ALL, Thresholds::DEFAULT, usize::MAX)
}

#[track_caller]
fn of_kind(count: &Ephemeral, kind: PoolKind, source: Option<&str>) -> Pool {
    let source = source.map(|source| source.parse().unwrap());
    let found = all(count).pools.into_iter().find(|pool| {
        pool.key.kind == kind && pool.key.source == source && pool.key.destination.is_none()
    });
    found.unwrap()
}

/// As connects fill a range: every second port from the first on, then the others.
fn connect_order(ports: u16) -> impl Iterator<Item = u16> {
    let firsts = (0..20).step_by(2);
    firsts
        .chain((1..20).step_by(2))
        .take(ports.into())
        .map(|offset| 40000 + offset)
}

fn connect(count: &mut Ephemeral, source: &str, destination: (&str, u16), ports: u16) {
    for port in connect_order(ports) {
        count.add(&established((source, port), destination));
    }
}
