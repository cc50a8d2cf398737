//! Sockets in the words of a message.

use super::address::{Side, push_ss_addr, push_ss_port};
use crate::model::{Row, Socket};

/// A socket of IP in one line: protocol, state, and both ends as in a plain listing; of one
/// without a peer, its own. `interface` is the name of the one that it is bound to.
pub fn socket_words(socket: &Socket, interface: Option<&[u8]>) -> String {
    let mut words = format!("{} {}", socket.protocol, socket.state.name()).into_bytes();
    let row = Row {
        interface,
        ..Row::bare(socket)
    };
    if let Some(ends) = socket.inet() {
        let mut push = |side: Side| {
            words.push(b' ');
            push_ss_addr(&mut words, &row, side, side.of(ends));
            words.push(b':');
            push_ss_port(&mut words, &row, side, side.of(ends), false);
        };
        push(Side::Local);
        if !ends.peer.is_none() {
            push(Side::Peer);
        }
    }
    String::from_utf8_lossy(&words).into_owned()
}

/// `1 socket`, `2 sockets`; of more, `2 more sockets`.
pub fn count_of_sockets(count: usize, more: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {more}socket{plural}")
}
