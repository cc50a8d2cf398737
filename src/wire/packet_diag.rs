//! packet_diag: the request for a dump of packet sockets, and its rows.
//!
//! Layout: `struct packet_diag_req` and `struct packet_diag_msg` of linux/packet_diag.h, then
//! attributes. Such sockets have no states; ss calls them all unconnected, and so does this.

use netlink_packet_sock_diag::constants::AF_PACKET;

use super::diag::{RowError, cookie_at, memory, request, split, word_at};
use super::netlink::attributes;
use super::tcp_info::word;
use crate::model::{
    DetailSet, Details, Ends, EndsDetails, PacketDetails, PacketEnds, PacketInfo, PacketRing,
    Protocol, Queues, Socket, SocketKind, State,
};

/// Length of the fixed part of a row.
pub const ROW_LEN: usize = 16;

const PACKET_DIAG_INFO: u16 = 0;
const PACKET_DIAG_RX_RING: u16 = 2;
const PACKET_DIAG_TX_RING: u16 = 3;
const PACKET_DIAG_FANOUT: u16 = 4;
const PACKET_DIAG_UID: u16 = 5;
const PACKET_DIAG_MEMINFO: u16 = 6;

const SHOW_INFO: u32 = 1;
const SHOW_RING_CFG: u32 = 1 << 2;
const SHOW_FANOUT: u32 = 1 << 3;
const SHOW_MEMINFO: u32 = 1 << 4;

/// The request to dump all of them.
pub(super) fn dump_request(details: DetailSet) -> Vec<u8> {
    // The queue is told as memory, and nowhere else.
    let mut show = SHOW_INFO | SHOW_MEMINFO;
    if details.extended {
        show |= SHOW_RING_CFG | SHOW_FANOUT;
    }
    let mut body = vec![AF_PACKET, 0, 0, 0];
    for word in [0, show, u32::MAX, u32::MAX] {
        body.extend(word.to_ne_bytes());
    }
    request(&body)
}

/// Whether it can be a row.
pub(super) fn is_row(row: &[u8]) -> bool {
    split::<ROW_LEN>(row, AF_PACKET).is_ok()
}

/// Decodes a row.
pub(super) fn socket(row: &[u8]) -> Result<Socket, RowError> {
    let (fixed, rest) = split::<ROW_LEN>(row, AF_PACKET)?;
    let (mut interface, mut uid, mut unread) = (0, Socket::NO_UID, 0);
    for (kind, value) in attributes(rest) {
        match kind {
            PACKET_DIAG_INFO => interface = word_at(value, 0),
            PACKET_DIAG_UID => uid = word(value).unwrap_or(Socket::NO_UID),
            PACKET_DIAG_MEMINFO => unread = word_at(value, 0),
            _ => {}
        }
    }
    Ok(Socket {
        protocol: Protocol::Packet,
        state: State::Close,
        v6only: None,
        ends: Ends::Packet(PacketEnds {
            kind: SocketKind::from_kernel(fixed[1]),
            protocol: u16::from_ne_bytes([fixed[2], fixed[3]]),
        }),
        interface,
        queues: Queues::Bytes {
            unread,
            unacknowledged: 0,
        },
        timer: None,
        uid,
        inode: u64::from(word_at(fixed, 4)),
        cookie: cookie_at(fixed, 8),
        netns: 0,
    })
}

/// Decodes the attributes that are asked for.
pub(super) fn details(row: &[u8], asked: DetailSet) -> Details {
    let mut details = Details::default();
    let mut packet = PacketDetails::default();
    for (kind, value) in attributes(row.get(ROW_LEN..).unwrap_or_default()) {
        match kind {
            PACKET_DIAG_MEMINFO if asked.memory => details.memory = memory(value),
            PACKET_DIAG_INFO => packet.info = info(value),
            PACKET_DIAG_RX_RING => packet.rx_ring = ring(value),
            PACKET_DIAG_TX_RING => packet.tx_ring = ring(value),
            PACKET_DIAG_FANOUT => packet.fanout = word(value),
            _ => {}
        }
    }
    if asked.extended {
        details.ends = Some(Box::new(EndsDetails::Packet(packet)));
    }
    details
}

fn info(value: &[u8]) -> Option<PacketInfo> {
    (value.len() >= 24).then(|| PacketInfo {
        version: word_at(value, 4),
        copy_threshold: word_at(value, 12),
        flags: word_at(value, 20),
    })
}

fn ring(value: &[u8]) -> Option<PacketRing> {
    (value.len() >= 28).then(|| PacketRing {
        block_size: word_at(value, 0),
        blocks: word_at(value, 4),
        frame_size: word_at(value, 8),
        frames: word_at(value, 12),
        retire_ms: word_at(value, 16),
        features: word_at(value, 24),
    })
}

#[cfg(test)]
mod tests {
    use super::super::netlink::tests::attribute_bytes;
    use super::*;
    use proptest::prelude::*;

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    #[test]
    fn a_sniffer_with_a_ring() {
        let mut bytes = vec![AF_PACKET, 3];
        bytes.extend(0x0806u16.to_ne_bytes());
        bytes.extend(words(&[4242, 7, 0]));
        bytes.extend(attribute_bytes(
            PACKET_DIAG_INFO,
            &words(&[2, 1, 0, 9, 0, 0b11]),
        ));
        bytes.extend(attribute_bytes(PACKET_DIAG_UID, &words(&[33])));
        bytes.extend(attribute_bytes(PACKET_DIAG_MEMINFO, &words(&[5; 9])));
        let ring = [4096, 2, 2048, 4, 60, 0, 1];
        bytes.extend(attribute_bytes(PACKET_DIAG_RX_RING, &words(&ring)));
        bytes.extend(attribute_bytes(PACKET_DIAG_FANOUT, &words(&[1 << 16 | 8])));
        let socket = socket(&bytes).unwrap();
        let Ends::Packet(ends) = socket.ends else {
            unreachable!("{socket:?}")
        };
        assert_eq!((ends.kind, ends.protocol), (SocketKind::Raw, 0x0806));
        assert_eq!((socket.interface, socket.uid, socket.inode), (2, 33, 4242));
        assert_eq!(socket.queues.recv_q(), 5);
        let details = details(&bytes, DetailSet::ALL);
        let Some(EndsDetails::Packet(packet)) = details.ends.as_deref() else {
            unreachable!("{details:?}")
        };
        let info = packet.info.unwrap();
        assert_eq!((info.version, info.copy_threshold), (1, 9));
        assert_eq!(
            info.flag_names().collect::<Vec<_>>(),
            ["running", "auxdata"]
        );
        assert_eq!(packet.rx_ring.unwrap().frames, 4);
        assert_eq!((packet.tx_ring, packet.fanout), (None, Some(1 << 16 | 8)));
        for cut in 0..bytes.len() {
            assert_eq!(super::socket(&bytes[..cut]).is_ok(), cut >= ROW_LEN);
            super::details(&bytes[..cut], DetailSet::ALL);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(first) = bytes.first_mut() {
                *first = AF_PACKET;
            }
            let _ = socket(&bytes);
            let _ = details(&bytes, DetailSet::ALL);
        }
    }
}
