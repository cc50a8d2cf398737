//! Addresses of a filter: `ADDR[/len][:PORT]`, as ss reads them.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::Prefix;

/// Splits `ADDR[/len][:PORT]` at the last colon. An IPv6 address may stand in brackets, with its
/// length or before it.
pub(super) fn split_port(text: &str) -> Option<(Cow<'_, str>, Option<&str>)> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let (addr, rest) = bracketed.split_once(']')?;
        let (length, port) = match rest.split_once(':') {
            Some((length, port)) => (length, Some(port)),
            None => (rest, None),
        };
        // Without an address in them brackets mean nothing.
        if matches!(addr, "" | "*") || !(length.is_empty() || length.starts_with('/')) {
            return None;
        }
        return Some((Cow::Owned(format!("{addr}{length}")), port));
    }
    if text.is_empty() {
        return None;
    }
    Some(match text.rsplit_once(':') {
        // A length is the end of an address.
        Some((addr, port)) if !port.contains('/') => (Cow::Borrowed(addr), Some(port)),
        _ => (Cow::Borrowed(text), None),
    })
}

/// The prefix of what stands before a port; `None` inside for all addresses.
pub(super) fn wanted_prefix(text: &str) -> Option<Option<Prefix>> {
    match text {
        "" | "*" | "any" | "all" | "default" => Some(None),
        _ => prefix(text).map(Some),
    }
}

/// `ADDR[/len]`. As in ss, zeros at the end of an IPv4 address may be left out, and its length may
/// be a mask.
pub(super) fn prefix(text: &str) -> Option<Prefix> {
    let (addr, length) = match text.split_once('/') {
        Some((addr, length)) => (addr, Some(length)),
        None => (text, None),
    };
    let addr = match v4(addr) {
        Some(addr) => IpAddr::V4(addr),
        None => IpAddr::V6(addr.parse().ok()?),
    };
    let length = match (length, addr) {
        (Some(length), _) if length.contains('.') => mask_length(v4(length)?)?,
        (Some(length), _) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
            length.parse().ok()?
        }
        (Some(_), _) => return None,
        (None, IpAddr::V4(_)) => 32,
        (None, IpAddr::V6(_)) => 128,
    };
    Prefix::new(addr, length)
}

/// Why what looks like an address with a port behind it is none.
pub(super) fn near_miss(text: &str) -> Option<&'static str> {
    if text.contains('%') {
        return Some("an interface is a test of its own, as in dst fe80::1 and dev eth0");
    }
    let split = split_port(text);
    let text = split.as_ref().map_or(text, |(addr, _)| addr);
    let (addr, length) = match text.split_once('/') {
        Some((addr, length)) => (addr, Some(length)),
        None => (text, None),
    };
    let is_number = |c: char| c.is_ascii_digit();
    let is_v6 = addr.parse::<Ipv6Addr>().is_ok();
    match length {
        Some(length) if length.contains('.') => Some("a mask is ones, and zeros behind them"),
        Some(length) if !length.chars().all(is_number) => Some("its length is no number"),
        Some(_) if is_v6 => Some("IPv6 prefixes are of at most 128 bits"),
        Some(_) if v4(addr).is_some() => Some("IPv4 prefixes are of at most 32 bits"),
        _ if addr.contains('.') && addr.chars().all(|c| c == '.' || is_number(c)) => Some(
            "IPv4 addresses are up to four numbers, each at most 255 and without zeros before it",
        ),
        _ => None,
    }
}

/// Whether a text may be the name of a host.
pub(super) fn is_host(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    text.chars().all(is_part) && text.contains(|c: char| c.is_ascii_alphabetic())
}

/// An IPv4 address of one to four numbers: `127` is 127.0.0.0.
fn v4(text: &str) -> Option<Ipv4Addr> {
    let missing = 3usize.checked_sub(text.matches('.').count())?;
    format!("{text}{}", ".0".repeat(missing)).parse().ok()
}

/// How many ones a mask begins with, when all others are zeros.
fn mask_length(mask: Ipv4Addr) -> Option<u8> {
    let ones = mask.to_bits().leading_ones();
    (mask.to_bits().count_ones() == ones).then_some(ones as u8)
}
