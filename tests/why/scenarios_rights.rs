//! Who may bind what, by the numbers of the scenarios they are.

use std::fs;

use crate::ask::{asked, asked_by, asked_with};
use crate::setup::{own_pid, served};
use crate::support::namespace::{has_users, in_namespace, in_network_namespace, sysctl};
use crate::support::portstat;
use crate::support::rights::{Rights, as_user};
use crate::wanted::Wanted;

/// A user who is not root, where there are several.
const OTHER: Rights = Rights::User(OTHER_UID);
const OTHER_UID: u32 = 65_534;

/// Those who are not root here: of another user there is one only where root runs the tests.
fn ordinary() -> Vec<Rights> {
    let other = has_users().then_some(OTHER);
    [Rights::None].into_iter().chain(other).collect()
}

// 34: ports of root.

#[test]
fn a_low_port_is_refused_before_anything_else_is_looked_at() {
    in_network_namespace(|| {
        let _old = served(Wanted::tcp("0.0.0.0:80"));
        for rights in ordinary() {
            for new in ["0.0.0.0:80", "127.0.0.1:80", "[::]:80"] {
                let wanted = Wanted::tcp(new);
                let (answer, _) = asked_by(rights, &wanted);
                let blocker = answer
                    .exactly()
                    .blocked_first_by("EACCES", "privileged-port");
                assert!(blocker.socket.is_null(), "{}", answer.document);
                blocker.fixed_by(&["CAP_NET_BIND_SERVICE"]);
                if rights == Rights::None {
                    // There is no root in that one, and it would have no right here.
                    blocker.fixed_by(&["outside of this user namespace\nsudo sysctl"]);
                }
                // It would not be enough to be root.
                assert!(answer.has_cause("listener"), "{}", answer.document);
            }
            // An address of nobody here is so before that.
            let (answer, _) = asked_by(rights, &Wanted::tcp("192.0.2.5:80"));
            answer.blocked_first_by("EADDRNOTAVAIL", "address-not-local");
            let (answer, _) = asked_by(rights, &Wanted::tcp("[2001:db8::5]:80"));
            answer.blocked_first_by("EACCES", "privileged-port");
            let (answer, _) = asked_by(rights, &Wanted::udp("0.0.0.0:1023"));
            answer.blocked_by("EACCES", "privileged-port");
            let (answer, _) = asked_by(rights, &Wanted::udp("0.0.0.0:1024"));
            answer.free();
        }
        // To root it is taken, and nothing more.
        let answer = asked(&Wanted::tcp("0.0.0.0:80"));
        answer
            .blocked_by("EADDRINUSE", "listener")
            .held_by(own_pid());
    });
}

#[test]
fn the_machine_decides_which_ports_are_low() {
    in_network_namespace(|| {
        sysctl("net.ipv4.ip_unprivileged_port_start", "80");
        for rights in ordinary() {
            let (answer, _) = asked_by(rights, &Wanted::tcp("0.0.0.0:80"));
            answer.free();
            let (answer, _) = asked_by(rights, &Wanted::tcp("0.0.0.0:79"));
            answer.blocked_by("EACCES", "privileged-port");
        }
        sysctl("net.ipv4.ip_unprivileged_port_start", "9000");
        for rights in ordinary() {
            let (answer, _) = asked_by(rights, &Wanted::udp("[::]:8080"));
            answer.blocked_by("EACCES", "privileged-port");
        }
        asked(&Wanted::tcp("0.0.0.0:8080")).free();
    });
}

#[test]
fn what_another_user_may_is_told_as_far_as_it_is_known() {
    in_namespace(|| {
        let ran = portstat::run(&["why", "0.0.0.0:80", "--user", "4711", "--json"]);
        let answer = crate::answer::only_answer(&ran);
        answer.blocked_by("EACCES", "privileged-port");
        assert_eq!(answer.query["uid"], 4711);
        // The program of that user may have the right from elsewhere.
        assert!(!answer.exact, "{}", answer.document);
        for root in ["0", "root"] {
            let ran = portstat::run(&["why", "0.0.0.0:80", "--user", root, "--json"]);
            crate::answer::only_answer(&ran).free();
        }
        // It says nothing of other ports.
        let ran = portstat::run(&["why", "0.0.0.0:8080", "--user", "4711", "--json"]);
        crate::answer::only_answer(&ran).free();
    });
}

// 28: SO_REUSEPORT of several users.

/// Insists that a group is closed to another user, and tells why.
#[track_caller]
fn check_other_user(answer: &crate::answer::Answer) {
    let blocker = answer.blocked_by("EADDRINUSE", "reuseport-other-user");
    blocker.is("LISTEN", "0.0.0.0", 8080);
    answer.exactly();
}

#[test]
fn a_group_of_one_user_is_closed_to_another() {
    in_network_namespace(|| {
        let new = Wanted::tcp("0.0.0.0:8080").reuse_port();
        let _old = served(new);
        let other = OTHER_UID.to_string();
        let args = [
            "why",
            "0.0.0.0:8080",
            "--reuseport",
            "--json",
            "--user",
            &other,
        ];
        let ran = portstat::run(&args);
        check_other_user(&crate::answer::only_answer(&ran));
        if has_users() {
            let (answer, ran) = asked_by(OTHER, &new);
            assert_eq!(answer.blockers[0].socket["owners_status"], "hidden");
            assert!(ran.stderr.contains("hidden"), "{}", ran.stderr);
            assert_eq!(answer.verdict, "blocked", "{}", answer.document);
        }
        let answer = asked(&new);
        assert_eq!(answer.verdict, "free", "{}", answer.document);
    });
}

#[test]
fn users_of_whom_the_namespace_knows_nothing_are_not_told_apart() {
    in_network_namespace(|| {
        let new = Wanted::tcp("0.0.0.0:8080").reuse_port();
        let group = || match has_users() {
            true => as_user(1000, || new.really().unwrap()),
            false => new.really().unwrap(),
        };
        let _group = [group(), group()];
        // All are nobody there, and who is one of them cannot be told.
        let mut args = vec!["why".to_owned()];
        args.extend(new.args());
        let answer = crate::answer::only_answer(&crate::ask::why(&args, Rights::None));
        answer.assuming(&["user namespace"]);
        assert!(!answer.exact, "{}", answer.document);
        let fixes = answer.blockers.iter().flat_map(|blocker| &blocker.fixes);
        for fix in fixes {
            // Outside it would be another user who asks, and nobody can be told to be one unknown.
            assert_eq!(fix.command, None, "{fix:?}");
            assert!(!fix.text.contains("run as nobody"), "{fix:?}");
        }
        crate::ask::check_verdict(&answer, Rights::None.attempt(|| new.really()));
    });
}

// What an ordinary user sees of sockets that are not theirs.

#[test]
fn flags_of_others_are_assumed_and_never_wrong() {
    in_network_namespace(|| {
        let bound = Wanted::tcp("0.0.0.0:8080").reuse_address();
        let _held = bound.bound().unwrap();
        for rights in ordinary() {
            // Without SO_REUSEADDR, the flags of others make no difference.
            let (answer, ran) = asked_by(rights, &Wanted::tcp("0.0.0.0:8080"));
            answer.exactly().with_reuse_address(None);
            let blocker = answer.blocked_by("EADDRINUSE", "bound-not-listening");
            blocker.unowned("hidden");
            assert!(ran.stderr.contains("hidden"), "{}", ran.stderr);
            let (answer, _) = asked_by(rights, &bound);
            answer.assuming(&["SO_REUSEADDR"]);
            answer.blocked_by("EADDRINUSE", "bound-not-listening");
            assert!(!answer.exact, "{}", answer.document);
            // Trying tells.
            let new = bound.address.to_string();
            let args = ["why", &new, "--reuseaddr", "--probe", "--json"];
            let mut command = portstat::command(&args);
            let ran = portstat::finish(rights.apply(&mut command));
            crate::answer::only_answer(&ran).free();
        }
        let answer = asked(&bound);
        answer.free();
    });
}

#[test]
fn to_look_changes_nothing() {
    in_namespace(|| {
        let old = served(Wanted::tcp("127.0.0.1:8080"));
        let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
        let before = descriptors();
        asked(&Wanted::tcp("0.0.0.0:8080"));
        asked_with(&Wanted::tcp("0.0.0.0:8080"), &["--probe"]);
        assert_eq!(descriptors(), before);
        // It still listens.
        let to = "127.0.0.1:8080".parse().unwrap();
        drop(crate::setup::accepted(&old.fd, to));
    });
}
