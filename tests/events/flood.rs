//! More at once than anybody can print.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::stream::Stream;
use crate::support::namespace::in_namespace;
use crate::support::waiting::wait_until;

const FLOOD: u64 = 20_000;
/// Sockets by which the test set up its interfaces, at the most: of those that are lost nobody tells
/// which they were.
const OWN: u64 = 4;

fn end_on(port: u16) {
    drop(UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).unwrap());
}

/// How many were said to be lost.
fn lost(errors: &str) -> u64 {
    let number = |line: &str| {
        let said = line.strip_prefix("portstat: ").unwrap();
        // Who held a socket that ended while it was looked for may be anybody.
        if said.starts_with("owners of ") && said.contains(" hidden: ") {
            return 0;
        }
        assert!(
            said.contains("destroyed sockets were lost: more came"),
            "{line}"
        );
        said.split(' ').next().unwrap().parse::<u64>().unwrap()
    };
    errors.lines().map(number).sum()
}

/// Reads until each socket that ended arrived or was said to be lost; how many arrived. The kernel
/// announces in no strict order, and what the namespace's own sockets come to is none of these.
#[track_caller]
fn arrived(stream: &Stream, ended: u64) -> u64 {
    let mut arrived = 0;
    wait_until("that all is accounted for", || {
        arrived += of_loopback(&stream.lines_of(Duration::from_millis(100)));
        arrived + lost(&stream.errors()) >= ended
    });
    // What is still to come, or to be said, would be too much.
    arrived += of_loopback(&stream.lines_of(Duration::from_millis(1500)));
    let accounted = arrived + lost(&stream.errors());
    assert!(accounted - ended <= OWN, "{accounted} of {ended}");
    arrived
}

fn of_loopback(lines: &[String]) -> u64 {
    let is_ours = |line: &&String| line.contains("127.0.0.1:");
    lines.iter().filter(is_ours).count() as u64
}

#[test]
fn all_of_a_flood_arrives_or_is_said_to_be_lost() {
    in_namespace(|| {
        let stream = Stream::of(&["-nH", "--format", "plain"]);
        (0..FLOOD).for_each(|_| end_on(0));
        assert!(arrived(&stream, FLOOD) > 0);
    });
}

#[test]
fn what_came_while_it_stood_still_is_counted_and_it_goes_on() {
    in_namespace(|| {
        let stream = Stream::of(&["-nH", "--format", "plain"]);
        let pid = Pid::from_raw(stream.pid().try_into().unwrap());
        kill(pid, Signal::SIGSTOP).unwrap();
        let mut ended = 0;
        while stream.drops() == 0 {
            (0..1000).for_each(|_| end_on(0));
            ended += 1000;
        }
        kill(pid, Signal::SIGCONT).unwrap();
        let arrived = arrived(&stream, ended);
        assert!(0 < arrived && arrived < ended, "{arrived} of {ended}");
        let errors = stream.errors();
        assert!(
            errors.contains("more came at once than could wait"),
            "{errors}"
        );
        end_on(2000);
        wait_until("what comes after", || {
            let lines = stream.lines_of(Duration::from_millis(100));
            lines.iter().any(|line| line.contains(":2000"))
        });
    });
}
