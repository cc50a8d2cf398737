//! Takes the names of unix sockets out of a recording. Packet and netlink sockets have none, but
//! what is no row of theirs may hold anything.

use super::netlink::{self, attributes};
use super::redact::{Redactor, is_number};
use super::{diag, proc_net, proc_unix, unix_diag};
use crate::model::{Names, Protocol, Table};

/// The last attribute of a row of unix_diag whose meaning is known.
const LAST_KNOWN: u16 = 7;

impl Redactor {
    /// The same messages of a dump of unix, packet or netlink sockets without names.
    pub(super) fn beyond_ip_chunk(&mut self, chunk: &[u8], protocol: Protocol) -> Vec<u8> {
        let mut redacted = Vec::with_capacity(chunk.len());
        let mut start = 0;
        while let Some(length) = chunk.get(start..).and_then(netlink::message_length) {
            let end = start.saturating_add(length);
            let Some(message) = chunk.get(start..end) else {
                break;
            };
            let Some((header, body)) = message.split_at_checked(netlink::HEADER_LEN) else {
                break;
            };
            let kind = u16::from_ne_bytes([header[4], header[5]]);
            let flags = u16::from_ne_bytes([header[6], header[7]]);
            let body = match kind {
                18 | 20 if diag::family(body, protocol).is_none() => vec![0; body.len()],
                18 | 20 if protocol == Protocol::Unix => self.unix_row(body),
                _ => body.to_vec(),
            };
            redacted.extend(netlink::framed(kind, flags, 1, &body));
            start += netlink::align(length);
        }
        redacted
    }

    /// A row of unix_diag with another name, and without attributes that nobody knows here.
    fn unix_row(&mut self, row: &[u8]) -> Vec<u8> {
        let (fixed, rest) = row.split_at(unix_diag::ROW_LEN.min(row.len()));
        let mut redacted = fixed.to_vec();
        for (kind, value) in attributes(rest).filter(|(kind, _)| *kind <= LAST_KNOWN) {
            if kind == unix_diag::NAME && !value.is_empty() {
                let mut name = self.unix_name(unix_diag::bare_name(value));
                if name.first() != Some(&0) {
                    name.push(0);
                }
                netlink::push_attribute(&mut redacted, kind, &name);
            } else {
                netlink::push_attribute(&mut redacted, kind, value);
            }
        }
        redacted
    }

    /// A line of `/proc/net/{unix,packet,netlink}` without a name; `None` where nobody knows what
    /// it tells.
    pub(super) fn beyond_ip_line(&mut self, line: &[u8], table: Table) -> Option<Vec<u8>> {
        if table.protocol != Protocol::Unix {
            proc_net::socket(line, table, &mut Names::default()).ok()?;
            let mut columns = line.split(u8::is_ascii_whitespace);
            return columns.all(is_number).then(|| line.to_vec());
        }
        let Some(start) = proc_unix::head(line).ok()?.path else {
            return Some(line.to_vec());
        };
        let (head, path) = line.split_at(start);
        let mut name = self.unix_name(path);
        if name.first() == Some(&0) {
            name[0] = b'@';
        }
        Some([head, &name].concat())
    }

    /// The substitute of a name: a path stays a path, an abstract one abstract. `/proc` shows the
    /// zeros of one as `@`, so both are taken for the same.
    fn unix_name(&mut self, name: &[u8]) -> Vec<u8> {
        match name {
            [0 | b'@', ..] => {
                let at_sign = |byte: &u8| if *byte == 0 { b'@' } else { *byte };
                let key: Vec<u8> = name.iter().map(at_sign).collect();
                format!("\0{}", self.name("abstract", &key)).into_bytes()
            }
            _ => format!("/{}", self.name("path", name)).into_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::netlink::framed;
    use super::super::netlink::tests::attribute_bytes;
    use super::*;
    use crate::model::Family;

    const UNIX: Table = Table {
        protocol: Protocol::Unix,
        family: Family::Unix,
    };

    fn row(name: &[u8]) -> Vec<u8> {
        let mut row = vec![1, 1, 10, 0];
        row.extend([7; 12]);
        row.extend(attribute_bytes(0, name));
        row.extend(attribute_bytes(6, &[0]));
        row.extend(attribute_bytes(99, b"/home/secret"));
        framed(20, 0, 1, &row)
    }

    #[test]
    fn names_are_replaced_alike_in_messages_and_in_proc() {
        let mut redactor = Redactor::default();
        let mut chunk = row(b"/home/secret\0");
        chunk.extend(row(b"\0secret\0x"));
        chunk.extend(row(b"/home/secret\0"));
        chunk.extend(framed(20, 0, 1, b"secret"));
        chunk.extend(framed(3, 0, 1, &[0; 4]));
        let redacted = redactor.beyond_ip_chunk(&chunk, Protocol::Unix);
        let found: Vec<Vec<u8>> = netlink::Messages::new(&redacted)
            .filter_map(|framed| match framed.unwrap().message {
                netlink::Message::Row(row) => {
                    let mut names = Names::default();
                    let socket = diag::socket(row, Protocol::Unix, &mut names).ok()?;
                    Some(names.get(socket.unix()?.name?).to_vec())
                }
                _ => None,
            })
            .collect();
        let names = [&b"/path-1"[..], b"\0abstract-2", b"/path-1"];
        assert_eq!(found, names);
        assert!(!redacted.windows(6).any(|window| window == b"secret"));

        let head = "5c609bd6: 00000003 00000000 00000000 0005 03 29";
        for (path, expected) in [
            (" /home/secret", " /path-1"),
            (" @secret@x", " @abstract-2"),
            (" /a\nb", " /path-3"),
            ("", ""),
        ] {
            let line = redactor.line(format!("{head}{path}").as_bytes(), UNIX);
            assert_eq!(line.unwrap(), format!("{head}{expected}").as_bytes());
        }
        assert_eq!(redactor.line(b"b /home/secret", UNIX), None);
        for cut in 0..chunk.len() {
            redactor.beyond_ip_chunk(&chunk[..cut], Protocol::Unix);
        }
    }

    #[test]
    fn lines_of_numbers_stay() {
        let mut redactor = Redactor::default();
        for (protocol, line) in [
            (
                Protocol::Packet,
                &b"00000000242af047 3      2    0806   1     1 8    3     29"[..],
            ),
            (
                Protocol::Netlink,
                b"000000003512d44a 15  20050      00000005 8 4 0 2 0 29",
            ),
        ] {
            let table = protocol.tables().next().unwrap();
            assert_eq!(redactor.line(line, table).unwrap(), line);
            let more = [line, b" secret"].concat();
            assert_eq!(redactor.line(&more, table), None);
        }
    }
}
