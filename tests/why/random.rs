//! Random sockets, what portstat makes of them, and what the kernel then does.

use std::env;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::SockType;
use portstat::analyze::why::{
    Answer, Assumption, Existing, Ipv6, Machine, Operation, Outcome, Query, User, predict,
};
use portstat::collect::read_local_addresses;
use portstat::kernel::Host;
use portstat::model::SocketFlags;

use crate::answer::only_answer;
use crate::ask::{check_verdict, why};
use crate::crowd::{Crowd, ELSEWHERE, LOOPBACK};
use crate::seen::{existing, protocol};
use crate::support::namespace::{has_users, in_network_namespace};
use crate::support::population::{Random, raise_descriptor_limit};
use crate::support::rights::{Rights, as_user};
use crate::wanted::Wanted;

/// No fewer rounds than this, however slow the machine is.
const FEWEST: usize = 400;
/// Ports of crowds, one after another.
const PORTS: (u16, u16) = (10_000, 39_999);
/// Somebody who is not root.
const OTHER_UID: u32 = 65_534;

/// A seed for each run; the same sockets again with `PORTSTAT_TEST_SEED`.
pub fn seed() -> u64 {
    let seed = match env::var("PORTSTAT_TEST_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => u64::from(std::process::id()) << 20,
    };
    println!("PORTSTAT_TEST_SEED={seed}");
    seed
}

/// How long to go on; longer with `PORTSTAT_TEST_SECONDS`.
pub fn time(usual: u64) -> Duration {
    let wanted = env::var("PORTSTAT_TEST_SECONDS").ok();
    Duration::from_secs(wanted.map_or(usual, |seconds| seconds.parse().unwrap()))
}

/// Runs rounds, each with a random crowd on a port of its own, until there were enough and the
/// time, in seconds, is over.
fn rounds(fewest: usize, usual: u64, mut round: impl FnMut(&mut Crowd<'_>)) {
    in_network_namespace(|| {
        raise_descriptor_limit();
        let seed = seed();
        let users: &[u32] = if has_users() { &[0, OTHER_UID] } else { &[0] };
        let mut wanted = Wanted::new(
            SockType::Stream,
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, ELSEWHERE)),
        );
        wanted.reuse_address = true;
        let elsewhere: OwnedFd = wanted.really().unwrap();
        let (started, time) = (Instant::now(), time(usual));
        for (number, port) in (PORTS.0..=PORTS.1).cycle().enumerate() {
            if number >= fewest && started.elapsed() > time {
                println!("{number} rounds");
                break;
            }
            let random = Random(seed + number as u64);
            let mut crowd = Crowd::random(random, port, users, &elsewhere);
            crowd
                .story
                .insert(0, format!("seed {seed}, round {number}"));
            round(&mut crowd);
        }
    });
}

/// This namespace, in which there is loopback and nothing else.
#[track_caller]
fn machine() -> Machine {
    let mut gaps = Vec::new();
    let addresses = read_local_addresses(&Host::Live, &mut gaps);
    assert!(gaps.is_empty(), "{gaps:?}");
    Machine {
        addresses,
        unprivileged_port_start: Some(1024),
        nonlocal_v4: Some(false),
        nonlocal_v6: Some(false),
        ipv6: Ipv6::On,
        ..Machine::default()
    }
}

fn query(wanted: &Wanted, uid: u32) -> Query {
    Query {
        operation: Operation::Bind,
        protocol: protocol(wanted.kind),
        addr: Some(wanted.address.ip()),
        port: wanted.address.port(),
        device: wanted.on_loopback.then_some(LOOPBACK),
        device_by_destination: false,
        reuse_address: wanted.reuse_address,
        reuse_port: wanted.reuse_port,
        v6only: wanted.v6only,
        free_bind: wanted.free_bind,
        user: User {
            uid,
            is_anonymous: false,
            may_bind_low: Some(true),
        },
    }
}

/// What the kernel says, in portstat's words.
fn outcome(truth: Result<OwnedFd, Errno>) -> (Outcome, Option<String>) {
    match truth {
        Ok(_) => (Outcome::Free, None),
        Err(errno) => (Outcome::Blocked, Some(format!("{errno:?}"))),
    }
}

fn said(answer: &Answer) -> (Outcome, Option<String>) {
    let errno = answer.errno.map(|errno| errno.to_string());
    (answer.outcome, errno)
}

/// How often portstat and the kernel were of one mind, where the past of a port may matter.
#[derive(Debug, Default)]
struct Count {
    asked: usize,
    sharing: usize,
    sharing_wrong: usize,
}

impl Count {
    /// Asks both, portstat at first with all flags known, then with some forgotten.
    fn ask(&mut self, crowd: &mut Crowd<'_>, seen: &[(SockType, Vec<Existing>)], sharing: bool) {
        let (kind, sockets) = &seen[crowd.random.below(3) % 2];
        let (kind, mut sockets) = (*kind, sockets.clone());
        let mut wanted = crowd.wanted(kind);
        wanted.reuse_port = sharing;
        if crowd.random.chance(3) {
            wanted.address.set_ip(IpAddr::from([192, 0, 2, 5]));
            (wanted.v6only, wanted.free_bind) = (false, crowd.random.chance(50));
        }
        let uid = crowd.user();
        let query = query(&wanted, uid);
        let full = predict(&query, &sockets, &machine(), None, true);
        let with_reuse = full.with_reuse_address;
        for socket in &mut sockets {
            forget(&mut crowd.random, &mut socket.flags);
        }
        let partial = predict(&query, &sockets, &machine(), None, true);
        let truth = outcome(as_user(uid, || wanted.really()));
        self.check(&full, &truth, || {
            format!(
                "{uid}: {wanted:?}\n{sockets:#?}\n{}",
                crowd.story.join("\n")
            )
        });
        check_partial(&partial, &truth, &wanted, crowd);
        if let (Some(said), false) = (with_reuse, sharing) {
            let truth = as_user(uid, || wanted.reuse_address().really());
            assert_eq!(
                said,
                outcome(truth).0,
                "{wanted:?}\n{}",
                crowd.story.join("\n")
            );
        }
    }

    #[track_caller]
    fn check(
        &mut self,
        answer: &Answer,
        truth: &(Outcome, Option<String>),
        context: impl Fn() -> String,
    ) {
        self.asked += 1;
        let sharing = answer.query.reuse_port;
        self.sharing += usize::from(sharing);
        let history = [Assumption::ReusePortHistory];
        let expected: &[&[Assumption]] = if sharing { &[&[], &history] } else { &[&[]] };
        assert!(
            expected.contains(&&answer.assumptions[..]),
            "{answer:#?}\n{}",
            context()
        );
        if said(answer) == *truth {
            return;
        }
        assert!(
            sharing && !answer.assumptions.is_empty(),
            "the kernel says {truth:?}: {answer:#?}\n{}",
            context()
        );
        self.sharing_wrong += 1;
    }
}

/// Whoever may not ask does not know.
fn forget(random: &mut Random, flags: &mut SocketFlags) {
    for flag in [
        &mut flags.reuse_address,
        &mut flags.reuse_port,
        &mut flags.v6only,
    ] {
        if random.chance(30) {
            *flag = None;
        }
    }
}

/// With some flags unknown, an answer is right, or assumes the worst and says so.
#[track_caller]
fn check_partial(
    answer: &Answer,
    truth: &(Outcome, Option<String>),
    wanted: &Wanted,
    crowd: &Crowd<'_>,
) {
    let history = answer.assumptions.contains(&Assumption::ReusePortHistory);
    let cautious = answer.outcome == Outcome::Blocked
        && truth.0 == Outcome::Free
        && answer.assumptions.iter().any(|assumed| {
            matches!(
                assumed,
                Assumption::NoReuseAddress { .. }
                    | Assumption::NoReusePort { .. }
                    | Assumption::NotV6Only { .. }
            )
        });
    let remains = answer.outcome == Outcome::Unknown
        && wanted.reuse_address
        && answer.assumptions == [Assumption::ReuseAddressUnread];
    // As said, another listener may have been there before.
    let inherits =
        answer.outcome == Outcome::Free && answer.assumptions == [Assumption::V6OnlyAsListener];
    assert!(
        said(answer) == *truth || cautious || remains || inherits || history,
        "the kernel says {truth:?} to {wanted:?}, of which is known {answer:#?}\n{}",
        crowd.story.join("\n")
    );
}

#[test]
fn the_prediction_is_what_the_kernel_does() {
    let mut count = Count::default();
    let mut ran = false;
    rounds(FEWEST, 8, |crowd| {
        ran = true;
        let seen = [SockType::Stream, SockType::Datagram].map(|kind| (kind, existing(crowd, kind)));
        // A bind that shares leaves traces in the port's past: it comes last.
        for _ in 0..4 {
            count.ask(crowd, &seen, false);
        }
        count.ask(crowd, &seen, true);
    });
    println!("{count:?}");
    // One in two hundred, and what chance adds to so few.
    let most = count.sharing as f64 / 200.0;
    let most = most + 3.0 * most.sqrt();
    assert!(!ran || (count.sharing_wrong as f64) < most, "{count:?}");
    assert!(!ran || count.asked >= 5 * FEWEST, "{count:?}");
}

/// The same through the program, which looks for flags and owners itself.
#[test]
fn the_program_answers_as_the_kernel_does() {
    rounds(100, 6, |crowd| {
        for sharing in [false, true] {
            let kind = crowd.random.pick(&[SockType::Stream, SockType::Datagram]);
            let mut wanted = crowd.wanted(kind);
            wanted.reuse_port = sharing;
            let uid = crowd.user();
            let mut args = vec!["why".to_owned()];
            args.extend(wanted.args());
            args.extend(["--user".to_owned(), uid.to_string()]);
            println!("{}", args.join(" "));
            let answer = only_answer(&why(&args, Rights::Own));
            let truth = as_user(uid, || wanted.really());
            if !sharing || answer.exact {
                check_verdict(&answer, truth.map(drop));
            }
        }
    });
}
