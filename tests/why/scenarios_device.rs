//! Ports that are drawn beside sockets bound to an interface, which only some meet.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

use nix::sys::socket::SockType;

use crate::ask::asked;
use crate::connecting::{Connecting, THERE, with_ports};
use crate::links::pair;
use crate::scenarios_exhausted::check_exhausted;
use crate::setup::at;
use crate::support::dial::{Connection, Server, set_port_range};
use crate::support::namespace::in_namespace;
use crate::support::socket::{accept, bind, bind_to_device, connect, open};
use crate::wanted::Wanted;

/// The first port and the last.
const RANGE: (u16, u16) = (40_000, 40_005);

/// A socket on each port of the range, bound to an interface.
fn fill(kind: SockType, device: &str) -> Vec<OwnedFd> {
    let socket = |port| {
        let fd = open(kind, Ipv4Addr::UNSPECIFIED.into());
        bind_to_device(&fd, device);
        bind(&fd, SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).unwrap();
        fd
    };
    (RANGE.0..=RANGE.1).map(socket).collect()
}

#[test]
fn ports_on_one_interface_are_free_on_another() {
    in_namespace(|| {
        pair();
        set_port_range(RANGE.0, RANGE.1);
        for kind in [SockType::Stream, SockType::Datagram] {
            let on = |device: &str| {
                let any = Wanted::new(kind, at("0.0.0.0:0"));
                let mut args = vec!["why".to_owned()];
                args.extend(any.args());
                args.push(format!("--dev={device}"));
                let ran = crate::ask::why(&args, crate::support::rights::Rights::Own);
                let answer = crate::answer::only_answer(&ran);
                let fd = any.opened();
                bind_to_device(&fd, device);
                crate::ask::check_verdict(&answer, bind(&fd, any.address));
                answer
            };
            let _held = fill(kind, "lo");
            on("one").free();
            check_exhausted(&on("lo"), "EADDRINUSE");
            check_exhausted(&asked(&Wanted::new(kind, at("0.0.0.0:0"))), "EADDRINUSE");
            asked(&Wanted::new(kind, at("[::1]:0"))).free();
        }
    });
}

#[test]
fn udp_that_draws_on_another_interface_finds_a_port() {
    in_namespace(|| {
        pair();
        set_port_range(RANGE.0, RANGE.1);
        let _held = fill(SockType::Datagram, "lo");
        let there = "10.9.8.2:80";
        Connecting::udp("", there)
            .on("one")
            .asked_of_nobody()
            .free();
        Connecting::udp("10.9.8.1", there)
            .on("one")
            .asked_of_nobody()
            .free();
        let answer = Connecting::udp("", there).asked_of_nobody();
        check_exhausted(&answer, "EAGAIN");
        // The scope of the destination comes after the port.
        let one = nix::net::if_::if_nametoindex("one").unwrap();
        let there = format!("[fe80::2%{one}]:80");
        check_exhausted(&Connecting::udp("", &there).asked_of_nobody(), "EAGAIN");
        Connecting::udp("", "[fe80::2]:80")
            .on("one")
            .asked_of_nobody()
            .free();
    });
}

/// Connections of sockets that are bound to an interface, one for each port.
fn connected(server: &Server, device: Option<&str>) -> Vec<Connection> {
    let one = |_| {
        let client = open(SockType::Stream, Ipv4Addr::LOCALHOST.into());
        if let Some(device) = device {
            bind_to_device(&client, device);
        }
        connect(&client, at(THERE)).unwrap();
        let server = accept(server.listener(at(THERE)));
        Connection { client, server }
    };
    (RANGE.0..=RANGE.1).map(one).collect()
}

#[test]
fn connections_on_an_interface_are_none_of_a_socket_without() {
    with_ports(6, |server| {
        let _held = connected(server, Some("lo"));
        let plain = Connecting::tcp("", THERE);
        // The server's ends would take the segments of one more for theirs.
        let answer = plain.asked_of_nobody();
        // Whoever bound first would leave the same rows.
        assert_eq!((&answer.verdict[..], answer.exact), ("unknown", false));
        plain.probe().asked_of_nobody().free();
        let answer = Connecting::tcp("", THERE).on("lo").asked(server);
        check_exhausted(&answer, "EADDRNOTAVAIL");
    });
}

#[test]
fn connections_without_an_interface_are_everybodys() {
    with_ports(6, |server| {
        let _held = connected(server, None);
        for wanted in [
            Connecting::tcp("", THERE),
            Connecting::tcp("", THERE).on("lo"),
        ] {
            check_exhausted(&wanted.asked(server), "EADDRNOTAVAIL");
        }
    });
}
