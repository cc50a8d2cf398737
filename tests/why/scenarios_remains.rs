//! Connections that keep a port, by the numbers of the scenarios they are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use ::portstat::kernel::tcp_flags;
use nix::sys::socket::SockType;

use crate::answer::{Answer, Blocker, only_answer};
use crate::ask::{asked, asked_with};
use crate::setup::{
    ELSEWHERE, P, at, close_by_server, connected_to_itself, left_by_server, listener, outgoing,
    own_pid, run_fix,
};
use crate::support::dial::{Source, await_row, dial, set_port_range};
use crate::support::holder::Holder;
use crate::support::namespace::{in_namespace, in_network_namespace, sysctl};
use crate::support::netns::in_new_netns;
use crate::support::portstat::run;
use crate::support::proc_net;
use crate::support::socket::{
    SYN_SENT, await_pending, await_state, bind, connect, listen, open, set_nonblocking,
};
use crate::wanted::Wanted;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

// 24, 25: TIME-WAIT.

/// Runs a test where a server has closed a connection before its client did, and gone; `reuse`
/// tells whether it had SO_REUSEADDR.
fn after_server(reuse: bool, body: impl FnOnce()) {
    in_namespace(|| {
        leave_time_wait(reuse);
        body();
    });
}

#[track_caller]
fn leave_time_wait(reuse: bool) {
    let own = at("127.0.0.1:8080");
    close_by_server(left_by_server(own, reuse));
    await_row("TIME-WAIT", own);
}

/// Insists on TIME-WAIT in the way, and on how much of its minute is left.
#[track_caller]
fn check_time_wait(answer: &Answer) -> &Blocker {
    let blocker = answer.blocked_by("EADDRINUSE", "time-wait");
    blocker.is("TIME-WAIT", "127.0.0.1", P).unowned("none");
    check_remaining(blocker);
    blocker
}

/// Insists that when it was asked no more was left than a minute, and no less than is now.
#[track_caller]
fn check_remaining(blocker: &Blocker) {
    let remaining = blocker.frees_in_ms.unwrap();
    let left = proc_net::timer_of(SocketAddr::new(V4, P));
    assert!((left..=60_000).contains(&remaining), "{remaining}, {left}");
}

/// What conflicts with `127.0.0.1`.
const SAME: [&str; 3] = ["0.0.0.0:8080", "127.0.0.1:8080", "[::]:8080"];

/// Insists on what is known of TIME-WAIT without its flags: everything for whoever does not reuse
/// addresses.
#[track_caller]
fn check_plainly_blocked() {
    for new in SAME {
        let answer = asked(&Wanted::tcp(new));
        answer.exactly().with_reuse_address(None);
        check_time_wait(&answer);
    }
    asked(&Wanted::tcp("127.0.0.2:8080")).free();
    asked(&Wanted::tcp("[::1]:8080")).free();
    for new in SAME {
        let answer = asked(&Wanted::tcp(new).reuse_address());
        answer.assuming(&["SO_REUSEADDR"]).with_reuse_address(None);
        assert_eq!(answer.verdict, "unknown", "{}", answer.document);
        let [blocker] = &answer.blockers[..] else {
            panic!("{}", answer.document);
        };
        assert_eq!(blocker.cause, "time-wait");
        blocker.fixed_by(&["--probe"]);
    }
}

#[test]
fn time_wait_of_a_server_without_reuse_blocks_whoever_comes() {
    after_server(false, check_plainly_blocked);
}

#[test]
fn that_nobody_knows_the_flags_of_time_wait_is_in_the_first_line() {
    after_server(true, || {
        let ran = run(&["why", "127.0.0.1:8080", "--reuseaddr"]).exited(3);
        let mut lines = ran.text().lines();
        let first = lines.next().unwrap();
        for words in [
            "127.0.0.1:8080/tcp may be blocked: a connection to 127.0.0.1:",
            " is in TIME-WAIT ",
            "SO_REUSEADDR",
            "--probe tells",
        ] {
            assert!(first.contains(words), "{words}: {first}");
        }
        let command = "portstat why 127.0.0.1:8080/tcp --reuseaddr --probe";
        assert!(lines.any(|line| line.trim() == command), "{}", ran.text());
        let args = command.split(' ').skip(1).collect::<Vec<_>>();
        run(&args).exited(0);
        run(&["why", "127.0.0.1:8080"]).exited(1);
    });
}

#[test]
fn time_wait_of_a_server_with_reuse_blocks_who_does_not_reuse() {
    after_server(true, check_plainly_blocked);
}

/// Insists that the truth is told, though nobody may read flags, by trying.
#[track_caller]
fn check_probed(reuse: bool) {
    let verdict = if reuse { "free" } else { "blocked" };
    for new in SAME {
        let answer = asked_with(&Wanted::tcp(new), &["--probe"]);
        answer.exactly().with_reuse_address(Some(verdict));
        check_time_wait(&answer);
        assert!(answer.document["probe"].is_object(), "{}", answer.document);
        let answer = asked_with(&Wanted::tcp(new).reuse_address(), &["--probe"]);
        answer.exactly();
        assert_eq!(answer.verdict, verdict, "{}", answer.document);
    }
    asked_with(&Wanted::tcp("127.0.0.2:8080"), &["--probe"]).free();
}

#[test]
fn a_probe_tells_that_time_wait_without_reuse_blocks() {
    after_server(false, || check_probed(false));
}

#[test]
fn a_probe_tells_that_time_wait_with_reuse_does_not() {
    after_server(true, || check_probed(true));
}

/// Whether BPF may tell flags here; without it nobody knows those of a socket without a process.
/// Owners it tells in the first pid namespace only.
fn bpf_is_permitted() -> bool {
    match tcp_flags(P) {
        Ok(_) => true,
        Err(refused) => {
            // Past the capture of output.
            eprintln!("flags without a probe: not here: {refused}");
            false
        }
    }
}

/// Insists that with all rights the flags of TIME-WAIT are known, where BPF is permitted.
fn check_with_all_rights(reuse: bool) {
    in_network_namespace(|| {
        leave_time_wait(reuse);
        if !bpf_is_permitted() {
            return check_plainly_blocked();
        }
        let verdict = if reuse { "free" } else { "blocked" };
        for new in SAME {
            let answer = asked(&Wanted::tcp(new));
            answer.exactly().with_reuse_address(Some(verdict));
            check_time_wait(&answer);
            let answer = asked(&Wanted::tcp(new).reuse_address());
            answer.exactly();
            assert_eq!(answer.verdict, verdict, "{}", answer.document);
        }
    });
}

#[test]
fn with_all_rights_time_wait_without_reuse_is_known_to_block() {
    check_with_all_rights(false);
}

#[test]
fn with_all_rights_time_wait_with_reuse_is_known_not_to() {
    check_with_all_rights(true);
}

#[test]
fn time_wait_can_be_destroyed_as_is_advised() {
    after_server(false, || {
        let answer = asked(&Wanted::tcp("0.0.0.0:8080"));
        run_fix(check_time_wait(&answer), "portstat -tK");
        asked(&Wanted::tcp("0.0.0.0:8080")).free();
    });
}

// What else a server leaves behind.

#[test]
fn a_connection_outlives_its_server_without_reuse() {
    in_namespace(|| {
        let _held = left_by_server(at("127.0.0.1:8080"), false);
        for new in SAME {
            let answer = asked(&Wanted::tcp(new));
            answer.exactly().with_reuse_address(Some("blocked"));
            let blocker = answer.blocked_by("EADDRINUSE", "connection-remains");
            blocker.is("ESTAB", "127.0.0.1", P).held_by(own_pid());
        }
        asked(&Wanted::tcp("127.0.0.2:8080")).free();
    });
}

#[test]
fn a_connection_that_outlives_a_server_with_reuse_leaves_room_for_another() {
    in_namespace(|| {
        let _held = left_by_server(at("127.0.0.1:8080"), true);
        for new in SAME {
            let answer = asked(&Wanted::tcp(new));
            answer.exactly().with_reuse_address(Some("free"));
            answer.blocked_by("EADDRINUSE", "connection-remains");
            asked(&Wanted::tcp(new).reuse_address()).free();
        }
    });
}

#[test]
fn an_orphan_is_a_connection_that_remains() {
    in_namespace(|| {
        let connection = left_by_server(at("127.0.0.1:8080"), false);
        drop(connection.server);
        await_row("FIN-WAIT-2", at("127.0.0.1:8080"));
        let answer = asked(&Wanted::tcp("0.0.0.0:8080"));
        let blocker = answer
            .exactly()
            .blocked_by("EADDRINUSE", "connection-remains");
        blocker.is("FIN-WAIT-2", "127.0.0.1", P).unowned("none");
        check_remaining(blocker);
        run_fix(blocker, "portstat -tK");
        asked(&Wanted::tcp("0.0.0.0:8080")).free();
    });
}

// 26, 27: connections to elsewhere.

#[test]
fn an_outgoing_connection_blocks_the_port_that_it_drew() {
    in_namespace(|| {
        sysctl("net.ipv4.ip_local_reserved_ports", "9100-9101");
        let (_held, _listener) = outgoing(P, V4);
        set_port_range(P, P + 19);
        let answer = asked(&Wanted::tcp("0.0.0.0:8080"));
        answer.exactly().with_reuse_address(Some("blocked"));
        let blocker = answer.blocked_by("EADDRINUSE", "outgoing-connection");
        blocker.is("ESTAB", "127.0.0.1", P).held_by(own_pid());
        assert_eq!(blocker.socket["peer"]["port"], ELSEWHERE);
        asked(&Wanted::tcp("127.0.0.2:8080")).free();

        // Advice that is followed keeps what was reserved before.
        run_fix(blocker, "sysctl");
        let reserved = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_reserved_ports");
        assert_eq!(reserved.unwrap().trim_end(), "8080,9100-9101");
        // Whoever asks for a reserved port by its number may have it.
        set_port_range(P, P);
        let drawn = dial(SockType::Stream, Source::Any, at("127.0.0.1:9000"));
        assert_eq!(drawn.unwrap_err(), nix::errno::Errno::EADDRNOTAVAIL);
    });
}

/// What the kernel never draws was bound before the connect, and stays so when the connection is
/// destroyed.
#[test]
fn an_outgoing_connection_from_a_port_that_was_named_ends_with_its_owner() {
    in_namespace(|| {
        let to = SocketAddr::new(V4, ELSEWHERE);
        let _listener = listener(to);
        let _held = dial(SockType::Stream, Source::Exactly(at("127.0.0.1:8080")), to).unwrap();
        let answer = asked(&Wanted::tcp("0.0.0.0:8080"));
        let blocker = answer.blocked_by("EADDRINUSE", "outgoing-connection");
        blocker.fixed_by(&["kill", &own_pid().to_string()]);
        for advice in ["portstat -tK", "ip_local_reserved_ports"] {
            let mut commands = blocker.fixes.iter().filter_map(|fix| fix.command.as_ref());
            let given = commands.any(|command| command.contains(advice));
            assert!(!given, "{advice}: {:?}", blocker.fixes);
        }
    });
}

#[test]
fn a_reserved_port_may_be_bound() {
    in_namespace(|| {
        sysctl("net.ipv4.ip_local_reserved_ports", "8080");
        asked(&Wanted::tcp("0.0.0.0:8080")).free();
        asked(&Wanted::udp("0.0.0.0:8080")).free();
    });
}

#[test]
fn an_outgoing_connection_by_ipv6_blocks_the_wildcard_of_ipv4() {
    in_namespace(|| {
        let (_held, _listener) = outgoing(P, V6);
        let answer = asked(&Wanted::tcp("0.0.0.0:8080"));
        let blocker = answer
            .exactly()
            .blocked_by("EADDRINUSE", "outgoing-connection");
        blocker.is("ESTAB", "::1", P).held_by(own_pid());
        asked(&Wanted::tcp("127.0.0.1:8080")).free();
        for new in ["[::]:8080", "[::1]:8080"] {
            let answer = asked(&Wanted::tcp(new));
            answer.blocked_by("EADDRINUSE", "outgoing-connection");
        }
    });
}

#[test]
fn an_outgoing_connection_that_is_over_is_time_wait() {
    in_namespace(|| {
        let (held, _listener) = outgoing(P, V4);
        held.close_actively();
        let answer = asked(&Wanted::tcp("0.0.0.0:8080"));
        check_time_wait(answer.exactly());
    });
}

#[test]
fn a_connect_that_nobody_answers_is_an_outgoing_connection() {
    in_namespace(|| {
        // With one connection that waits, this listener answers no more.
        let full: OwnedFd = open(SockType::Stream, V4);
        let destination = at("127.0.0.1:9000");
        bind(&full, destination).unwrap();
        listen(&full, 0).unwrap();
        let _waiting = dial(SockType::Stream, Source::Any, destination).unwrap();
        await_pending(&full, 1);
        let client = open(SockType::Stream, V4);
        set_nonblocking(&client);
        set_port_range(P, P);
        let begun = connect(&client, destination);
        assert_eq!(begun, Err(nix::errno::Errno::EINPROGRESS));
        await_state(&client, SYN_SENT);
        let answer = asked(&Wanted::tcp("0.0.0.0:8080"));
        let blocker = answer
            .exactly()
            .blocked_by("EADDRINUSE", "outgoing-connection");
        blocker.is("SYN-SENT", "127.0.0.1", P).held_by(own_pid());
    });
}

// 30: self-connect.

#[test]
fn a_socket_connected_to_itself_blocks_its_port() {
    in_namespace(|| {
        let _held = connected_to_itself(at("127.0.0.1:8080"));
        set_port_range(P, P + 19);
        for new in SAME {
            let answer = asked(&Wanted::tcp(new));
            answer.exactly().with_reuse_address(Some("blocked"));
            let blocker = answer.blocked_by("EADDRINUSE", "self-connect");
            blocker.is("ESTAB", "127.0.0.1", P).held_by(own_pid());
            blocker.fixed_by(&["ip_local_reserved_ports"]);
        }
        asked(&Wanted::tcp("127.0.0.2:8080")).free();
    });
}

/// What is advised of another namespace acts there.
#[test]
fn what_remains_in_another_namespace_is_destroyed_there() {
    in_namespace(|| {
        let room = in_new_netns(|| {
            leave_time_wait(false);
            Holder::of(&[])
        });
        let pid = room.pid().to_string();
        let args = ["-N", &pid, "why", "127.0.0.1:8080", "--json"];
        let answer = only_answer(&run(&args));
        let blocker = answer.blocked_by("EADDRINUSE", "time-wait");
        run_fix(blocker, &format!("portstat -N /proc/{pid}/ns/net -tK"));
        let answer = only_answer(&run(&args));
        assert_eq!(answer.verdict, "free", "{}", answer.document);
    });
}
