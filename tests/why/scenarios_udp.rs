//! Ports that UDP draws beside sockets of the other family, or with which it would share.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use nix::sys::socket::SockType;

use crate::ask::asked;
use crate::connecting::{Connecting, with_ports};
use crate::scenarios_exhausted::check_exhausted;
use crate::setup::at;
use crate::support::socket::connect;
use crate::wanted::Wanted;

/// Sockets of UDP at an address, on as many ports of the range as there are in `ports`.
fn taken(addr: &str, ports: std::ops::Range<u16>) -> Vec<OwnedFd> {
    let one = |port| {
        let at = SocketAddr::new(addr.parse().unwrap(), port);
        Wanted::new(SockType::Datagram, at).really().unwrap()
    };
    ports.map(one).collect()
}

#[test]
fn sockets_of_one_family_leave_the_ports_of_the_other() {
    with_ports(4, |server| {
        let held = taken("127.0.0.1", 40_000..40_004);
        let v4 = Connecting::udp("", "127.0.0.1:9000");
        let v6 = Connecting::udp("", "[::1]:9000");
        check_exhausted(&v4.asked(server), "EAGAIN");
        check_exhausted(&v6.asked(server), "EAGAIN");
        v6.v6only().asked(server).free();
        drop(held);
        let _held = taken("::1", 40_000..40_004);
        let v6 = Connecting::udp("", "[::1]:9000");
        check_exhausted(&v6.asked(server), "EAGAIN");
        // Of no row it is told whether it refuses IPv4 too.
        assert_ne!(v4.asked(server).verdict, "blocked");
    });
}

#[test]
fn clients_of_one_family_do_not_exhaust_the_other() {
    with_ports(4, |server| {
        let _v4 = taken("127.0.0.1", 40_001..40_004);
        let v6 = taken("::1", 40_000..40_001);
        connect(&v6[0], at("[::1]:53")).unwrap();
        let answer = Connecting::udp("", "127.0.0.1:9000").asked(server);
        assert_ne!((&answer.verdict[..], answer.exact), ("blocked", true));
    });
}

#[test]
fn ports_that_may_be_shared_are_not_surely_taken() {
    with_ports(4, |server| {
        let one = |port| {
            let at = SocketAddr::from(([0, 0, 0, 0], port));
            let wanted = Wanted::new(SockType::Datagram, at).reuse_address();
            wanted.really().unwrap()
        };
        let _held: Vec<OwnedFd> = (40_000..40_004).map(one).collect();
        let wanted = Connecting::udp("", "127.0.0.1:9000");
        check_exhausted(&wanted.asked(server), "EAGAIN");
        let answer = wanted.reuse_address().asked(server);
        assert!(!answer.exact, "{}", answer.document);
    });
}

#[test]
fn a_mapped_wildcard_is_that_of_ipv4() {
    with_ports(4, |_| {
        let any = "[::ffff:0.0.0.0]:0";
        for kind in [SockType::Stream, SockType::Datagram] {
            asked(&Wanted::new(kind, at(any))).free();
            let one = |port| {
                let at = SocketAddr::from(([127, 0, 0, 1], port));
                Wanted::new(kind, at).really().unwrap()
            };
            let _held: Vec<OwnedFd> = (40_000..40_004).map(one).collect();
            check_exhausted(&asked(&Wanted::new(kind, at(any))), "EADDRINUSE");
        }
    });
}
