//! What is advised, by cause; where it is going; and the verdict of the listing.

use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use nix::sys::socket::SockType;
use serde_json::Value;

use crate::report::{Report, report};
use crate::setup::{S, host, local, with_twenty_ports};
use crate::support::dial::{Connection, Server, Source, reset};
use crate::support::namespace::sysctl;
use crate::support::portstat::{self, Ran};
use crate::support::socket::{CLOSE_WAIT, await_state, bind, listen, open};
use crate::support::waiting::wait_until;

/// Insists that the worst pool is of a kind, that each of the words is in some advice on it or on
/// one that is as bad, and that people are told the same.
#[track_caller]
fn check_advice(use_up: impl FnOnce(&Server) -> Vec<OwnedFd>, kinds: &[&str], words: &[&str]) {
    with_twenty_ports(|server| {
        let _held = use_up(server);
        let found = report(&[]);
        assert_eq!(found.status, "critical");
        let pools = &found.netns.pools;
        assert!(kinds.contains(&&pools[0].kind[..]), "{pools:?}");
        let worst = pools.iter().filter(|pool| pool.percent == pools[0].percent);
        let advice: Vec<&String> = worst.flat_map(|pool| &pool.advice).collect();
        let human = portstat::run(&["ephemeral"]).exited(2);
        // Wherever it is broken into lines.
        let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let human = flat(human.text());
        for word in words {
            let said = advice.iter().any(|advice| advice.contains(word));
            assert!(said, "{word}: {pools:?}");
            assert!(human.contains(word), "{word}: {human}");
        }
    });
}

fn clients(connections: Vec<Connection>) -> Vec<OwnedFd> {
    let both = |connection: Connection| [connection.client, connection.server];
    connections.into_iter().flat_map(both).collect()
}

#[test]
fn time_wait_is_kept_open_or_reused() {
    check_advice(
        |server| {
            sysctl("net.ipv4.tcp_tw_reuse", "0");
            let (held, _) = server.fill(Source::Any, local(S));
            held.into_iter().for_each(Connection::close_actively);
            Vec::new()
        },
        &["tcp-connect", "tcp-bind"],
        &["tcp_tw_reuse=1"],
    );
}

#[test]
fn ports_of_bind_are_drawn_by_connect_instead() {
    check_advice(
        |server| clients(server.fill(Source::Held(host(9)), local(S)).0),
        &["tcp-connect", "tcp-bind"],
        &["IP_BIND_ADDRESS_NO_PORT"],
    );
}

#[test]
fn plain_connects_are_not_told_of_bind() {
    with_twenty_ports(|server| {
        let _held = server.fill(Source::Any, local(S));
        let found = report(&[]);
        for pool in &found.netns.pools {
            let said = |text: &str| pool.advice.iter().any(|advice| advice.contains(text));
            assert!(!said("drawn by bind()"), "{pool:?}");
            let is_bind = pool.kind == "tcp-bind";
            assert_eq!(said("only programs that bind port 0"), is_bind, "{pool:?}");
        }
    });
}

#[test]
fn a_narrow_range_is_widened() {
    check_advice(
        |server| clients(server.fill(Source::Any, local(S)).0),
        &["tcp-connect"],
        &["ip_local_port_range"],
    );
}

#[test]
fn close_wait_is_the_owner_s_to_mend() {
    check_advice(
        |server| {
            let (held, _) = server.fill(Source::Any, local(S));
            let half = |connection: Connection| {
                drop(connection.server);
                await_state(&connection.client, CLOSE_WAIT);
                connection.client
            };
            held.into_iter().map(half).collect()
        },
        &["tcp-connect"],
        &["CLOSE-WAIT"],
    );
}

#[test]
fn listeners_in_the_range_are_moved() {
    check_advice(
        |_| {
            let listener = |port| {
                let fd = open(SockType::Stream, host(3));
                bind(&fd, std::net::SocketAddr::new(host(3), port)).unwrap();
                listen(&fd, 1).unwrap();
                fd
            };
            (40_000..40_020).map(listener).collect()
        },
        &["tcp-connect", "tcp-bind"],
        &["listeners"],
    );
}

// Where it is going.

/// Runs portstat for as long as its sample takes, and something else meanwhile.
#[track_caller]
fn sampled(mut meanwhile: impl FnMut()) -> Report {
    let args = ["ephemeral", "--json", "--sample", "1"];
    let mut child = portstat::command(&args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while child.try_wait().unwrap().is_none() {
        meanwhile();
        thread::sleep(Duration::from_millis(50));
    }
    let output = child.wait_with_output().unwrap();
    Report::of(&Ran {
        code: output.status.code().unwrap(),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    })
}

#[test]
fn two_samples_tell_when_it_will_be_full() {
    with_twenty_ports(|server| {
        let _held = server.dial_many(2, Source::Any, local(S));
        let until_full = |report: &Report| {
            let pools = report.document["netns"][0]["pools"].as_array().unwrap();
            let is_it = |pool: &&Value| pool["pool"] == "tcp-connect" && pool["dport"] == S;
            pools.iter().find(is_it).unwrap()["seconds_to_full"].as_f64()
        };
        assert_eq!(until_full(&sampled(|| ())), None);
        // On a machine that is busy enough all of it may happen before the first look.
        let mut seconds = None;
        wait_until("two different samples", || {
            let mut more = Vec::new();
            let found = sampled(|| {
                if more.len() < 13 {
                    more.extend(server.dial_many(1, Source::Any, local(S)));
                }
            });
            seconds = until_full(&found);
            more.into_iter().for_each(reset);
            seconds.is_some()
        });
        // Five remain, or a few more, and ten or so came in a second.
        assert!(
            seconds.unwrap() > 0.0 && seconds.unwrap() < 20.0,
            "{seconds:?}"
        );
    });
}

// The listing, the overview and the counts.

#[test]
fn the_listing_says_the_same() {
    with_twenty_ports(|server| {
        let _held = server.dial_many(17, Source::Any, local(S));
        let found = report(&[]);
        for args in [&["-tuan", "--json"][..], &["-s", "--json"]] {
            let verdict = portstat::run(args).exited(0).json()["ephemeral"].clone();
            assert_eq!(verdict["status"], "warning", "{args:?}");
            assert_eq!(verdict["capacity"], 20, "{args:?}");
            assert_eq!(verdict["percent"], found.netns.pools[0].percent, "{args:?}");
            assert_eq!(verdict["fullest"]["dport"], S, "{args:?}");
        }
        for args in [&[][..], &["-tan", "--format", "table"], &["-s"]] {
            let ran = portstat::run(args).exited(0);
            let said = format!("{}{}", ran.text(), ran.stderr);
            assert!(said.contains("127.0.0.1:9000"), "{args:?}: {said}");
        }
    });
}
