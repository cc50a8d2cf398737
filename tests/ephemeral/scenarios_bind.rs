//! Ports that UDP and `bind()` draw, and namespaces, by the numbers of the scenarios they are.

use std::net::{Ipv6Addr, SocketAddr};
use std::thread;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::SockType;

use crate::report::report;
use crate::setup::{
    ALL, FIRST, LAST, S, asked, check_free, free_to_bind, host, local, room_to_autobind,
    room_to_bind, with_twenty_ports,
};
use crate::support::dial::{Server, Source, dial, fill, set_port_range, take_port};
use crate::support::namespace::loopback_up;

/// Where UDP sockets are connected to; nobody need be there.
const NAMES: u16 = 53;

// 11, 12: UDP.

#[test]
fn udp_that_binds_itself_draws_from_one_pool_for_all() {
    with_twenty_ports(|server| {
        let (held, error) = fill(|| dial(SockType::Datagram, Source::Any, local(NAMES)));
        assert_eq!((held.len(), error), (20, Errno::EAGAIN));
        assert_eq!(free_to_bind("udp-autobind", None), 0..=0);
        let found = report(&[]);
        let pool = found.pool("udp-autobind", None, None);
        assert_eq!((pool.used, pool.percent), (20, 100.0));
        assert_eq!((&found.status[..], found.code), ("critical", 2));
        // To any destination.
        for dst in [local(54), SocketAddr::new(host(2), NAMES)] {
            assert_eq!(room_to_autobind(dst), (0, Errno::EAGAIN));
        }
        check_free(server, host(1), local(S), ALL);
        assert_eq!(free_to_bind("tcp-bind", Some(host(1))), ALL..=ALL);
    });
}

#[test]
fn udp_bound_to_one_address_leaves_another_free() {
    with_twenty_ports(|_| {
        let (held, error) = fill(|| take_port(SockType::Datagram, host(9)));
        assert_eq!((held.len(), error), (20, Errno::EADDRINUSE));
        assert_eq!(free_to_bind("udp-bind", Some(host(9))), 0..=0);
        assert_eq!(free_to_bind("udp-autobind", None), 0..=0);
        assert_eq!(free_to_bind("udp-bind", Some(host(10))), ALL..=ALL);
        assert_eq!(room_to_autobind(local(NAMES)), (0, Errno::EAGAIN));
        assert_eq!(
            room_to_bind(SockType::Datagram, host(10)),
            (ALL, Errno::EADDRINUSE)
        );
    });
}

#[test]
fn udp_of_ipv6_may_or_may_not_be_in_the_way() {
    with_twenty_ports(|_| {
        let dst = SocketAddr::from((Ipv6Addr::LOCALHOST, NAMES));
        let held: Vec<_> = (0..4)
            .map(|_| dial(SockType::Datagram, Source::Any, dst).unwrap())
            .collect();
        assert_eq!(held.len(), 4);
        let free = free_to_bind("udp-autobind", None);
        assert!(free.contains(&16), "{free:?}");
        assert_eq!(room_to_autobind(local(NAMES)), (16, Errno::EAGAIN));
    });
}

// bind(address, 0) of TCP.

#[test]
fn tcp_binds_draw_from_a_pool_for_each_address() {
    with_twenty_ports(|server| {
        let _held = server.dial_many(20, Source::Any, local(S));
        assert_eq!(free_to_bind("tcp-bind", Some(host(1))), 0..=0);
        assert_eq!(free_to_bind("tcp-bind", Some(host(77))), ALL..=ALL);
        assert_eq!(
            room_to_bind(SockType::Stream, host(1)),
            (0, Errno::EADDRINUSE)
        );
        assert_eq!(
            room_to_bind(SockType::Stream, host(77)),
            (ALL, Errno::EADDRINUSE)
        );
    });
}

#[test]
fn a_wildcard_is_in_the_way_of_every_address() {
    with_twenty_ports(|_| {
        let wildcard = [0, 0, 0, 0].into();
        let _held: Vec<_> = (0..5)
            .map(|_| take_port(SockType::Stream, wildcard).unwrap())
            .collect();
        assert_eq!(free_to_bind("tcp-bind", Some(host(1))), 15..=15);
        assert_eq!(
            room_to_bind(SockType::Stream, host(1)),
            (15, Errno::EADDRINUSE)
        );
    });
}

#[test]
fn time_wait_is_never_reused_by_bind() {
    with_twenty_ports(|server| {
        crate::support::namespace::sysctl("net.ipv4.tcp_tw_reuse", "1");
        crate::support::namespace::sysctl("net.ipv4.tcp_tw_reuse_delay", "1");
        for connection in server.dial_many(6, Source::Any, local(S)) {
            connection.close_actively();
        }
        assert_eq!(free_to_bind("tcp-bind", Some(host(1))), 14..=14);
        assert_eq!(
            room_to_bind(SockType::Stream, host(1)),
            (14, Errno::EADDRINUSE)
        );
    });
}

// 19: two namespaces.

#[test]
fn a_full_namespace_leaves_another_free() {
    with_twenty_ports(|server| {
        let _held = server.dial_many(20, Source::Any, local(S));
        let here = report(&[]);
        assert_eq!(here.status, "critical");
        let there = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            loopback_up();
            set_port_range(FIRST, LAST);
            let server = Server::on(&[S]);
            check_free(&server, host(1), local(S), ALL);
            let _held = server.dial_many(3, Source::Any, local(S));
            check_free(&server, host(1), local(S), 17);
            report(&[])
        });
        let there = there.join().unwrap();
        assert_eq!(there.status, "ok");
        let id = |document: &serde_json::Value| document["netns"][0]["id"].as_u64().unwrap();
        assert_ne!(id(&here.document), id(&there.document));
        assert_eq!(asked(host(1), local(S)).free_max, 0);
    });
}
