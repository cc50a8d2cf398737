//! What people read: each thing once, and in words that fit.

use nix::sys::socket::SockType;

use crate::ask::asked;
use crate::processes::ADDRESS;
use crate::setup::{ELSEWHERE, P, at, own_mark, own_pid, served};
use crate::support::namespace::in_namespace;
use crate::support::portstat;
use crate::support::socket::{bind, connect, open};
use crate::wanted::Wanted;

/// What people are told; no line twice.
#[track_caller]
fn told(args: &[&str], code: i32) -> String {
    let ran = portstat::run(&[&["why"], args].concat()).exited(code);
    let text = ran.text().to_owned();
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    let count = lines.len();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), count, "{text}");
    text
}

#[test]
fn a_server_with_a_socket_for_each_family_is_told_once() {
    in_namespace(|| {
        let _v4 = served(Wanted::tcp("0.0.0.0:8080"));
        let _v6 = served(Wanted::tcp("[::]:8080").v6only());
        let text = told(&["8080"], 1);
        let first = format!(
            "0.0.0.0:8080/tcp is blocked: {} listens on 0.0.0.0:8080 and [::]:8080; so is \
             [::]:8080/tcp",
            own_mark()
        );
        assert_eq!(text.lines().next(), Some(&first[..]), "{text}");
        assert_eq!(text.matches("what to do:").count(), 1, "{text}");
        assert_eq!(text.matches("  LISTEN ").count(), 2, "{text}");
    });
}

#[test]
fn what_is_free_is_told_once() {
    in_namespace(|| {
        let _v6 = served(Wanted::tcp("[::1]:8080"));
        let text = told(&["8080"], 1);
        assert!(text.starts_with("[::]:8080/tcp is blocked: "), "{text}");
        assert_eq!(
            text.matches("0.0.0.0:8080/tcp is free").count(),
            1,
            "{text}"
        );
    });
}

#[test]
fn a_port_that_was_bound_for_a_connection_to_itself_was_not_drawn() {
    in_namespace(|| {
        let address = at("127.0.0.1:7306");
        let fd = open(SockType::Stream, address.ip());
        bind(&fd, address).unwrap();
        connect(&fd, address).unwrap();
        let answer = asked(&Wanted::tcp("127.0.0.1:7306"));
        let blocker = answer.exactly().blocked_by("EADDRINUSE", "self-connect");
        let said = "The program bound port 7306 and connected to it";
        assert!(
            blocker.explanation.contains(said),
            "{}",
            blocker.explanation
        );
        assert!(
            !blocker.explanation.contains("drew"),
            "{}",
            blocker.explanation
        );
    });
}

/// Where a process comes from is known however many sockets it has.
#[test]
fn a_process_with_many_sockets_is_told_of_in_full() {
    const MANY: usize = 70;
    in_namespace(|| {
        let group = Wanted::tcp(ADDRESS).reuse_port();
        let _group: Vec<_> = (0..MANY).map(|_| group.really().unwrap()).collect();
        let elsewhere = at(&format!("127.0.0.1:{ELSEWHERE}"));
        let _elsewhere = Wanted::new(SockType::Stream, elsewhere).really().unwrap();
        let client = open(SockType::Stream, elsewhere.ip());
        bind(&client, at(&format!("127.0.0.2:{P}"))).unwrap();
        connect(&client, elsewhere).unwrap();
        let text = portstat::run(&["why", "0.0.0.0:8080"]).exited(1);
        let text = text.text();
        let mut lines = text
            .lines()
            .skip_while(|line| !line.starts_with("  ESTAB "));
        let process = lines.nth(1).unwrap_or_else(|| panic!("{text}"));
        assert!(
            process.contains(&format!("{} fd ", own_mark())),
            "{process}"
        );
        assert!(process.contains(", child of "), "{} {text}", own_pid());
    });
}

#[test]
fn a_connect_that_finds_no_route_gives_its_errno_once() {
    in_namespace(|| {
        let text = told(&["--connect", "192.0.2.1:80"], 1);
        assert_eq!(text.matches("ENETUNREACH").count(), 1, "{text}");
    });
}
