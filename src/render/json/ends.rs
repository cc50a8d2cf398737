//! The ends of sockets without addresses, as objects, and their details.

use super::{push_optional, push_optional_number, push_owners};
use crate::model::{
    Details, Ends, EndsDetails, NetlinkDetails, PacketDetails, PacketRing, Row, UnixDetails,
};
use crate::render::address::push_number;
use crate::render::ends::{fanout_name, name_text, protocol_name};
use crate::render::escape::push_json;

/// Appends `"kind":…,"local":{…},"peer":{…}|null` of a socket without addresses.
pub(super) fn push_ends(out: &mut Vec<u8>, row: &Row<'_>) {
    if let Some(kind) = row.socket.kind() {
        out.extend_from_slice(b"\"kind\":\"");
        out.extend_from_slice(kind.name().as_bytes());
        out.extend_from_slice(b"\",");
    }
    out.extend_from_slice(b"\"local\":{");
    let protocol = protocol_name(&row.socket.ends).map(str::as_bytes);
    match &row.socket.ends {
        Ends::Unix(_) => push_name(out, row.name()),
        Ends::Packet(ends) => {
            out.extend_from_slice(b"\"protocol\":");
            push_optional(out, protocol);
            out.extend_from_slice(b",\"protocol_number\":");
            push_number(out, ends.protocol);
            out.extend_from_slice(b",\"iface\":");
            super::push_iface(out, row);
        }
        Ends::Netlink(ends) => {
            out.extend_from_slice(b"\"protocol\":");
            push_optional(out, protocol);
            out.extend_from_slice(b",\"protocol_number\":");
            push_number(out, ends.protocol);
            out.extend_from_slice(b",\"port_id\":");
            push_number(out, ends.port);
        }
        Ends::Inet(_) => {}
    }
    out.extend_from_slice(b"},\"peer\":");
    match &row.socket.ends {
        Ends::Unix(ends) if row.socket.has_peer() => {
            out.extend_from_slice(b"{\"inode\":");
            push_number(out, ends.peer);
            out.push(b',');
            push_name(out, row.peer_name());
            push_owners(out, &row.peer_owners());
            out.push(b'}');
        }
        Ends::Netlink(ends) if ends.peer.is_some() => {
            out.extend_from_slice(b"{\"group\":");
            push_optional_number(out, ends.peer.map(|peer| peer.group));
            out.extend_from_slice(b",\"port_id\":");
            push_optional_number(out, ends.peer.map(|peer| peer.port));
            out.push(b'}');
        }
        _ => out.extend_from_slice(b"null"),
    }
}

/// Appends `"path":…,"abstract":…,"path_hex":…`. JSON has no bytes: where the text is not the name
/// itself, its bytes follow in hex.
fn push_name(out: &mut Vec<u8>, name: Option<&[u8]>) {
    out.extend_from_slice(b"\"path\":");
    push_optional(out, name.map(name_text).as_deref());
    let is_abstract = name.map(|name| name.first() == Some(&0));
    out.extend_from_slice(match is_abstract {
        Some(true) => b",\"abstract\":true",
        Some(false) => b",\"abstract\":false",
        None => b",\"abstract\":null",
    });
    out.extend_from_slice(b",\"path_hex\":");
    match name.filter(|name| !is_text(name)) {
        None => out.extend_from_slice(b"null"),
        Some(name) => {
            out.push(b'"');
            for byte in name {
                out.extend(format!("{byte:02x}").bytes());
            }
            out.push(b'"');
        }
    }
}

/// Whether the text of a name is the name itself: UTF-8, and of an abstract one without more zeros
/// than the first.
fn is_text(name: &[u8]) -> bool {
    let rest = name.strip_prefix(b"\0").unwrap_or(name);
    std::str::from_utf8(rest).is_ok() && !rest.contains(&0)
}

/// Appends `,"unix":{…}`, `,"packet":{…}` or `,"netlink":{…}`.
pub(super) fn push_details(out: &mut Vec<u8>, details: &Details) {
    match details.ends.as_deref() {
        Some(EndsDetails::Unix(unix)) => push_unix(out, unix),
        Some(EndsDetails::Packet(packet)) => push_packet(out, packet),
        Some(EndsDetails::Netlink(netlink)) => push_netlink(out, netlink),
        None => {}
    }
}

fn push_unix(out: &mut Vec<u8>, unix: &UnixDetails) {
    out.extend_from_slice(b",\"unix\":{\"file\":");
    match unix.file {
        None => out.extend_from_slice(b"null"),
        Some(file) => out.extend(
            format!(
                "{{\"inode\":{},\"major\":{},\"minor\":{}}}",
                file.inode,
                file.major(),
                file.minor()
            )
            .bytes(),
        ),
    }
    out.extend_from_slice(b",\"pending\":");
    match &unix.pending {
        None => out.extend_from_slice(b"null"),
        Some(pending) => push_numbers(out, pending.iter().map(|inode| u64::from(*inode))),
    }
    out.push(b'}');
}

fn push_packet(out: &mut Vec<u8>, packet: &PacketDetails) {
    out.extend_from_slice(b",\"packet\":{\"version\":");
    push_optional_number(out, packet.info.map(|info| info.version));
    out.extend_from_slice(b",\"copy_threshold_bytes\":");
    push_optional_number(out, packet.info.map(|info| info.copy_threshold));
    out.extend_from_slice(b",\"flags\":[");
    let flags = packet.info.into_iter().flat_map(|info| info.flag_names());
    for (index, flag) in flags.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push_json(out, flag.as_bytes());
    }
    out.extend_from_slice(b"],\"rx_ring\":");
    push_ring(out, packet.rx_ring);
    out.extend_from_slice(b",\"tx_ring\":");
    push_ring(out, packet.tx_ring);
    out.extend_from_slice(b",\"fanout\":");
    match packet.fanout {
        None => out.extend_from_slice(b"null"),
        Some(fanout) => {
            out.extend(format!("{{\"id\":{},\"type\":", fanout & 0xffff).bytes());
            push_json(out, fanout_name(fanout).as_bytes());
            out.push(b'}');
        }
    }
    out.push(b'}');
}

fn push_ring(out: &mut Vec<u8>, ring: Option<PacketRing>) {
    let Some(ring) = ring else {
        return out.extend_from_slice(b"null");
    };
    for (name, number) in [
        ("{\"block_size_bytes\":", ring.block_size),
        (",\"blocks\":", ring.blocks),
        (",\"frame_size_bytes\":", ring.frame_size),
        (",\"frames\":", ring.frames),
        (",\"retire_ms\":", ring.retire_ms),
        (",\"features\":", ring.features),
    ] {
        out.extend_from_slice(name.as_bytes());
        push_number(out, number);
    }
    out.push(b'}');
}

fn push_netlink(out: &mut Vec<u8>, netlink: &NetlinkDetails) {
    out.extend_from_slice(b",\"netlink\":{\"groups\":");
    push_numbers(out, netlink.numbers());
    out.push(b'}');
}

fn push_numbers(out: &mut Vec<u8>, numbers: impl Iterator<Item = u64>) {
    out.push(b'[');
    for (index, number) in numbers.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push_number(out, number);
    }
    out.push(b']');
}
