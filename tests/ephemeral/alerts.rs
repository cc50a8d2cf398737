//! What is an alarm and what is not, and to whom it points.

use std::process;

use crate::report::{Owner, Report, report};
use crate::setup::{ALL, FIRST, LAST, S, S2, asked, given_to, host, local, with_twenty_ports};
use crate::support::dial::{Server, Source, set_port_range, take_port};
use crate::support::holder::without_rights;
use crate::support::namespace::in_namespace;
use crate::support::population::raise_descriptor_limit;
use crate::support::portstat::{self, Ran};

/// What portstat prints for people.
#[track_caller]
fn human(args: &[&str]) -> Ran {
    portstat::run(&[&["ephemeral"], args].concat())
}

#[test]
fn two_thousand_clients_of_a_server_are_no_alarm() {
    in_namespace(|| {
        raise_descriptor_limit();
        let server = Server::on(&[443]);
        // Clients on other machines draw from their own ports: here, from others than ours.
        set_port_range(20_000, 20_499);
        let mut clients = Vec::new();
        for client in 1..=4 {
            let source = Source::NoPort([127, 0, 1, client].into());
            clients.extend(server.dial_many(500, source, local(443)));
        }
        set_port_range(FIRST, LAST);
        assert_eq!(clients.len(), 2000);
        let found = report(&[]);
        assert_eq!((&found.status[..], found.code), ("ok", 0));
        assert!(
            found.netns.pools.iter().all(|pool| pool.percent == 0.0),
            "{}",
            found.document
        );
        let quiet = human(&["--quiet"]).exited(0).quietly();
        assert_eq!(quiet.text(), "");
    });
}

#[test]
fn a_full_destination_is_named_with_its_owner() {
    with_twenty_ports(|server| {
        let connections = server.dial_many(20, Source::Any, local(S));
        let (holder, _servers) = given_to(b"pgbouncer", connections);
        let found = report(&[]);
        assert_eq!((&found.status[..], found.code), ("critical", 2));
        let worst = &found.netns.pools[0];
        assert_eq!(worst.percent, 100.0);
        let pool = found.pool("tcp-connect", Some("127.0.0.1"), Some("127.0.0.1:9000"));
        let owner = Owner {
            comm: "pgbouncer".to_owned(),
            pid: holder.pid().into(),
            ports: ALL,
        };
        assert_eq!(pool.owners, [owner]);
        assert!(!pool.advice.is_empty());

        let ran = human(&[]).exited(2);
        let (first, rest) = ran.text().split_once('\n').unwrap();
        // It may be all that is read of a mail.
        assert!(first.to_lowercase().contains("critical"), "{first}");
        assert!(first.contains("127.0.0.1:9000"), "{first}");
        assert!(ran.text().contains(&format!("pgbouncer[{}]", holder.pid())));
        assert!(rest.contains("20"), "{rest}");
        assert!(!ran.text().contains('\x1b'), "{}", ran.text());
    });
}

#[test]
fn the_owner_of_the_most_ports_comes_first() {
    with_twenty_ports(|server| {
        let most = server.dial_many(12, Source::Any, local(S));
        let (first, _servers) = given_to(b"first", most);
        let fewer = server.dial_many(4, Source::Any, local(S));
        let (second, _more_servers) = given_to(b"second", fewer);
        let _own = server.dial_many(1, Source::Any, local(S));
        let owners: Vec<(u64, u64)> = asked(host(1), local(S))
            .owners
            .iter()
            .map(|owner| (owner.pid, owner.ports))
            .collect();
        let pids = [first.pid(), second.pid(), process::id()].map(u64::from);
        assert_eq!(owners, [(pids[0], 12), (pids[1], 4), (pids[2], 1)]);
    });
}

#[test]
fn quiet_says_nothing_when_all_is_well_and_everything_when_not() {
    with_twenty_ports(|server| {
        let _held = server.dial_many(15, Source::Any, local(S));
        let ran = human(&["--quiet"]).exited(0).quietly();
        assert_eq!(ran.text(), "");
        assert_ne!(human(&[]).exited(0).text(), "");
        let _more = server.dial_many(5, Source::Any, local(S));
        let (quiet, human) = (human(&["--quiet"]).exited(2), human(&[]).exited(2));
        assert_ne!(quiet.text(), "");
        assert_eq!(quiet.text(), human.text());
    });
}

/// Insists on a status, and on the exit code that goes with it in every format.
#[track_caller]
fn check_status(args: &[&str], status: &str, code: i32) {
    let found = report(args);
    assert_eq!((&found.status[..], found.code), (status, code), "{args:?}");
    for format in ["human", "nagios", "prometheus", "json"] {
        let args = [&["ephemeral", "--format", format], args].concat();
        portstat::run(&args).exited(code);
    }
}

#[test]
fn exit_codes_are_those_of_the_status() {
    with_twenty_ports(|server| {
        check_status(&[], "ok", 0);
        let mut held = server.dial_many(15, Source::Any, local(S));
        check_status(&[], "ok", 0);
        check_status(&["--warn", "75"], "warning", 1);
        check_status(&["--warn", "50", "--crit", "75"], "critical", 2);
        held.extend(server.dial_many(1, Source::Any, local(S)));
        check_status(&[], "warning", 1);
        check_status(&["--warn", "81"], "ok", 0);
        held.extend(server.dial_many(2, Source::Any, local(S)));
        check_status(&[], "warning", 1);
        held.extend(server.dial_many(1, Source::Any, local(S)));
        check_status(&[], "critical", 2);
        check_status(&["--crit", "96"], "warning", 1);
    });
}

#[test]
fn asked_for_a_pool_nobody_uses_it_answers() {
    with_twenty_ports(|_| {
        let pool = asked(host(7), local(7777));
        assert_eq!((pool.used, pool.free, pool.percent), (0, ALL, 0.0));
        let pool = asked(
            [0, 0, 0, 0, 0, 0, 0, 1].into(),
            "[::1]:7777".parse().unwrap(),
        );
        assert_eq!((pool.used, pool.free, pool.percent), (0, ALL, 0.0));
    });
}

#[test]
fn a_destination_alone_is_asked_for_from_every_source() {
    with_twenty_ports(|server| {
        let _plain = server.dial_many(3, Source::Any, local(S));
        let _other = server.dial_many(2, Source::NoPort(host(9)), local(S));
        let _elsewhere = server.dial_many(1, Source::Any, local(S2));
        for dst in ["127.0.0.1", "127.0.0.1:9000"] {
            let found = report(&["--dst", dst]);
            let used = |src: &str| {
                let pool = found.pool("tcp-connect", Some(src), Some("127.0.0.1:9000"));
                pool.used
            };
            assert_eq!((used("127.0.0.1"), used("127.0.0.9")), (3, 2));
            let elsewhere = found.find("tcp-connect", Some("127.0.0.1"), Some("127.0.0.1:9001"));
            assert_eq!(elsewhere.is_some(), dst == "127.0.0.1");
        }
        let found = report(&["--src", "127.0.0.9"]);
        let of_others = found
            .netns
            .pools
            .iter()
            .filter(|pool| pool.src.as_deref().is_some_and(|src| src != "127.0.0.9"))
            .count();
        assert_eq!(of_others, 0, "{}", found.document);
        let connects = found.find("tcp-connect", Some("127.0.0.9"), Some("127.0.0.1:9000"));
        assert_eq!(connects.map(|pool| pool.used), Some(2));
    });
}

#[test]
fn top_bounds_what_is_shown_and_not_the_status() {
    with_twenty_ports(|server| {
        let mut held = Vec::new();
        for (index, count) in [(1, 19), (2, 8), (3, 5), (4, 3), (5, 2)] {
            held.extend(server.dial_many(count, Source::NoPort(host(index)), local(S)));
        }
        let all = report(&["--top", "1000"]);
        assert!(all.netns.pools.len() >= 5, "{}", all.document);
        for top in [1, 2, 3] {
            let some = report(&["--top", &top.to_string()]);
            assert_eq!((&some.status[..], some.code), ("critical", 2));
            assert_eq!(some.netns.pools, all.netns.pools[..top]);
        }
        let lines = |top: &str| human(&["--top", top]).exited(2).text().lines().count();
        assert!(lines("1") < lines("5"));
    });
}

#[test]
fn without_rights_the_percentages_are_the_same() {
    with_twenty_ports(|server| {
        let _full = server.dial_many(19, Source::Any, local(S));
        let _bound = take_port(nix::sys::socket::SockType::Stream, host(4)).unwrap();
        let _held = server.dial_many(2, Source::Held(host(9)), local(S2));
        let privileged = report(&[]);
        let mut command = portstat::command(&["ephemeral", "--json"]);
        without_rights(&mut command);
        let unprivileged = Report::of(&portstat::finish(&mut command));
        assert_eq!(unprivileged.status, "critical");
        let figures = |report: &Report| {
            let figures = report.netns.pools.iter().map(|pool| {
                let key = (pool.kind.clone(), pool.src.clone(), pool.dst.clone());
                let free = (pool.free_min, pool.free, pool.free_max);
                (key, pool.used, free, pool.percent, pool.status.clone())
            });
            figures.collect::<Vec<_>>()
        };
        assert_eq!(figures(&unprivileged), figures(&privileged));
        let pool = unprivileged.pool("tcp-connect", Some("127.0.0.1"), Some("127.0.0.1:9000"));
        assert_eq!(pool.owners, []);

        let mut command = portstat::command(&["ephemeral", "--format", "nagios"]);
        without_rights(&mut command);
        let ran = portstat::finish(&mut command).exited(2);
        assert!(
            ran.text().starts_with("PORTS CRITICAL - "),
            "{}",
            ran.text()
        );
    });
}

#[test]
fn a_recording_is_judged_as_it_was() {
    with_twenty_ports(|server| {
        let connections = server.dial_many(17, Source::Any, local(S));
        let (_holder, _servers) = given_to(b"pgbouncer", connections);
        let _held = server.dial_many(1, Source::Held(host(9)), local(S2));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recording");
        let path = path.to_str().unwrap();
        portstat::run(&["record", path]).exited(0);
        let (live, later) = (report(&[]), report(&["--from", path]));
        assert_eq!(live.status, "warning");
        assert_eq!(later.status, live.status);
        assert_eq!(later.document["netns"], live.document["netns"]);
        let ran = human(&["--from", path]).exited(1);
        assert_eq!(ran.text(), human(&[]).exited(1).text());
    });
}

#[test]
fn a_listener_in_the_range_is_pointed_out() {
    with_twenty_ports(|_| {
        let _in_range = Server::on(&[40_010]);
        let ran = human(&[]).exited(0);
        let line = |text: &str| ran.text().lines().any(|line| line.contains(text));
        assert!(line("40010"), "{}", ran.text());
        let own = format!("[{}]", process::id());
        assert!(line(&own), "{}", ran.text());
        assert!(line("ip_local_reserved_ports"), "{}", ran.text());
        crate::support::namespace::sysctl("net.ipv4.ip_local_reserved_ports", "40010");
        let ran = human(&[]).exited(0);
        assert!(!ran.text().contains("40010"), "{}", ran.text());
    });
}
