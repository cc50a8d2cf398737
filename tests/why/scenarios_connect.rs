//! Connects, by the numbers of the scenarios they are.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sys::socket::SockType;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::ReuseAddr;

use crate::answer::{Answer, array, only_answer};
use crate::ask::{asked, why};
use crate::connecting::Connecting;
use crate::setup::{ELSEWHERE, at, own_mark, own_name, own_pid, run_fix};
use crate::support::dial::{Connection, Server, Source, set_port_range, take_port};
use crate::support::namespace::{add_loopback_address, in_namespace, sysctl};
use crate::support::portstat;
use crate::support::rights::Rights;
use crate::support::socket::{accept, bind, connect, open};
use crate::wanted::Wanted;

/// The server everybody connects to.
const THERE: &str = "127.0.0.1:9000";
/// No port is left.
const EXHAUSTED: &str = "ephemeral-exhausted";

/// Runs a test where there is a server, and a few ports for its clients.
fn with_ports(count: u16, body: impl FnOnce(&Server)) {
    in_namespace(|| {
        set_port_range(40_000, 40_000 + count - 1);
        body(&Server::on(&[ELSEWHERE, ELSEWHERE + 1]));
    });
}

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

// Exhaustion.

#[track_caller]
fn check_exhausted(answer: &Answer, errno: &str) {
    let blocker = answer.exactly().blocked_by(errno, EXHAUSTED);
    assert!(blocker.socket.is_null(), "{}", answer.document);
    blocker.fixed_by(&["portstat ephemeral"]);
    let pool = &answer.document["blockers"][0]["pool"];
    assert_eq!(pool["free_max"], 0, "{}", answer.document);
    if pool["used"] == pool["time_wait"]
        && pool["blocked"] == 0
        && answer.document["probe"].is_null()
    {
        // Nobody can have these.
        return assert_eq!(pool["owners_status"], "none", "{}", answer.document);
    }
    assert_eq!(pool["owners_status"], "known", "{}", answer.document);
    let owner = &pool["owners"][0];
    let told = (&owner["comm"], &owner["pid"]);
    assert_eq!(told, (&own_name().into(), &own_pid().into()));
    assert_eq!(owner["ports"], pool["capacity"], "{}", answer.document);
}

/// As `portstat ephemeral` has it of the same pool.
#[test]
fn who_has_the_ports_and_what_helps_is_told() {
    with_ports(20, |server| {
        let (_held, _) = server.fill(Source::Any, at(THERE));
        let wanted = Connecting::tcp("", THERE);
        let answer = wanted.asked(server);
        let told = &answer.document["blockers"][0]["pool"];
        let args = ["ephemeral", "--json", "--src=127.0.0.1", "--dst", THERE];
        let document = portstat::run(&args).exited(2).json();
        let pool = &document["netns"][0]["pools"][0];
        for key in ["pool", "src", "dst", "used", "owners", "advice", "status"] {
            assert_eq!(told[key], pool[key], "{key}");
        }
        assert!(!array(told, "advice").is_empty());
        let ran = portstat::run(&wanted.args()).exited(1);
        let owner = format!("{} has 20 ports", own_mark());
        assert!(ran.text().contains(&owner), "{}", ran.text());
        let advice = "add source addresses";
        assert!(ran.text().contains(advice), "{}", ran.text());
    });
}

#[test]
fn when_the_first_port_is_free_is_told() {
    with_ports(4, |server| {
        sysctl("net.ipv4.tcp_tw_reuse", "0");
        let held = server.dial_many(4, Source::Any, at(THERE));
        held.into_iter().for_each(Connection::close_actively);
        let wanted = Connecting::tcp("", THERE);
        let answer = wanted.asked(server);
        let blocker = answer.exactly().blocked_by("EADDRNOTAVAIL", EXHAUSTED);
        assert!(
            matches!(blocker.frees_in_ms, Some(1..=60_000)),
            "{blocker:?}"
        );
        let pool = &answer.document["blockers"][0]["pool"];
        assert_eq!(
            (&pool["time_wait"], &pool["owners_status"]),
            (&4.into(), &"none".into())
        );
        let text = portstat::run(&wanted.args()).exited(1);
        for said in ["The first is free in about", "then the first port is free"] {
            assert!(text.text().contains(said), "{}", text.text());
        }
        // Once a connect takes over what waits, it is a matter of a moment.
        sysctl("net.ipv4.tcp_tw_reuse", "1");
        sysctl("net.ipv4.tcp_tw_reuse_delay", "59000");
        let answer = wanted.asked(server);
        let early = answer.blocked_by("EADDRNOTAVAIL", EXHAUSTED).frees_in_ms;
        let late = blocker.frees_in_ms;
        assert!(early < late && late.unwrap() - early.unwrap() >= 999);
    });
}

#[test]
fn a_connect_that_finds_no_port_is_exhaustion() {
    with_ports(20, |server| {
        let (held, error) = server.fill(Source::Any, at(THERE));
        assert_eq!((held.len(), error), (20, Errno::EADDRNOTAVAIL));
        check_exhausted(&Connecting::tcp("", THERE).asked(server), "EADDRNOTAVAIL");
        check_exhausted(
            &Connecting::tcp("127.0.0.1", THERE).asked(server),
            "EADDRNOTAVAIL",
        );
        // Elsewhere there is room, though nobody can tell whether bind drew these ports.
        Connecting::tcp("", "127.0.0.1:9001").asked(server);
        Connecting::tcp("127.0.0.9", THERE).asked(server);
        Connecting::tcp("127.0.0.1:5000", THERE)
            .asked(server)
            .free();
        // bind takes any port that no other socket of the address has.
        check_exhausted(
            &Connecting::tcp("127.0.0.1:0", THERE).asked(server),
            "EADDRINUSE",
        );
        let answer = asked(&Wanted::tcp("127.0.0.1:0"));
        check_exhausted(&answer, "EADDRINUSE");
        asked(&Wanted::tcp("127.0.0.9:0")).free();
        check_exhausted(&asked(&Wanted::tcp("0.0.0.0:0")), "EADDRINUSE");
        asked(&Wanted::udp("0.0.0.0:0")).free();
    });
}

/// Nobody can tell ports that bind drew from those that connect drew.
#[test]
fn what_cannot_be_told_is_said_and_can_be_tried() {
    with_ports(20, |server| {
        let (held, error) = server.fill(Source::Held([127, 0, 0, 9].into()), at(THERE));
        assert_eq!((held.len(), error), (20, Errno::EADDRINUSE));
        let wanted = Connecting::tcp("127.0.0.1", THERE);
        // Who bound first cannot be told from who did not.
        let answer = only_answer(&why(&wanted.args(), Rights::Own));
        assert_eq!((&answer.verdict[..], answer.exact), ("free", false));
        let ran = portstat::run(&wanted.args()).exited(0);
        check_exhausted(&wanted.probe().asked(server), "EADDRNOTAVAIL");
        // Their own pool is known.
        check_exhausted(
            &Connecting::tcp("127.0.0.9", THERE).asked(server),
            "EADDRNOTAVAIL",
        );
        // Whoever reads that it cannot be told reads how it can.
        assert!(ran.text().contains("--probe"), "{}", ran.text());
    });
}

/// Addresses of many can be bound; the kernel speaks from another.
#[test]
fn a_source_of_many_finds_a_port() {
    with_ports(20, |server| {
        for source in ["224.0.0.1", "255.255.255.255", "127.255.255.255"] {
            Connecting::tcp(source, THERE).asked(server).free();
            Connecting::udp(source, "127.0.0.1:53").asked(server).free();
        }
    });
}

#[test]
fn ports_of_connect_leave_room_for_others() {
    with_ports(20, |server| {
        let _held = server.dial_many(20, Source::NoPort([127, 0, 0, 9].into()), at(THERE));
        let wanted = Connecting::tcp("127.0.0.1", THERE);
        let answer = wanted.asked(server);
        assert_eq!((&answer.verdict[..], answer.exact), ("free", false));
        let ran = portstat::run(&wanted.args()).exited(0);
        assert!(ran.text().contains("--probe tells"), "{}", ran.text());
        wanted.probe().asked(server).free();
    });
}

#[test]
fn ports_that_listeners_have_are_none() {
    with_ports(2, |server| {
        let _listeners = Server::on(&[40_000, 40_001]);
        check_exhausted(&Connecting::tcp("", THERE).asked(server), "EADDRNOTAVAIL");
        let answer = Connecting::tcp("127.0.0.1:0", THERE).asked(server);
        check_exhausted(&answer, "EADDRINUSE");
    });
}

#[test]
fn udp_that_finds_no_port_is_told_to_try_again() {
    with_ports(20, |server| {
        let _held: Vec<OwnedFd> = (0..20)
            .map(|_| take_port(SockType::Datagram, Ipv4Addr::LOCALHOST.into()).unwrap())
            .collect();
        let there = "127.0.0.1:53";
        check_exhausted(&Connecting::udp("", there).asked(server), "EAGAIN");
        check_exhausted(&asked(&Wanted::udp("127.0.0.1:0")), "EADDRINUSE");
        asked(&Wanted::udp("127.0.0.9:0")).free();
        // TCP has ports of its own.
        Connecting::tcp("", THERE).asked(server).free();
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

#[test]
fn a_tuple_in_time_wait_can_be_destroyed() {
    with_ports(2, |server| {
        sysctl("net.ipv4.tcp_tw_reuse", "0");
        let (held, _) = server.fill(Source::Any, at(THERE));
        held.into_iter().for_each(Connection::close_actively);
        check_exhausted(&Connecting::tcp("", THERE).asked(server), "EADDRNOTAVAIL");
        let answer = asked(&Wanted::tcp("127.0.0.1:40000"));
        run_fix(answer.blocked_by("EADDRINUSE", "time-wait"), "ss -tK");
        Connecting::tcp("", THERE).asked(server).free();
    });
}

#[test]
fn a_range_that_is_reserved_has_no_ports() {
    with_ports(2, |server| {
        sysctl("net.ipv4.ip_local_reserved_ports", "40000-40001");
        check_exhausted(&Connecting::tcp("", THERE).asked(server), "EADDRNOTAVAIL");
        check_exhausted(&asked(&Wanted::tcp("127.0.0.1:0")), "EADDRINUSE");
        asked(&Wanted::tcp("127.0.0.1:40000")).free();
        let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, 0)).to_string();
        check_exhausted(&asked(&Wanted::tcp(&v6)), "EADDRINUSE");
    });
}
