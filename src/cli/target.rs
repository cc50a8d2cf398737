//! What `portstat why` is asked about: `8080`, `10.0.0.1:http`, `[fe80::1%eth0]:80`, `53/udp`.
//!
//! ```text
//! target  = [ protocol ":" ] end [ "/" protocol ]
//! end     = port | address | address ":" port
//! address = "" | "*" | IPv4 | "[" IPv6 "]" | host, each with "%" interface behind it where one is
//!           meant; ":::" port is that of [::], as netstat writes it
//! port    = number | name of a service
//! host    = name of a machine
//! ```
//!
//! Names stay names: which port or address they are is known to the machine that is looked at.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use crate::model::Protocol;

/// One end, as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The protocol, where one was named.
    pub protocol: Option<Protocol>,
    /// The address; `None` for none and for `*`.
    pub addr: Option<IpAddr>,
    /// The name in the place of an address, such as `localhost`.
    pub host: Option<String>,
    /// The interface behind `%`, by name or number.
    pub device: Option<String>,
    /// The port, where one was named.
    pub port: Option<PortName>,
}

/// A port, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortName {
    /// A number.
    Number(u16),
    /// The name of a service.
    Service(String),
}

impl fmt::Display for PortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PortName::Number(port) => write!(f, "{port}"),
            PortName::Service(name) => f.write_str(name),
        }
    }
}

/// A target that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?}: expected {expected}, found {}", quoted(.found))]
pub struct TargetError {
    /// The whole target.
    pub text: String,
    /// What would have made sense, and where.
    pub expected: String,
    /// What stands there.
    pub found: String,
}

fn quoted(found: &str) -> String {
    match found {
        "" => "nothing".to_owned(),
        _ => format!("{found:?}"),
    }
}

impl TargetError {
    /// A mistake in `text`.
    pub fn new(text: &str, expected: impl Into<String>, found: &str) -> TargetError {
        TargetError {
            text: text.to_owned(),
            expected: expected.into(),
            found: found.to_owned(),
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Target, TargetError> {
        let error = |expected: &str, found: &str| Err(TargetError::new(text, expected, found));
        let (rest, behind) = match text.rsplit_once('/') {
            None => (text, None),
            Some((rest, name)) => match protocol(name) {
                None => return error("tcp or udp behind \"/\"", name),
                behind => (rest, behind),
            },
        };
        let (rest, before) = match rest.split_once(':') {
            Some((name, rest)) if protocol(name).is_some() => (rest, protocol(name)),
            _ => (rest, None),
        };
        if let (Some(before), Some(behind)) = (before, behind)
            && before != behind
        {
            return error(
                &format!("the protocol once, or {before} twice"),
                behind.name(),
            );
        }
        let end = match rest.strip_prefix('[') {
            Some(inside) => bracketed(text, inside)?,
            None => plain(text, rest)?,
        };
        Ok(Target {
            protocol: before.or(behind),
            ..end
        })
    }
}

/// What follows a bracket.
fn bracketed(text: &str, rest: &str) -> Result<Target, TargetError> {
    let error = |expected: &str, found: &str| TargetError::new(text, expected, found);
    let (inside, behind) = rest
        .split_once(']')
        .ok_or_else(|| error("\"]\" behind the IPv6 address", ""))?;
    let (addr, mut device) = scoped(text, inside)?;
    let addr: Ipv6Addr = addr
        .parse()
        .map_err(|_| error("an IPv6 address between the brackets", addr))?;
    // As ss writes a device: `[::]%eth0:80`.
    let behind = match behind.strip_prefix('%') {
        Some(scope) if device.is_none() => {
            let (name, behind) = scope.split_at(scope.find(':').unwrap_or(scope.len()));
            device = Some(interface(text, name)?);
            behind
        }
        _ => behind,
    };
    let port = match behind {
        "" => None,
        _ => Some(
            behind
                .strip_prefix(':')
                .ok_or_else(|| error("\":\" and a port behind \"]\"", behind))?,
        ),
    };
    Ok(Target {
        addr: Some(addr.into()),
        device,
        port: port.map(|port| port_name(text, port)).transpose()?,
        ..Target::default()
    })
}

/// An end without brackets.
fn plain(text: &str, rest: &str) -> Result<Target, TargetError> {
    let error = |expected: &str, found: &str| TargetError::new(text, expected, found);
    let (whole, device) = match rest.split_once('%') {
        Some((whole, name)) if !name.contains(':') => (whole, Some(interface(text, name)?)),
        _ => (rest, None),
    };
    if let Ok(addr) = whole.parse::<IpAddr>() {
        return Ok(Target {
            addr: Some(addr),
            device,
            ..Target::default()
        });
    }
    let Some((addr, port)) = rest.rsplit_once(':') else {
        return match whole {
            "*" => Ok(Target {
                device,
                ..Target::default()
            }),
            _ if device.is_some() => Err(error("an address before \"%\"", whole)),
            _ => Ok(Target {
                port: Some(port_name(text, rest)?),
                ..Target::default()
            }),
        };
    };
    let (addr, device) = scoped(text, addr)?;
    let mut host = None;
    let addr = match addr {
        "" | "*" => None,
        "::" => Some(Ipv6Addr::UNSPECIFIED.into()),
        _ if addr.contains(':') => {
            let expected = "brackets around an IPv6 address, as in [::1]:8080";
            return Err(error(expected, addr));
        }
        _ => match addr.parse() {
            Ok(addr) => Some(IpAddr::V4(addr)),
            Err(_) if is_host(addr) => {
                host = Some(addr.to_owned());
                None
            }
            Err(_) => {
                let expected = "an address, such as 127.0.0.1 or localhost, or * before \":\"";
                return Err(error(expected, addr));
            }
        },
    };
    Ok(Target {
        addr,
        host,
        device,
        port: Some(port_name(text, port)?),
        protocol: None,
    })
}

/// Whether it may name a machine: labels of which the last is no number.
fn is_host(name: &str) -> bool {
    let is_label = |label: &str| {
        let of_label = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        !label.is_empty() && !label.starts_with('-') && label.chars().all(of_label)
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.split('.').all(is_label) && last.contains(|c: char| c.is_ascii_alphabetic())
}

/// Splits off the interface behind `%`.
fn scoped<'a>(text: &str, addr: &'a str) -> Result<(&'a str, Option<String>), TargetError> {
    match addr.split_once('%') {
        None => Ok((addr, None)),
        Some((addr, name)) => Ok((addr, Some(interface(text, name)?))),
    }
}

fn interface(text: &str, name: &str) -> Result<String, TargetError> {
    match name {
        "" => Err(TargetError::new(text, "an interface behind \"%\"", name)),
        _ => Ok(name.to_owned()),
    }
}

fn port_name(text: &str, port: &str) -> Result<PortName, TargetError> {
    let expected = "a port from 0 to 65535 or the name of a service";
    if port.bytes().all(|byte| byte.is_ascii_digit()) {
        return port
            .parse()
            .map(PortName::Number)
            .map_err(|_| TargetError::new(text, expected, port));
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '.');
    let has_letter = port.contains(|c: char| c.is_ascii_alphabetic());
    if has_letter && port.chars().all(is_name) && !port.starts_with(['-', '+']) {
        Ok(PortName::Service(port.to_owned()))
    } else {
        Err(TargetError::new(text, expected, port))
    }
}

fn protocol(name: &str) -> Option<Protocol> {
    Protocol::WITH_PORTS
        .into_iter()
        .find(|protocol| protocol.name().eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Target, protocol, address, interface, port.
    #[track_caller]
    fn check(text: &str, protocol: &str, addr: &str, device: &str, port: &str) {
        let target: Target = text.parse().unwrap_or_else(|error| panic!("{error}"));
        let shown = [
            target.protocol.map(|it| it.to_string()),
            target.addr.map(|it| it.to_string()).or(target.host),
            target.device,
            target.port.map(|it| it.to_string()),
        ];
        assert_eq!(
            shown.map(Option::unwrap_or_default),
            [protocol, addr, device, port],
            "{text}"
        );
    }

    #[test]
    fn every_spelling() {
        check("8080", "", "", "", "8080");
        check("0", "", "", "", "0");
        check(":8080", "", "", "", "8080");
        check("*:8080", "", "", "", "8080");
        check("*", "", "", "", "");
        check("http-alt", "", "", "", "http-alt");
        check("3com-tsmux", "", "", "", "3com-tsmux");
        check("10.0.0.1:8080", "", "10.0.0.1", "", "8080");
        check("0.0.0.0:http", "", "0.0.0.0", "", "http");
        check("[::]:8080", "", "::", "", "8080");
        check("[fe80::1%eth0]:80", "", "fe80::1", "eth0", "80");
        check("[::]%eth0:80", "", "::", "eth0", "80");
        check("127.0.0.1%lo:53", "", "127.0.0.1", "lo", "53");
        check("*%2:53", "", "", "2", "53");
        check("[::ffff:10.0.0.1]:80", "", "::ffff:10.0.0.1", "", "80");
        check("8080/udp", "udp", "", "", "8080");
        check("udp:8080", "udp", "", "", "8080");
        check("UDP:8080/udp", "udp", "", "", "8080");
        check("udp::8080", "udp", "", "", "8080");
        check("tcp:[::]:80", "tcp", "::", "", "80");
        check("tcp:10.0.0.1:80", "tcp", "10.0.0.1", "", "80");
        check("udp:domain", "udp", "", "", "domain");
        check("domain/udp", "udp", "", "", "domain");
        check(":::8080", "", "::", "", "8080");
        check("localhost:80", "", "localhost", "", "80");
        check("udp:db-1.example:53", "udp", "db-1.example", "", "53");
    }

    #[test]
    fn addresses_alone_are_sources() {
        check("10.0.0.1", "", "10.0.0.1", "", "");
        check("[::1]", "", "::1", "", "");
        check("::1", "", "::1", "", "");
        check("fe80::1%eth0", "", "fe80::1", "eth0", "");
        check("[fe80::1%eth0]", "", "fe80::1", "eth0", "");
        check("udp:10.0.0.1", "udp", "10.0.0.1", "", "");
    }

    #[track_caller]
    fn refuse(text: &str, error: &str) {
        let refused = text.parse::<Target>().unwrap_err();
        assert_eq!(refused.to_string(), format!("{text:?}: expected {error}"));
    }

    #[test]
    fn mistakes_say_what_was_expected_where() {
        let port = "a port from 0 to 65535 or the name of a service";
        let addr = "an address, such as 127.0.0.1 or localhost, or * before \":\"";
        refuse("", &format!("{port}, found nothing"));
        refuse("65536", &format!("{port}, found \"65536\""));
        refuse("-1", &format!("{port}, found \"-1\""));
        refuse("+80", &format!("{port}, found \"+80\""));
        refuse("80 81", &format!("{port}, found \"80 81\""));
        refuse("10.0.0.1:", &format!("{port}, found nothing"));
        refuse("10.0.0", &format!("{port}, found \"10.0.0\""));
        refuse("10.0.0:80", &format!("{addr}, found \"10.0.0\""));
        refuse("10.0.0.999:80", &format!("{addr}, found \"10.0.0.999\""));
        refuse("local host:80", &format!("{addr}, found \"local host\""));
        refuse("a..b:80", &format!("{addr}, found \"a..b\""));
        refuse("8080/sctp", "tcp or udp behind \"/\", found \"sctp\"");
        refuse("8080/", "tcp or udp behind \"/\", found nothing");
        refuse(
            "udp:8080/tcp",
            "the protocol once, or udp twice, found \"tcp\"",
        );
        refuse("[::1:80", "\"]\" behind the IPv6 address, found nothing");
        refuse("[::1]80", "\":\" and a port behind \"]\", found \"80\"");
        refuse("[::1]:", &format!("{port}, found nothing"));
        refuse(
            "[10.0.0.1]:80",
            "an IPv6 address between the brackets, found \"10.0.0.1\"",
        );
        refuse(
            "fe80::1:http",
            "brackets around an IPv6 address, as in [::1]:8080, found \"fe80::1\"",
        );
        refuse("[fe80::1%]:80", "an interface behind \"%\", found nothing");
        refuse("http%eth0", "an address before \"%\", found \"http\"");
    }
}
