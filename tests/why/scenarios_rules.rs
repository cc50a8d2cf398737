//! Connects that a rule of the routes decides over: by port, protocol, user, or the source that the
//! routes chose.

use crate::answer::only_answer;
use crate::ask::{check_verdict, why};
use crate::connecting::Connecting;
use crate::links::{ip, pair};
use crate::support::namespace::{has_users, in_namespace, in_network_namespace};
use crate::support::rights::Rights;

/// Insists that a connect is refused by a rule, and that this is told.
#[track_caller]
fn check_refused(wanted: &Connecting, errno: &str) {
    let answer = wanted.asked_of_nobody();
    let blocker = answer.exactly().blocked_by(errno, "no-route");
    blocker.fixed_by(&["ip ", "rule"]);
}

#[test]
fn rules_by_port_and_protocol_count() {
    in_namespace(|| {
        pair();
        ip("rule add dport 82 prohibit");
        ip("-6 rule add dport 83 prohibit");
        ip("rule add ipproto tcp dport 84 unreachable");
        ip("rule add sport 5000 prohibit");
        check_refused(&Connecting::tcp("", "10.9.8.2:82"), "EACCES");
        check_refused(&Connecting::udp("", "10.9.8.2:82"), "EACCES");
        check_refused(&Connecting::tcp("", "[2001:db8:9::2]:83"), "EACCES");
        check_refused(&Connecting::tcp("", "10.9.8.2:84"), "ENETUNREACH");
        check_refused(&Connecting::tcp("10.9.8.1:5000", "10.9.8.2:80"), "EACCES");
        for free in [
            Connecting::udp("", "10.9.8.2:84"),
            Connecting::tcp("", "10.9.8.2:80"),
            Connecting::tcp("", "[2001:db8:9::2]:82"),
            Connecting::tcp("10.9.8.1:5001", "10.9.8.2:80"),
        ] {
            free.asked_of_nobody().free();
        }
    });
}

#[test]
fn rules_by_the_source_that_was_chosen_count() {
    in_namespace(|| {
        pair();
        ip("rule add from 10.9.8.1 to 10.9.8.6 prohibit");
        check_refused(&Connecting::tcp("", "10.9.8.6:80"), "EACCES");
        check_refused(&Connecting::udp("", "10.9.8.6:80"), "EACCES");
        Connecting::tcp("", "10.9.8.7:80").asked_of_nobody().free();
        // IPv6 asks once, and again only where it was refused.
        ip("-6 rule add from 2001:db8:9::1 to 2001:db8:9::6 prohibit");
        Connecting::tcp("", "[2001:db8:9::6]:80")
            .asked_of_nobody()
            .free();
        check_refused(
            &Connecting::tcp("2001:db8:9::1", "[2001:db8:9::6]:80"),
            "EACCES",
        );
        ip("-6 route add 2001:db8:a::/64 dev one table 100");
        ip("-6 rule add from 2001:db8:9::1 lookup 100");
        let answer = Connecting::tcp("", "[2001:db8:a::1]:80").asked_of_nobody();
        answer.assuming(&["one is taken to lead there"]);
    });
}

#[test]
fn rules_by_user_count() {
    in_network_namespace(|| {
        pair();
        let (own, other) = (nix::unistd::geteuid().as_raw(), 1000);
        let of = |uid: u32| {
            let mut args = Connecting::tcp("", "10.9.8.2:80").args();
            args.push(format!("--user={uid}"));
            only_answer(&why(&args, Rights::Own))
        };
        if has_users() {
            ip("rule add uidrange 1000-1000 unreachable");
            of(other).blocked_by("ENETUNREACH", "no-route");
            of(own).free();
            let wanted = Connecting::tcp("", "10.9.8.2:80");
            check_verdict(
                &of(other),
                Rights::User(other).attempt(|| wanted.sets_out()),
            );
        }
        ip(&format!("rule add uidrange {own}-{own} prohibit"));
        check_refused(&Connecting::tcp("", "10.9.8.2:80"), "EACCES");
    });
}

/// Which port is drawn nobody knows before.
#[test]
fn rules_by_the_port_that_is_drawn_may_count() {
    in_namespace(|| {
        pair();
        let all = |source_v4: &str, source_v6: &str| {
            [
                Connecting::tcp(source_v4, "10.9.8.2:80"),
                Connecting::udp(source_v4, "10.9.8.2:80"),
                Connecting::tcp(source_v6, "[2001:db8:9::2]:80"),
                Connecting::udp(source_v6, "[2001:db8:9::2]:80"),
            ]
        };
        // Ports that are never drawn.
        ip("rule add sport 5000-5010 prohibit");
        ip("-6 rule add sport 5000-5010 prohibit");
        ip("rule add ipproto sctp sport 32768-60999 prohibit");
        ip("rule add to 192.0.2.0/24 sport 32768-60999 prohibit");
        for wanted in all("", "") {
            wanted.asked_of_nobody().free();
        }
        ip("rule add sport 32768-60999 prohibit");
        ip("-6 rule add sport 32768-60999 prohibit");
        let cases = [
            ("", ""),
            ("10.9.8.1", "2001:db8:9::1"),
            ("10.9.8.1:0", "[2001:db8:9::1]:0"),
        ];
        for (v4, v6) in cases {
            for wanted in all(v4, v6) {
                let answer = only_answer(&why(&wanted.args(), Rights::Own));
                let truth = wanted.sets_out();
                println!("{:?}: {}, {truth:?}", wanted.args(), answer.verdict);
                // TCP of IPv6 looks for its way before it has a port.
                assert_eq!(answer.exact, truth.is_ok(), "{}", answer.document);
                if !answer.exact {
                    answer.assuming(&["the routes do not tell for certain"]);
                }
            }
        }
    });
}
