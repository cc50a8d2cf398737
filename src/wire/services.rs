//! `/etc/services`: names of ports, after services(5).

use crate::model::{Protocol, Service};

/// The services of a file, and where it made no sense.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// In the order of the file.
    pub services: Vec<Service>,
    /// Number of the first line that made no sense, counted from 1.
    pub first_bad_line: Option<usize>,
    /// How many lines made no sense.
    pub bad_lines: u64,
}

/// Parses the file. A bad line costs that line only; protocols other than TCP and UDP are
/// passed over.
pub fn parse(text: &[u8]) -> Parsed {
    let mut parsed = Parsed::default();
    for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let line = line.split(|&byte| byte == b'#').next().unwrap_or_default();
        if line.trim_ascii().is_empty() {
            continue;
        }
        match service(line) {
            Some(Some(service)) => parsed.services.push(service),
            Some(None) => {}
            None => {
                parsed.bad_lines += 1;
                parsed.first_bad_line.get_or_insert(index + 1);
            }
        }
    }
    parsed
}

/// `None` for nonsense, `Some(None)` for a protocol of no interest.
fn service(line: &[u8]) -> Option<Option<Service>> {
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split_ascii_whitespace();
    let name = words.next()?;
    let (port, protocol) = words.next()?.split_once('/')?;
    let port = port.parse().ok()?;
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return Some(None),
    };
    Some(Some(Service {
        name: name.to_owned(),
        port,
        protocol,
        aliases: words.map(str::to_owned).collect(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_protocols_aliases_and_comments() {
        let parsed = parse(
            b"# head\nhttp\t80/tcp  www www-http # web\ndomain 53/udp\n\nsctp-thing 9/sctp\n",
        );
        assert_eq!(parsed.bad_lines, 0);
        let [http, domain] = &parsed.services[..] else {
            panic!("{parsed:?}")
        };
        assert_eq!(http.aliases, ["www", "www-http"]);
        assert_eq!((domain.port, domain.protocol), (53, Protocol::Udp));
    }

    #[test]
    fn a_bad_line_costs_that_line_only() {
        let parsed = parse(b"ssh 22/tcp\nnonsense\n\xff\xfe 1/tcp\nbig 70000/tcp\nhttp 80/tcp");
        assert_eq!(parsed.services.len(), 2);
        assert_eq!((parsed.bad_lines, parsed.first_bad_line), (3, Some(2)));
    }
}
