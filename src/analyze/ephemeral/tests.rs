//! The model, clause by clause, over rows made by hand.

use super::count::{Groups, Tuple};
use super::*;
use crate::model::{
    Endpoint, PortRange, PortSet, Protocol, Queues, Socket, State, Timer, TimerKind,
};

fn settings(first: u16, last: u16, reserved: &[u16]) -> EphemeralSettings {
    let mut set = PortSet::new();
    reserved.iter().for_each(|&port| set.insert(port));
    EphemeralSettings::new(PortRange::new(first, last).unwrap(), set)
}

fn twenty() -> Ephemeral {
    Ephemeral::new(settings(40000, 40019, &[]))
}

fn endpoint(addr: &str, port: u16) -> Endpoint {
    Endpoint {
        addr: addr.parse().unwrap(),
        port,
    }
}

fn row(state: State, local: (&str, u16), peer: (&str, u16)) -> Socket {
    Socket {
        protocol: Protocol::Tcp,
        state,
        v6only: None,
        local: endpoint(local.0, local.1),
        peer: endpoint(peer.0, peer.1),
        interface: 0,
        queues: Queues::Bytes {
            unread: 0,
            unacknowledged: 0,
        },
        timer: None,
        uid: 0,
        inode: 0,
        cookie: 0,
    }
}

fn established(local: (&str, u16), peer: (&str, u16)) -> Socket {
    row(State::Established, local, peer)
}

fn listener(addr: &str, port: u16) -> Socket {
    let any = if addr.contains(':') { "::" } else { "0.0.0.0" };
    row(State::Listen, (addr, port), (any, 0))
}

fn udp(local: (&str, u16), peer: (&str, u16)) -> Socket {
    Socket {
        protocol: Protocol::Udp,
        ..established(local, peer)
    }
}

fn time_wait(local: (&str, u16), peer: (&str, u16), age_ms: u32) -> Socket {
    Socket {
        timer: Some(Timer {
            kind: TimerKind::Timewait,
            expires_ms: 60_000 - age_ms,
            retransmits: 0,
        }),
        ..row(State::TimeWait, local, peer)
    }
}

const SERVER: (&str, u16) = ("127.0.0.1", 9000);

/// The pool of a source towards a destination, whether or not anything uses it.
#[track_caller]
fn pool(count: &Ephemeral, source: &str, destination: (&str, u16)) -> Pool {
    let ask = Ask {
        source: Some(source.parse().unwrap()),
        destination: Some((destination.0.parse().unwrap(), Some(destination.1))),
    };
    let findings = count.judge(&ask, Thresholds::DEFAULT, 10);
    assert_eq!(findings.pools.len(), 1);
    findings.pools[0].clone()
}

fn free(count: &Ephemeral, source: &str, destination: (&str, u16)) -> (u32, u32, u32) {
    let pool = pool(count, source, destination);
    assert!(pool.free_min <= pool.free && pool.free <= pool.free_max);
    (pool.free_min, pool.free, pool.free_max)
}

fn all(count: &Ephemeral) -> Findings {
    count.judge(&Ask::ALL, Thresholds::DEFAULT, usize::MAX)
}

#[track_caller]
fn of_kind(count: &Ephemeral, kind: PoolKind, source: Option<&str>) -> Pool {
    let source = source.map(|source| source.parse().unwrap());
    let found = all(count).pools.into_iter().find(|pool| {
        pool.key.kind == kind && pool.key.source == source && pool.key.destination.is_none()
    });
    found.unwrap()
}

/// As connects fill a range: every second port from the first on, then the others.
fn connect_order(ports: u16) -> impl Iterator<Item = u16> {
    let firsts = (0..20).step_by(2);
    firsts
        .chain((1..20).step_by(2))
        .take(ports.into())
        .map(|offset| 40000 + offset)
}

fn connect(count: &mut Ephemeral, source: &str, destination: (&str, u16), ports: u16) {
    for port in connect_order(ports) {
        count.add(&established((source, port), destination));
    }
}

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

#[test]
fn bind_draws_from_its_address_whatever_the_destination() {
    let mut count = twenty();
    connect(&mut count, "127.0.0.9", SERVER, 5);
    connect(&mut count, "127.0.0.9", ("127.0.0.1", 9001), 7);
    count.add(&time_wait(("127.0.0.9", 40019), SERVER, 5000));
    count.add(&listener("0.0.0.0", 40017));
    count.add(&listener("::", 40015));
    count.add(&Socket {
        v6only: Some(true),
        ..listener("::", 40013)
    });
    let nine = of_kind(&count, PoolKind::TcpBind, Some("127.0.0.9"));
    assert_eq!((nine.used, nine.time_wait), (10, 1));
    assert_eq!((nine.free_min, nine.free, nine.free_max), (10, 10, 10));
    // An address of which nothing is known is answered for when it is named.
    let ask = Ask {
        source: Some("127.0.0.10".parse().unwrap()),
        destination: None,
    };
    let ten = count.judge(&ask, Thresholds::DEFAULT, 9).pools;
    assert_eq!(ten[0].key.kind, PoolKind::TcpBind);
    assert_eq!((ten.len(), ten[0].used, ten[1].free), (2, 2, 20));
    count.add(&listener("::1", 40001));
    assert_eq!(of_kind(&count, PoolKind::TcpBind, Some("::1")).used, 3);
}

#[test]
fn udp_shares_one_pool_and_takes_nothing_from_tcp() {
    let mut count = twenty();
    for port in 40000..40020 {
        count.add(&udp(("127.0.0.9", port), ("127.0.0.1", 53)));
    }
    assert_eq!(of_kind(&count, PoolKind::UdpAutobind, None).free_max, 0);
    assert_eq!(
        of_kind(&count, PoolKind::UdpBind, Some("127.0.0.9")).free,
        0
    );
    assert_eq!(free(&count, "127.0.0.1", SERVER), (20, 20, 20));
    let ask = Ask {
        source: Some("127.0.0.10".parse().unwrap()),
        destination: None,
    };
    let ten = count.judge(&ask, Thresholds::DEFAULT, 9).pools;
    assert!(ten.iter().all(|pool| pool.free == 20), "{ten:?}");
}

#[test]
fn udp_of_ipv6_alone_leaves_the_port_to_ipv4() {
    let mut count = twenty();
    let open = udp(("::", 40000), ("::", 0));
    count.add(&open);
    count.add(&Socket {
        v6only: Some(true),
        ..udp(("::", 40001), ("::", 0))
    });
    // Ports may be shared.
    count.add(&open);
    let pool = of_kind(&count, PoolKind::UdpAutobind, None);
    assert_eq!((pool.free_min, pool.free, pool.free_max), (18, 18, 19));
}

#[test]
fn a_port_that_stands_twice_counts_once() {
    let mut count = twenty();
    for _ in 0..50 {
        connect(&mut count, "127.0.0.1", SERVER, 3);
        count.add(&time_wait(("127.0.0.1", 40000), SERVER, 5000));
    }
    let pool = pool(&count, "127.0.0.1", SERVER);
    assert_eq!((pool.used, pool.reclaimable, pool.free), (3, 0, 17));
}

#[test]
fn the_status_does_not_depend_on_how_many_are_shown() {
    let mut count = twenty();
    connect(&mut count, "127.0.0.1", SERVER, 20);
    connect(&mut count, "127.0.0.1", ("127.0.0.1", 9001), 2);
    let none = count.judge(&Ask::ALL, Thresholds::DEFAULT, 0);
    assert_eq!((none.severity, none.pools.len()), (Severity::Critical, 0));
    assert_eq!(none.worst[0], (PoolKind::TcpConnect, 100.0));
    let only = Ask {
        source: None,
        destination: Some(("127.0.0.1".parse().unwrap(), Some(9001))),
    };
    let only = count.judge(&only, Thresholds::DEFAULT, 10);
    assert_eq!((only.severity, only.pools.len()), (Severity::Ok, 1));
}

#[test]
fn the_verdict_names_connections_while_all_is_well() {
    let mut count = twenty();
    for port in 40000..40005 {
        count.add(&udp(("127.0.0.9", port), ("127.0.0.1", 53)));
    }
    assert_eq!(count.verdict().fullest, None);
    connect(&mut count, "127.0.0.1", SERVER, 2);
    let kind = |count: &Ephemeral| count.verdict().fullest.unwrap().key.kind;
    assert_eq!(kind(&count), PoolKind::TcpConnect);
    for port in 40005..40018 {
        count.add(&udp(("127.0.0.9", port), ("127.0.0.1", 53)));
    }
    assert_eq!(kind(&count), PoolKind::UdpAutobind);
    assert_eq!(count.verdict().severity, Severity::Warning);
}

#[test]
fn a_million_tuples_do_not_hide_the_full_one() {
    let mut count = Ephemeral::new(settings(32768, 60999, &[]));
    for client in 0..200_000u32 {
        let peer = std::net::Ipv4Addr::from(0x0a00_0000 + client).to_string();
        count.add(&established(("10.9.9.9", 40000), (&peer, 5)));
        if client < 25_000 {
            let port = 32768 + u16::try_from(client).unwrap();
            count.add(&row(State::TimeWait, ("10.9.9.9", port), ("10.9.9.8", 80)));
        }
    }
    let fullest = count.verdict().fullest.unwrap();
    assert_eq!(fullest.key.destination.unwrap().port, 80);
    assert!(fullest.used.abs_diff(25_000) <= 20, "{fullest:?}");
    assert!(count.tuples.len() <= 16_385);
    // What is surely free does not depend on what was forgotten.
    assert_eq!(fullest.free_min, 28_232 - 25_000);
    let bound = of_kind(&count, PoolKind::TcpBind, Some("10.9.9.9"));
    assert_eq!(bound.used, 25_000);
}

#[test]
fn a_port_without_end_is_kept_in_bounds() {
    let mut count = Ephemeral::new(settings(1, 65535, &[]));
    let socket = udp(("0.0.0.0", 5353), ("0.0.0.0", 0));
    for _ in 0..300_000 {
        count.add(&socket);
    }
    assert_eq!(of_kind(&count, PoolKind::UdpAutobind, None).used, 1);
    assert!(size_of::<Groups<Tuple>>() < 100);
}

#[test]
fn two_counts_tell_the_time_left() {
    let (mut before, mut now) = (twenty(), twenty());
    connect(&mut before, "127.0.0.1", SERVER, 2);
    connect(&mut now, "127.0.0.1", SERVER, 4);
    let mut findings = all(&now);
    now.time_left_since(&before, 1.0, &mut findings);
    let left = |kind: PoolKind| {
        let mut pools = findings.pools.iter();
        pools
            .find(|pool| pool.key.kind == kind)
            .unwrap()
            .trend
            .seconds_to_full
    };
    assert_eq!(left(PoolKind::TcpConnect), Some(8.0));
    assert_eq!(left(PoolKind::TcpBind), Some(8.0));
}

fn helps(count: &Ephemeral, source: &str, destination: (&str, u16)) -> Vec<Advice> {
    count.advice(&pool(count, source, destination))
}

#[test]
fn advice_fits_the_cause() {
    let well = twenty();
    assert!(helps(&well, "127.0.0.1", SERVER).is_empty());

    let mut waiting = twenty();
    for port in connect_order(20) {
        waiting.add(&time_wait(("10.0.0.9", port), ("10.0.0.5", 5432), 5000));
    }
    let advice = helps(&waiting, "10.0.0.9", ("10.0.0.5", 5432));
    assert_eq!(advice[0], Advice::KeepOpen { time_wait: 20 });
    assert_eq!(advice[1..3], [Advice::ReuseTimeWait, Advice::Spread]);

    let mut leaking = twenty();
    for port in connect_order(20) {
        leaking.add(&row(State::CloseWait, ("10.0.0.9", port), SERVER));
    }
    let advice = helps(&leaking, "10.0.0.9", SERVER);
    assert_eq!(advice[0], Advice::CloseLeaked { ports: 20 });

    let mut bound = twenty();
    for offset in [1, 3, 5, 7, 9, 11, 13, 15, 17, 19] {
        bound.add(&established(("127.0.0.9", 40000 + offset), SERVER));
    }
    assert_eq!(helps(&bound, "127.0.0.1", SERVER)[0], Advice::BindNoPort);

    let mut blocked = twenty();
    for port in 40000..40010 {
        blocked.add(&listener("0.0.0.0", port));
    }
    let advice = helps(&blocked, "127.0.0.1", SERVER);
    assert!(advice.contains(&Advice::MoveBlockers { ports: 10 }));
}

#[test]
fn a_wider_range_names_the_listeners_it_would_take_in() {
    let mut count = Ephemeral::new(settings(40000, 40019, &[8, 40001]));
    connect(&mut count, "127.0.0.1", SERVER, 20);
    for port in [80, 15_432, 40_018, 60_000] {
        count.add(&listener("0.0.0.0", port));
    }
    let advice = helps(&count, "127.0.0.1", SERVER);
    let Some(Advice::Widen {
        range,
        listeners,
        reserve,
    }) = advice.last()
    else {
        panic!("{advice:?}");
    };
    assert_eq!((range.first(), range.last()), (10_240, 65_535));
    assert_eq!(listeners.ranges(), "15432,60000");
    assert_eq!(reserve.ranges(), "8,15432,40001,40018,60000");
    assert_eq!(count.to_reserve().ranges(), "8,40001,40018");
}

#[test]
fn listeners_inside_the_range_are_named_unless_reserved() {
    let mut count = Ephemeral::new(settings(40000, 40019, &[40001]));
    for (addr, port) in [
        ("::1", 40005),
        ("127.0.0.1", 40005),
        ("::", 40001),
        ("::", 80),
    ] {
        count.add(&Socket {
            inode: 7,
            ..listener(addr, port)
        });
    }
    count.add(&row(State::BoundInactive, ("::1", 40009), ("::", 0)));
    let exposed = count.exposed();
    assert_eq!(exposed.len(), 1);
    assert_eq!((exposed[0].port, exposed[0].addresses.len()), (40005, 2));
    assert_eq!(exposed[0].inodes, [7, 7]);
}

#[test]
fn sockets_of_a_pool_are_those_a_process_can_hold() {
    let mut count = twenty();
    let held = |inode: u64, socket: Socket| Socket { inode, ..socket };
    count.add(&held(1, established(("127.0.0.1", 40000), SERVER)));
    count.add(&time_wait(("127.0.0.1", 40002), SERVER, 5));
    count.add(&held(2, listener("0.0.0.0", 40004)));
    count.add(&held(3, listener("127.0.0.2", 40006)));
    count.add(&held(4, udp(("127.0.0.1", 40000), SERVER)));
    let sockets = |kind: PoolKind, source: Option<&str>, to: Option<(&str, u16)>| {
        let mut found = count.sockets_of(&PoolKey {
            kind,
            source: source.map(|source| source.parse().unwrap()),
            destination: to.map(|to| endpoint(to.0, to.1)),
        });
        found.sort();
        found
            .into_iter()
            .map(|(inode, _)| inode)
            .collect::<Vec<_>>()
    };
    let one = Some("127.0.0.1");
    assert_eq!(sockets(PoolKind::TcpConnect, one, Some(SERVER)), [1]);
    assert_eq!(sockets(PoolKind::TcpConnect, None, None), [2, 3]);
    assert_eq!(sockets(PoolKind::TcpBind, one, None), [1, 2]);
    assert_eq!(sockets(PoolKind::UdpBind, one, None), [4]);
    assert_eq!(sockets(PoolKind::UdpAutobind, None, None), [4]);
}

#[test]
fn asking_about_doubtful_ports_settles_them() {
    let mut count = twenty();
    connect(&mut count, "127.0.0.1", SERVER, 2);
    for offset in [1, 3, 5] {
        count.add(&established(("127.0.0.9", 40000 + offset), SERVER));
    }
    count.add(&listener("0.0.0.0", 40019));
    let mut findings = all(&count);
    let key = pool(&count, "127.0.0.1", SERVER).key;
    assert_eq!(count.doubtful(&key), [40001, 40003, 40005]);
    count.settle(&mut findings, &key, (1, 2), Thresholds::DEFAULT);
    let settled = |findings: &Findings| {
        let pool = findings.pools.iter().find(|pool| pool.key == key).unwrap();
        (pool.free_min, pool.free, pool.free_max)
    };
    assert_eq!(settled(&findings), (15, 15, 15));
    count.settle_full(&mut findings, &key, Thresholds::DEFAULT);
    assert_eq!(settled(&findings), (0, 0, 0));
    assert_eq!(findings.severity, Severity::Critical);
    assert_eq!(findings.pools[0].key, key);
}
