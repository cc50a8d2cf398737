//! Port 0: whether one is left.

use super::*;
use crate::analyze::PoolKind;

fn count(sockets: &[Existing]) -> Ephemeral {
    let mut ports = Ephemeral::new(settings(40000, 40019, &[]));
    for existing in sockets {
        ports.add(&existing.socket);
    }
    ports
}

/// One socket on each of the first ports of the range.
fn each(ports: u16, make: impl Fn(u16) -> Existing) -> Vec<Existing> {
    (40000..40000 + ports).map(make).collect()
}

#[track_caller]
fn check(query: &str, sockets: &[Existing], expected: &str) -> Answer {
    let ports = count(sockets);
    let answer = predict(&bind(query), &[], &machine(), Some(&ports), true);
    assert_eq!(summary(&answer), expected, "{query}");
    answer
}

const FULL: &str = "EADDRINUSE ephemeral-exhausted";

#[test]
fn a_full_address_leaves_others() {
    let full = each(20, |port| bound(&format!("127.0.0.9:{port}")));
    let answer = check("127.0.0.9:0", &full, FULL);
    let pool = answer.blockers[0].pool.as_ref().unwrap();
    assert_eq!((pool.key.kind, pool.free_max), (PoolKind::TcpBind, 0));
    assert_eq!(answer.with_reuse_address, Some(Outcome::Blocked));
    check("127.0.0.10:0", &full, "free");
    check("127.0.0.9:0", &full[1..], "free");
    check("0.0.0.0:0", &full, FULL);
    check("[::]:0", &full, FULL);
    check("[::]:0 v6only", &full, "free");
    check("[::1]:0", &full, "free");
}

#[test]
fn the_wildcard_needs_a_port_that_nobody_has() {
    let mixed = each(20, |port| match port % 3 {
        0 => listener(&format!("127.0.0.1:{port}")),
        1 => established(&format!("10.9.0.1:{port}"), "10.0.0.1:443"),
        _ => listener(&format!("[::]:{port}")),
    });
    check("0.0.0.0:0", &mixed, FULL);
    check("127.0.0.1:0", &mixed, "free");
    // Whether IPv6 connections refuse IPv4 is in no row.
    let v6 = each(20, |port| {
        established(&format!("[::1]:{port}"), "[::1]:443")
    });
    let answer = check("0.0.0.0:0", &v6, "unknown assumed");
    assert_eq!(answer.assumptions, [Assumption::PortsWithinBounds]);
    assert_eq!(answer.with_reuse_address, None);
    check("[::]:0 v6only", &v6, FULL);
    check("127.0.0.1:0", &v6, "free");
    let listening = each(20, |port| listener(&format!("[::1]:{port}")).with(v6only));
    check("0.0.0.0:0", &listening, "free");
}

#[test]
fn udp_draws_from_others_that_reuse() {
    let full = each(20, |port| udp(&format!("127.0.0.9:{port}")));
    let answer = check("127.0.0.9:0 udp", &full, FULL);
    assert_eq!(answer.with_reuse_address, None);
    check("127.0.0.10:0 udp", &full, "free");
    let assumed = "EADDRINUSE ephemeral-exhausted assumed";
    check("127.0.0.9:0 udp ra", &full, assumed);
    check("127.0.0.9:0", &full, "free");
}

#[test]
fn without_a_count_nothing_is_known() {
    let answer = predict(&bind("0.0.0.0:0"), &[], &machine(), None, true);
    assert_eq!(summary(&answer), "unknown assumed");
}

#[test]
fn port_zero_is_not_privileged() {
    let mut machine = machine();
    machine.unprivileged_port_start = Some(50_000);
    let ports = count(&[]);
    let answer = predict(&bind("0.0.0.0:0"), &[], &machine, Some(&ports), true);
    assert_eq!(summary(&answer), "free");
}
