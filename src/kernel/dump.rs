//! A sock_diag dump, live or recorded, as chunks of whole messages.

use std::fs::File;
use std::io::{self, Read};
use std::sync::mpsc;
use std::thread;

use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use netlink_sys::{Socket, SocketAddr};

use crate::wire::netlink;

/// The kernel never fills more than half of this with one part of a dump.
const CHUNK_LEN: usize = 64 << 10;
/// A chunk of this length is one of many.
const LONG_CHUNK: usize = 16 << 10;
/// Chunks that wait to be taken; more would only cost memory.
const MOST_WAITING: usize = 16;
/// No message of a dump is longer; a length beyond it in a recording is damage.
const MESSAGE_LIMIT: usize = 1 << 20;

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
}

impl Dump {
    /// Sends the request on a socket of its own, so that nothing of another dump can be mixed in.
    pub(super) fn live(request: &[u8]) -> io::Result<Dump> {
        let socket = Socket::new(NETLINK_SOCK_DIAG)?;
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

    /// Reads the next chunk; `false` when there is none. Whether the dump was complete then is
    /// told by its last message, NLMSG_DONE.
    pub fn next_chunk(&mut self, chunk: &mut Vec<u8>) -> io::Result<bool> {
        chunk.clear();
        match &mut self.source {
            Source::Live(socket) => receive(socket, chunk),
            Source::Recorded { file, rest, next } => {
                self.base = *next;
                let more = read_messages(file, rest, chunk)?;
                *next += chunk.len() as u64;
                Ok(more)
            }
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
        loop {
            match self.next_chunk(&mut chunk) {
                Ok(true) => {}
                Ok(false) => return Ok(Ok(())),
                Err(error) => return Ok(Err(error)),
            }
            if !take(&chunk, self.base)? {
                return Ok(Ok(()));
            }
            if chunk.len() >= LONG_CHUNK && !self.is_recorded() {
                return self.for_each_overlapped(take);
            }
        }
    }

    fn for_each_overlapped<E>(
        self,
        mut take: impl FnMut(&[u8], u64) -> Result<bool, E>,
    ) -> Result<io::Result<()>, E> {
        thread::scope(|scope| {
            let (full, received) = mpsc::sync_channel(MOST_WAITING);
            let (done_with, empty) = mpsc::channel::<Vec<u8>>();
            let mut dump = self;
            let receiver = thread::Builder::new().spawn_scoped(scope, move || {
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
            if let Err(error) = receiver {
                return Ok(Err(error));
            }
            for chunk in received {
                let chunk = match chunk {
                    Ok(chunk) => chunk,
                    Err(error) => return Ok(Err(error)),
                };
                if !take(&chunk, 0)? {
                    break;
                }
                // The thread may have ended; then nobody needs the memory.
                let _ = done_with.send(chunk);
            }
            Ok(Ok(()))
        })
    }

    /// Whether this is a recording, which ends with its file rather than with a message.
    pub const fn is_recorded(&self) -> bool {
        matches!(self.source, Source::Recorded { .. })
    }
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
