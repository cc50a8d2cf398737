//! What is free to connects.

use super::*;

#[test]
fn a_full_tuple_leaves_every_other_untouched() {
    let mut count = twenty();
    connect(&mut count, "127.0.0.1", SERVER, 20);
    assert_eq!(free(&count, "127.0.0.1", SERVER), (0, 0, 0));
    assert_eq!(pool(&count, "127.0.0.1", SERVER).percent(), 100.0);
    // That they are other connections' own is presumed; it is not known.
    for (source, destination) in [
        ("127.0.0.1", ("127.0.0.1", 9001)),
        ("127.0.0.1", ("127.0.0.2", 9000)),
        ("127.0.0.9", SERVER),
    ] {
        assert_eq!(free(&count, source, destination), (0, 20, 20));
    }
    assert_eq!(all(&count).severity, Severity::Critical);
}

#[test]
fn half_of_the_ports_is_a_notice() {
    let mut count = twenty();
    connect(&mut count, "127.0.0.1", SERVER, 10);
    let pool = pool(&count, "127.0.0.1", SERVER);
    assert_eq!((pool.percent(), pool.free), (50.0, 10));
    assert!(pool.is_notice() && pool.severity.status() == "ok");
}

#[test]
fn clients_of_a_server_use_no_ephemeral_port() {
    let mut count = twenty();
    for client in 0..2000 {
        count.add(&established(("10.0.0.1", 443), ("10.0.0.2", 1024 + client)));
    }
    assert!(all(&count).pools.is_empty());
    assert_eq!(all(&count).severity, Severity::Ok);
}

#[test]
fn clients_of_a_listener_in_the_range_use_one_port() {
    for listener_first in [true, false] {
        let mut count = twenty();
        let listen = listener("0.0.0.0", 40010);
        if listener_first {
            count.add(&listen);
        }
        for client in 0..500 {
            let accepted = ("127.0.0.1", 40010);
            count.add(&established(accepted, ("127.0.0.1", 41000 + client)));
        }
        if !listener_first {
            count.add(&listen);
        }
        assert_eq!(free(&count, "127.0.0.1", SERVER), (19, 19, 19));
        let connects = all(&count).pools;
        let named = connects
            .iter()
            .filter(|pool| pool.key.destination.is_some());
        assert_eq!(named.count(), 0);
        let to_all = connects
            .iter()
            .find(|pool| pool.key.kind == PoolKind::TcpConnect);
        assert_eq!(to_all.map(|pool| pool.used), Some(1));
        assert_eq!(
            of_kind(&count, PoolKind::TcpBind, Some("127.0.0.1")).used,
            1
        );
    }
}

#[test]
fn listeners_and_bound_sockets_block_both_families() {
    let mut count = twenty();
    for port in 40001..40004 {
        count.add(&row(State::BoundInactive, ("::1", port), ("::", 0)));
    }
    count.add(&listener("::1", 40000));
    assert_eq!(free(&count, "127.0.0.1", SERVER), (16, 16, 16));
    assert_eq!(free(&count, "::1", ("::1", 9000)), (16, 16, 16));
}

#[test]
fn listeners_all_over_the_range_are_seen_without_a_connection() {
    let mut count = twenty();
    for port in 40000..40020 {
        let addr = if port % 2 == 0 { "127.0.0.1" } else { "::1" };
        count.add(&listener(addr, port));
    }
    let findings = all(&count);
    assert_eq!(findings.severity, Severity::Critical);
    assert_eq!(findings.pools[0].key.kind, PoolKind::TcpConnect);
    assert_eq!(findings.pools[0].free_max, 0);
}

#[test]
fn ports_drawn_by_bind_are_presumed_by_their_parity() {
    let mut count = twenty();
    for offset in [1, 3, 5, 7, 9, 11, 13] {
        count.add(&established(("127.0.0.9", 40000 + offset), SERVER));
    }
    assert_eq!(free(&count, "127.0.0.1", SERVER), (13, 13, 20));
    assert!(pool(&count, "127.0.0.9", SERVER).bound_first);
    // On the even ones they would be connect's own.
    let mut count = twenty();
    connect(&mut count, "127.0.0.9", SERVER, 7);
    assert_eq!(free(&count, "127.0.0.1", SERVER), (13, 20, 20));
    assert!(!pool(&count, "127.0.0.9", SERVER).bound_first);
}

#[test]
fn connects_that_went_on_around_a_listener_bound_nothing() {
    let mut count = twenty();
    count.add(&listener("0.0.0.0", 40002));
    for port in connect_order(20).filter(|&port| port != 40002) {
        count.add(&established(("127.0.0.1", port), SERVER));
    }
    assert_eq!(free(&count, "127.0.0.1", ("127.0.0.1", 9001)), (0, 19, 19));
}

#[test]
fn parity_is_counted_from_the_first_port_of_the_range() {
    let mut count = Ephemeral::new(settings(40001, 40020, &[]));
    for port in [40001, 40003] {
        count.add(&established(("127.0.0.9", port), SERVER));
    }
    assert_eq!(free(&count, "127.0.0.1", SERVER).1, 20);
    count.add(&established(("127.0.0.8", 40002), SERVER));
    assert_eq!(free(&count, "127.0.0.1", SERVER).1, 19);
}

#[test]
fn reserved_ports_lessen_the_capacity() {
    let reserved = [40000, 40001, 40002, 40003, 40004, 40010, 5];
    let count = Ephemeral::new(settings(40000, 40019, &reserved));
    assert_eq!(count.settings().capacity(), 14);
    assert_eq!(count.settings().reserved(), 6);
    assert_eq!(free(&count, "127.0.0.1", SERVER).2, 14);
    let none = Ephemeral::new(settings(7, 7, &[7]));
    assert_eq!(all(&none).severity, Severity::Critical);
    assert_eq!(none.verdict().percent, 100.0);
}

#[test]
fn an_odd_range_may_fail_with_a_port_left() {
    let count = Ephemeral::new(settings(40000, 40004, &[]));
    assert_eq!(free(&count, "127.0.0.1", SERVER), (4, 5, 5));
    let one = Ephemeral::new(settings(40000, 40000, &[]));
    assert_eq!(free(&one, "127.0.0.1", SERVER), (1, 1, 1));
}

#[test]
fn v4_mapped_is_v4_and_v6_is_not() {
    let mut count = twenty();
    for port in connect_order(20) {
        let mapped = ("::ffff:127.0.0.1", port);
        count.add(&established(mapped, ("::ffff:127.0.0.1", 9000)));
    }
    assert_eq!(free(&count, "127.0.0.1", SERVER).1, 0);
    assert_eq!(free(&count, "::ffff:127.0.0.1", SERVER).1, 0);
    assert_eq!(free(&count, "::1", ("::1", 9000)).1, 20);
    let worst = all(&count).pools[0].key;
    assert_eq!(worst.source, Some("127.0.0.1".parse().unwrap()));
}

#[test]
fn every_state_holds_its_port() {
    let mut count = twenty();
    for (port, state) in connect_order(8).zip([
        State::SynSent,
        State::SynRecv,
        State::FinWait1,
        State::FinWait2,
        State::CloseWait,
        State::LastAck,
        State::Closing,
        State::Unknown(77),
    ]) {
        count.add(&row(state, ("127.0.0.1", port), SERVER));
    }
    let pool = pool(&count, "127.0.0.1", SERVER);
    assert_eq!((pool.used, pool.close_wait, pool.free), (8, 1, 12));
}

fn waiting(reuse: TimeWaitReuse, source: &str, destination: (&str, u16), age: u32) -> Pool {
    let mut count = Ephemeral::new(settings(40000, 40019, &[]).with_reuse(reuse));
    for port in connect_order(20) {
        count.add(&time_wait((source, port), destination, age));
    }
    pool(&count, source, destination)
}

#[test]
fn time_wait_is_taken_over_where_the_sysctl_allows_it() {
    let far = ("10.9.0.2", 9000);
    for (reuse, age, loopback, elsewhere) in [
        (Reuse::Never, 1200, 0, 0),
        (Reuse::Always, 1200, 20, 20),
        (Reuse::Always, 1000, 0, 0),
        (Reuse::Loopback, 1200, 20, 0),
    ] {
        let reuse = TimeWaitReuse {
            reuse,
            ..TimeWaitReuse::DEFAULT
        };
        let here = waiting(reuse, "127.0.0.1", SERVER, age);
        assert_eq!((here.time_wait, here.reclaimable), (20, loopback));
        assert_eq!((here.free, here.free_max), (loopback, loopback));
        // Whether both ends have timestamps, or who bound the port, is in no row.
        assert_eq!(here.free_min, 0);
        assert_eq!(waiting(reuse, "10.9.0.1", far, age).free, elsewhere);
        assert_eq!(waiting(reuse, "::1", ("::1", 9), age).free, loopback);
    }
}

#[test]
fn time_wait_is_taken_over_after_its_delay_and_with_timestamps() {
    let reuse = TimeWaitReuse {
        delay_ms: 100,
        ..TimeWaitReuse::DEFAULT
    };
    assert_eq!(waiting(reuse, "127.0.0.1", SERVER, 150).reclaimable, 20);
    let without = TimeWaitReuse {
        timestamps: false,
        ..reuse
    };
    assert_eq!(waiting(without, "127.0.0.1", SERVER, 150).reclaimable, 0);
}

#[test]
fn what_is_no_time_wait_is_not_taken_over() {
    let mut count = twenty();
    let timer = time_wait(("127.0.0.1", 1), SERVER, 5000).timer;
    let states = [State::FinWait2, State::TimeWait];
    for (port, state) in connect_order(2).zip(states) {
        count.add(&Socket {
            // An orphan in FIN-WAIT-2 waits on the same timer; a timer may also not be told.
            timer: timer.filter(|_| state == State::FinWait2),
            ..row(state, ("127.0.0.1", port), SERVER)
        });
    }
    let pool = pool(&count, "127.0.0.1", SERVER);
    assert_eq!((pool.used, pool.time_wait, pool.reclaimable), (2, 1, 0));
}

#[test]
fn time_wait_of_a_bound_port_is_presumed_to_stay() {
    let mut count = twenty();
    for offset in (1..20).step_by(2) {
        count.add(&time_wait(("127.0.0.20", 40000 + offset), SERVER, 5000));
    }
    assert_eq!(free(&count, "127.0.0.20", SERVER), (10, 10, 20));
}
