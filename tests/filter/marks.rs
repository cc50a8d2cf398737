//! Sockets with marks.

use std::os::fd::OwnedFd;

use nix::sys::socket::sockopt::Mark;
use nix::sys::socket::{SockType, setsockopt};

use crate::support::population::Random;
use crate::support::socket::{accept, bind, connect, listen, local_address, open};

/// Connections and servers with marks.
pub fn marked(random: &mut Random) -> Vec<OwnedFd> {
    let mut held = Vec::new();
    for kind in [SockType::Stream, SockType::Datagram] {
        for mark in [1, 5, 0x15, 0x100, 0xffff_ffff] {
            let ip = [127, 0, 0, 1 + random.below(3) as u8];
            let server = open(kind, ip.into());
            setsockopt(&server, Mark, &mark).unwrap();
            bind(&server, (ip, 0).into()).unwrap();
            if kind == SockType::Stream {
                listen(&server, 8).unwrap();
                let client = open(kind, ip.into());
                connect(&client, local_address(&server)).unwrap();
                held.extend([client, accept(&server)]);
            }
            held.push(server);
        }
    }
    held
}
