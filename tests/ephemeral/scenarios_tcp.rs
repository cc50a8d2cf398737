//! Connects that use up ports, by the numbers of the scenarios they are.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sys::socket::SockType;

use crate::report::report;
use crate::setup::{
    ALL, FIRST, LAST, S, S2, asked, check_free, check_free_within, check_probed, host, local,
    with_twenty_ports,
};
use crate::support::dial::{Connection, Server, Source, dial, fill, set_port_range, take_port};
use crate::support::namespace::{add_loopback_address, in_namespace, sysctl};
use crate::support::population::raise_descriptor_limit;
use crate::support::portstat;
use crate::support::socket::{
    SYN_SENT, accept, await_pending, await_state, bind, connect, listen, local_address, open,
    open_mptcp, set_nonblocking,
};
use crate::support::waiting::wait_until;

// 1, 2, 3: what one destination uses.

#[test]
fn twenty_connects_fill_twenty_ports() {
    with_twenty_ports(|server| {
        let (held, error) = server.fill(Source::Any, local(S));
        assert_eq!((held.len(), error), (20, Errno::EADDRNOTAVAIL));
        let pool = asked(host(1), local(S));
        assert_eq!((pool.used, pool.free_max, pool.percent), (20, 0, 100.0));
        assert_eq!((pool.time_wait, &pool.status[..]), (0, "critical"));
        assert_eq!(
            server.dial(Source::Any, local(S)).unwrap_err(),
            Errno::EADDRNOTAVAIL
        );
    });
}

#[test]
fn a_full_destination_leaves_another_port_free() {
    with_twenty_ports(|server| {
        let _held = server.dial_many(20, Source::Any, local(S));
        let pool = asked(host(1), local(S2));
        assert_eq!((pool.used, pool.free, pool.free_max), (0, ALL, ALL));
        assert_eq!((pool.percent, &pool.status[..]), (0.0, "ok"));
        check_probed(host(1), local(S2), ALL);
        assert_eq!(server.room(Source::Any, local(S2)).0, 20);
        // Nor does it matter to another source.
        assert_eq!(server.room(Source::NoPort(host(9)), local(S)).0, 20);
    });
}

#[test]
fn half_is_half() {
    with_twenty_ports(|server| {
        let _held = server.dial_many(10, Source::Any, local(S));
        let pool = asked(host(1), local(S));
        assert_eq!((pool.used, pool.percent), (10, 50.0));
        check_free(server, host(1), local(S), 10);
    });
}

// 4, 5: connections that were accepted.

#[test]
fn clients_of_a_server_use_no_ports_of_it() {
    in_namespace(|| {
        raise_descriptor_limit();
        set_port_range(40_000, 40_499);
        let server = Server::on(&[443, S]);
        let clients: Vec<Connection> = (1..=4)
            .flat_map(|client| {
                let (held, error) =
                    server.fill(Source::NoPort([127, 0, 1, client].into()), local(443));
                assert_eq!((held.len(), error), (500, Errno::EADDRNOTAVAIL));
                held
            })
            .collect();
        assert_eq!(clients.len(), 2000);
        let pool = asked(host(1), local(S));
        assert_eq!((pool.used, pool.free_max, &pool.status[..]), (0, 500, "ok"));
        assert_eq!(server.room(Source::Any, local(S)).0, 500);
    });
}

#[test]
fn clients_of_a_listener_in_the_range_use_its_port_alone() {
    with_twenty_ports(|server| {
        raise_descriptor_limit();
        set_port_range(41_000, 41_499);
        let in_range = Server::on(&[40_010]);
        let _clients = in_range.dial_many(500, Source::Any, local(40_010));
        set_port_range(FIRST, LAST);
        check_free(server, host(1), local(S), 19);
    });
}

// 6, 7, 8: ports that bind drew, which nobody can tell from those that connect drew.

#[test]
fn ports_of_bind_block_connects_from_every_source() {
    with_twenty_ports(|server| {
        let (held, error) = server.fill(Source::Held(host(9)), local(S));
        assert_eq!((held.len(), error), (20, Errno::EADDRINUSE));
        for dst in [local(S), local(S2)] {
            check_free_within(server, host(1), dst, 0, 0..=ALL);
            check_probed(host(1), dst, 0);
            // What nobody can tell from the sockets is not simply well.
            let ask = ["--src", "127.0.0.1", "--dst", &dst.to_string()];
            for format in ["human", "nagios"] {
                let args = [&["ephemeral", "--format", format][..], &ask].concat();
                let told = portstat::run(&args);
                let first = told.text().lines().next().unwrap().to_owned();
                assert!(first.contains("0 to 20 free: --probe tells"), "{first}");
            }
        }
        // Its own pool is known exactly.
        let pool = asked(host(9), local(S));
        assert_eq!((pool.used, pool.free_max, pool.percent), (20, 0, 100.0));
    });
}

#[test]
fn ports_of_connect_behind_a_bound_address_block_nobody_else() {
    with_twenty_ports(|server| {
        let (held, error) = server.fill(Source::NoPort(host(9)), local(S));
        assert_eq!((held.len(), error), (20, Errno::EADDRNOTAVAIL));
        check_free_within(server, host(1), local(S), ALL, 0..=ALL);
        check_free_within(server, host(9), local(S2), ALL, 0..=ALL);
        check_probed(host(1), local(S), ALL);
        check_free(server, host(9), local(S), 0);
    });
}

#[test]
fn seven_ports_of_bind_leave_thirteen() {
    with_twenty_ports(|server| {
        let _held = server.dial_many(7, Source::Held(host(9)), local(S));
        check_free_within(server, host(1), local(S2), 13, 13..=ALL);
        // They are odd, by which they are told.
        assert_eq!(asked(host(1), local(S2)).free, 13);
        check_probed(host(1), local(S2), 13);
    });
}

// 9, 10: ports that are not to be drawn.

#[test]
fn reserved_ports_do_not_count() {
    with_twenty_ports(|server| {
        sysctl(
            "net.ipv4.ip_local_reserved_ports",
            "40000-40004,40010,50000",
        );
        let netns = report(&[]).netns;
        assert_eq!(
            (netns.first, netns.last, netns.reserved, netns.capacity),
            (40_000, 40_019, 6, 14)
        );
        check_free(server, host(1), local(S), 14);
        let _held = server.dial_many(7, Source::Any, local(S));
        assert_eq!(asked(host(1), local(S)).percent, 50.0);
        // Whoever asks for a reserved port by its number gets it, and takes none of the others.
        let _reserved = server
            .dial(Source::Exactly(local(40_002)), local(S))
            .unwrap();
        check_free(server, host(1), local(S), 7);
    });
}

#[test]
fn bound_sockets_of_ipv6_block_ipv4() {
    with_twenty_ports(|server| {
        let _held: Vec<OwnedFd> = (0..4)
            .map(|_| take_port(SockType::Stream, Ipv6Addr::LOCALHOST.into()).unwrap())
            .collect();
        check_free(server, host(1), local(S), 16);
    });
}

// 13: one family for two.

#[test]
fn mapped_addresses_are_those_they_stand_for() {
    with_twenty_ports(|server| {
        let mapped = SocketAddr::from((Ipv4Addr::LOCALHOST.to_ipv6_mapped(), S));
        let (held, error) = server.fill(Source::Any, mapped);
        assert_eq!((held.len(), error), (20, Errno::EADDRNOTAVAIL));
        let pool = asked(host(1), local(S));
        assert_eq!((pool.used, pool.percent), (20, 100.0));
        check_free(server, host(1), local(S), 0);
        let pools = report(&[]).netns.pools;
        let spelled_mapped =
            |ip: &Option<String>| ip.as_ref().is_some_and(|ip| ip.contains("ffff"));
        assert!(
            pools
                .iter()
                .all(|pool| !spelled_mapped(&pool.src) && !spelled_mapped(&pool.dst)),
            "{pools:?}"
        );
    });
}

#[test]
fn ipv6_and_ipv4_destinations_are_not_the_same() {
    with_twenty_ports(|server| {
        let dst = SocketAddr::from((Ipv6Addr::LOCALHOST, S));
        let (held, error) = server.fill(Source::Any, dst);
        assert_eq!((held.len(), error), (20, Errno::EADDRNOTAVAIL));
        check_free(server, Ipv6Addr::LOCALHOST.into(), dst, 0);
        check_free_within(server, host(1), local(S), ALL, 0..=ALL);
    });
}

// 14, 15: TIME-WAIT.

/// Connections whose clients closed first, one a port.
#[track_caller]
fn make_time_wait(server: &Server, source: Source, dst: SocketAddr) {
    let (held, error) = server.fill(source, dst);
    assert_eq!((held.len(), error), (20, Errno::EADDRNOTAVAIL));
    held.into_iter().for_each(Connection::close_actively);
}

#[test]
fn time_wait_takes_ports_until_it_may_be_reused() {
    with_twenty_ports(|server| {
        sysctl("net.ipv4.tcp_tw_reuse", "0");
        make_time_wait(server, Source::Any, local(S));
        let pool = asked(host(1), local(S));
        assert_eq!((pool.used, pool.time_wait, pool.reclaimable), (20, 20, 0));
        check_free(server, host(1), local(S), 0);

        // From one second on.
        sysctl("net.ipv4.tcp_tw_reuse", "1");
        wait_until("reclaimable ports", || {
            asked(host(1), local(S)).reclaimable == ALL
        });
        let pool = asked(host(1), local(S));
        assert_eq!((pool.time_wait, pool.free, pool.free_max), (20, ALL, ALL));
        assert_eq!((pool.percent, &pool.status[..]), (0.0, "ok"));
        let (held, error) = server.fill(Source::Any, local(S));
        assert_eq!((held.len(), error), (20, Errno::EADDRNOTAVAIL));
    });
}

#[test]
fn time_wait_is_not_reused_before_its_delay() {
    with_twenty_ports(|server| {
        sysctl("net.ipv4.tcp_tw_reuse", "1");
        sysctl("net.ipv4.tcp_tw_reuse_delay", "50000");
        make_time_wait(server, Source::Any, local(S));
        let pool = asked(host(1), local(S));
        assert_eq!((pool.time_wait, pool.reclaimable), (20, 0));
        check_free(server, host(1), local(S), 0);
    });
}

#[test]
fn time_wait_between_loopback_addresses_is_reused_by_default() {
    with_twenty_ports(|server| {
        sysctl("net.ipv4.tcp_tw_reuse", "2");
        sysctl("net.ipv4.tcp_tw_reuse_delay", "1");
        make_time_wait(server, Source::Any, local(S));
        wait_until("reclaimable ports", || {
            asked(host(1), local(S)).reclaimable == ALL
        });
        assert_eq!(server.room(Source::Any, local(S)).0, 20);
    });
}

#[test]
fn time_wait_between_other_addresses_is_not() {
    with_twenty_ports(|server| {
        let (one, two) = (Ipv4Addr::new(10, 9, 0, 1), Ipv4Addr::new(10, 9, 0, 2));
        add_loopback_address(1, one);
        add_loopback_address(2, two);
        sysctl("net.ipv4.tcp_tw_reuse", "2");
        sysctl("net.ipv4.tcp_tw_reuse_delay", "1");
        let dst = SocketAddr::from((two, S));
        make_time_wait(server, Source::NoPort(one.into()), dst);
        let pool = asked(one.into(), dst);
        assert_eq!((pool.time_wait, pool.reclaimable), (20, 0));
        check_free(server, one.into(), dst, 0);
    });
}

#[test]
fn time_wait_of_bound_sockets_is_never_reused() {
    with_twenty_ports(|server| {
        sysctl("net.ipv4.tcp_tw_reuse", "1");
        sysctl("net.ipv4.tcp_tw_reuse_delay", "1");
        let held = server.dial_many(7, Source::Held(host(1)), local(S));
        held.into_iter().for_each(Connection::close_actively);
        let pool = asked(host(1), local(S));
        assert!(pool.free_min <= 13 && 13 <= pool.free_max, "{pool:?}");
        assert_eq!(server.room(Source::Any, local(S)).0, 13);
    });
}

// 16, 17: the other states in which a connection keeps its port.

#[test]
fn orphans_keep_their_ports_and_have_no_owner() {
    with_twenty_ports(|server| {
        sysctl("net.ipv4.tcp_tw_reuse", "1");
        sysctl("net.ipv4.tcp_tw_reuse_delay", "1");
        let (held, _) = server.fill(Source::Any, local(S));
        let _left: Vec<OwnedFd> = held.into_iter().map(Connection::orphan).collect();
        let pool = asked(host(1), local(S));
        assert_eq!((pool.used, pool.time_wait, pool.reclaimable), (20, 0, 0));
        assert_eq!(pool.owners, []);
        check_free(server, host(1), local(S), 0);
    });
}

#[test]
fn connects_that_nobody_answers_keep_their_ports() {
    with_twenty_ports(|_| {
        // With one connection that waits, this listener answers no more.
        let dst = local(9002);
        let full = open(SockType::Stream, host(1));
        bind(&full, dst).unwrap();
        listen(&full, 0).unwrap();
        let _waiting = dial(SockType::Stream, Source::Exactly(local(30_000)), dst).unwrap();
        await_pending(&full, 1);

        let (held, error) = fill(|| {
            let client = open(SockType::Stream, host(1));
            set_nonblocking(&client);
            match connect(&client, dst) {
                Err(Errno::EINPROGRESS) => Ok(client),
                Ok(()) => panic!("somebody answered"),
                Err(error) => Err(error),
            }
        });
        assert_eq!((held.len(), error), (20, Errno::EADDRNOTAVAIL));
        held.iter().for_each(|client| await_state(client, SYN_SENT));
        let pool = asked(host(1), dst);
        assert_eq!((pool.used, pool.free_max, pool.percent), (20, 0, 100.0));
    });
}

// 18: two rows a connection.

#[test]
fn mptcp_counts_once() {
    with_twenty_ports(|server| {
        sysctl("net.mptcp.enabled", "1");
        let listener = open_mptcp().unwrap();
        bind(&listener, local(9002)).unwrap();
        listen(&listener, 100).unwrap();
        let (held, error) = fill(|| {
            let client = open_mptcp().unwrap();
            connect(&client, local(9002))?;
            Ok((client, accept(&listener)))
        });
        assert_eq!((held.len(), error), (20, Errno::EADDRNOTAVAIL));
        let pool = asked(host(1), local(9002));
        assert_eq!((pool.used, pool.free_max, pool.percent), (20, 0, 100.0));
        assert_eq!(server.room(Source::Any, local(S)).0, 20);
    });
}

// 38: odd numbers.

#[test]
fn a_range_of_five_may_fail_at_four() {
    with_twenty_ports(|server| {
        set_port_range(40_000, 40_004);
        for client in 1..20 {
            let src = [127, 0, 1, client].into();
            let pool = asked(src, local(S));
            let capacity = report(&[]).netns.capacity;
            let (truth, error) = server.room(Source::NoPort(src), local(S));
            assert_eq!((capacity, error), (5, Errno::EADDRNOTAVAIL));
            assert!(truth == 4 || truth == 5, "{truth}");
            assert!(
                pool.free_min <= truth as u64 && truth as u64 <= pool.free_max,
                "{truth}: {pool:?}"
            );
        }
        // The address of a socket tells the port that was drawn.
        let (held, _) = server.fill(Source::Any, local(S));
        assert!(held.iter().all(|connection| {
            (40_000..=40_004).contains(&local_address(&connection.client).port())
        }));
    });
}
