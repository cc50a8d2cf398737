//! Interfaces beside loopback.

use std::process::Command;

use crate::support::portstat;

/// A command of `ip` that is to succeed.
#[track_caller]
pub fn ip(args: &str) {
    let output = portstat::output(Command::new("ip").args(args.split(' ')));
    assert!(output.status.success(), "{args}: {output:?}");
}

/// Two interfaces, `one` and `two`, that are each other's other end; of the network 10.9.8.0/24 and
/// 2001:db8:9::/64 `one` has the first addresses. Neither waits for duplicate address detection.
pub fn pair() {
    ip("link add one type veth peer name two");
    ip("link set two addrgenmode none");
    ip("link set one addrgenmode none");
    ip("link set two up");
    ip("link set one up");
    ip("addr add 10.9.8.1/24 dev one");
    ip("-6 addr add 2001:db8:9::1/64 dev one nodad");
    ip("-6 addr add fe80::1/64 dev one nodad");
}
