//! `-A` and `-f`: tables and families to list, by the names that ss has for them.

use std::str::FromStr;

use super::refused;
use crate::model::Protocol;

/// A word of `-A`: tables that are listed, or with `!` are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryArg {
    /// Which.
    pub(super) protocols: &'static [Protocol],
    /// Whether they are listed.
    pub(super) listed: bool,
}

impl FromStr for QueryArg {
    type Err = String;

    fn from_str(text: &str) -> Result<QueryArg, String> {
        let (name, listed) = match text.strip_prefix('!') {
            Some(name) => (name, false),
            None => (text, true),
        };
        let protocols: &[Protocol] = match name {
            "all" => &Protocol::EVERY,
            "inet" => &[Protocol::Tcp, Protocol::Udp, Protocol::Raw],
            "tcp" => &[Protocol::Tcp],
            "udp" => &[Protocol::Udp],
            "raw" => &[Protocol::Raw],
            "unix" => &[Protocol::Unix],
            "packet" => &[Protocol::Packet],
            "netlink" => &[Protocol::Netlink],
            name => {
                let reason = refused::query(name).unwrap_or("no such table");
                return Err(format!(
                    "{reason}; expected all, inet, tcp, udp, raw, unix, packet or netlink"
                ));
            }
        };
        Ok(QueryArg { protocols, listed })
    }
}

/// `-f`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FamilyArg {
    /// IPv4
    Inet,
    /// IPv6
    Inet6,
    /// Packet sockets
    Link,
    /// Unix sockets
    Unix,
    /// Netlink sockets
    Netlink,
}

impl FromStr for FamilyArg {
    type Err = String;

    fn from_str(text: &str) -> Result<FamilyArg, String> {
        Ok(match text {
            "inet" => FamilyArg::Inet,
            "inet6" => FamilyArg::Inet6,
            "link" => FamilyArg::Link,
            "unix" => FamilyArg::Unix,
            "netlink" => FamilyArg::Netlink,
            known => {
                let reason = match known {
                    "vsock" | "tipc" | "xdp" => "such sockets are not listed",
                    _ => "no family",
                };
                return Err(format!(
                    "{reason}; expected inet, inet6, link, unix or netlink"
                ));
            }
        })
    }
}
