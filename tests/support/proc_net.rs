//! What `/proc/net` says, read a second time and independently of portstat.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::rows::{Row, Timer, shown};

/// ss's names of the kernel's states, from 1 on.
const STATES: [&str; 11] = [
    "ESTAB",
    "SYN-SENT",
    "SYN-RECV",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "TIME-WAIT",
    "UNCONN",
    "CLOSE-WAIT",
    "LAST-ACK",
    "LISTEN",
    "CLOSING",
];

/// ss's names of the kernel's timers, from 1 on.
const TIMERS: [&str; 4] = ["on", "keepalive", "timewait", "persist"];

/// The TCP and UDP sockets of this network namespace, sorted, with uid and inode as details, and
/// the kinds of their timers.
pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (file, proto) in [
        ("tcp", "tcp"),
        ("tcp6", "tcp"),
        ("udp", "udp"),
        ("udp6", "udp"),
    ] {
        let text = match fs::read_to_string(format!("/proc/thread-self/net/{file}")) {
            Ok(text) => text,
            // A machine without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => panic!("{file}: {error}"),
        };
        rows.extend(text.lines().skip(1).map(|line| row(line, proto)));
    }
    rows.sort();
    rows
}

/// In how many milliseconds the timer of a TCP socket over IPv4 fires that is at this local
/// address.
#[track_caller]
pub fn timer_of(local: SocketAddr) -> u64 {
    let text = fs::read_to_string("/proc/thread-self/net/tcp").unwrap();
    let wanted = shown(local.ip(), None, local.port(), false);
    let mut lines = text.lines().skip(1);
    let line = lines.find(|line| row(line, "tcp").local == wanted);
    let line = line.unwrap_or_else(|| panic!("nothing at {local}:\n{text}"));
    let (_, ticks) = line
        .split_whitespace()
        .nth(5)
        .unwrap()
        .split_once(':')
        .unwrap();
    // A hundred a second, whatever the kernel's own clock does.
    u64::from_str_radix(ticks, 16).unwrap() * 10
}

fn row(line: &str, proto: &str) -> Row {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let hex = |text: &str| u64::from_str_radix(text, 16).unwrap();
    let (send_q, recv_q) = fields[4].split_once(':').unwrap();
    let mut details = Vec::new();
    if fields[7] != "0" {
        details.push(format!("uid:{}", fields[7]));
    }
    details.push(format!("ino:{}", fields[9]));
    Row {
        proto: proto.to_owned(),
        state: STATES[hex(fields[3]) as usize - 1].to_owned(),
        recv_q: hex(recv_q),
        send_q: hex(send_q),
        local: end(fields[1]),
        peer: end(fields[2]),
        details,
        timer: match hex(&fields[5][..2]) {
            0 => None,
            number => Some(Timer {
                kind: TIMERS[number as usize - 1].to_owned(),
                milliseconds: 0,
                retransmits: 0,
            }),
        },
        ..Row::default()
    }
}

/// `0100007F:1F90`; an address is made of words in the machine's byte order.
fn end(text: &str) -> String {
    let (words, port) = text.split_once(':').unwrap();
    let port = u16::from_str_radix(port, 16).unwrap();
    let octets: Vec<u8> = (0..words.len())
        .step_by(8)
        .flat_map(|start| {
            u32::from_str_radix(&words[start..start + 8], 16)
                .unwrap()
                .to_ne_bytes()
        })
        .collect();
    let ip: IpAddr = match <[u8; 4]>::try_from(&octets[..]) {
        Ok(octets) => Ipv4Addr::from(octets).into(),
        Err(_) => Ipv6Addr::from(<[u8; 16]>::try_from(&octets[..]).unwrap()).into(),
    };
    shown(ip, None, port, false)
}
