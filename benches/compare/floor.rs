//! The least that listing TCP sockets takes: the kernel's dump of them over
//! sock_diag, received but not looked at.

use std::collections::HashSet;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;

use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

/// `SOCK_DIAG_BY_FAMILY` of linux/sock_diag.h.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// Sizes of `struct nlmsghdr` and `struct inet_diag_req_v2`.
const HEADER_SIZE: usize = 16;
const REQUEST_SIZE: usize = 56;

/// Dumps the TCP sockets of IPv4, then of IPv6, and prints their number.
pub fn run() -> Result<(), Box<dyn Error>> {
    let mut netlink = File::from(socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkSockDiag,
    )?);
    let mut sockets = 0;
    for family in [libc::AF_INET, libc::AF_INET6] {
        netlink.write_all(&dump_request(family as u8))?;
        sockets += receive_dump(&mut netlink)?;
    }
    println!("{sockets}");
    Ok(())
}

/// The same in every network namespace that a process lives in, one after another.
pub fn run_everywhere() -> Result<(), Box<dyn Error>> {
    let mut seen = HashSet::new();
    for process in fs::read_dir("/proc")? {
        let path = process?.path().join("ns/net");
        let Ok(told) = fs::metadata(&path) else {
            continue;
        };
        if seen.insert(told.ino()) {
            setns(File::open(&path)?, CloneFlags::CLONE_NEWNET)?;
            run()?;
        }
    }
    Ok(())
}

/// A request for all TCP sockets of a family, with no extensions.
fn dump_request(family: u8) -> [u8; HEADER_SIZE + REQUEST_SIZE] {
    let flags = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
    let mut message = [0; HEADER_SIZE + REQUEST_SIZE];
    message[0..4].copy_from_slice(&((HEADER_SIZE + REQUEST_SIZE) as u32).to_ne_bytes());
    message[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message[6..8].copy_from_slice(&flags.to_ne_bytes());

    let request = &mut message[HEADER_SIZE..];
    request[0] = family;
    request[1] = libc::IPPROTO_TCP as u8;
    request[4..8].copy_from_slice(&u32::MAX.to_ne_bytes()); // Sockets in any state.
    message
}

/// Receives a dump up to its end, and returns the number of its messages.
fn receive_dump(netlink: &mut File) -> io::Result<u64> {
    let mut buffer = vec![0; 64 * 1024];
    let mut messages = 0;
    loop {
        let size = netlink.read(&mut buffer)?;
        let mut datagram = &buffer[..size];
        while let Some((header, _)) = datagram.split_first_chunk::<HEADER_SIZE>() {
            let [l0, l1, l2, l3, t0, t1, ..] = *header;
            match i32::from(u16::from_ne_bytes([t0, t1])) {
                libc::NLMSG_DONE => return Ok(messages),
                libc::NLMSG_ERROR => return Err(io::Error::other("no TCP sock_diag")),
                _ => messages += 1,
            }
            // Messages are padded to four bytes, and never shorter than a header.
            let length = u32::from_ne_bytes([l0, l1, l2, l3]) as usize;
            let next = length.max(HEADER_SIZE).next_multiple_of(4);
            datagram = datagram.get(next..).unwrap_or_default();
        }
    }
}
