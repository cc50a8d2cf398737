//! Single requests to the kernel, many at a time, and the answers to them.

use std::io;

use netlink_sys::protocols::{NETLINK_ROUTE, NETLINK_SOCK_DIAG};
use netlink_sys::{Socket, SocketAddr};

/// More than any answer to a single request has.
const ANSWER_LEN: usize = 16 << 10;

/// A netlink socket for requests about single things in the network namespace of the thread that
/// made it.
#[derive(Debug)]
pub struct Exchange {
    socket: Socket,
    answer: Vec<u8>,
}

impl Exchange {
    /// As many requests as may be sent at once: there is room for all their answers.
    pub const MOST_REQUESTS: usize = 64;

    /// One with sock_diag, about sockets.
    pub fn of_sockets() -> io::Result<Exchange> {
        Exchange::open(NETLINK_SOCK_DIAG)
    }

    /// One with rtnetlink, about the network.
    pub fn of_routes() -> io::Result<Exchange> {
        Exchange::open(NETLINK_ROUTE)
    }

    fn open(protocol: isize) -> io::Result<Exchange> {
        let socket = Socket::new(protocol)?;
        // Refusals then come without the request; before Linux 4.3 it cannot be had.
        let _ = socket.set_cap_ack(true);
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Exchange {
            socket,
            answer: Vec::with_capacity(ANSWER_LEN),
        })
    }

    /// Sends requests, which end to end are no more than [`MOST_REQUESTS`](Self::MOST_REQUESTS),
    /// and calls `take` with each answer. The kernel has done all of it when it took the requests;
    /// an answer that did not come then is lost.
    pub fn ask(&mut self, requests: &[u8], mut take: impl FnMut(&[u8])) -> io::Result<()> {
        self.socket.send(requests, 0)?;
        loop {
            self.answer.clear();
            let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
            match self.socket.recv(&mut self.answer, flags) {
                // One that is longer than any tells nothing.
                Ok(length) if length > self.answer.len() => {}
                Ok(_) => take(&self.answer),
                Err(error) => match error.raw_os_error() {
                    // Answers were lost, but others may be there.
                    Some(libc::ENOBUFS | libc::EINTR) => {}
                    Some(libc::EAGAIN) => return Ok(()),
                    _ => return Err(error),
                },
            }
        }
    }
}
