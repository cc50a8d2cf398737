//! What the kernel announces by itself: the groups of sock_diag.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use netlink_sys::{Socket, SocketAddr};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force};

/// Room for messages that wait to be received; the kernel doubles it, and takes no memory before they
/// come. Of a destroyed socket 0.4 kB are told, but 1,280 bytes are taken (`skb->truesize`): this is
/// room for some 52,000.
const BUFFER_LEN: usize = 32 << 20;
/// No announcement is longer.
const MESSAGE_LEN: usize = 8 << 10;
/// Where `SO_MEMINFO` tells how many messages were dropped, and how many words it has before.
const SK_MEMINFO_DROPS: usize = 8;

/// A netlink socket that is a member of groups, in the network namespace it was opened in. It
/// stays so whatever becomes of the thread that opened it.
#[derive(Debug)]
pub struct Announcements {
    socket: Socket,
    /// Messages that were lost, as far as that was asked.
    told_lost: u32,
}

/// What was received.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// Messages of the kernel's.
    Messages,
    /// Nothing waits.
    Nothing,
    /// There was no room for so many messages: some were lost.
    Overrun,
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// Something may be received, or time is up.
    Over,
    /// Nobody reads standard output any more.
    Unread,
}

impl Announcements {
    /// Joins the groups of this mask. No rights are needed.
    pub(super) fn join(groups: u32) -> io::Result<Announcements> {
        let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
        // Beyond the limit of the system (`net.core.rmem_max`) only with CAP_NET_ADMIN over the
        // first user namespace, whoever is root in another; else up to it. With less room more is
        // lost, which is said when it happens.
        if set_socket_recv_buffer_size_force(&socket, BUFFER_LEN).is_err() {
            let _ = set_socket_recv_buffer_size(&socket, BUFFER_LEN);
        }
        socket.bind(&SocketAddr::new(0, groups))?;
        Ok(Announcements {
            socket,
            told_lost: 0,
        })
    }

    /// Receives a message without waiting.
    pub fn receive(&self, message: &mut Vec<u8>) -> io::Result<Received> {
        loop {
            message.clear();
            message.reserve(MESSAGE_LEN);
            match self.socket.recv_from(message, libc::MSG_DONTWAIT) {
                // Processes may not send to others here; if one could, it would not be believed.
                Ok((_, from)) if from.port_number() != 0 => {}
                Ok(_) => return Ok(Received::Messages),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Received::Nothing);
                }
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    return Ok(Received::Overrun);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// How many messages were lost since this was asked last; `None` where that is not told. More
    /// are lost after an overrun, until all that waits is received.
    pub fn newly_lost(&mut self) -> Option<u32> {
        let lost = drops(self.socket.as_fd())?;
        let new = lost.wrapping_sub(self.told_lost);
        self.told_lost = lost;
        Some(new)
    }
}

/// Waits until one of them has something, or for this long; where `writes`, no longer than somebody
/// reads standard output.
pub fn wait_for_announcements<'a>(
    sources: impl Iterator<Item = &'a Announcements>,
    writes: bool,
    longest: Option<Duration>,
) -> Waited {
    let stdout = io::stdout();
    // Of standard output nothing is asked: that it broke is always told.
    let mut watched = vec![PollFd::new(&stdout, PollFlags::empty())];
    watched.truncate(usize::from(writes));
    watched.extend(sources.map(|source| PollFd::new(&source.socket, PollFlags::IN)));
    let timeout = longest.and_then(|longest| Timespec::try_from(longest).ok());
    match poll(&mut watched, timeout.as_ref()) {
        Ok(_) if writes && !watched[0].revents().is_empty() => Waited::Unread,
        Ok(_) | Err(Errno::INTR) => Waited::Over,
        Err(_) => {
            // Without a way to wait, not all of the processor is taken.
            std::thread::sleep(Duration::from_millis(10));
            Waited::Over
        }
    }
}

/// Messages that a socket had no room for. Source: `sk_drops`, by `SO_MEMINFO` since Linux 4.12.
#[allow(unsafe_code)]
fn drops(socket: BorrowedFd<'_>) -> Option<u32> {
    let mut words = [0u32; SK_MEMINFO_DROPS + 1];
    let mut length = libc::socklen_t::try_from(size_of_val(&words)).ok()?;
    // SAFETY: The kernel writes no more than `length` bytes to `words`, and then how many it
    // wrote to `length`; both outlive the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            words.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    let is_told = result == 0 && usize::try_from(length) == Ok(size_of_val(&words));
    is_told.then_some(words[SK_MEMINFO_DROPS])
}
