//! A namespace with few ports, and questions about them that portstat and the kernel both answer.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::SockType;

use crate::report::{Pool, report};
use crate::support::dial::{Connection, Server, Source, dial, fill, set_port_range, take_port};
use crate::support::holder::Holder;
use crate::support::namespace::in_namespace;

/// The ports there are, and how many.
pub const FIRST: u16 = 40_000;
pub const LAST: u16 = 40_019;
pub const ALL: u64 = 20;
/// Ports of servers, outside of them.
pub const S: u16 = 9000;
pub const S2: u16 = 9001;

/// Runs the test where there are twenty ports to draw, and two servers.
pub fn with_twenty_ports(body: impl FnOnce(&Server)) {
    in_namespace(|| {
        set_port_range(FIRST, LAST);
        body(&Server::on(&[S, S2]));
    });
}

/// `127.0.0.LAST`.
pub fn host(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

/// `127.0.0.1:PORT`.
pub fn local(port: u16) -> SocketAddr {
    SocketAddr::new(host(1), port)
}

/// Hands the clients of some connections over to a process of that name; the servers' ends are
/// returned.
pub fn given_to(name: &[u8], connections: Vec<Connection>) -> (Holder, Vec<OwnedFd>) {
    let fds: Vec<BorrowedFd<'_>> = connections
        .iter()
        .map(|connection| connection.client.as_fd())
        .collect();
    let holder = Holder::named(name, &fds);
    let servers = connections
        .into_iter()
        .map(|connection| connection.server)
        .collect();
    (holder, servers)
}

/// What portstat says of connects from `src` to `dst`.
#[track_caller]
pub fn asked(src: IpAddr, dst: SocketAddr) -> Pool {
    asked_with(src, dst, &[])
}

/// What portstat says of connects from `src` to `dst`, with more arguments.
#[track_caller]
pub fn asked_with(src: IpAddr, dst: SocketAddr, args: &[&str]) -> Pool {
    let (src, dst) = (src.to_string(), dst.to_string());
    let question = ["--src", &src, "--dst", &dst];
    let report = report(&[&question, args].concat());
    report.pool("tcp-connect", Some(&src), Some(&dst)).clone()
}

/// What portstat says of a pool that is not one of connects: of all that draw a port with
/// `bind()` on an address, or of the namespace. A pool that is not told of is empty.
#[track_caller]
pub fn free_to_bind(kind: &str, src: Option<IpAddr>) -> RangeInclusive<u64> {
    let src = src.map(|ip| ip.to_string());
    let mut question = vec!["--top", "1000"];
    question.extend(src.iter().flat_map(|src| ["--src", src]));
    let report = report(&question);
    match report.find(kind, src.as_deref(), None) {
        Some(pool) => pool.free_min..=pool.free_max,
        None => report.netns.capacity..=report.netns.capacity,
    }
}

/// By which way a client of that address leaves connect to choose the port.
pub fn source(src: IpAddr) -> Source {
    if src == host(1) {
        Source::Any
    } else {
        Source::NoPort(src)
    }
}

/// Insists that so many connects are possible: portstat knows it exactly, and the kernel allows
/// as many and not one more.
#[track_caller]
pub fn check_free(server: &Server, src: IpAddr, dst: SocketAddr, free: u64) {
    let pool = asked(src, dst);
    assert_eq!(
        (pool.free_min, pool.free, pool.free_max),
        (free, free, free),
        "{pool:?}"
    );
    assert_eq!(
        server.room(source(src), dst),
        (free as usize, Errno::EADDRNOTAVAIL)
    );
}

/// Insists that so many connects are possible, within bounds that portstat tells.
#[track_caller]
pub fn check_free_within(
    server: &Server,
    src: IpAddr,
    dst: SocketAddr,
    free: u64,
    bounds: RangeInclusive<u64>,
) {
    let pool = asked(src, dst);
    assert_eq!(pool.free_min..=pool.free_max, bounds, "{pool:?}");
    assert_eq!(
        server.room(source(src), dst),
        (free as usize, Errno::EADDRNOTAVAIL)
    );
}

/// Insists that `--probe` tells exactly how many connects are possible.
#[track_caller]
pub fn check_probed(src: IpAddr, dst: SocketAddr, free: u64) {
    let pool = asked_with(src, dst, &["--probe"]);
    assert_eq!(
        (pool.free_min, pool.free, pool.free_max),
        (free, free, free),
        "{pool:?}"
    );
}

/// How many sockets can still draw a port by `bind(ip, 0)`, and the error of the next.
pub fn room_to_bind(kind: SockType, ip: IpAddr) -> (u64, Errno) {
    let (taken, error) = fill(|| take_port(kind, ip));
    (taken.len() as u64, error)
}

/// How many UDP sockets can still be connected without `bind`, and the error of the next.
pub fn room_to_autobind(to: SocketAddr) -> (u64, Errno) {
    let (taken, error) = fill(|| dial(SockType::Datagram, Source::Any, to));
    (taken.len() as u64, error)
}
