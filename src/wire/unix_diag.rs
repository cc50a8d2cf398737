//! unix_diag: the request for a dump of unix sockets, and its rows.
//!
//! Layout: `struct unix_diag_req` and `struct unix_diag_msg` of linux/unix_diag.h, then
//! attributes. Sockets that nobody has accepted yet are in no dump: they have no inode.

use netlink_packet_sock_diag::constants::{
    AF_UNIX, UDIAG_SHOW_ICONS, UDIAG_SHOW_MEMINFO, UDIAG_SHOW_NAME, UDIAG_SHOW_PEER,
    UDIAG_SHOW_RQLEN, UDIAG_SHOW_VFS, UNIX_DIAG_ICONS, UNIX_DIAG_MEMINFO, UNIX_DIAG_NAME,
    UNIX_DIAG_PEER, UNIX_DIAG_RQLEN, UNIX_DIAG_SHUTDOWN, UNIX_DIAG_VFS,
};

use super::diag::{RowError, cookie_at, memory, request, split, word_at};
use super::netlink::attributes;
use super::tcp_info::word;
use crate::model::{
    DetailSet, Details, Ends, EndsDetails, Names, Protocol, Queues, Socket, SocketKind, State,
    StateSet, UnixDetails, UnixEnds, UnixFile,
};

/// Length of the fixed part of a row.
pub const ROW_LEN: usize = 16;
/// Attribute with the name.
pub(super) const NAME: u16 = UNIX_DIAG_NAME;
/// Attribute with the user, since Linux 5.3, newer than the constants of the crate.
const UNIX_DIAG_UID: u16 = 7;
const UDIAG_SHOW_UID: u32 = 1 << 6;

/// The request to dump the sockets in one of the states.
pub(super) fn dump_request(states: StateSet, details: DetailSet) -> Vec<u8> {
    let mut show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN | UDIAG_SHOW_UID;
    if details.extended {
        show |= UDIAG_SHOW_VFS | UDIAG_SHOW_ICONS;
    }
    if details.memory {
        show |= UDIAG_SHOW_MEMINFO;
    }
    let mut body = vec![AF_UNIX, 0, 0, 0];
    // The inode is for asking after one socket, as is the cookie, of which -1 is none.
    for word in [states.bits(), 0, show, u32::MAX, u32::MAX] {
        body.extend(word.to_ne_bytes());
    }
    request(&body)
}

/// Whether it can be a row.
pub(super) fn is_row(row: &[u8]) -> bool {
    split::<ROW_LEN>(row, AF_UNIX).is_ok()
}

/// Decodes a row; its name is kept in `names`.
pub(super) fn socket(row: &[u8], names: &mut Names) -> Result<Socket, RowError> {
    let (fixed, rest) = split::<ROW_LEN>(row, AF_UNIX)?;
    let state = State::from_kernel(fixed[2]);
    let mut ends = UnixEnds {
        kind: SocketKind::from_kernel(fixed[1]),
        name: None,
        peer: 0,
    };
    let (mut uid, mut receive, mut send) = (Socket::NO_UID, 0, 0);
    for (kind, value) in attributes(rest) {
        match kind {
            UNIX_DIAG_NAME => ends.name = names.push(bare_name(value)),
            UNIX_DIAG_PEER => ends.peer = word_at(value, 0),
            UNIX_DIAG_RQLEN => (receive, send) = (word_at(value, 0), word_at(value, 4)),
            UNIX_DIAG_UID => uid = word(value).unwrap_or(Socket::NO_UID),
            _ => {}
        }
    }
    Ok(Socket {
        protocol: Protocol::Unix,
        state,
        v6only: None,
        ends: Ends::Unix(ends),
        interface: 0,
        queues: match state {
            State::Listen => Queues::Backlog {
                pending: receive,
                max: Some(send),
            },
            _ => Queues::Bytes {
                unread: receive,
                unacknowledged: send,
            },
        },
        timer: None,
        uid,
        inode: u64::from(word_at(fixed, 4)),
        cookie: cookie_at(fixed, 8),
        netns: 0,
    })
}

/// The name without the zero that ends a path; that of an abstract one is part of it.
pub(super) fn bare_name(value: &[u8]) -> &[u8] {
    match value {
        [0, ..] => value,
        [path @ .., 0] => path,
        path => path,
    }
}

/// Decodes the attributes that are asked for.
pub(super) fn details(row: &[u8], asked: DetailSet) -> Details {
    let mut details = Details::default();
    let mut unix = UnixDetails::default();
    for (kind, value) in attributes(row.get(ROW_LEN..).unwrap_or_default()) {
        match kind {
            UNIX_DIAG_SHUTDOWN if asked.extended => details.shutdown = value.first().copied(),
            UNIX_DIAG_VFS if asked.extended && value.len() >= 8 => {
                unix.file = Some(UnixFile {
                    inode: word_at(value, 0),
                    device: word_at(value, 4),
                });
            }
            UNIX_DIAG_ICONS if asked.extended => {
                unix.pending = Some(value.chunks_exact(4).filter_map(word).collect());
            }
            UNIX_DIAG_MEMINFO if asked.memory => details.memory = memory(value),
            _ => {}
        }
    }
    if asked.extended {
        details.ends = Some(Box::new(EndsDetails::Unix(unix)));
    }
    details
}

#[cfg(test)]
mod tests {
    use super::super::netlink::tests::attribute_bytes;
    use super::*;
    use proptest::prelude::*;

    fn row(kind: u8, state: u8) -> Vec<u8> {
        let mut row = vec![AF_UNIX, kind, state, 0];
        for word in [4242u32, 7, 1] {
            row.extend(word.to_ne_bytes());
        }
        row
    }

    #[test]
    fn a_listener_with_all_that_is_told_of_it() {
        let mut bytes = row(1, 10);
        let words = |words: &[u32]| -> Vec<u8> {
            words.iter().flat_map(|word| word.to_ne_bytes()).collect()
        };
        bytes.extend(attribute_bytes(UNIX_DIAG_NAME, b"/run/a b\n\xff\0"));
        bytes.extend(attribute_bytes(UNIX_DIAG_VFS, &words(&[99, 254 << 20 | 3])));
        bytes.extend(attribute_bytes(UNIX_DIAG_ICONS, &words(&[5, 6])));
        bytes.extend(attribute_bytes(UNIX_DIAG_RQLEN, &words(&[2, 128])));
        bytes.extend(attribute_bytes(UNIX_DIAG_MEMINFO, &words(&[1; 9])));
        bytes.extend(attribute_bytes(UNIX_DIAG_SHUTDOWN, &[2]));
        bytes.extend(attribute_bytes(UNIX_DIAG_UID, &words(&[33])));
        let mut names = Names::default();
        let socket = socket(&bytes, &mut names).unwrap();
        let ends = socket.unix().unwrap();
        assert_eq!(names.get(ends.name.unwrap()), b"/run/a b\n\xff");
        assert_eq!((ends.kind, ends.peer), (SocketKind::Stream, 0));
        assert_eq!((socket.state, socket.inode), (State::Listen, 4242));
        assert_eq!((socket.uid, socket.cookie), (33, 1 << 32 | 7));
        assert_eq!((socket.queues.recv_q(), socket.queues.send_q()), (2, 128));
        let details = details(&bytes, DetailSet::ALL);
        assert_eq!(details.shutdown, Some(2));
        assert_eq!(details.memory.unwrap().drops, Some(1));
        let Some(EndsDetails::Unix(unix)) = details.ends.as_deref() else {
            unreachable!("{details:?}")
        };
        let file = unix.file.unwrap();
        assert_eq!((file.inode, file.major(), file.minor()), (99, 254, 3));
        assert_eq!(unix.pending, Some(vec![5, 6]));
        for cut in 0..bytes.len() {
            let cut_row = super::socket(&bytes[..cut], &mut names);
            assert_eq!(cut_row.is_ok(), cut >= ROW_LEN);
            super::details(&bytes[..cut], DetailSet::ALL);
        }
    }

    #[test]
    fn abstract_and_missing_names() {
        let mut names = Names::default();
        let mut name = |attributes: &[u8]| {
            let socket = socket(&[&row(2, 7), attributes].concat(), &mut names).unwrap();
            let name = socket.unix().unwrap().name;
            name.map(|name| names.get(name).to_vec())
        };
        let abstract_name = attribute_bytes(UNIX_DIAG_NAME, b"\0a\0b\0");
        assert_eq!(name(&abstract_name).unwrap(), b"\0a\0b\0");
        assert_eq!(name(&attribute_bytes(UNIX_DIAG_NAME, b"")), None);
        assert_eq!(name(&[]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(first) = bytes.first_mut() {
                *first = AF_UNIX;
            }
            let _ = socket(&bytes, &mut Names::default());
            let _ = details(&bytes, DetailSet::ALL);
        }
    }
}
