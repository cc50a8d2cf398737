//! Sockets in the words of a message.

use super::address::push_endpoint;
use crate::model::Socket;

/// A socket of IP in one line: protocol, state, and both ends; of one without a peer, its own.
pub fn socket_words(socket: &Socket) -> String {
    let mut words = format!("{} {}", socket.protocol, socket.state.name()).into_bytes();
    if let Some(ends) = socket.inet() {
        words.push(b' ');
        push_endpoint(&mut words, &ends.local);
        if !ends.peer.is_none() {
            words.push(b' ');
            push_endpoint(&mut words, &ends.peer);
        }
    }
    String::from_utf8_lossy(&words).into_owned()
}

/// `1 socket`, `2 sockets`; of more, `2 more sockets`.
pub fn count_of_sockets(count: usize, more: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {more}socket{plural}")
}
