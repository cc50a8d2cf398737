//! Ends of sockets that have no addresses of IP: names of unix sockets, protocol and interface of
//! packet sockets, protocol and port id of netlink sockets. What may be anything is `*`, or left
//! out.

use std::str::from_utf8;

use super::super::tree::Test;
use super::super::{Comparison, End, Expression, Glob, Naming};
use super::number::c_number;
use super::{Parser, interfaces, joined};
use crate::model::{Family, frame_protocol, netlink_protocol};

/// What may stand before an address, and the family it means.
const PREFIXES: [(&str, Family); 5] = [
    ("inet:", Family::V4),
    ("inet6:", Family::V6),
    ("unix:", Family::Unix),
    ("link:", Family::Packet),
    ("netlink:", Family::Netlink),
];

/// What is expected behind `src` and `dst`, of any family.
pub(super) const ENDS: &str = "an address or the name of a host, such as 10.0.0.0/8, [::1]:443, \
                               127.0.0.1:http or localhost; or unix:/path*, link:PROTOCOL:DEVICE, \
                               netlink:PROTOCOL:PID";

/// A word behind `src`, `dst`, `sport` or `dport` whose family is known.
pub(super) struct Word<'a> {
    /// The family that stands before it.
    pub(super) named: Option<Family>,
    /// What stands behind that.
    pub(super) rest: &'a [u8],
}

impl<'a> Word<'a> {
    pub(super) fn new(value: &'a [u8]) -> Word<'a> {
        let mut known = PREFIXES.into_iter();
        let named = known.find_map(|(name, family)| Some((behind(value, name)?, family)));
        match named {
            Some((rest, family)) => Word {
                named: Some(family),
                rest,
            },
            None => Word {
                named: None,
                rest: value,
            },
        }
    }

    /// The family beyond IP that it is of. As in ss, a word without a family is of the one that is
    /// listed, where that is one; where they are several, only a unix socket's name looks like one.
    pub(super) fn beyond_ip(&self, listed: &[Family]) -> Option<Family> {
        let family = match (self.named, listed, self.rest) {
            (Some(named), ..) => named,
            (None, [only], _) => *only,
            (None, _, [b'/' | b'@', ..]) if listed.contains(&Family::Unix) => Family::Unix,
            (None, ..) => return None,
        };
        (!Family::IP.contains(&family)).then_some(family)
    }
}

/// What stands behind a prefix, which may be written in any case.
fn behind<'a>(value: &'a [u8], prefix: &str) -> Option<&'a [u8]> {
    let (head, rest) = value.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix.as_bytes()).then_some(rest)
}

/// That it is of a family, and what more.
pub(super) fn of_family(family: Family, more: Expression) -> Expression {
    let family = Expression::Test(Test::Family(family));
    match more.as_constant() {
        Some(true) => family,
        _ => Expression::And(vec![family, more]),
    }
}

impl Parser<'_> {
    /// What `src` or `dst` comes to in a family beyond IP; the error says what is wrong.
    pub(super) fn end_beyond_ip(
        &self,
        end: End,
        family: Family,
        rest: &[u8],
    ) -> Result<Expression, String> {
        let more = match family {
            Family::Unix => Ok(self.unix_name(end, rest)),
            Family::Packet => self.frames(end, rest),
            Family::V4 | Family::V6 | Family::Netlink => self.netlink_end(end, rest),
        }?;
        Ok(of_family(family, more))
    }

    /// A pattern of names. An `@` that is written as such begins an abstract name; one that is
    /// escaped, as it is printed of a path, begins a path.
    fn unix_name(&self, end: End, pattern: &[u8]) -> Expression {
        let written = self.peek().map_or("", |token| token.text);
        let written = written.trim_start_matches(['"', '\'']);
        let written = behind(written.as_bytes(), "unix:").unwrap_or(written.as_bytes());
        let naming = match (pattern.first(), written.starts_with(b"@")) {
            (Some(b'@'), true) => Naming::Abstract,
            (Some(b'@'), false) => Naming::Path,
            _ => Naming::Any,
        };
        let glob = Glob::new(pattern, naming);
        Expression::Test(Test::Name { end, glob })
    }

    /// `PROTOCOL[:INTERFACE]`. Nothing but `*` is at the other end of a packet socket.
    fn frames(&self, end: End, text: &[u8]) -> Result<Expression, String> {
        let (protocol, interface) = split(text)?;
        let mut parts = Vec::new();
        if let Some(text) = protocol {
            let number = frame_protocol(text).or_else(|| c_number(text));
            let number = number.ok_or_else(|| format!("no protocol of frames is called {text}"))?;
            parts.push(Test::FrameProtocol(number).into());
        }
        if let Some(name) = interface {
            parts.push(interfaces(self.names, name.as_bytes())?);
        }
        Ok(match end {
            End::Local => joined_all(parts),
            End::Peer => Expression::constant(parts.is_empty()),
        })
    }

    /// `PROTOCOL[:PORT]`. At the other end there is something only when it is connected.
    fn netlink_end(&self, end: End, text: &[u8]) -> Result<Expression, String> {
        let (protocol, port) = split(text)?;
        let mut parts = Vec::new();
        if let Some(text) = protocol {
            let number = netlink_protocol(text).or_else(|| c_number(text));
            let number = number.ok_or_else(|| format!("no netlink protocol is called {text}"))?;
            parts.push(Test::NetlinkProtocol(number).into());
        }
        match (port, end) {
            (Some(port), _) => parts.push(port_id(end, Comparison::Equal, port)?),
            (None, End::Peer) if !parts.is_empty() => {
                parts.push(port_id(end, Comparison::GreaterOrEqual, "0")?);
            }
            (None, _) => {}
        }
        Ok(joined_all(parts))
    }

    /// What `sport` or `dport` comes to in a family beyond IP; the error says what is wrong.
    pub(super) fn port_beyond_ip(
        &self,
        end: End,
        comparison: Comparison,
        family: Family,
        rest: &[u8],
    ) -> Result<Expression, String> {
        let text = from_utf8(rest).map_err(|_| "no such port".to_owned())?;
        let text = text.strip_prefix(':').unwrap_or(text);
        let test = match (family, end, text) {
            (Family::Unix, ..) => return Err("unix sockets have no ports".to_owned()),
            (_, _, "" | "*") => Expression::constant(true),
            (Family::Packet, End::Peer, _) => Expression::constant(false),
            (Family::Packet, End::Local, name) => interfaces(self.names, name.as_bytes())?,
            (_, _, port) => {
                let ordered = match comparison {
                    Comparison::NotEqual => Comparison::Equal,
                    other => other,
                };
                port_id(end, ordered, port)?
            }
        };
        let test = of_family(family, test);
        match comparison {
            Comparison::NotEqual => Ok(Expression::Not(Box::new(test))),
            Comparison::Equal => Ok(test),
            _ if family == Family::Packet => Err("interfaces have no order".to_owned()),
            _ => Ok(test),
        }
    }
}

/// What stands before the first colon and behind it; `None` for what may be anything.
fn split(text: &[u8]) -> Result<(Option<&str>, Option<&str>), String> {
    let text = from_utf8(text).map_err(|_| "no text".to_owned())?;
    let (first, second) = text.split_once(':').unwrap_or((text, "*"));
    let wanted = |part| Some(part).filter(|part| !matches!(*part, "" | "*"));
    Ok((wanted(first), wanted(second)))
}

/// A port id as it is printed: one that is no pid counts down from -1.
fn port_id(end: End, comparison: Comparison, text: &str) -> Result<Expression, String> {
    let port = match text {
        "kernel" => Some(0),
        _ => text
            .parse::<i32>()
            .ok()
            .filter(|number| *number < 0)
            .map(i32::cast_unsigned)
            .or_else(|| c_number(text)),
    };
    let port = port.ok_or_else(|| format!("{text} is no port id"))?;
    Ok(Expression::Test(Test::PortId {
        end,
        comparison,
        port,
    }))
}

/// All of them; what always holds when there are none.
fn joined_all(parts: Vec<Expression>) -> Expression {
    match parts.len() {
        0 => Expression::constant(true),
        _ => joined(parts, Expression::And),
    }
}
