//! `--probe` of a connect: the kernel is asked what was asked, and nothing else.

use std::fs;

use crate::connecting::Connecting;
use crate::links::{ip, pair};
use crate::setup::at;
use crate::support::dial::set_port_range;
use crate::support::namespace::in_namespace;

/// The index of an interface.
fn index(name: &str) -> u32 {
    let path = format!("/proc/sys/net/ipv6/conf/{name}");
    assert!(fs::exists(path).unwrap());
    nix::net::if_::if_nametoindex(name).unwrap()
}

/// Insists that the kernel was asked, and said what was foretold.
#[track_caller]
fn check_agrees(wanted: Connecting) {
    let foretold = wanted.clone().asked_of_nobody();
    let answer = wanted.probe().asked_of_nobody();
    let probe = &answer.document["probe"];
    assert_eq!(probe["agrees"], true, "{}", answer.document);
    assert_eq!(answer.verdict, foretold.verdict);
    assert_eq!(answer.errno, foretold.errno);
}

#[test]
fn the_probe_of_a_connect_has_the_interface_that_was_named() {
    in_namespace(|| {
        pair();
        let there = format!("[fe80::2%{}]:80", index("one"));
        check_agrees(Connecting::tcp("", &there));
        check_agrees(Connecting::tcp("", "97.0.0.1:80").on("one"));
        check_agrees(Connecting::tcp("", "97.0.0.1:80"));
        check_agrees(Connecting::tcp("", "[2001:db8:9::2]:80").on("one"));
        check_agrees(Connecting::tcp("10.9.8.1", "10.9.8.2:80").on("two"));
        check_agrees(Connecting::tcp("", "[fe80::2]:80"));
    });
}

#[test]
fn the_probe_of_a_connect_binds_freely_where_that_was_asked() {
    in_namespace(|| {
        pair();
        for (source, there) in [
            ("2001:db8:9::77", "[2001:db8:9::2]:80"),
            ("10.9.8.77", "10.9.8.2:80"),
        ] {
            check_agrees(Connecting::tcp(source, there).free_bind());
            let answer = Connecting::tcp(source, there).probe().asked_of_nobody();
            answer.blocked_first_by("EADDRNOTAVAIL", "address-not-local");
            let probe = &answer.document["probe"];
            let text = probe["text"].as_str().unwrap();
            assert!(text.contains("bind fails with EADDRNOTAVAIL"), "{text}");
        }
    });
}

#[test]
fn what_the_kernel_refuses_for_another_reason_is_no_exhaustion() {
    in_namespace(|| {
        pair();
        set_port_range(40_000, 40_019);
        // Nobody tells of this rule but the kernel, asked with the port that it drew.
        ip("rule add sport 40000-40019 prohibit");
        let answer = Connecting::tcp("", "10.9.8.2:80").probe().asked_of_nobody();
        let blocker = answer.blocked_by("EACCES", "unseen");
        assert!(blocker.socket.is_null());
        assert_eq!(at("10.9.8.2:80").port(), 80);
    });
}
