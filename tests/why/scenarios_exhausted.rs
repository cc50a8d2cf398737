//! Connects that find no port, by the numbers of the scenarios they are.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sys::socket::SockType;

use crate::answer::{Answer, array, only_answer};
use crate::ask::{asked, why};
use crate::connecting::{Connecting, THERE, with_ports};
use crate::setup::{at, own_mark, own_name, own_pid, run_fix};
use crate::support::dial::{Connection, Server, Source, take_port};
use crate::support::namespace::sysctl;
use crate::support::portstat;
use crate::support::rights::Rights;
use crate::wanted::Wanted;

/// No port is left.
const EXHAUSTED: &str = "ephemeral-exhausted";

#[track_caller]
pub fn check_exhausted(answer: &Answer, errno: &str) {
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
        assert_eq!((&answer.verdict[..], answer.exact), ("unknown", false));
        let ran = portstat::run(&wanted.args()).exited(3);
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
        // The same rows as of those that bound first.
        assert_eq!((&answer.verdict[..], answer.exact), ("unknown", false));
        let ran = portstat::run(&wanted.args()).exited(3);
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

#[test]
fn a_tuple_in_time_wait_can_be_destroyed() {
    with_ports(2, |server| {
        sysctl("net.ipv4.tcp_tw_reuse", "0");
        let (held, _) = server.fill(Source::Any, at(THERE));
        held.into_iter().for_each(Connection::close_actively);
        check_exhausted(&Connecting::tcp("", THERE).asked(server), "EADDRNOTAVAIL");
        let answer = asked(&Wanted::tcp("127.0.0.1:40000"));
        run_fix(answer.blocked_by("EADDRINUSE", "time-wait"), "portstat -tK");
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
