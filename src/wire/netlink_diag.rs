//! netlink_diag: the request for a dump of netlink sockets, and its rows.
//!
//! Layout: `struct netlink_diag_req` and `struct netlink_diag_msg` of linux/netlink_diag.h, then
//! attributes. The kernel reports a socket twice that has a port and is in a group. States are
//! left aside: ss calls them all unconnected, and so does this.

use netlink_packet_sock_diag::constants::AF_NETLINK;

use super::diag::{RowError, cookie_at, memory, request, split, word_at};
use super::netlink::attributes;
use crate::model::{
    DetailSet, Details, Ends, EndsDetails, NetlinkDetails, NetlinkEnds, NetlinkPeer, Protocol,
    Queues, Socket, State,
};

/// Length of the fixed part of a row.
pub const ROW_LEN: usize = 28;
/// `NETLINK_CONNECTED`.
const CONNECTED: u8 = 1;

const NETLINK_DIAG_MEMINFO: u16 = 0;
const NETLINK_DIAG_GROUPS: u16 = 1;

const SHOW_MEMINFO: u32 = 1;
const SHOW_GROUPS: u32 = 1 << 1;
/// `NDIAG_PROTO_ALL`.
const EVERY_PROTOCOL: u8 = u8::MAX;

/// The request to dump all of them.
pub(super) fn dump_request(details: DetailSet) -> Vec<u8> {
    // The queues are told as memory, and nowhere else.
    let mut show = SHOW_MEMINFO;
    if details.extended {
        show |= SHOW_GROUPS;
    }
    let mut body = vec![AF_NETLINK, EVERY_PROTOCOL, 0, 0];
    for word in [0, show, u32::MAX, u32::MAX] {
        body.extend(word.to_ne_bytes());
    }
    request(&body)
}

/// Whether it can be a row.
pub(super) fn is_row(row: &[u8]) -> bool {
    split::<ROW_LEN>(row, AF_NETLINK).is_ok()
}

/// Decodes a row.
pub(super) fn socket(row: &[u8]) -> Result<Socket, RowError> {
    let (fixed, rest) = split::<ROW_LEN>(row, AF_NETLINK)?;
    let (mut unread, mut unacknowledged) = (0, 0);
    for (kind, value) in attributes(rest) {
        if kind == NETLINK_DIAG_MEMINFO {
            // The third is what is sent and not yet taken.
            (unread, unacknowledged) = (word_at(value, 0), word_at(value, 8));
        }
    }
    Ok(Socket {
        protocol: Protocol::Netlink,
        state: State::Close,
        v6only: None,
        ends: Ends::Netlink(NetlinkEnds {
            protocol: fixed[2],
            port: word_at(fixed, 4),
            peer: (fixed[3] == CONNECTED).then(|| NetlinkPeer {
                port: word_at(fixed, 8),
                group: word_at(fixed, 12),
            }),
        }),
        interface: 0,
        queues: Queues::Bytes {
            unread,
            unacknowledged,
        },
        timer: None,
        uid: Socket::NO_UID,
        inode: u64::from(word_at(fixed, 16)),
        cookie: cookie_at(fixed, 20),
        netns: 0,
    })
}

/// Decodes the attributes that are asked for.
pub(super) fn details(row: &[u8], asked: DetailSet) -> Details {
    let mut details = Details::default();
    let mut netlink = NetlinkDetails::default();
    for (kind, value) in attributes(row.get(ROW_LEN..).unwrap_or_default()) {
        match kind {
            NETLINK_DIAG_MEMINFO if asked.memory => details.memory = memory(value),
            NETLINK_DIAG_GROUPS => {
                let words = value.chunks_exact(8).filter_map(<[u8]>::first_chunk);
                netlink.groups = words.map(|word| u64::from_ne_bytes(*word)).collect();
            }
            _ => {}
        }
    }
    if asked.extended {
        details.ends = Some(Box::new(EndsDetails::Netlink(netlink)));
    }
    details
}

#[cfg(test)]
mod tests {
    use super::super::netlink::tests::attribute_bytes;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_listener_to_two_groups() {
        let words = |words: &[u32]| -> Vec<u8> {
            words.iter().flat_map(|word| word.to_ne_bytes()).collect()
        };
        let mut bytes = vec![AF_NETLINK, 3, 15, CONNECTED];
        bytes.extend(words(&[812, 0, 3, 4242, 7, 0]));
        bytes.extend(attribute_bytes(
            NETLINK_DIAG_MEMINFO,
            &words(&[1, 2, 3, 4, 5, 6, 7]),
        ));
        bytes.extend(attribute_bytes(
            NETLINK_DIAG_GROUPS,
            &[1, 0, 0, 0, 0, 0, 0, 0x80],
        ));
        let socket = socket(&bytes).unwrap();
        let Ends::Netlink(ends) = socket.ends else {
            unreachable!("{socket:?}")
        };
        assert_eq!((ends.protocol, ends.port), (15, 812));
        assert_eq!(ends.peer, Some(NetlinkPeer { port: 0, group: 3 }));
        assert_eq!((socket.inode, socket.uid), (4242, Socket::NO_UID));
        assert_eq!((socket.queues.recv_q(), socket.queues.send_q()), (1, 3));
        let details = details(&bytes, DetailSet::ALL);
        let Some(EndsDetails::Netlink(netlink)) = details.ends.as_deref() else {
            unreachable!("{details:?}")
        };
        if cfg!(target_endian = "little") {
            assert_eq!(netlink.numbers().collect::<Vec<_>>(), [1, 64]);
            assert_eq!(netlink.first_groups(), 1);
        }
        for cut in 0..bytes.len() {
            assert_eq!(super::socket(&bytes[..cut]).is_ok(), cut >= ROW_LEN);
            super::details(&bytes[..cut], DetailSet::ALL);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(first) = bytes.first_mut() {
                *first = AF_NETLINK;
            }
            let _ = socket(&bytes);
            let _ = details(&bytes, DetailSet::ALL);
        }
    }
}
