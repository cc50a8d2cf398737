//! Addresses that can be bound, and those that cannot, by the numbers of the scenarios they are.

use crate::ask::asked;
use crate::links::ip;
use crate::setup::{at, served};
use crate::support::namespace::{add_loopback_address, in_namespace, sysctl};
use crate::wanted::Wanted;

// 33: whose address it is.

#[test]
fn an_address_of_nobody_here_is_not_available() {
    in_namespace(|| {
        for new in [
            "192.0.2.5:8080",
            "[2001:db8::5]:8080",
            "[::ffff:192.0.2.5]:8080",
        ] {
            for wanted in [Wanted::tcp(new), Wanted::udp(new)] {
                let answer = asked(&wanted);
                answer.exactly().with_reuse_address(Some("blocked"));
                let blocker = answer.blocked_by("EADDRNOTAVAIL", "address-not-local");
                assert!(blocker.socket.is_null(), "{}", answer.document);
                blocker.fixed_by(&["IP_FREEBIND"]);
                blocker.fixed_by(&["ip addr add"]);
                asked(&wanted.free_bind()).free();
            }
        }
        // It decides over what is on the port, too.
        let _old = served(Wanted::tcp("0.0.0.0:8080"));
        let answer = asked(&Wanted::tcp("192.0.2.5:8080"));
        answer.blocked_first_by("EADDRNOTAVAIL", "address-not-local");
        assert!(answer.has_cause("listener"), "{}", answer.document);
        let answer = asked(&Wanted::tcp("192.0.2.5:8080").free_bind());
        answer.blocked_by("EADDRINUSE", "listener");
    });
}

#[test]
fn the_machine_may_let_all_addresses_be_bound() {
    in_namespace(|| {
        sysctl("net.ipv4.ip_nonlocal_bind", "1");
        asked(&Wanted::tcp("192.0.2.5:8080")).free();
        let answer = asked(&Wanted::tcp("[2001:db8::5]:8080"));
        answer.blocked_by("EADDRNOTAVAIL", "address-not-local");
        sysctl("net.ipv6.ip_nonlocal_bind", "1");
        asked(&Wanted::tcp("[2001:db8::5]:8080")).free();
    });
}

#[test]
fn every_kind_of_local_address_can_be_bound() {
    in_namespace(|| {
        add_loopback_address(1, [10, 9, 0, 1].into());
        for new in [
            "10.9.0.1:8080",
            "10.9.0.77:8080",
            "10.255.255.255:8080",
            "10.0.0.0:8080",
            "127.255.255.255:8080",
            "127.8.9.10:8080",
            "224.0.0.1:8080",
            "255.255.255.255:8080",
            "0.1.2.3:8080",
            "11.0.0.1:8080",
            "240.0.0.1:8080",
        ] {
            asked(&Wanted::tcp(new));
            asked(&Wanted::udp(new));
        }
    });
}

#[test]
fn ipv6_addresses_are_judged_as_the_kernel_does() {
    in_namespace(|| {
        for new in [
            "[fe80::1]:8080",
            "[fe80::1%1]:8080",
            "[ff02::1]:8080",
            "[ff02::1%1]:8080",
            "[ff05::1]:8080",
            "[::ffff:0.0.0.0]:8080",
            "[::ffff:224.0.0.1]:8080",
            "[::127.0.0.1]:8080",
        ] {
            for v6only in [false, true] {
                for kind in [Wanted::tcp, Wanted::udp] {
                    asked(&Wanted {
                        v6only,
                        ..kind(new)
                    });
                }
            }
        }
    });
}

#[test]
fn with_ipv6_off_its_addresses_are_not_available() {
    in_namespace(|| {
        sysctl("net.ipv6.conf.all.disable_ipv6", "1");
        let answer = asked(&Wanted::tcp("[::1]:8080"));
        answer.blocked_by("EADDRNOTAVAIL", "ipv6-disabled");
        asked(&Wanted::tcp("[::]:8080")).free();
        asked(&Wanted::tcp("127.0.0.1:8080")).free();
    });
}

// Duplicate address detection.

#[test]
fn an_address_that_may_be_somebody_elses_is_not_available_yet() {
    in_namespace(|| {
        ip("link add one type veth peer name two");
        // Nobody answers as long as the other end is down, and so it stays undecided.
        ip("link set one up");
        ip("-6 addr add 2001:db8:1::7/64 dev one");
        let new = "[2001:db8:1::7]:8080";
        for wanted in [Wanted::tcp(new), Wanted::udp(new)] {
            let answer = asked(&wanted);
            let blocker = answer
                .exactly()
                .blocked_by("EADDRNOTAVAIL", "address-tentative");
            assert!(blocker.socket.is_null(), "{}", answer.document);
            asked(&wanted.free_bind()).free();
        }
        ip("-6 addr add 2001:db8:1::8/64 dev one nodad");
        asked(&Wanted::tcp("[2001:db8:1::8]:8080")).free();
        // An IPv4 address of an interface without a carrier is local at once.
        ip("addr add 10.9.8.7/24 dev one");
        asked(&Wanted::tcp("10.9.8.7:8080")).free();
        let broadcast = asked(&Wanted::tcp("10.9.8.255:8080"));
        assert_eq!(
            broadcast.errno.is_some(),
            Wanted::tcp("10.9.8.255:8080").bound().is_err()
        );
    });
}

#[test]
fn an_address_that_is_added_as_is_advised_can_be_bound() {
    in_namespace(|| {
        for new in ["192.0.2.5:8080", "[2001:db8::5]:8080"] {
            let answer = asked(&Wanted::tcp(new));
            let blocker = answer.blocked_by("EADDRNOTAVAIL", "address-not-local");
            let commands = blocker
                .fixes
                .iter()
                .filter_map(|fix| fix.command.as_deref());
            let adds = commands
                .clone()
                .find(|command| command.contains("addr add"));
            let adds = adds.unwrap_or_else(|| panic!("{:?}", blocker.fixes));
            assert!(adds.contains(&at(new).ip().to_string()), "{adds}");
        }
    });
}
