//! The other pools, the findings over all of them, owners, advice, and bounds.

use super::super::count::{Groups, Tuple};
use super::*;

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
    assert!(advice.contains(&Advice::MoveListeners { ports: 10 }));
    assert!(!advice.contains(&Advice::BindNoPort));
}

/// What helps programs that bind port 0 of an address, but for a wider range.
#[track_caller]
fn helps_bind(count: &Ephemeral, source: &str) -> Vec<Advice> {
    let source = source.parse().unwrap();
    let pools = all(count).pools;
    let is_it =
        |pool: &&Pool| pool.key.kind == PoolKind::TcpBind && pool.key.source == Some(source);
    let mut advice = count.advice(pools.iter().find(is_it).unwrap());
    advice.retain(|advice| !matches!(advice, Advice::Widen { .. }));
    advice
}

#[test]
fn what_helps_programs_that_bind_depends_on_who_has_the_ports() {
    let mut connects = twenty();
    connect(&mut connects, "127.0.0.1", SERVER, 20);
    assert_eq!(helps_bind(&connects, "127.0.0.1"), [Advice::HarmsBindOnly]);

    let mut held = twenty();
    for port in (40001..40020).step_by(2) {
        held.add(&established(("127.0.0.1", port), SERVER));
    }
    assert_eq!(helps_bind(&held, "127.0.0.1"), [Advice::BindNoPort]);

    let mut bound = twenty();
    for port in 40000..40020 {
        bound.add(&row(
            State::BoundInactive,
            ("127.0.0.1", port),
            ("0.0.0.0", 0),
        ));
    }
    assert_eq!(helps_bind(&bound, "127.0.0.1"), [Advice::BindNoPort]);

    let mut listening = twenty();
    for port in 40000..40020 {
        listening.add(&listener("0.0.0.0", port));
    }
    // A server's own connections are on its port.
    listening.add(&established(("127.0.0.1", 40000), ("127.0.0.1", 50000)));
    let move_all = Advice::MoveListeners { ports: 20 };
    assert_eq!(helps_bind(&listening, "127.0.0.1"), [move_all]);

    let mut mixed = twenty();
    mixed.add(&listener("0.0.0.0", 40004));
    connect(&mut mixed, "127.0.0.1", SERVER, 20);
    let advice = helps_bind(&mixed, "127.0.0.1");
    let move_one = Advice::MoveListeners { ports: 1 };
    assert_eq!(advice, [Advice::HarmsBindOnly, move_one]);
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
    assert_eq!(
        reserve.as_ref().unwrap().ranges(),
        "8,15432,40001,40018,60000"
    );
    assert_eq!(count.to_reserve().unwrap().ranges(), "8,40001,40018");
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
fn whether_owners_will_be_asked_for_is_known_early() {
    let mut count = Ephemeral::new(settings(40000, 40019, &[40001]));
    count.add(&listener("::", 40001));
    count.add(&listener("::", 80));
    count.add(&row(State::BoundInactive, ("::1", 40009), ("::", 0)));
    assert!(!count.listens_inside());
    count.add(&listener("::1", 40005));
    assert!(count.listens_inside());
    connect(&mut count, "127.0.0.1", SERVER, 9);
    assert!(!count.fills());
    connect(&mut count, "127.0.0.1", SERVER, 10);
    assert!(count.fills());
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
