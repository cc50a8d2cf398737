//! Connects, by the numbers of the scenarios they are.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use nix::sys::socket::SockType;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::ReuseAddr;

use crate::connecting::{Connecting, THERE, with_ports};
use crate::scenarios_exhausted::check_exhausted;
use crate::setup::{ELSEWHERE, at, listener};
use crate::support::dial::{Connection, Server, Source};
use crate::support::namespace::{add_loopback_address, in_namespace, sysctl};
use crate::support::socket::{accept, bind, connect, open};
use crate::wanted::Wanted;

/// Both ends of a connection from a port of the client's own choice.
#[track_caller]
fn connection_from(server: &Server, source: SocketAddr) -> Connection {
    server.dial(Source::Exactly(source), at(THERE)).unwrap()
}

/// A client that reuses addresses, at a port of its own choice.
fn reusing(source: SocketAddr) -> OwnedFd {
    let fd = open(SockType::Stream, source.ip());
    setsockopt(&fd, ReuseAddr, &true).unwrap();
    bind(&fd, source).unwrap();
    fd
}

// What is in nobody's way.

#[test]
fn a_connect_to_a_server_succeeds() {
    with_ports(20, |server| {
        for source in [
            "",
            "127.0.0.1",
            "127.0.0.9",
            "127.0.0.9:0",
            "127.0.0.9:5000",
        ] {
            let answer = Connecting::tcp(source, THERE).asked(server);
            answer.free();
            let query = &answer.query;
            assert_eq!(
                (&query["op"], &query["proto"]),
                (&"connect".into(), &"tcp".into())
            );
            assert_eq!(
                (&query["dst"], &query["dport"]),
                (&"127.0.0.1".into(), &9000.into())
            );
        }
        Connecting::tcp("", "[::1]:9000").asked(server).free();
        Connecting::tcp("", "[::ffff:127.0.0.1]:9000")
            .asked(server)
            .free();
        Connecting::udp("", "127.0.0.1:53").asked(server).free();
        Connecting::udp("127.0.0.9", "127.0.0.1:53")
            .asked(server)
            .free();
    });
}

// 35: IPv6 is off.

#[test]
fn a_connect_with_ipv6_off_is_no_exhaustion() {
    with_ports(20, |server| {
        sysctl("net.ipv6.conf.all.disable_ipv6", "1");
        let answer = Connecting::tcp("", "[::1]:9000").asked(server);
        answer.blocked_by("EADDRNOTAVAIL", "ipv6-disabled");
        assert!(!answer.has_cause("ephemeral-exhausted"));
        Connecting::tcp("", THERE).asked(server).free();
    });
}

// 36: the same connection twice.

#[test]
fn a_duplicate_tuple_is_no_exhaustion() {
    with_ports(20, |server| {
        let source = at("127.0.0.1:41000");
        let first = reusing(source);
        connect(&first, at(THERE)).unwrap();
        let answer = Connecting::tcp("127.0.0.1:41000", THERE)
            .reuse_address()
            .asked(server);
        let blocker = answer
            .exactly()
            .blocked_by("EADDRNOTAVAIL", "duplicate-tuple");
        blocker.is("ESTAB", "127.0.0.1", 41_000);
        // To another destination it is free.
        let other = Connecting::tcp("127.0.0.1:41000", "127.0.0.1:9001");
        other.reuse_address().asked(server).free();
        // Who does not reuse addresses gets no further than bind.
        let answer = Connecting::tcp("127.0.0.1:41000", THERE).asked(server);
        answer.blocked_first_by("EADDRINUSE", "outgoing-connection");
    });
}

#[test]
fn nobody_is_told_to_reuse_a_port_for_the_same_connection() {
    with_ports(20, |server| {
        let first = reusing(at("127.0.0.1:41000"));
        connect(&first, at(THERE)).unwrap();
        let reuse = |to: &str| {
            let answer = Connecting::tcp("127.0.0.1:41000", to).asked(server);
            answer.blocked_first_by("EADDRINUSE", "outgoing-connection");
            let mut fixes = answer.blockers.iter().flat_map(|one| &one.fixes);
            fixes.any(|fix| fix.text.contains("SO_REUSEADDR"))
        };
        assert!(!reuse(THERE));
        assert!(reuse("127.0.0.1:9001"));
    });
}

#[test]
fn a_tuple_in_time_wait_is_taken_over() {
    with_ports(20, |server| {
        sysctl("net.ipv4.tcp_tw_reuse", "0");
        let source = at("127.0.0.1:41000");
        let client = reusing(source);
        connect(&client, at(THERE)).unwrap();
        let server_end = accept(server.listener(at(THERE)));
        let connection = Connection {
            client,
            server: server_end,
        };
        connection.close_actively();
        let again = Connecting::tcp("127.0.0.1:41000", THERE).reuse_address();
        // Whether bind succeeds hangs on flags that nobody may read; what follows on timestamps.
        let answer = again.asked(server);
        assert!(!answer.exact, "{}", answer.document);
    });
}

// What is no exhaustion either.

#[test]
fn a_source_of_nobody_here_is_not_available() {
    with_ports(20, |server| {
        for source in ["192.0.2.5", "192.0.2.5:0", "192.0.2.5:5000"] {
            let answer = Connecting::tcp(source, THERE).asked(server);
            answer.blocked_first_by("EADDRNOTAVAIL", "address-not-local");
            assert!(
                !answer.has_cause("ephemeral-exhausted"),
                "{}",
                answer.document
            );
        }
    });
}

#[test]
fn a_destination_without_a_route_is_unreachable() {
    with_ports(20, |server| {
        for there in ["198.51.100.1:80", "[2001:db8::1]:80"] {
            for wanted in [Connecting::tcp("", there), Connecting::udp("", there)] {
                let answer = wanted.asked(server);
                answer.blocked_by("ENETUNREACH", "no-route");
            }
        }
    });
}

#[test]
fn the_source_is_that_which_the_routes_choose() {
    with_ports(20, |server| {
        add_loopback_address(1, [10, 9, 0, 1].into());
        let there = SocketAddr::from(([10, 9, 0, 1], ELSEWHERE));
        let _held = server.dial_many(20, Source::Any, there);
        let answer = Connecting::tcp("", "10.9.0.1:9000").asked(server);
        check_exhausted(&answer, "EADDRNOTAVAIL");
        let pool = "from 10.9.0.1 to 10.9.0.1:9000";
        let explanation = &answer.blockers[0].explanation;
        assert!(explanation.contains(pool), "{explanation}");
    });
}

#[test]
fn a_low_source_port_is_refused_to_who_may_not() {
    with_ports(20, |server| {
        let low = Connecting::tcp("127.0.0.1:80", THERE);
        low.asked(server).free();
    });
}

#[test]
fn a_source_port_that_a_listener_has_is_in_use() {
    with_ports(20, |server| {
        let answer = Connecting::tcp("127.0.0.1:9001", THERE).asked(server);
        let blocker = answer
            .exactly()
            .blocked_by("EADDRINUSE", "dual-stack-listener");
        blocker.is("LISTEN", "::", 9001);
        let held = connection_from(server, at("127.0.0.1:5000"));
        let answer = Connecting::tcp("127.0.0.1:5000", THERE).asked(server);
        answer.blocked_first_by("EADDRINUSE", "outgoing-connection");
        drop(held);
    });
}

/// A socket of both families takes its port from both, wherever it connects to.
#[test]
fn a_source_of_both_families_is_bound_to_both() {
    in_namespace(|| {
        let to = "[::ffff:127.0.0.1]:9000";
        let ask = |source: &str| Connecting::tcp(source, to).asked_of_nobody();
        let _v6 = listener(at("[::1]:5001"));
        let v6only = Wanted::tcp("[::]:5002").v6only();
        let _v6only = v6only.really().unwrap();
        for source in ["[::]:5001", "[::]:5002"] {
            ask(source).exactly().blocked_by("EADDRINUSE", "listener");
        }
        for source in ["[::]:5003", "::", "[::]:0", "[::ffff:127.0.0.1]:5001"] {
            ask(source).free();
        }
        Connecting::tcp("::", to).probe().asked_of_nobody().free();
        sysctl("net.ipv6.bindv6only", "1");
        ask("[::]:5003").blocked_by("ENETUNREACH", "address-unfit");
    });
}
