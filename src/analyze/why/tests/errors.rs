//! Which errno comes first, for IPv4 and IPv6.

use super::*;
use crate::model::{Link, Links};

#[track_caller]
fn check_on(machine: &Machine, query: &str, existing: &[Existing], expected: &str) -> Answer {
    let answer = predict(&bind(query), existing, machine, None, true);
    assert_eq!(summary(&answer), expected, "{query}");
    answer
}

#[test]
fn ipv4_asks_for_the_address_then_the_privilege_then_the_port() {
    let busy = [listener("0.0.0.0:80")];
    check("0.0.0.0:80", &[], "EACCES privileged-port");
    check("0.0.0.0:80", &busy, "EACCES privileged-port listener");
    check("0.0.0.0:80 root", &busy, "EADDRINUSE listener");
    check(
        "192.0.2.5:80",
        &busy,
        "EADDRNOTAVAIL address-not-local privileged-port listener",
    );
    check("192.0.2.5:8080", &[], "EADDRNOTAVAIL address-not-local");
    check("192.0.2.5:8080 free", &[], "free");
}

#[test]
fn ipv6_asks_for_the_privilege_before_the_address() {
    let busy = [listener("[::]:80").with(v6only)];
    check(
        "[2001:db8::5]:80",
        &busy,
        "EACCES privileged-port address-not-local listener",
    );
    check("[2001:db8::5]:80 root free", &[], "free");
    check(
        "[ff02::1]:80",
        &[],
        "EINVAL address-unfit privileged-port address-unfit",
    );
    check(
        "[::ffff:192.0.2.5]:80 v6only",
        &[],
        "EACCES privileged-port address-unfit address-not-local",
    );
    check(
        "[::ffff:127.0.0.1]:8080 v6only",
        &[],
        "EINVAL address-unfit",
    );
    check("[::ffff:127.0.0.1]:8080", &[], "free");
}

#[test]
fn addresses_that_are_everybodys_need_not_be_local() {
    for query in [
        "0.0.0.0:8080",
        "[::]:8080",
        "224.0.0.1:8080",
        "255.255.255.255:8080",
        "[ff05::1]:8080 udp",
        "127.1.2.3:8080",
    ] {
        check(query, &[], "free");
    }
    check("0.1.2.3:8080", &[], "EADDRNOTAVAIL address-not-local");
}

#[test]
fn addresses_of_a_link_need_the_interface() {
    let answer = check("[fe80::1]:8080", &[], "EINVAL address-unfit");
    assert_eq!(answer.blockers[0].fixes, [Fix::NameDevice]);
    check("[fe80::1]:8080 dev", &[], "free");
    check("[fe80::2]:8080 dev", &[], "EADDRNOTAVAIL address-not-local");
    check("[ff02::1]:8080 udp", &[], "EINVAL address-unfit");
    check("[ff02::1]:8080 udp dev", &[], "free");
    // That of loopback too; others may be bound on any.
    check("[::1]:8080 dev", &[], "EADDRNOTAVAIL address-not-local");
    check("[2001:db8::1]:8080 dev", &[], "free");
}

#[test]
fn an_address_that_is_not_ready_cannot_be_bound() {
    let fixes = |duplicate| {
        let mut machine = machine();
        for local in machine.addresses.v6.iter_mut().flatten() {
            (local.tentative, local.duplicate) = (true, duplicate);
        }
        let expected = "EADDRNOTAVAIL address-tentative";
        let answer = check_on(&machine, "[2001:db8::1]:8080", &[], expected);
        check_on(&machine, "[2001:db8::1]:8080 free", &[], "free");
        answer.blockers[0].fixes.clone()
    };
    assert_eq!(fixes(false), [Fix::WaitForDad]);
    assert_eq!(fixes(true), [Fix::OwnAddress]);
}

#[test]
fn without_ipv6_there_is_the_wildcard_or_nothing() {
    let mut machine = machine();
    machine.ipv6 = Ipv6::Disabled;
    // An interface has it all the same.
    check_on(&machine, "[::1]:8080", &[], "free");
    machine.addresses.v6 = Some(Vec::new());
    check_on(&machine, "[::1]:8080", &[], "EADDRNOTAVAIL ipv6-disabled");
    check_on(&machine, "[::]:8080", &[], "free");
    machine.ipv6 = Ipv6::Absent;
    let nothing = "EAFNOSUPPORT ipv6-disabled";
    check_on(&machine, "[::]:8080", &[], nothing);
    check_on(&machine, "0.0.0.0:8080", &[], "free");
}

#[test]
fn settings_open_what_is_closed() {
    let mut machine = machine();
    machine.unprivileged_port_start = Some(80);
    check_on(&machine, "0.0.0.0:80", &[], "free");
    check_on(&machine, "0.0.0.0:79", &[], "EACCES privileged-port");
    machine.nonlocal_v4 = Some(true);
    check_on(&machine, "192.0.2.5:80", &[], "free");
    machine.nonlocal_v6 = Some(true);
    check_on(&machine, "[2001:db8::5]:80", &[], "free");
}

#[test]
fn what_cannot_be_read_is_assumed() {
    let unknown = Machine::default();
    let answer = check_on(
        &unknown,
        "127.0.0.1:80",
        &[],
        "EACCES privileged-port assumed",
    );
    assert_eq!(
        answer.assumptions,
        [Assumption::AddressIsLocal, Assumption::UsualPrivilegedPorts]
    );
    check_on(&unknown, "0.0.0.0:8080 root", &[], "free");
    let mut query = bind("0.0.0.0:80");
    query.user.may_bind_low = None;
    let answer = predict(&query, &[], &machine(), None, true);
    assert_eq!(answer.assumptions, [Assumption::NoCapability]);
    // Whatever the user may, the port is taken; only the errno hangs on it.
    let busy = [listener("0.0.0.0:80")];
    let answer = predict(&query, &busy, &machine(), None, true);
    assert_eq!(answer.outcome, Outcome::Blocked);
}

#[test]
fn settings_that_could_not_be_read_are_assumed_where_they_decide() {
    let mut machine = Machine {
        nonlocal_v4: None,
        nonlocal_v6: None,
        guesses_v6only: true,
        ..machine()
    };
    for query in ["192.0.2.5:8080", "[2001:db8::5]:8080"] {
        let answer = check_on(
            &machine,
            query,
            &[],
            "EADDRNOTAVAIL address-not-local assumed",
        );
        assert_eq!(answer.assumptions, [Assumption::NoNonlocalBind]);
    }
    check_on(&machine, "127.0.0.1:8080", &[], "free");
    let v4 = || listener("127.0.0.1:8080");
    let answer = check_on(
        &machine,
        "[::]:8080",
        &[v4()],
        "EADDRINUSE listener assumed",
    );
    assert_eq!(answer.assumptions, [Assumption::UsualV6Only]);
    let both = [v4(), listener("[::1]:8080")];
    check_on(&machine, "[::]:8080", &both, "EADDRINUSE listener listener");
    check_on(&machine, "0.0.0.0:8080", &[v4()], "EADDRINUSE listener");
    check_on(&machine, "[::]:8080", &[], "free");
    machine.hides_bound = true;
    let answer = check_on(&machine, "0.0.0.0:8080", &[], "free assumed");
    assert_eq!(answer.assumptions, [Assumption::NoBoundSockets]);
    check_on(&machine, "0.0.0.0:8080", &[v4()], "EADDRINUSE listener");
    check_on(&machine, "0.0.0.0:8080 udp", &[], "free");
}

#[test]
fn an_address_of_an_interface_without_ipv6_is_not_to_be_added() {
    let mut machine = machine();
    machine.addresses.v6.as_mut().unwrap().remove(0);
    check_on(
        &machine,
        "[::1]:8080",
        &[],
        "EADDRNOTAVAIL address-not-local",
    );
    machine.is_ipv6_off_there = true;
    let answer = check_on(&machine, "[::1]:8080", &[], "EADDRNOTAVAIL ipv6-disabled");
    assert_eq!(answer.blockers[0].fixes, [Fix::UseV4, Fix::EnableIpv6]);
}

#[test]
fn the_first_advice_is_one_that_helps() {
    let mut off = machine();
    (off.ipv6, off.addresses.v6) = (Ipv6::Disabled, Some(Vec::new()));
    let machine = machine();
    for (machine, query, first) in [
        (&machine, "192.0.2.5:8080", Fix::OwnAddress),
        (&machine, "0.0.0.0:80", Fix::UnprivilegedPort),
        (&machine, "[::ffff:127.0.0.1]:8080 v6only", Fix::TakeV4),
        (&machine, "[ff02::1]:8080 dev", Fix::OwnAddress),
        (&off, "[::1]:8080", Fix::UseV4),
    ] {
        let answer = predict(&bind(query), &[], machine, None, true);
        let fixes = &answer.blockers[0].fixes;
        assert_eq!(fixes.first(), Some(&first), "{query}");
        assert!(!fixes.contains(&Fix::AnotherAddress), "{query}");
    }
}

// Interfaces that are down, and VRFs.

fn link(index: u32, vrf: Option<u32>) -> Link {
    Link {
        index,
        vrf,
        is_up: true,
        ..Link::default()
    }
}

#[test]
fn an_address_of_an_interface_that_is_down_comes_with_it() {
    let mut machine = machine();
    machine.addresses = LocalAddresses {
        v4: Some(Vec::new()),
        v6: Some(Vec::new()),
    };
    let loopback = Link {
        is_loopback: true,
        is_up: false,
        ..link(LOOPBACK, None)
    };
    machine.links = Some(Links::new(vec![loopback]));
    for query in ["127.0.0.1:8080", "[::1]:8080", "127.9.9.9:8080"] {
        let answer = check_on(&machine, query, &[], "EADDRNOTAVAIL interface-down");
        let interface = LOOPBACK;
        assert_eq!(answer.blockers[0].fixes, [Fix::LinkUp { interface }]);
    }
    check_on(
        &machine,
        "10.9.0.1:80 root",
        &[],
        "EADDRNOTAVAIL address-not-local",
    );
}

/// A VRF, 9, with the ethernet, beside loopback.
fn with_vrf() -> Machine {
    let mut machine = machine();
    let links = vec![
        link(LOOPBACK, None),
        link(ETHERNET, Some(9)),
        link(9, Some(9)),
    ];
    machine.links = Some(Links::new(links));
    machine
}

#[test]
fn each_vrf_has_tcp_ports_of_its_own() {
    let mut machine = with_vrf();
    let on = |interface| listener("0.0.0.0:8080").with(|one| one.socket.interface = interface);
    for inside in [ETHERNET, 9] {
        let answer = check_on(&machine, "0.0.0.0:8080", &[on(inside)], "free assumed");
        assert_eq!(answer.assumptions, [Assumption::VrfsApart]);
    }
    check_on(&machine, "0.0.0.0:8080 dev", &[on(0)], "free assumed");
    check_on(
        &machine,
        "0.0.0.0:8080 dev",
        &[on(ETHERNET)],
        "EADDRINUSE listener",
    );
    check_on(&machine, "0.0.0.0:8080 dev", &[on(9)], "free");
    check_on(
        &machine,
        "0.0.0.0:8080",
        &[on(LOOPBACK)],
        "EADDRINUSE listener",
    );
    check_on(
        &machine,
        "0.0.0.0:8080",
        &[on(9), on(0)],
        "EADDRINUSE listener",
    );
    // UDP looks at interfaces alone.
    let datagrams = udp("0.0.0.0:8080").with(|one| one.socket.interface = 9);
    check_on(
        &machine,
        "0.0.0.0:8080 udp",
        &[datagrams],
        "EADDRINUSE udp-socket",
    );
    machine.shares_vrfs = Some(true);
    check_on(&machine, "0.0.0.0:8080", &[on(9)], "EADDRINUSE listener");
}

#[test]
fn each_vrf_has_addresses_of_its_own() {
    let machine = with_vrf();
    let answer = check_on(&machine, "127.0.0.1:8080 dev", &[], "free assumed");
    assert_eq!(answer.assumptions, [Assumption::AddressIsLocal]);
    let answer = check_on(
        &machine,
        "[2001:db8::1]:8080",
        &[],
        "EADDRNOTAVAIL address-not-local assumed",
    );
    assert_eq!(answer.assumptions, [Assumption::VrfsApart]);
    check_on(&machine, "[2001:db8::1]:8080 dev", &[], "free");
    check_on(&machine, "[::1]:8080", &[], "free");
}
