//! Lines of `/proc/net/unix`: `Num RefCount Protocol Flags Type St Inode Path`.
//!
//! Behind one blank the path follows as it is, whatever bytes it holds: blanks, newlines, no
//! UTF-8. An abstract name begins with `@`, and each of its zeros is one too, so that of `@a@b` it
//! is not known what it was. Peers, users and queues are not told.

use super::proc_net::{LineError, number};
use crate::model::{Ends, Names, Protocol, Queues, Socket, SocketKind, State, UnixEnds};

/// `__SO_ACCEPTCON`: it listens.
const LISTENS: u64 = 1 << 16;
/// The longest `sun_path`.
const MOST_BYTES: usize = 108;

/// What stands before the path.
pub(super) struct Head {
    listens: bool,
    kind: SocketKind,
    connected: bool,
    inode: u64,
    /// Where the path begins, if there is one.
    pub(super) path: Option<usize>,
}

/// Reads what stands before the path; an error in what is no line of its own.
pub(super) fn head(line: &[u8]) -> Result<Head, LineError> {
    let mut rest = line;
    // The widths are fixed, so that a path that looks much like a line is none.
    column(&mut rest, "Num", None, 16)?;
    rest = rest.strip_prefix(b":").ok_or(LineError("Num"))?;
    blank(&mut rest, "Num")?;
    column(&mut rest, "RefCount", Some(8), 16)?;
    blank(&mut rest, "RefCount")?;
    column(&mut rest, "Protocol", Some(8), 16)?;
    blank(&mut rest, "Protocol")?;
    let flags = column(&mut rest, "Flags", Some(8), 16)?;
    blank(&mut rest, "Flags")?;
    let kind = column(&mut rest, "Type", Some(4), 16)?;
    blank(&mut rest, "Type")?;
    let state = column(&mut rest, "St", Some(2), 16)?;
    blank(&mut rest, "St")?;
    rest = rest.trim_ascii_start();
    let inode = column(&mut rest, "Inode", None, 10)?;
    let path = match rest {
        [] => None,
        [b' ', ..] => Some(line.len() - rest.len() + 1),
        _ => return Err(LineError("Inode")),
    };
    Ok(Head {
        listens: flags & LISTENS != 0,
        kind: SocketKind::from_kernel(u8::try_from(kind).map_err(|_| LineError("Type"))?),
        // Of one that nobody has accepted yet it says that it is being connected.
        connected: matches!(state, 2 | 3),
        inode,
        path,
    })
}

/// Takes a column of digits of a base, of a width where that is known.
fn column(
    rest: &mut &[u8],
    name: &'static str,
    width: Option<usize>,
    base: u32,
) -> Result<u64, LineError> {
    let is_digit = |byte: &u8| char::from(*byte).is_digit(base);
    let length = rest.iter().take_while(|byte| is_digit(byte)).count();
    if length == 0 || length > 20 || width.is_some_and(|width| width != length) {
        return Err(LineError(name));
    }
    let (digits, behind) = rest.split_at(length);
    *rest = behind;
    number(digits, base).ok_or(LineError(name))
}

/// Takes the blank behind a column.
fn blank(rest: &mut &[u8], name: &'static str) -> Result<(), LineError> {
    *rest = rest.strip_prefix(b" ").ok_or(LineError(name))?;
    Ok(())
}

/// Parses one line, with those that go on with its path.
pub(super) fn socket(line: &[u8], names: &mut Names) -> Result<Socket, LineError> {
    let head = head(line)?;
    let path = head.path.and_then(|start| line.get(start..));
    let name = match path {
        Some(path) if path.len() > MOST_BYTES => return Err(LineError("Path")),
        Some([b'@', rest @ ..]) => names.push(&[b"\0", rest].concat()),
        Some(path) => names.push(path),
        None => None,
    };
    let state = match (head.listens, head.connected) {
        (true, _) => State::Listen,
        (false, true) => State::Established,
        (false, false) => State::Close,
    };
    Ok(Socket {
        protocol: Protocol::Unix,
        state,
        v6only: None,
        ends: Ends::Unix(UnixEnds {
            kind: head.kind,
            name,
            peer: 0,
        }),
        interface: 0,
        queues: match state {
            State::Listen => Queues::Backlog {
                pending: 0,
                max: None,
            },
            _ => Queues::Bytes {
                unread: 0,
                unacknowledged: 0,
            },
        },
        timer: None,
        uid: Socket::NO_UID,
        inode: head.inode,
        cookie: 0,
        netns: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &[u8], state: State, kind: SocketKind, inode: u64, expected: Option<&[u8]>) {
        let mut names = Names::default();
        let socket = socket(line, &mut names).unwrap();
        let ends = socket.unix().unwrap();
        assert_eq!(
            (socket.state, ends.kind, socket.inode),
            (state, kind, inode)
        );
        assert_eq!(ends.name.map(|name| names.get(name)), expected);
    }

    #[test]
    fn lines_of_every_kind() {
        check(
            b"00000000ea7b1fac: 00000002 00000000 00010000 0001 01 29004251 @abs@x",
            State::Listen,
            SocketKind::Stream,
            29_004_251,
            Some(b"\0abs@x"),
        );
        check(
            b"0000000000000000: 00000003 00000000 00000000 0002 01    53 /tmp/un  x \n\n\xff",
            State::Close,
            SocketKind::Datagram,
            53,
            Some(b"/tmp/un  x \n\n\xff"),
        );
        check(
            b"5c609bd6: 00000003 00000000 00000000 0005 02     0",
            State::Established,
            SocketKind::Sequence,
            0,
            None,
        );
    }

    #[test]
    fn what_is_no_line_is_part_of_a_path() {
        for line in [
            &b""[..],
            b"x",
            b"/run/y: 00000002",
            b"5c609bd6: 00000003 00000000 00000000 005 02     0",
            b"5c609bd6: 00000003 00000000 00000000 0005 02 ",
            b"5c609bd6: 00000003 00000000 00000000 0005 02 7x",
            b"5c609bd6:  00000003 00000000 00000000 0005 02 7",
        ] {
            assert!(head(line).is_err(), "{}", String::from_utf8_lossy(line));
        }
        let long = [
            &b"0: 00000003 00000000 00000000 0005 02 7 "[..],
            &[b'a'; 109],
        ]
        .concat();
        assert_eq!(socket(&long, &mut Names::default()), Err(LineError("Path")));
    }
}
