//! `-A`: the tables to list, by the names that ss has for them.

use std::str::FromStr;

use super::list::ListArgs;
use super::output::UsageError;
use super::refused;
use crate::model::Protocol;

/// A word of `-A`: tables that are listed, or with `!` are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryArg {
    protocols: &'static [Protocol],
    listed: bool,
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

/// The words of `-A` as the flags that mean the same, in their order.
pub(super) fn with_queries(mut args: ListArgs) -> Result<ListArgs, UsageError> {
    for QueryArg { protocols, listed } in args.query.clone() {
        for protocol in protocols {
            match protocol {
                Protocol::Tcp => args.tcp = listed,
                Protocol::Udp => args.udp = listed,
                Protocol::Raw => args.raw = listed,
                Protocol::Unix => args.unix = listed,
                Protocol::Packet => args.packet = listed,
                Protocol::Netlink => args.netlink = listed,
            }
        }
    }
    let any = args.tcp || args.udp || args.raw || args.unix || args.packet || args.netlink;
    match args.query.is_empty() || any {
        true => Ok(args),
        false => Err(UsageError::NoTable),
    }
}
