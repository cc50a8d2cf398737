//! A sock_diag dump, live or recorded, as chunks of whole messages.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use netlink_sys::{Socket, SocketAddr};

use crate::wire::netlink;

/// The kernel never fills more than half of this with one part of a dump.
const CHUNK_LEN: usize = 64 << 10;
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

    pub(super) fn recorded(path: &Path) -> io::Result<Dump> {
        Ok(Dump {
            source: Source::Recorded {
                file: File::open(path)?,
                rest: Vec::new(),
                next: 0,
            },
            base: 0,
        })
    }

    /// Reads the next chunk. `false` at the end of a recording; a live dump ends with the message
    /// NLMSG_DONE, after which this must not be called again.
    pub fn next_chunk(&mut self, chunk: &mut Vec<u8>) -> io::Result<bool> {
        chunk.clear();
        match &mut self.source {
            Source::Live(socket) => receive(socket, chunk).map(|()| true),
            Source::Recorded { file, rest, next } => {
                self.base = *next;
                let more = read_messages(file, rest, chunk)?;
                *next += chunk.len() as u64;
                Ok(more)
            }
        }
    }

    /// Offset of the last chunk in its recording.
    pub const fn base(&self) -> u64 {
        self.base
    }

    /// Whether this is a recording, which ends with its file rather than with a message.
    pub const fn is_recorded(&self) -> bool {
        matches!(self.source, Source::Recorded { .. })
    }
}

fn receive(socket: &Socket, chunk: &mut Vec<u8>) -> io::Result<()> {
    chunk.reserve(CHUNK_LEN);
    loop {
        match socket.recv(chunk, libc::MSG_TRUNC) {
            Ok(length) if length > chunk.len() => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("the kernel sent {length} bytes at once"),
                ));
            }
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
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
