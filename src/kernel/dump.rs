//! A dump over netlink, live or recorded, as chunks of whole messages.

use std::fs::File;
use std::io::{self, Read};
use std::sync::mpsc;
use std::thread;

use netlink_sys::protocols::{NETLINK_ROUTE, NETLINK_SOCK_DIAG};
use netlink_sys::{Socket, SocketAddr};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

use crate::wire::netlink;

/// The kernel never fills more than half of this with one part of a dump.
const CHUNK_LEN: usize = 64 << 10;
/// A chunk of this length is one of many.
const LONG_CHUNK: usize = 16 << 10;
/// Chunks that wait to be taken: 2 MiB. While owners are looked for nobody takes any, and the
/// kernel goes on with some 20,000 rows meanwhile; more would only cost memory.
const MOST_WAITING: usize = 64;
/// No message of a dump is longer; a length beyond it in a recording is damage.
const MESSAGE_LIMIT: usize = 1 << 20;

/// What the kernel tells only those with CAP_NET_ADMIN: marks, upper layers, and peers of TCP-MD5
/// with their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminDetails {
    /// To be told, to those who have it.
    Wanted,
    /// To be left out, which saves the kernel a twentieth of its work, and us the keys.
    Unwanted,
}

/// A dump under way.
#[derive(Debug)]
pub struct Dump {
    source: Source,
    /// Offset in the recording of the chunk that was returned last.
    base: u64,
}

#[derive(Debug)]
enum Source {
    Live(Socket),
    Recorded {
        file: File,
        rest: Vec<u8>,
        next: u64,
    },
    /// A kernel that says what a test wants.
    #[cfg(test)]
    Scripted(std::vec::IntoIter<io::Result<Vec<u8>>>),
}

impl Dump {
    /// Sends the request on a socket of its own, so that nothing of another dump can be mixed in.
    pub(super) fn live(request: &[u8], admin_details: AdminDetails) -> io::Result<Dump> {
        let open = || Socket::new(NETLINK_SOCK_DIAG);
        let socket = match admin_details {
            AdminDetails::Wanted => open(),
            AdminDetails::Unwanted => without_net_admin(open),
        }?;
        Dump::begin(socket, request)
    }

    /// Sends a request for routes.
    pub(super) fn routes(request: &[u8]) -> io::Result<Dump> {
        let socket = Socket::new(NETLINK_ROUTE)?;
        // Only so does the kernel keep to the table that is asked for. Before Linux 4.20 it cannot.
        let _ = socket.set_netlink_get_strict_chk(true);
        Dump::begin(socket, request)
    }

    fn begin(socket: Socket, request: &[u8]) -> io::Result<Dump> {
        socket.connect(&SocketAddr::new(0, 0))?;
        socket.send(request, 0)?;
        Ok(Dump {
            source: Source::Live(socket),
            base: 0,
        })
    }

    pub(super) const fn recorded(file: File) -> Dump {
        Dump {
            source: Source::Recorded {
                file,
                rest: Vec::new(),
                next: 0,
            },
            base: 0,
        }
    }

    /// A live dump of which these chunks are received.
    #[cfg(test)]
    pub(crate) fn scripted(chunks: Vec<io::Result<Vec<u8>>>) -> Dump {
        Dump {
            source: Source::Scripted(chunks.into_iter()),
            base: 0,
        }
    }

    /// The port id of the netlink socket of a live dump, which stands in a list of netlink sockets
    /// itself.
    pub fn port_id(&self) -> Option<u32> {
        let Source::Live(socket) = &self.source else {
            return None;
        };
        let mut addr = SocketAddr::new(0, 0);
        socket.get_address(&mut addr).ok()?;
        Some(addr.port_number())
    }

    /// Length of a recording.
    pub fn recorded_length(&self) -> Option<u64> {
        match &self.source {
            Source::Recorded { file, .. } => file.metadata().ok().map(|file| file.len()),
            _ => None,
        }
    }

    /// Reads the next chunk; `false` when there is none. Whether the dump was complete then is
    /// told by its last message, NLMSG_DONE.
    fn next_chunk(&mut self, chunk: &mut Vec<u8>) -> io::Result<bool> {
        chunk.clear();
        match &mut self.source {
            Source::Live(socket) => receive(socket, chunk),
            Source::Recorded { file, rest, next } => {
                self.base = *next;
                let more = read_messages(file, rest, chunk)?;
                *next += chunk.len() as u64;
                Ok(more)
            }
            #[cfg(test)]
            Source::Scripted(chunks) => match chunks.next() {
                Some(next) => next.map(|next| {
                    *chunk = next;
                    true
                }),
                None => Ok(false),
            },
        }
    }

    /// Calls `take` with each chunk and its offset in the recording, until it returns `false` or
    /// nothing is left. The outer error is that of `take`, the inner one the dump's.
    ///
    /// The kernel walks its tables while a chunk is received, so a long dump is received by a
    /// thread of its own while `take` works on the chunks before. A short one is over sooner than
    /// a thread is made.
    pub fn for_each<E>(
        mut self,
        mut take: impl FnMut(&[u8], u64) -> Result<bool, E>,
    ) -> Result<io::Result<()>, E> {
        let mut chunk = Vec::new();
        let is_recorded = self.is_recorded();
        if let Some(ended) = self.take_chunks(&mut chunk, &mut take, |chunk| {
            chunk.len() >= LONG_CHUNK && !is_recorded
        })? {
            return Ok(ended);
        }
        self.for_each_overlapped(thread::Builder::new(), take)
    }

    /// Hands on chunks until `stop` says so of the last one; `None` then. Else how it ended.
    fn take_chunks<E>(
        &mut self,
        chunk: &mut Vec<u8>,
        take: &mut impl FnMut(&[u8], u64) -> Result<bool, E>,
        stop: impl Fn(&[u8]) -> bool,
    ) -> Result<Option<io::Result<()>>, E> {
        loop {
            match self.next_chunk(chunk) {
                Ok(true) => {}
                Ok(false) => return Ok(Some(Ok(()))),
                Err(error) => return Ok(Some(Err(error))),
            }
            if !take(chunk, self.base)? {
                return Ok(Some(Ok(())));
            }
            if stop(chunk) {
                return Ok(None);
            }
        }
    }

    fn for_each_overlapped<E>(
        mut self,
        thread: thread::Builder,
        mut take: impl FnMut(&[u8], u64) -> Result<bool, E>,
    ) -> Result<io::Result<()>, E> {
        let overlapped = thread::scope(|scope| {
            let (full, received) = mpsc::sync_channel(MOST_WAITING);
            let (done_with, empty) = mpsc::channel::<Vec<u8>>();
            let dump = &mut self;
            let receiver = thread.spawn_scoped(scope, move || {
                loop {
                    let mut chunk = empty.try_recv().unwrap_or_default();
                    let item = match dump.next_chunk(&mut chunk) {
                        Ok(true) => Ok(chunk),
                        Ok(false) => return,
                        Err(error) => Err(error),
                    };
                    let last = item.is_err();
                    // Nobody takes it any more: the question is answered.
                    if full.send(item).is_err() || last {
                        return;
                    }
                }
            });
            if receiver.is_err() {
                return None;
            }
            for chunk in received {
                let chunk = match chunk {
                    Ok(chunk) => chunk,
                    Err(error) => return Some(Ok(Err(error))),
                };
                match take(&chunk, 0) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => return Some(Err(error)),
                }
                // The thread may have ended; then nobody needs the memory.
                let _ = done_with.send(chunk);
            }
            Some(Ok(Ok(())))
        });
        // Where no thread can be made, this one receives.
        match overlapped {
            Some(ended) => ended,
            None => {
                let ended = self.take_chunks(&mut Vec::new(), &mut take, |_| false)?;
                Ok(ended.unwrap_or(Ok(())))
            }
        }
    }

    /// Whether this is a recording, which ends with its file rather than with a message.
    pub const fn is_recorded(&self) -> bool {
        matches!(self.source, Source::Recorded { .. })
    }
}

/// Opens a socket while this thread does without CAP_NET_ADMIN: what a netlink socket is told
/// depends on who opened it.
fn without_net_admin<T>(open: impl FnOnce() -> T) -> T {
    let Some(held) = capabilities(None)
        .ok()
        .filter(|held| held.effective.contains(CapabilitySet::NET_ADMIN))
    else {
        return open();
    };
    let mut less = held;
    less.effective.remove(CapabilitySet::NET_ADMIN);
    if set_capabilities(None, less).is_err() {
        return open();
    }
    let opened = open();
    // What was ours a moment ago is ours to take up again; if not, nothing here needs it.
    let _ = set_capabilities(None, held);
    opened
}

/// Receives without waiting: the kernel prepares the first chunk when it takes the request and
/// each other one when it hands out the one before, so nothing to receive is nothing to come.
fn receive(socket: &Socket, chunk: &mut Vec<u8>) -> io::Result<bool> {
    chunk.reserve(CHUNK_LEN);
    loop {
        match socket.recv(chunk, libc::MSG_TRUNC | libc::MSG_DONTWAIT) {
            Ok(length) if length > chunk.len() => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("the kernel sent {length} bytes at once"),
                ));
            }
            Ok(_) => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

/// Fills `chunk` with whole messages; what is left of the file at its end comes as it is.
fn read_messages(file: &mut File, rest: &mut Vec<u8>, chunk: &mut Vec<u8>) -> io::Result<bool> {
    chunk.append(rest);
    loop {
        let read = file.take(CHUNK_LEN as u64).read_to_end(chunk)?;
        let whole = netlink::whole_messages(chunk);
        if read == 0 || chunk.len() > MESSAGE_LIMIT {
            return Ok(!chunk.is_empty());
        }
        if whole > 0 {
            rest.extend_from_slice(&chunk[whole..]);
            chunk.truncate(whole);
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(number: u8) -> io::Result<Vec<u8>> {
        Ok(vec![number; LONG_CHUNK])
    }

    #[track_caller]
    fn check_taken(thread: thread::Builder) {
        let mut taken = Vec::new();
        let dump = Dump::scripted(vec![long(2), long(3), Err(io::ErrorKind::Other.into())]);
        let ended = dump.for_each_overlapped(thread, |chunk, _| {
            taken.push(chunk[0]);
            Ok::<_, io::Error>(true)
        });
        assert_eq!(taken, [2, 3]);
        assert_eq!(ended.unwrap().unwrap_err().kind(), io::ErrorKind::Other);
    }

    #[test]
    fn a_dump_is_finished_where_no_thread_can_be_made() {
        check_taken(thread::Builder::new());
        // There is no room for such a stack anywhere.
        check_taken(thread::Builder::new().stack_size(isize::MAX as usize & !0xffff));
    }

    #[test]
    fn a_long_dump_comes_in_order_and_ends_when_it_is_told_to() {
        let mut taken = Vec::new();
        let dump = Dump::scripted((0..100).map(long).collect());
        let ended = dump.for_each(|chunk, _| {
            taken.push(chunk[0]);
            Ok::<_, io::Error>(chunk[0] < 50)
        });
        ended.unwrap().unwrap();
        assert_eq!(taken, (0..=50).collect::<Vec<u8>>());
    }
}
