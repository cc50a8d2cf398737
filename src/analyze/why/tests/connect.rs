//! Connects: exhaustion told from everything else.

use super::*;
use crate::analyze::{PoolKind, TimeWaitReuse};

/// `127.0.0.1:0 > 127.0.0.1:9000 ra`: the source as in a bind, `-` for none; `first` binds port 0
/// before it connects.
fn query(text: &str) -> Query {
    let (source, rest) = text.split_once(" > ").unwrap();
    let mut words = rest.split(' ');
    let destination = endpoint(words.next().unwrap());
    let flags: Vec<&str> = words.collect();
    let binds_first = flags.contains(&"first");
    let flags: Vec<&str> = flags.into_iter().filter(|word| *word != "first").collect();
    let given = (source != "-").then_some(source);
    let line = [&[given.unwrap_or("0.0.0.0:0")], &flags[..]]
        .concat()
        .join(" ");
    let query = bind(&line);
    Query {
        operation: Operation::Connect {
            destination,
            binds_first,
        },
        addr: given.and(query.addr),
        ..query
    }
}

#[derive(Default)]
struct Given<'a> {
    /// Those of the whole machine.
    counted: &'a [Existing],
    /// Those on the source's port.
    existing: &'a [Existing],
    route: Option<Route>,
}

#[track_caller]
fn check(text: &str, given: &Given<'_>, expected: &str) -> Answer {
    let machine = Machine {
        route: given.route,
        ..machine()
    };
    check_on(&machine, text, given, expected)
}

#[track_caller]
fn check_on(machine: &Machine, text: &str, given: &Given<'_>, expected: &str) -> Answer {
    let mut ports = Ephemeral::new(settings(40000, 40019, &[]));
    for existing in given.counted {
        ports.add(&existing.socket);
    }
    let answer = predict(&query(text), given.existing, machine, Some(&ports), true);
    assert_eq!(summary(&answer), expected, "{text}");
    assert_eq!(answer.with_reuse_address, None);
    answer
}

fn each(make: impl Fn(u16) -> Existing) -> Vec<Existing> {
    (40000..40020).map(make).collect()
}

const EXHAUSTED: &str = "EADDRNOTAVAIL ephemeral-exhausted";

#[test]
fn a_full_tuple_is_exhausted() {
    let full = each(|port| established(&format!("127.0.0.1:{port}"), "127.0.0.1:9000"));
    let given = Given {
        counted: &full,
        ..Given::default()
    };
    let answer = check("127.0.0.1:0 > 127.0.0.1:9000", &given, EXHAUSTED);
    let pool = answer.blockers[0].pool.as_ref().unwrap();
    assert_eq!((pool.key.kind, pool.free_max), (PoolKind::TcpConnect, 0));
    // Others may have them, unless they were bound first, which no row tells.
    let answer = check("127.0.0.1:0 > 127.0.0.1:9001", &given, "unknown assumed");
    assert_eq!(answer.assumptions, [Assumption::PortsOfOthers]);
    assert_eq!(answer.notes, [Note::BindPoolEmpty]);
    let half = Given {
        counted: &full[..10],
        ..Given::default()
    };
    check("127.0.0.1:0 > 127.0.0.1:9000", &half, "free");
}

#[test]
fn the_source_that_routes_choose_is_the_one_that_they_tell() {
    let full = each(|port| established(&format!("127.0.0.1:{port}"), "127.0.0.1:9000"));
    let given = |counted| Given {
        counted,
        route: Some(Route::From(Some(addr("127.0.0.1")))),
        ..Given::default()
    };
    check("- > 127.0.0.1:9000", &given(&full), EXHAUSTED);
    check("- > 127.0.0.1:9000", &given(&full[1..]), "free");
    let unknown = Given {
        counted: &full,
        ..Given::default()
    };
    check("- > 127.0.0.1:9000", &unknown, "unknown assumed");
}

#[test]
fn a_source_that_is_bound_first_draws_from_its_own_pool() {
    let full = each(|port| bound(&format!("127.0.0.9:{port}")));
    let given = Given {
        counted: &full,
        ..Given::default()
    };
    let answer = check(
        "127.0.0.9:0 > 127.0.0.1:9000 first",
        &given,
        "EADDRINUSE ephemeral-exhausted",
    );
    assert_eq!(
        answer.blockers[0].fixes,
        [Fix::BindNoPort, Fix::SeeEphemeral]
    );
    check("127.0.0.8:0 > 127.0.0.1:9000 first", &given, "free");
    // What is bound keeps its port from every connect.
    check("127.0.0.8:0 > 127.0.0.1:9000", &given, EXHAUSTED);
}

#[test]
fn udp_draws_from_one_pool_before_it_asks_for_the_way() {
    let full = each(|port| udp(&format!("0.0.0.0:{port}")));
    let given = Given {
        counted: &full,
        route: Some(Route::None(Errno::NetworkUnreachable)),
        ..Given::default()
    };
    check(
        "- > 203.0.113.1:53 udp",
        &given,
        "EAGAIN ephemeral-exhausted no-route",
    );
    // A port that was named needs none.
    let named = Given {
        counted: &full,
        ..Given::default()
    };
    check("127.0.0.1:5000 > 127.0.0.1:53 udp", &named, "free");
    check(
        "127.0.0.9:0 > 127.0.0.1:53 udp first",
        &named,
        "EADDRINUSE ephemeral-exhausted",
    );
}

#[test]
fn a_connection_that_exists_is_not_exhaustion() {
    let same = |existing: Existing| [existing.with(ra)];
    let there = same(established("127.0.0.1:41000", "127.0.0.1:9000"));
    let given = |existing| Given {
        existing,
        ..Given::default()
    };
    let text = "127.0.0.1:41000 > 127.0.0.1:9000";
    let ra = format!("{text} ra");
    let answer = check(&ra, &given(&there), "EADDRNOTAVAIL duplicate-tuple");
    assert_eq!(
        answer.blockers[0].fixes,
        [Fix::AnotherSourcePort, Fix::CloseConnection]
    );
    // Without the flag bind fails before.
    let both = "EADDRINUSE outgoing-connection duplicate-tuple";
    check(text, &given(&there), both);
    check(
        "127.0.0.1:41000 > 127.0.0.1:9001 ra",
        &given(&there),
        "free",
    );
    // TIME-WAIT gives way where it had timestamps.
    let left = same(time_wait("127.0.0.1:41000", "127.0.0.1:9000", 9_000));
    let answer = check(&ra, &given(&left), "free assumed");
    assert_eq!(answer.assumptions, [Assumption::TimeWaitTakenOver]);
    let mut machine = machine();
    machine.ports = Some(settings(40000, 40019, &[]).with_reuse(TimeWaitReuse {
        timestamps: false,
        ..TimeWaitReuse::DEFAULT
    }));
    let blocked = "EADDRNOTAVAIL duplicate-tuple";
    check_on(&machine, &ra, &given(&left), blocked);
}

#[test]
fn the_way_is_asked_for_before_the_port() {
    let full = each(|port| bound(&format!("127.0.0.1:{port}")));
    for (errno, expected) in [
        (
            Errno::NetworkUnreachable,
            "ENETUNREACH no-route ephemeral-exhausted",
        ),
        (
            Errno::HostUnreachable,
            "EHOSTUNREACH no-route ephemeral-exhausted",
        ),
        (Errno::AccessDenied, "EACCES no-route ephemeral-exhausted"),
        (Errno::Invalid, "EINVAL no-route ephemeral-exhausted"),
        // It fails, with an errno that has no name here.
        (Errno::Other(5), "errno 5 no-route ephemeral-exhausted"),
    ] {
        let given = Given {
            counted: &full,
            route: Some(Route::None(errno)),
            ..Given::default()
        };
        check("127.0.0.1:0 > 203.0.113.1:80", &given, expected);
    }
}

#[test]
fn ipv6_that_is_off_is_not_exhaustion() {
    let mut machine = machine();
    machine.ipv6 = Ipv6::Disabled;
    machine.addresses.v6 = Some(Vec::new());
    machine.route = Some(Route::None(Errno::NetworkUnreachable));
    let given = Given::default();
    let off = "EADDRNOTAVAIL ipv6-disabled";
    check_on(&machine, "- > [::1]:9000", &given, off);
    check_on(&machine, "- > [::1]:9000 udp", &given, off);
}

#[test]
fn the_source_must_be_bindable() {
    let given = Given::default();
    check(
        "192.0.2.5:0 > 127.0.0.1:9000",
        &given,
        "EADDRNOTAVAIL address-not-local",
    );
    let foreign = check(
        "192.0.2.5:0 > 127.0.0.1:9000",
        &given,
        "EADDRNOTAVAIL address-not-local",
    );
    assert_eq!(
        foreign.blockers[0].fixes,
        [Fix::OwnAddress, Fix::AddAddress]
    );
    check(
        "127.0.0.1:80 > 127.0.0.1:9000",
        &given,
        "EACCES privileged-port",
    );
    let busy = [listener("127.0.0.1:5000")];
    let busy = Given {
        existing: &busy,
        ..Given::default()
    };
    check(
        "127.0.0.1:5000 > 127.0.0.1:9000",
        &busy,
        "EADDRINUSE listener",
    );
}

/// Bound to the address of many, a socket speaks from the one that routes choose.
#[test]
fn the_source_of_many_is_no_source() {
    let full = each(|port| established(&format!("127.0.0.1:{port}"), "127.0.0.1:9000"));
    let given = |counted| Given {
        counted,
        route: Some(Route::From(Some(addr("127.0.0.1")))),
        ..Given::default()
    };
    for source in ["224.0.0.1:0", "255.255.255.255:0"] {
        let text = format!("{source} > 127.0.0.1:9000");
        check(&text, &given(&full), EXHAUSTED);
        check(&text, &given(&full[1..]), "free");
    }
}

/// No route leads TCP to many.
#[test]
fn a_destination_of_many_is_not_in_want_of_a_route() {
    let given = Given {
        route: Some(Route::None(Errno::NetworkUnreachable)),
        ..Given::default()
    };
    let answer = check("- > 224.0.0.1:80", &given, "ENETUNREACH address-unfit");
    assert_eq!(answer.blockers[0].fixes, [Fix::OneHost]);
}

#[test]
fn some_destinations_have_no_connections() {
    let given = Given::default();
    check("- > 224.0.0.1:80", &given, "ENETUNREACH address-unfit");
    check("- > [ff05::1]:80", &given, "ENETUNREACH address-unfit");
    check("- > [fe80::2]:80", &given, "EINVAL address-unfit");
    check("- > 0.0.0.0:80", &given, "free");
}

#[test]
fn no_connection_leads_to_the_broadcast_address_of_a_network() {
    let broadcast = Given {
        route: Some(Route::Broadcast(Some(addr("10.9.0.1")))),
        ..Given::default()
    };
    let unfit = |errno: &str| format!("{errno} address-unfit");
    let answer = check("- > 10.9.0.255:80", &broadcast, &unfit("ENETUNREACH"));
    assert_eq!(answer.blockers[0].fixes, [Fix::OneHost]);
    let answer = check("- > 10.9.0.255:80 udp", &broadcast, &unfit("EACCES"));
    assert_eq!(answer.blockers[0].fixes, [Fix::AllowBroadcast]);
}

#[test]
fn where_no_route_could_be_asked_for_one_is_assumed() {
    let unknown = Given::default();
    for to in ["192.0.2.1:80", "127.255.255.255:80", "[2001:db8::9]:80"] {
        let answer = check(&format!("- > {to}"), &unknown, "free assumed");
        assert_eq!(answer.assumptions, [Assumption::RouteExists]);
    }
    // To itself a machine has one.
    for to in ["127.0.0.9:80", "[::1]:80", "0.0.0.0:80", "[::]:80"] {
        check(&format!("- > {to}"), &unknown, "free");
    }
}

#[test]
fn nowhere_is_here() {
    for (destination, source, expected) in [
        ("0.0.0.0", None, "127.0.0.1"),
        ("0.0.0.0", Some("10.9.0.1"), "10.9.0.1"),
        ("0.0.0.0", Some("0.0.0.0"), "127.0.0.1"),
        ("::", None, "::1"),
        ("::", Some("2001:db8::1"), "::1"),
        ("::ffff:0.0.0.0", None, "::ffff:127.0.0.1"),
        ("::ffff:0.0.0.0", Some("::ffff:10.9.0.1"), "::ffff:10.9.0.1"),
        ("10.9.0.1", Some("127.0.0.1"), "10.9.0.1"),
        ("2001:db8::1", None, "2001:db8::1"),
    ] {
        let reached = reached(addr(destination), source.map(addr));
        assert_eq!(reached, addr(expected), "{destination} from {source:?}");
    }
}

#[test]
fn ipv6_that_is_off_on_lo_only_is_no_lack_of_a_route() {
    let mut machine = machine();
    let addresses = machine.addresses.v6.as_mut().unwrap();
    addresses.retain(|local| !local.addr.is_loopback());
    machine.route = Some(Route::None(Errno::NetworkUnreachable));
    let to_itself = "- > [::1]:80";
    let given = Given::default();
    check_on(&machine, to_itself, &given, "ENETUNREACH no-route");
    machine.is_ipv6_off_there = true;
    check_on(&machine, to_itself, &given, "ENETUNREACH ipv6-disabled");
    // The kernel misses an address of its own first.
    machine.addresses.v6 = Some(Vec::new());
    check_on(&machine, to_itself, &given, "EADDRNOTAVAIL ipv6-disabled");
    machine.is_ipv6_off_there = false;
    check_on(&machine, to_itself, &given, "EADDRNOTAVAIL no-route");
}
