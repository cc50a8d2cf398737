//! Which addresses are in conflict, by the numbers of the scenarios they are.

use crate::answer::answers;
use crate::ask::{asked, asked_with, why};
use crate::setup::{P, Served, accepted, at, own_mark, own_pid, served};
use crate::support::namespace::{in_namespace, sysctl};
use crate::support::portstat;
use crate::support::rights::Rights;
use crate::wanted::Wanted;

/// What people read, whose verdict is not that it would succeed.
#[track_caller]
fn told(args: &[&str]) -> String {
    let ran = portstat::run(&[&["why"], args].concat()).exited(1);
    ran.text().to_owned()
}

// 20: one address of several.

#[test]
fn a_listener_on_one_address_blocks_the_wildcard() {
    in_namespace(|| {
        let _old = served(Wanted::tcp("127.0.0.1:8080"));
        let answer = asked(&Wanted::tcp("0.0.0.0:8080"));
        answer.exactly().with_reuse_address(Some("blocked"));
        let blocker = answer.blocked_by("EADDRINUSE", "listener");
        blocker.held_by(own_pid()).is("LISTEN", "127.0.0.1", P);
        assert_eq!(blocker.frees_in_ms, None);
        blocker.fixed_by(&["kill", &own_pid().to_string()]);
        let text = told(&["0.0.0.0:8080"]);
        let first = text.lines().next().unwrap();
        let expected = format!(
            "0.0.0.0:8080/tcp is blocked: {} listens on 127.0.0.1:8080",
            own_mark()
        );
        assert!(first.starts_with(&expected), "{first}");
    });
}

#[test]
fn a_listener_on_one_address_leaves_another_free() {
    in_namespace(|| {
        let _old = served(Wanted::tcp("127.0.0.1:8080"));
        asked(&Wanted::tcp("127.0.0.2:8080")).free();
        asked(&Wanted::tcp("[::1]:8080")).free();
        asked(&Wanted::tcp("[::]:8080").v6only()).free();
        asked(&Wanted::tcp("0.0.0.0:8081")).free();
        // Mapped addresses are those they stand for.
        let mapped = asked(&Wanted::tcp("[::ffff:127.0.0.1]:8080"));
        mapped.blocked_by("EADDRINUSE", "listener");
        asked(&Wanted::tcp("[::ffff:127.0.0.2]:8080")).free();
        let dual = asked(&Wanted::tcp("[::]:8080"));
        dual.exactly().blocked_by("EADDRINUSE", "listener");
    });
}

#[test]
fn reuse_of_addresses_never_helps_against_a_listener() {
    in_namespace(|| {
        let _old = served(Wanted::tcp("0.0.0.0:8080").reuse_address());
        for new in ["0.0.0.0:8080", "127.0.0.1:8080", "[::]:8080"] {
            let answer = asked(&Wanted::tcp(new));
            answer.exactly().with_reuse_address(Some("blocked"));
            answer.blocked_by("EADDRINUSE", "listener");
            let answer = asked(&Wanted::tcp(new).reuse_address());
            answer.exactly().with_reuse_address(None);
            answer.blocked_by("EADDRINUSE", "listener");
        }
    });
}

#[test]
fn nothing_is_in_the_way_where_nothing_is() {
    in_namespace(|| {
        for new in ["0.0.0.0:8080", "127.0.0.1:80", "[::]:8080", "[::1]:1"] {
            asked(&Wanted::tcp(new)).free();
            asked(&Wanted::udp(new)).free();
        }
        let ran = portstat::run(&["why", "8080"]).exited(0);
        let text = ran.text();
        let first = text.lines().next().unwrap();
        assert!(first.starts_with("0.0.0.0:8080/tcp is free"), "{text}");
        assert!(first.contains("[::]:8080/tcp"), "{text}");
    });
}

// 21, 22: IPv6.

/// A listener on `[::]` that takes IPv4, and what a server for IPv4 is told.
fn dual_stack() -> Served {
    served(Wanted::tcp("[::]:8080"))
}

#[test]
fn a_dual_stack_listener_blocks_ipv4() {
    in_namespace(|| {
        let _old = dual_stack();
        for new in ["0.0.0.0:8080", "127.0.0.1:8080"] {
            let answer = asked(&Wanted::tcp(new));
            answer.exactly().with_reuse_address(Some("blocked"));
            let blocker = answer.blocked_by("EADDRINUSE", "dual-stack-listener");
            blocker.held_by(own_pid()).is("LISTEN", "::", P);
            blocker.fixed_by(&["IPV6_V6ONLY"]);
        }
        let text = told(&["0.0.0.0:8080"]);
        let first = text.lines().next().unwrap();
        let expected = format!(
            "0.0.0.0:8080/tcp is blocked: {} listens on [::]:8080 (dual-stack)",
            own_mark()
        );
        assert!(first.starts_with(&expected), "{first}");
        // Of its own family it is a listener like any other.
        let answer = asked(&Wanted::tcp("[::]:8080"));
        answer.blocked_by("EADDRINUSE", "listener");
    });
}

#[test]
fn a_listener_for_ipv6_only_leaves_ipv4_free() {
    in_namespace(|| {
        let _old = served(Wanted::tcp("[::]:8080").v6only());
        asked(&Wanted::tcp("0.0.0.0:8080")).free();
        asked(&Wanted::tcp("127.0.0.1:8080")).free();
        let answer = asked(&Wanted::tcp("[::1]:8080"));
        answer
            .blocked_by("EADDRINUSE", "listener")
            .held_by(own_pid());
    });
}

#[test]
fn a_listener_on_an_ipv6_address_leaves_ipv4_free() {
    in_namespace(|| {
        let _old = served(Wanted::tcp("[::1]:8080"));
        asked(&Wanted::tcp("0.0.0.0:8080")).free();
        let answer = asked(&Wanted::tcp("[::]:8080"));
        let blocker = answer.blocked_by("EADDRINUSE", "listener");
        blocker.held_by(own_pid()).is("LISTEN", "::1", P);
        let answer = asked(&Wanted::tcp("[::]:8080").v6only());
        answer.blocked_by("EADDRINUSE", "listener");
    });
}

#[test]
fn a_bare_port_asks_for_both_wildcards() {
    in_namespace(|| {
        let _old = dual_stack();
        let args = ["why".to_owned(), "8080".to_owned()];
        let both = answers(&why(&args, Rights::Own));
        let addresses: Vec<&str> = both
            .iter()
            .map(|one| one.query["addr"].as_str().unwrap())
            .collect();
        assert_eq!(addresses, ["0.0.0.0", "::"]);
        for answer in &both {
            assert_eq!(answer.errno.as_deref(), Some("EADDRINUSE"));
            assert_eq!(answer.blockers[0].socket["local"]["addr"], "::");
        }
        // One thing in the way of both is told once.
        let text = told(&["8080"]);
        assert_eq!(text.matches("LISTEN [::]:8080").count(), 1, "{text}");
        assert!(text.lines().next().unwrap().contains(&own_mark()), "{text}");

        // One of the two is enough to fail.
        drop(_old);
        let _old = served(Wanted::tcp("[::1]:8080"));
        let both = answers(&why(&args, Rights::Own));
        assert_eq!(
            (&both[0].verdict[..], &both[1].verdict[..]),
            ("free", "blocked")
        );
    });
}

#[test]
fn the_machine_may_have_ipv6_only_sockets_by_default() {
    in_namespace(|| {
        sysctl("net.ipv6.bindv6only", "1");
        let _old = served(Wanted::tcp("0.0.0.0:8080"));
        let args = ["why".to_owned(), "8080".to_owned()];
        let both = answers(&why(&args, Rights::Own));
        assert_eq!(
            (&both[0].verdict[..], &both[1].verdict[..]),
            ("blocked", "free")
        );
        assert_eq!(both[1].query["v6only"], true);
    });
}

// 29: another protocol.

#[test]
fn udp_leaves_tcp_free() {
    in_namespace(|| {
        let _udp = Wanted::udp("0.0.0.0:8080").really().unwrap();
        let answer = asked(&Wanted::tcp("0.0.0.0:8080"));
        answer.free().noting(&["UDP", "8080"]);
        let answer = asked(&Wanted::udp("127.0.0.1:8080"));
        let blocker = answer.blocked_by("EADDRINUSE", "udp-socket");
        blocker.held_by(own_pid()).is("UNCONN", "0.0.0.0", P);
        answer.exactly().with_reuse_address(Some("blocked"));
        asked(&Wanted::udp("[::1]:8080")).free();
    });
}

#[test]
fn udp_sockets_that_both_reuse_addresses_share_a_port() {
    in_namespace(|| {
        let _udp = Wanted::udp("0.0.0.0:8080")
            .reuse_address()
            .really()
            .unwrap();
        let answer = asked(&Wanted::udp("0.0.0.0:8080"));
        answer.exactly().with_reuse_address(Some("free"));
        answer
            .blocked_by("EADDRINUSE", "udp-socket")
            .held_by(own_pid());
        let answer = asked(&Wanted::udp("0.0.0.0:8080").reuse_address());
        answer.free();
    });
}

// Devices.

#[test]
fn devices_keep_sockets_apart() {
    in_namespace(|| {
        let _old = served(Wanted::tcp("0.0.0.0:8080").on_loopback());
        for new in ["0.0.0.0:8080", "127.0.0.1:8080"] {
            let answer = asked(&Wanted::tcp(new));
            answer.blocked_by("EADDRINUSE", "listener");
            let answer = asked(&Wanted::tcp(new).on_loopback());
            answer.blocked_by("EADDRINUSE", "listener");
        }
        let address = Wanted::tcp("127.0.0.1:8080");
        let device = asked_with(&address, &[]).blockers[0].socket["local"]["iface"].clone();
        assert_eq!(device, "lo");
    });
}

// Listening, beside binding.

#[test]
fn of_two_that_reuse_addresses_one_listens() {
    in_namespace(|| {
        let first = Wanted::tcp("0.0.0.0:8080").reuse_address();
        let _bound = first.bound().unwrap();
        let answer = asked(&first);
        answer.free();
        assert!(!answer.notes.is_empty(), "{}", answer.document);
        let answer = asked(&Wanted::tcp("0.0.0.0:8080"));
        answer.exactly().with_reuse_address(Some("free"));
        answer.blocked_by("EADDRINUSE", "bound-not-listening");
    });
}

#[test]
fn another_address_is_advised_where_one_is_left() {
    in_namespace(|| {
        let _every = served(Wanted::tcp("0.0.0.0:8080"));
        let _one = served(Wanted::tcp("127.0.0.1:8081"));
        let advice = |address: &str| {
            let answer = asked(&Wanted::tcp(address));
            answer.blockers[0].fixes[0].text.clone()
        };
        assert_eq!(advice("127.0.0.1:8080"), "listen on another port");
        asked(&Wanted::tcp("127.0.0.2:8080")).blocked_by("EADDRINUSE", "listener");
        let both = "listen on another port, or on another address";
        assert_eq!(advice("127.0.0.1:8081"), both);
        asked(&Wanted::tcp("127.0.0.2:8081")).free();
    });
}

#[test]
fn what_a_listener_accepted_is_told_with_it() {
    in_namespace(|| {
        let old = served(Wanted::tcp("127.0.0.1:8080"));
        let _held = accepted(&old.fd, at("127.0.0.1:8080"));
        let answer = asked(&Wanted::tcp("0.0.0.0:8080"));
        answer.exactly().blocked_first_by("EADDRINUSE", "listener");
    });
}
