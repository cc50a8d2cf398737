//! More at once than anybody can print.

use std::net::{Ipv4Addr, UdpSocket};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::stream::Stream;
use crate::support::namespace::in_namespace;
use crate::support::waiting::wait_until;

const FLOOD: u64 = 20_000;

fn end_on(port: u16) {
    drop(UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).unwrap());
}

/// How many were said to be lost.
fn lost(errors: &str) -> u64 {
    let number = |line: &str| {
        let said = line.strip_prefix("portstat: ").unwrap();
        assert!(said.contains("destroyed sockets were lost in"), "{line}");
        said.split(' ').next().unwrap().parse::<u64>().unwrap()
    };
    errors.lines().map(number).sum()
}

/// Ends sockets until one of them arrives; how many of the flood arrived before.
fn arrived(stream: &Stream) -> u64 {
    let mut arrived = 0;
    loop {
        end_on(2000);
        let line = stream.line();
        if line.contains(":2000") {
            return arrived;
        }
        arrived += u64::from(line.contains(":1000"));
    }
}

#[test]
fn all_of_a_flood_arrives_or_is_said_to_be_lost() {
    in_namespace(|| {
        let stream = Stream::of(&["-nH", "--format", "plain"]);
        (0..FLOOD).for_each(|_| end_on(1000));
        let arrived = arrived(&stream);
        assert!(arrived > 0);
        wait_until("that all is accounted for", || {
            arrived + lost(&stream.errors()) >= FLOOD
        });
    });
}

#[test]
fn what_came_while_it_stood_still_is_counted_and_it_goes_on() {
    in_namespace(|| {
        let stream = Stream::of(&["-nH", "--format", "plain"]);
        let pid = Pid::from_raw(stream.pid().try_into().unwrap());
        kill(pid, Signal::SIGSTOP).unwrap();
        // Nobody here may have room for more than the limit of the system.
        (0..FLOOD).for_each(|_| end_on(1000));
        kill(pid, Signal::SIGCONT).unwrap();
        let arrived = arrived(&stream);
        wait_until("a warning", || lost(&stream.errors()) > 0);
        let lost = lost(&stream.errors());
        assert!(arrived + lost >= FLOOD, "{arrived} {lost}");
        // Those that ended beside it may be lost with it.
        assert!(arrived <= FLOOD, "{arrived} {lost}");
        let overruns = stream.errors().matches(" in 1 overrun").count();
        assert_eq!(overruns, 1, "{}", stream.errors());
    });
}
