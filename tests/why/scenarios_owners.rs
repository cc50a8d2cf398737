//! Who holds what is in the way, by the numbers of the scenarios they are.

use std::io::IoSlice;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, sendmsg, socketpair,
};

use crate::answer::{Blocker, array};
use crate::ask::asked;
use crate::setup::{P, at, listener, own_mark, own_pid, run_fix, serve, served};
use crate::support::dial::{Source, dial};
use crate::support::holder::Holder;
use crate::support::namespace::in_namespace;
use crate::support::portstat;
use crate::support::socket::{await_pending, bind, open};
use crate::support::ss;
use crate::wanted::Wanted;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[track_caller]
fn first_line(args: &[&str]) -> String {
    let ran = portstat::run(&[&["why"], args].concat()).exited(1);
    ran.text().lines().next().unwrap_or_default().to_owned()
}

// 23: bound, and nothing more.

#[test]
fn what_is_bound_and_does_not_listen_blocks() {
    in_namespace(|| {
        let _bound = Wanted::tcp("0.0.0.0:8080").bound().unwrap();
        let answer = asked(&Wanted::tcp("127.0.0.1:8080"));
        answer.exactly().with_reuse_address(Some("blocked"));
        let blocker = answer.blocked_by("EADDRINUSE", "bound-not-listening");
        blocker.is("BOUND", "0.0.0.0", P).held_by(own_pid());
        let first = first_line(&["127.0.0.1:8080"]);
        assert!(first.contains(&own_mark()), "{first}");
    });
}

#[test]
fn what_is_bound_by_somebody_else_is_named_after_them() {
    in_namespace(|| {
        let bound = Wanted::tcp("0.0.0.0:8080").bound().unwrap();
        let holder = Holder::named(b"forgotten", &[bound.as_fd()]);
        drop(bound);
        let answer = asked(&Wanted::tcp("0.0.0.0:8080"));
        let blocker = &answer.exactly().blockers[0];
        blocker.held_by(holder.pid()).named("forgotten");
        let first = first_line(&["0.0.0.0:8080"]);
        let mark = format!("forgotten[{}]", holder.pid());
        assert!(first.contains(&mark), "{first}");
    });
}

/// A port that `connect` is to draw is not drawn yet.
#[test]
fn what_is_bound_to_no_port_yet_blocks_none() {
    in_namespace(|| {
        let fd = open(SockType::Stream, LOCALHOST);
        crate::support::dial::bind_source(&fd, Source::NoPort(LOCALHOST)).unwrap();
        asked(&Wanted::tcp("127.0.0.1:8080")).free();
    });
}

// 28: SO_REUSEPORT among one's own.

#[test]
fn listeners_of_one_user_share_a_port() {
    in_namespace(|| {
        let new = Wanted::tcp("0.0.0.0:8080").reuse_port();
        let _group = [served(new), served(new), served(new)];
        let answer = asked(&new);
        assert_eq!(answer.verdict, "free", "{}", answer.document);
        answer.noting(&["3"]);
        for plain in [Wanted::tcp("0.0.0.0:8080"), Wanted::tcp("127.0.0.1:8080")] {
            for plain in [plain, plain.reuse_address()] {
                let answer = asked(&plain);
                answer
                    .exactly()
                    .blocked_first_by("EADDRINUSE", "reuseport-group");
            }
        }
    });
}

#[test]
fn one_that_shares_its_port_does_not_do_so_with_all() {
    in_namespace(|| {
        let _old = served(Wanted::tcp("0.0.0.0:8080").reuse_port());
        let answer = asked(&Wanted::tcp("0.0.0.0:8080"));
        let blocker = &answer.exactly().blockers[0];
        assert!(
            matches!(&blocker.cause[..], "listener" | "reuseport-group"),
            "{}",
            answer.document
        );
        blocker.held_by(own_pid());
        // And who shares meets one that does not.
        drop(_old);
        let _old = served(Wanted::tcp("0.0.0.0:8080"));
        let answer = asked(&Wanted::tcp("0.0.0.0:8080").reuse_port());
        answer.exactly().blocked_by("EADDRINUSE", "listener");
    });
}

// 31: inherited.

/// A child that does nothing with what it inherited, and the only one that holds it.
#[track_caller]
fn heir(fd: OwnedFd) -> Holder {
    Holder::named(b"heir", &[fd.as_fd()])
}

#[test]
fn a_child_that_inherited_a_listener_is_named() {
    in_namespace(|| {
        let heir = heir(listener(at("127.0.0.1:8080")));
        let answer = asked(&Wanted::tcp("0.0.0.0:8080"));
        answer.exactly().with_reuse_address(Some("blocked"));
        let blocker = answer.blocked_by("EADDRINUSE", "inherited-by-child");
        blocker.is("LISTEN", "127.0.0.1", P).held_by(heir.pid());
        blocker.named("heir").fixed_by(&["O_CLOEXEC"]);
        // The parent is told with it.
        assert!(
            blocker.explanation.contains(&own_mark()) || document_names_parent(blocker),
            "{}",
            answer.document
        );
        let first = first_line(&["0.0.0.0:8080"]);
        assert!(first.contains(&format!("heir[{}]", heir.pid())), "{first}");
    });
}

/// Whether the parent of an owner is told as a value of its own.
fn document_names_parent(blocker: &Blocker) -> bool {
    blocker.socket.to_string().contains(&own_pid().to_string())
}

#[test]
fn to_end_the_heir_frees_the_port() {
    in_namespace(|| {
        let heir = heir(listener(at("127.0.0.1:8080")));
        let answer = asked(&Wanted::tcp("0.0.0.0:8080"));
        let pid = heir.pid().to_string();
        let blocker = answer.blockers[0].fixed_by(&["kill", &pid]);
        run_fix(blocker, "kill");
        drop(heir);
        asked(&Wanted::tcp("0.0.0.0:8080")).free();
    });
}

#[test]
fn a_server_that_passed_its_listener_on_is_still_the_server() {
    in_namespace(|| {
        let old = served(Wanted::tcp("127.0.0.1:8080"));
        let child = Holder::named(b"child", &[old.fd.as_fd()]);
        let answer = asked(&Wanted::tcp("0.0.0.0:8080"));
        let blocker = answer.exactly().blocked_by("EADDRINUSE", "listener");
        // Every holder is told.
        let owners = array(&blocker.socket, "owners");
        let holds = |pid: u32| owners.iter().any(|owner| owner["pid"] == pid);
        assert!(holds(own_pid()) && holds(child.pid()), "{owners:?}");
        let first = first_line(&["0.0.0.0:8080"]);
        assert!(first.contains(&own_mark()), "{first}");
    });
}

/// Whoever is busy with something else for a while has not inherited what it opened.
#[test]
fn a_server_that_is_busy_is_no_heir() {
    in_namespace(|| {
        let _old = listener(at("127.0.0.1:8080"));
        let answer = asked(&Wanted::tcp("0.0.0.0:8080"));
        answer
            .exactly()
            .blocked_by("EADDRINUSE", "listener")
            .held_by(own_pid());
    });
}

// 32: held by nobody.

#[test]
fn a_listener_in_flight_is_held_by_nobody() {
    in_namespace(|| {
        let (one, _other) = socketpair(
            AddressFamily::Unix,
            SockType::Stream,
            None,
            SockFlag::SOCK_CLOEXEC,
        )
        .unwrap();
        let listener = listener(at("127.0.0.1:8080"));
        let fds = [listener.as_raw_fd()];
        let rights = ControlMessage::ScmRights(&fds);
        let data = [IoSlice::new(b"x")];
        sendmsg::<()>(one.as_raw_fd(), &data, &[rights], MsgFlags::empty(), None).unwrap();
        drop(listener);
        let answer = asked(&Wanted::tcp("0.0.0.0:8080"));
        answer.exactly();
        // Whether all processes were seen, only who sees them all can tell.
        let blocker = &answer.blockers[0];
        match blocker.socket["owners_status"].as_str() {
            Some("unheld") => {
                answer.blocked_by("EADDRINUSE", "unheld");
                blocker.unowned("unheld").fixed_by(&["unix socket"]);
            }
            _ => {
                answer.blocked_by("EADDRINUSE", "listener");
                blocker.unowned("hidden");
            }
        }
        blocker.is("LISTEN", "127.0.0.1", P);
    });
}

#[test]
fn a_connection_that_waits_to_be_accepted_is_no_blocker_of_its_own() {
    in_namespace(|| {
        let old = served(Wanted::tcp("127.0.0.1:8080"));
        let client = dial(SockType::Stream, Source::Any, at("127.0.0.1:8080")).unwrap();
        await_pending(&old.fd, 1);
        let answer = asked(&Wanted::tcp("0.0.0.0:8080"));
        let blocker = answer.exactly().blocked_first_by("EADDRINUSE", "listener");
        blocker.held_by(own_pid());
        drop(client);
    });
}

// 37: destroyed.

#[test]
fn a_destroyed_listener_keeps_its_port() {
    ss::beside_ss(|| {
        let old = serve(listener(at("127.0.0.1:8080")));
        ss::text(&["-K", "-tl", "sport = :8080"]);
        let answer = asked(&Wanted::tcp("0.0.0.0:8080"));
        let blocker = answer
            .exactly()
            .blocked_by("EADDRINUSE", "bound-not-listening");
        blocker.is("BOUND", "127.0.0.1", P).held_by(own_pid());
        // Nobody is told to do so again.
        let destroys = |fix: &crate::answer::Fix| {
            fix.command
                .as_ref()
                .is_some_and(|command| command.contains("portstat -tK"))
        };
        assert!(!blocker.fixes.iter().any(destroys), "{:?}", blocker.fixes);
        drop(old);
        asked(&Wanted::tcp("0.0.0.0:8080")).free();
    });
}

#[test]
fn nobody_is_told_to_destroy_a_listener() {
    in_namespace(|| {
        let _old = served(Wanted::tcp("127.0.0.1:8080"));
        let answer = asked(&Wanted::tcp("0.0.0.0:8080"));
        assert!(
            !answer.document.to_string().contains("portstat -tK"),
            "{}",
            answer.document
        );
        // UDP has no state in which it could be.
        let fd = open(SockType::Datagram, LOCALHOST);
        bind(&fd, at("127.0.0.1:53")).unwrap();
        asked(&Wanted::udp("127.0.0.1:53")).blocked_by("EADDRINUSE", "udp-socket");
    });
}
