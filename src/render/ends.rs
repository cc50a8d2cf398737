//! The ends of sockets without addresses: names of unix sockets, protocols of packet and netlink
//! sockets; and what ss prints of their details.

use std::borrow::Cow;

use super::address::{Side, push_interface, push_number};
use super::escape;
use super::extended::{push_identity, push_shutdown};
use super::info::push_memory;
use crate::model::{
    DetailSet, Details, Ends, EndsDetails, FRAMES_OF_EVERY_PROTOCOL, NetlinkEnds, PacketDetails,
    PacketRing, Protocol, Row, Socket, SocketKind, UnixDetails, frame_protocol_name,
    netlink_protocol_names,
};

/// How the sockets of a fanout group share, by the kernel's number (`PACKET_FANOUT_*`).
const FANOUTS: [&str; 6] = ["hash", "lb", "cpu", "roll", "random", "qm"];

/// ss's name of what a socket speaks.
pub(super) const fn netid(socket: &Socket) -> &'static str {
    match &socket.ends {
        Ends::Inet(_) => socket.protocol.name(),
        Ends::Unix(ends) => match ends.kind {
            SocketKind::Stream => "u_str",
            SocketKind::Sequence => "u_seq",
            _ => "u_dgr",
        },
        Ends::Packet(ends) => match ends.kind {
            SocketKind::Raw => "p_raw",
            _ => "p_dgr",
        },
        Ends::Netlink(_) => "nl",
    }
}

/// A name of a unix socket as text: as in ss and `/proc/net/unix`, each zero of an abstract one is
/// an `@`.
pub(super) fn name_text(name: &[u8]) -> Cow<'_, [u8]> {
    if name.first() != Some(&0) {
        return Cow::Borrowed(name);
    }
    let at_sign = |byte: &u8| if *byte == 0 { b'@' } else { *byte };
    Cow::Owned(name.iter().map(at_sign).collect())
}

/// Appends a name of a unix socket, escaped by `push`. The `@` that a path begins with is escaped,
/// too: it is no abstract name.
pub(super) fn push_name(out: &mut Vec<u8>, name: &[u8], push: impl Fn(&mut Vec<u8>, &[u8])) {
    match name {
        [b'@', rest @ ..] => {
            out.extend_from_slice(b"\\x40");
            push(out, rest);
        }
        _ => push(out, &name_text(name)),
    }
}

/// Appends an end of a socket for a table: a name, a protocol and port; nothing where there is
/// none.
pub(super) fn push_end(out: &mut Vec<u8>, row: &Row<'_>, side: Side) {
    match (&row.socket.ends, side) {
        (Ends::Unix(_), _) => {
            let name = match side {
                Side::Local => row.name(),
                Side::Peer => row.peer_name(),
            };
            push_name(out, name.unwrap_or_default(), escape::push_terminal);
        }
        (Ends::Packet(ends), Side::Local) => {
            match frame_protocol_name(ends.protocol) {
                _ if ends.protocol == FRAMES_OF_EVERY_PROTOCOL => out.push(b'*'),
                Some(name) => out.extend_from_slice(name.as_bytes()),
                None => push_number(out, ends.protocol),
            }
            out.push(b':');
            push_link(out, row);
        }
        (Ends::Netlink(ends), Side::Local) => {
            match netlink_protocol_names(ends.protocol) {
                Some((_, name)) => out.extend_from_slice(name.as_bytes()),
                None => push_number(out, ends.protocol),
            }
            out.push(b':');
            push_port_id(out, ends.port);
        }
        (Ends::Netlink(_), Side::Peer) => {
            push_netlink_peer(out, row);
            push_netlink_peer_port(out, row);
        }
        (Ends::Packet(_), Side::Peer) | (Ends::Inet(_), _) => {}
    }
}

/// Appends what ss shows of an end before the port, and what stands between them.
pub(super) fn push_ss_first(out: &mut Vec<u8>, row: &Row<'_>, side: Side, numeric: bool) {
    match (&row.socket.ends, side) {
        // As in ss, names of peers are left out, so that fields stay where they are.
        (Ends::Unix(_), Side::Local) if row.name().is_some() => {
            push_name(out, row.name().unwrap_or_default(), escape::push_word);
            out.push(b' ');
        }
        (Ends::Unix(_), _) => out.extend_from_slice(b"* "),
        (Ends::Packet(ends), Side::Local) => {
            match frame_protocol_name(ends.protocol).filter(|_| !numeric) {
                _ if ends.protocol == FRAMES_OF_EVERY_PROTOCOL => out.push(b'*'),
                Some(name) => out.extend_from_slice(name.as_bytes()),
                None => {
                    out.push(b'[');
                    push_number(out, ends.protocol);
                    out.push(b']');
                }
            }
            out.push(b':');
        }
        (Ends::Netlink(ends), Side::Local) => {
            match netlink_protocol_names(ends.protocol).filter(|_| !numeric) {
                Some((name, _)) => out.extend_from_slice(name.as_bytes()),
                None => push_number(out, ends.protocol),
            }
            out.push(b':');
        }
        (Ends::Netlink(ends), Side::Peer) if ends.peer.is_some() => push_netlink_peer(out, row),
        (Ends::Packet(_) | Ends::Netlink(_) | Ends::Inet(_), _) => out.push(b'*'),
    }
}

/// Appends what ss shows of an end in the place of a port.
pub(super) fn push_ss_second(out: &mut Vec<u8>, row: &Row<'_>, side: Side, numeric: bool) {
    match (&row.socket.ends, side) {
        (Ends::Unix(_), Side::Local) => push_number(out, row.socket.inode),
        (Ends::Unix(ends), Side::Peer) => push_number(out, ends.peer),
        (Ends::Packet(_), Side::Local) => push_link(out, row),
        (Ends::Netlink(ends), Side::Local) => match row
            .beyond_ip
            .as_ref()
            .and_then(|beyond_ip| beyond_ip.port_process)
        {
            _ if ends.port == u32::MAX => out.push(b'*'),
            _ if ends.port == 0 && !numeric => out.extend_from_slice(b"kernel"),
            Some(name) if !numeric => {
                escape::push_word(out, name);
                out.push(b'/');
                push_port_id(out, ends.port);
            }
            _ => push_port_id(out, ends.port),
        },
        (Ends::Netlink(_), Side::Peer) => push_netlink_peer_port(out, row),
        (Ends::Packet(_), Side::Peer) | (Ends::Inet(_), _) => {}
    }
}

/// Name of what a packet or netlink socket speaks.
pub(super) fn protocol_name(ends: &Ends) -> Option<&'static str> {
    match ends {
        Ends::Packet(ends) => frame_protocol_name(ends.protocol),
        Ends::Netlink(ends) => netlink_protocol_names(ends.protocol).map(|(_, name)| name),
        Ends::Unix(_) | Ends::Inet(_) => None,
    }
}

/// The interface of a packet socket.
fn push_link(out: &mut Vec<u8>, row: &Row<'_>) {
    match row.socket.interface {
        0 => out.push(b'*'),
        _ => push_interface(out, row),
    }
}

/// As ss has it, and as they are made: those that are no pid count down from -1.
fn push_port_id(out: &mut Vec<u8>, port: u32) {
    push_number(out, port.cast_signed());
}

fn push_netlink_peer(out: &mut Vec<u8>, row: &Row<'_>) {
    if let Ends::Netlink(NetlinkEnds {
        peer: Some(peer), ..
    }) = &row.socket.ends
    {
        push_number(out, peer.group);
        out.push(b':');
    }
}

fn push_netlink_peer_port(out: &mut Vec<u8>, row: &Row<'_>) {
    if let Ends::Netlink(NetlinkEnds {
        peer: Some(peer), ..
    }) = &row.socket.ends
    {
        push_port_id(out, peer.port);
    }
}

/// Appends what is asked for of the details, as ss has it.
pub(super) fn push_ss_details(out: &mut Vec<u8>, row: &Row<'_>, asked: DetailSet, oneline: bool) {
    let none = Details::default();
    let details = row.details.unwrap_or(&none);
    let memory = details.memory.as_ref().filter(|_| asked.memory);
    if row.socket.protocol == Protocol::Unix {
        if let Some(memory) = memory {
            push_memory(out, memory);
        }
        if asked.extended {
            push_shutdown(out, details.shutdown);
        }
    }
    if asked.extended {
        if row.socket.protocol == Protocol::Packet {
            push_identity(out, row);
        }
        match details.ends.as_deref() {
            Some(EndsDetails::Unix(unix)) => push_unix(out, unix),
            Some(EndsDetails::Packet(packet)) => push_packet(out, packet, oneline),
            Some(EndsDetails::Netlink(netlink)) => {
                // Pointers into the kernel, which it does not tell any more.
                out.extend_from_slice(b" sk=0 cb=0 groups=0x");
                out.extend(format!("{:08x}", netlink.first_groups()).bytes());
            }
            None => {}
        }
    }
    if let Some(memory) = memory.filter(|_| row.socket.protocol != Protocol::Unix) {
        if row.socket.protocol == Protocol::Netlink {
            out.push(b'\t');
        }
        push_memory(out, memory);
    }
}

/// ` ino:99 dev:254/1 peers: 5 6`.
fn push_unix(out: &mut Vec<u8>, unix: &UnixDetails) {
    if let Some(file) = unix.file {
        let (inode, major, minor) = (file.inode, file.major(), file.minor());
        out.extend(format!(" ino:{inode} dev:{major}/{minor}").bytes());
    }
    if let Some(pending) = &unix.pending {
        out.extend_from_slice(b" peers:");
        for inode in pending {
            out.push(b' ');
            push_number(out, *inode);
        }
    }
}

/// ` ver:0 cpy_thresh:0 flags( running )`, and rings and fanout; each on a line of its own unless
/// all are to stand on one.
fn push_packet(out: &mut Vec<u8>, packet: &PacketDetails, oneline: bool) {
    let begin = if oneline { " " } else { "\n\t" };
    if let Some(info) = packet.info {
        let flags: Vec<&str> = info.flag_names().collect();
        let flags = match flags[..] {
            [] => "0".to_owned(),
            _ => flags.join(" "),
        };
        let (version, threshold) = (info.version, info.copy_threshold);
        let text = format!("{begin}ver:{version} cpy_thresh:{threshold} flags( {flags} )");
        out.extend(text.bytes());
    }
    let mut push_ring = |name: &str, ring: Option<PacketRing>| {
        let Some(ring) = ring else {
            return;
        };
        let text = format!(
            "{begin}{name}(blk_size:{},blk_nr:{},frm_size:{},frm_nr:{},tmo:{},features:0x{:x})",
            ring.block_size,
            ring.blocks,
            ring.frame_size,
            ring.frames,
            ring.retire_ms,
            ring.features
        );
        out.extend(text.bytes());
    };
    push_ring("ring_rx", packet.rx_ring);
    push_ring("ring_tx", packet.tx_ring);
    if let Some(fanout) = packet.fanout {
        let name = fanout_name(fanout);
        let text = format!("{begin}fanout(id:{},type:{name})", fanout & 0xffff);
        out.extend(text.bytes());
    }
}

/// How a fanout group shares.
pub(super) fn fanout_name(fanout: u32) -> Cow<'static, str> {
    let number = fanout >> 16;
    match FANOUTS.get(number as usize) {
        Some(name) => Cow::Borrowed(name),
        None => Cow::Owned(format!("{number:#x}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &[u8]) -> String {
        let mut out = Vec::new();
        push_name(&mut out, name, escape::push_word);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_name_is_one_word_and_no_other_name() {
        assert_eq!(shown(b"/run/a b\n\xff"), r"/run/a\x20b\x0a\xff");
        assert_eq!(shown(b"\0abs\0x"), "@abs@x");
        assert_eq!(shown(b"@abs"), r"\x40abs");
        assert_eq!(shown(br"/a\x20b"), r"/a\\x20b");
        assert_eq!(shown(b""), "");
    }
}
