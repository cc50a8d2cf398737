//! Netlink framing: where one message ends and the next begins.

use netlink_packet_core::{
    NLM_F_DUMP_INTR, NLMSG_ALIGNTO, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN,
};
use netlink_packet_sock_diag::constants::SOCK_DIAG_BY_FAMILY;

/// Type of a request of before Linux 3.3, and of the rows that answer it.
pub const TCPDIAG_GETSOCK: u16 = 18;

/// Type of a request for routes.
pub const RTM_GETROUTE: u16 = 26;
/// Type of a route.
pub const RTM_NEWROUTE: u16 = 24;
/// Type of an interface.
const RTM_NEWLINK: u16 = 16;
/// Type of a rule of the routes.
const RTM_NEWRULE: u16 = 32;

/// Length of a message header: length, type, flags, sequence, port id.
pub const HEADER_LEN: usize = 16;
/// Length and type, before the value of an attribute.
const ATTRIBUTE_HEADER_LEN: usize = 4;

/// A message of a dump, by what it means to the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// A row; the payload is the body after the header.
    Row(&'a [u8]),
    /// A route, of rtnetlink; likewise.
    Route(&'a [u8]),
    /// An interface, of rtnetlink; likewise.
    Link(&'a [u8]),
    /// A rule of the routes; likewise.
    Rule(&'a [u8]),
    /// The dump is complete; a negative errno when the kernel ended it early.
    Done(i32),
    /// The kernel refused the request, with a negative errno; 0 is a mere acknowledgement.
    Error(i32),
    /// The kernel lost messages on the way to us.
    Overrun,
    /// Nothing of interest.
    Other,
}

/// A message and what was said about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framed<'a> {
    /// The message.
    pub message: Message<'a>,
    /// Offset of its header in the chunk.
    pub offset: usize,
    /// The table changed during the dump (`NLM_F_DUMP_INTR`): rows may be missing or doubled.
    pub interrupted: bool,
    /// It answers a request of before Linux 3.3, whose dump covers both families.
    pub covers_both: bool,
}

impl Framed<'_> {
    /// The whole message, out of the chunk that it was found in.
    pub fn bytes_of<'a>(&self, chunk: &'a [u8]) -> &'a [u8] {
        let rest = chunk.get(self.offset..).unwrap_or_default();
        let length = message_length(rest).unwrap_or(0);
        rest.get(..align(length).min(rest.len()))
            .unwrap_or_default()
    }
}

/// A message that does not fit into the bytes at hand, or claims an impossible length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// Fewer bytes are left than the message needs.
    #[error("truncated message: {have} of {need} bytes")]
    Truncated {
        /// Offset of the message in the chunk.
        offset: usize,
        /// Bytes it claims.
        need: usize,
        /// Bytes there are.
        have: usize,
    },
    /// The length field is smaller than a header.
    #[error("impossible message length {length}")]
    BadLength {
        /// Offset of the message in the chunk.
        offset: usize,
        /// What it claims.
        length: usize,
    },
}

impl FramingError {
    /// Offset of the offending message in the chunk.
    pub const fn offset(&self) -> usize {
        match self {
            FramingError::Truncated { offset, .. } | FramingError::BadLength { offset, .. } => {
                *offset
            }
        }
    }
}

/// Walks the messages of a chunk. After an error it ends: what follows cannot be found.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    chunk: &'a [u8],
    offset: usize,
}

impl<'a> Messages<'a> {
    /// The messages of a chunk that begins with a header.
    pub const fn new(chunk: &'a [u8]) -> Messages<'a> {
        Messages { chunk, offset: 0 }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Framed<'a>, FramingError>;

    fn next(&mut self) -> Option<Self::Item> {
        let offset = self.offset;
        let rest = self.chunk.get(offset..)?;
        if rest.is_empty() {
            return None;
        }
        match frame(rest, offset) {
            Ok((framed, length)) => {
                self.offset = offset.saturating_add(align(length)).min(self.chunk.len());
                Some(Ok(framed))
            }
            Err(error) => {
                self.offset = self.chunk.len();
                Some(Err(error))
            }
        }
    }
}

fn frame(rest: &[u8], offset: usize) -> Result<(Framed<'_>, usize), FramingError> {
    let Some(length) = message_length(rest) else {
        return Err(FramingError::Truncated {
            offset,
            need: HEADER_LEN,
            have: rest.len(),
        });
    };
    if length < HEADER_LEN {
        return Err(FramingError::BadLength { offset, length });
    }
    let Some(payload) = rest.get(HEADER_LEN..length) else {
        return Err(FramingError::Truncated {
            offset,
            need: length,
            have: rest.len(),
        });
    };
    let kind = u16::from_ne_bytes([rest[4], rest[5]]);
    let flags = u16::from_ne_bytes([rest[6], rest[7]]);
    let message = match kind {
        NLMSG_DONE => Message::Done(errno(payload)),
        NLMSG_ERROR => Message::Error(errno(payload)),
        NLMSG_OVERRUN => Message::Overrun,
        NLMSG_NOOP => Message::Other,
        // Both carry inet_diag_msg.
        TCPDIAG_GETSOCK | SOCK_DIAG_BY_FAMILY => Message::Row(payload),
        RTM_NEWROUTE => Message::Route(payload),
        RTM_NEWLINK => Message::Link(payload),
        RTM_NEWRULE => Message::Rule(payload),
        _ => Message::Other,
    };
    let framed = Framed {
        message,
        offset,
        interrupted: flags & NLM_F_DUMP_INTR != 0,
        covers_both: kind == TCPDIAG_GETSOCK,
    };
    Ok((framed, length))
}

/// The length that the header at the start of `bytes` claims; `None` when no header is there.
pub fn message_length(bytes: &[u8]) -> Option<usize> {
    if bytes.len() < HEADER_LEN {
        return None;
    }
    let field = bytes.first_chunk::<4>()?;
    usize::try_from(u32::from_ne_bytes(*field)).ok()
}

/// Where the last whole message of `bytes` ends, so that a file can be cut between messages.
///
/// A message with an impossible length counts as whole: the reader is to see it and say so.
pub fn whole_messages(bytes: &[u8]) -> usize {
    let mut end = 0;
    while let Some(length) = bytes.get(end..).and_then(message_length) {
        if length < HEADER_LEN {
            return bytes.len();
        }
        let next = end.saturating_add(align(length));
        if next > bytes.len() {
            break;
        }
        end = next;
    }
    end
}

/// A length, rounded up to where the next message begins.
pub const fn align(length: usize) -> usize {
    let to = NLMSG_ALIGNTO as usize;
    length.saturating_add(to - 1) & !(to - 1)
}

fn errno(payload: &[u8]) -> i32 {
    payload
        .first_chunk::<4>()
        .map_or(0, |bytes| i32::from_ne_bytes(*bytes))
}

/// A message with a header of ours around `payload`.
pub fn framed(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let length = HEADER_LEN + payload.len();
    let mut message = Vec::with_capacity(align(length));
    message.extend_from_slice(&(length as u32).to_ne_bytes());
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(&flags.to_ne_bytes());
    message.extend_from_slice(&sequence.to_ne_bytes());
    message.extend_from_slice(&0u32.to_ne_bytes());
    message.extend_from_slice(payload);
    message.resize(align(length), 0);
    message
}

/// Appends an attribute to a body. No value of ours is too long for its length.
pub fn push_attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = ATTRIBUTE_HEADER_LEN + value.len();
    body.extend(u16::try_from(length).unwrap_or(u16::MAX).to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend_from_slice(value);
    body.resize(align(body.len()), 0);
}

/// The attributes in a body, each with its type; one that does not fit ends them, as all before it are good.
pub fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let header = rest.first_chunk::<4>()?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        // The two top bits are flags (nested, network byte order), not part of the type.
        let kind = u16::from_ne_bytes([header[2], header[3]]) & 0x3fff;
        let value = rest.get(4..length)?;
        rest = rest.get(align(length)..).unwrap_or_default();
        Some((kind, value))
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An attribute and its padding.
    pub(in super::super) fn attribute_bytes(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        push_attribute(&mut bytes, kind, value);
        bytes
    }

    #[test]
    fn every_truncation_is_an_error_with_its_place() {
        let mut chunk = framed(20, 0, 1, &[7; 6]);
        let second = chunk.len();
        chunk.extend(framed(20, 0, 1, &[8; 20]));
        for cut in 0..chunk.len() {
            let results: Vec<_> = Messages::new(&chunk[..cut]).collect();
            let rows = results
                .iter()
                .filter(|r| matches!(r, Ok(f) if matches!(f.message, Message::Row(_))))
                .count();
            // The two bytes of padding after the first message are not part of it.
            let whole = usize::from(cut >= HEADER_LEN + 6);
            assert_eq!(rows, whole, "cut at {cut}");
            let complete = cut == 0 || cut == second || (HEADER_LEN + 6..second).contains(&cut);
            assert_eq!(
                results.iter().any(Result::is_err),
                !complete,
                "cut at {cut}: {results:?}"
            );
        }
    }

    #[test]
    fn impossible_lengths_end_the_walk() {
        for length in [0u32, 1, 15] {
            let mut chunk = framed(20, 0, 1, &[0; 8]);
            chunk[..4].copy_from_slice(&length.to_ne_bytes());
            let results: Vec<_> = Messages::new(&chunk).collect();
            assert_eq!(
                results,
                [Err(FramingError::BadLength {
                    offset: 0,
                    length: length as usize
                })]
            );
            assert_eq!(whole_messages(&chunk), chunk.len());
        }
        let mut chunk = framed(20, 0, 1, &[0; 8]);
        chunk[..4].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert!(matches!(
            Messages::new(&chunk).next(),
            Some(Err(FramingError::Truncated { .. }))
        ));
        assert_eq!(whole_messages(&chunk), 0);
    }

    #[test]
    fn done_and_error_carry_the_errno() {
        let done = framed(NLMSG_DONE, 0, 1, &(-12i32).to_ne_bytes());
        let error = framed(NLMSG_ERROR, 0, 1, &(-2i32).to_ne_bytes());
        let message = |bytes: &[u8]| match Messages::new(bytes).next() {
            Some(Ok(framed)) => match framed.message {
                Message::Done(errno) => ("done", errno),
                Message::Error(errno) => ("error", errno),
                _ => ("other", 0),
            },
            _ => ("none", 0),
        };
        assert_eq!(message(&done), ("done", -12));
        assert_eq!(message(&error), ("error", -2));
    }

    #[test]
    fn an_interrupted_dump_is_noticed() {
        let chunk = framed(20, NLM_F_DUMP_INTR, 1, &[0; 72]);
        assert!(Messages::new(&chunk).next().unwrap().unwrap().interrupted);
    }
}
