//! Connects of sockets that are bound to an interface, which only its own routes serve.

use crate::connecting::Connecting;
use crate::links::{ip, pair};
use crate::support::namespace::in_namespace;

/// A second pair, `three` and `four`; of 2001:db8:2::/64 `three` has the first address. The default
/// route of IPv6 leads over `one`.
fn second_pair() {
    pair();
    ip("link add three type veth peer name four");
    ip("link set four up");
    ip("link set three up");
    ip("-6 addr add 2001:db8:2::1/64 dev three nodad");
    ip("-6 route add default via 2001:db8:9::200");
}

#[test]
fn routes_of_other_interfaces_do_not_lead_there() {
    in_namespace(|| {
        second_pair();
        for (source, to) in [
            ("", "[2001:db8:9::1]:9000"),
            ("", "[2001:db8:9::9]:9000"),
            ("", "[2001:db8:5::1]:9000"),
            ("2001:db8:2::1", "[2001:db8:9::1]:9000"),
            ("2001:db8:2::1", "[2001:db8:9::9]:9000"),
            ("2001:db8:2::1", "[2001:db8:5::1]:9000"),
        ] {
            let answer = Connecting::tcp(source, to).on("three").asked_of_nobody();
            answer.exactly().blocked_by("ENETUNREACH", "no-route");
            let answer = Connecting::udp(source, to).on("three").asked_of_nobody();
            answer.exactly().blocked_by("ENETUNREACH", "no-route");
        }
        let answer = Connecting::tcp("", "[2001:db8:9::1]:9000").on("lo");
        let answer = answer.asked_of_nobody();
        answer.exactly().blocked_by("ENETUNREACH", "no-route");
    });
}

#[test]
fn routes_of_the_interface_lead_there() {
    in_namespace(|| {
        second_pair();
        for (source, to, device) in [
            ("", "[2001:db8:9::1]:9000", "one"),
            ("", "[2001:db8:9::9]:9000", "one"),
            ("", "[2001:db8:5::1]:9000", "one"),
            ("2001:db8:9::1", "[2001:db8:9::1]:9000", "one"),
            ("2001:db8:9::1", "[2001:db8:9::9]:9000", "one"),
            ("2001:db8:9::1", "[2001:db8:5::1]:9000", "one"),
            ("", "[2001:db8:2::9]:9000", "three"),
            ("2001:db8:2::1", "[2001:db8:2::9]:9000", "three"),
            ("", "[::1]:9000", "lo"),
            ("::1", "[::1]:9000", "lo"),
        ] {
            let wanted = Connecting::tcp(source, to).on(device);
            wanted.asked_of_nobody().exactly().free();
        }
    });
}
