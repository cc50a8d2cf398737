//! Interfaces that are down, and what is advised then.

use crate::answer::Answer;
use crate::ask::asked;
use crate::connecting::Connecting;
use crate::links::{ip, pair};
use crate::setup::run_fix;
use crate::support::namespace::{in_namespace, sysctl};
use crate::wanted::Wanted;

/// The first thing that is advised.
#[track_caller]
fn first_advice(answer: &Answer) -> &str {
    &answer.blockers[0].fixes[0].text
}

#[test]
fn loopback_that_is_down_is_to_be_switched_on() {
    in_namespace(|| {
        ip("link set lo down");
        // As it is in a new namespace.
        ip("addr flush dev lo");
        let bind = |address: &str| asked(&Wanted::tcp(address));
        let connect = |to: &str| Connecting::tcp("", to).asked_of_nobody();
        for address in ["127.0.0.1:8080", "127.9.9.9:8080", "[::1]:8080"] {
            bind(address)
                .exactly()
                .blocked_by("EADDRNOTAVAIL", "interface-down")
                .fixed_by(&["ip link set lo up"]);
        }
        let answer = connect("127.0.0.1:8080");
        let blocker = answer.blocked_by("ENETUNREACH", "interface-down");
        assert!(connect("[::1]:8080").has_cause("interface-down"));
        run_fix(blocker, "ip link set lo up");
        bind("127.0.0.1:8080").free();
        bind("[::1]:8080").free();
        connect("127.0.0.1:8080").free();
        connect("[::1]:8080").free();
    });
}

#[test]
fn an_interface_that_is_down_takes_its_networks_along() {
    in_namespace(|| {
        pair();
        ip("link set one down");
        // The address stays all the same.
        asked(&Wanted::tcp("10.9.8.1:8080")).free();
        let answer = Connecting::tcp("", "10.9.8.2:80").asked_of_nobody();
        let blocker = answer.blocked_by("ENETUNREACH", "interface-down");
        run_fix(blocker, "ip link set one up");
        Connecting::tcp("", "10.9.8.2:80").asked_of_nobody().free();
        // What is given to it meanwhile waits for it.
        ip("link set one down");
        ip("-6 addr add 2001:db8:9::7/64 dev one");
        let answer = asked(&Wanted::tcp("[2001:db8:9::7]:8080"));
        let blocker = answer.blocked_by("EADDRNOTAVAIL", "interface-down");
        blocker.fixed_by(&["ip link set one up"]);
        // Elsewhere nothing is to be switched on.
        let answer = Connecting::tcp("", "198.51.100.1:80").asked_of_nobody();
        answer.blocked_by("ENETUNREACH", "no-route");
    });
}

/// A socket that is bound to another interface gains nothing by it.
#[test]
fn an_interface_that_is_down_is_none_of_a_socket_on_another() {
    in_namespace(|| {
        pair();
        ip("link add three type veth peer name four");
        ip("link set three up");
        sysctl("net.ipv6.conf.one.keep_addr_on_down", "1");
        ip("link set one down");
        let ask = |to, device| Connecting::tcp("", to).on(device).asked_of_nobody();
        ask("[2001:db8:9::2]:80", "three").blocked_by("ENETUNREACH", "no-route");
        ask("[2001:db8:9::2]:80", "one").blocked_by("ENETUNREACH", "interface-down");
        // IPv4 takes everybody to be on the link where no route of it leads there.
        ask("10.9.8.2:80", "three").free();
    });
}

/// A rule refuses the way whether the interface is up or not.
#[test]
fn an_interface_that_is_down_is_not_all_where_a_rule_refuses() {
    in_namespace(|| {
        pair();
        ip("rule add to 10.9.8.0/24 unreachable");
        ip("link set one down");
        let answer = Connecting::tcp("", "10.9.8.2:80").asked_of_nobody();
        let blocker = answer.blocked_by("ENETUNREACH", "no-route");
        let helps = |begins: &str| {
            let commands = blocker
                .fixes
                .iter()
                .filter_map(|fix| fix.command.as_deref());
            commands
                .into_iter()
                .any(|command| command.starts_with(begins))
        };
        assert!(helps("ip rule") && helps("ip link set one up"));
        ip("rule del to 10.9.8.0/24 unreachable");
        let answer = Connecting::tcp("", "10.9.8.2:80").asked_of_nobody();
        answer.blocked_by("ENETUNREACH", "interface-down");
    });
}

#[test]
fn what_is_advised_first_helps() {
    in_namespace(|| {
        let answer = asked(&Wanted::tcp("192.0.2.5:8080"));
        assert!(first_advice(&answer).contains("address of this machine"));
        let answer = asked(&Wanted::tcp("[ff05::1]:8080"));
        assert!(first_advice(&answer).contains("address of this machine"));
        let answer = asked(&Wanted::tcp("[::ffff:127.0.0.1]:8080").v6only());
        assert!(first_advice(&answer).contains("IPV6_V6ONLY"));
        let answer = Connecting::tcp("192.0.2.5", "127.0.0.1:80").asked_of_nobody();
        assert!(first_advice(&answer).contains("leave it to the routes"));
        sysctl("net.ipv6.conf.all.disable_ipv6", "1");
        let answer = asked(&Wanted::tcp("[::1]:8080"));
        assert!(first_advice(&answer).contains("IPv4"));
    });
}
