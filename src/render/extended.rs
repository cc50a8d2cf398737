//! What `-e` prints of a socket of any protocol, as ss has it.

use super::address::push_number;
use crate::model::Row;

/// ` uid:33 ino:4242 sk:1001`.
pub(super) fn push_identity(out: &mut Vec<u8>, row: &Row<'_>) {
    let socket = row.socket;
    if let Some(uid) = row.uid().filter(|&uid| uid != 0) {
        out.extend_from_slice(b" uid:");
        push_number(out, uid);
    }
    out.extend_from_slice(b" ino:");
    push_number(out, socket.inode);
    if socket.cookie != 0 {
        out.extend(format!(" sk:{:x}", socket.cookie).bytes());
    }
}

/// ` <->`: the directions that are not shut down.
pub(super) fn push_shutdown(out: &mut Vec<u8>, shutdown: Option<u8>) {
    if let Some(shutdown) = shutdown {
        out.push(b' ');
        out.push(if shutdown & 1 != 0 { b'-' } else { b'<' });
        out.push(b'-');
        out.push(if shutdown & 2 != 0 { b'-' } else { b'>' });
    }
}
