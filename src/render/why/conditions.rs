//! What is in the way where no socket is, in words: ports, addresses, routes and rights.

use std::net::IpAddr;
use std::time::Duration;

use super::WhyReport;
use super::case::{Case, endpoint};
use super::causes::seconds;
use crate::analyze::why::{Fix, Operation, Query, Route};
use crate::analyze::{Pool, PoolKind};
use crate::model::{Errno, Protocol};
use crate::render::escape;

/// Whose rights do not do.
pub(super) fn privileged(case: &Case<'_>) -> String {
    format!(
        "ports below {} need CAP_NET_BIND_SERVICE, which {} lacks",
        privileged_below(case.report),
        asker(case.report, case.query())
    )
}

/// Which ports are all in use.
pub(super) fn exhausted(pool: &Pool) -> String {
    let ends = match (pool.key.source, pool.key.destination) {
        (Some(source), Some(to)) => format!(" from {source} to {}", endpoint(&to)),
        (Some(source), None) => format!(" on {source}"),
        (None, Some(to)) => format!(" to {}", endpoint(&to)),
        (None, None) => String::new(),
    };
    let protocol = match pool.key.kind {
        PoolKind::TcpConnect | PoolKind::TcpBind => "tcp",
        PoolKind::UdpAutobind | PoolKind::UdpBind => "udp",
    };
    format!(
        "none of the {} ephemeral {protocol} ports is free{ends}",
        pool.capacity
    )
}

/// By what they are.
pub(super) fn pool_reason(pool: &Pool, frees_in: Option<Duration>) -> String {
    let mut text = format!("{} of {} are in use", pool.used, pool.capacity);
    if pool.time_wait > 0 {
        text += &format!(", {} of them in TIME-WAIT", pool.time_wait);
    }
    let others = match pool.key.kind {
        PoolKind::TcpConnect => pool.blocked + pool.presumed,
        _ => 0,
    };
    if others > 0 {
        text += &format!(", and {others} more are bound by others");
    }
    text.push('.');
    if let Some(time) = frees_in {
        text += &format!(" The first is free in {}.", seconds(time));
    }
    text
}

/// Which address no such socket can have, or be connected to: its own, or that it goes to.
pub(super) fn unfit(query: &Query) -> String {
    let is_tcp = query.protocol == Protocol::Tcp;
    let lacks_scope = |addr: IpAddr| query.device.is_none() && is_of_link(addr);
    if let Some(addr) = query.addr {
        if addr.is_multicast() && is_tcp {
            return format!("{addr} is a multicast address, which TCP cannot have");
        }
        if addr.is_ipv6() && addr.to_canonical().is_ipv4() {
            return format!(
                "{addr} stands for an IPv4 address, which a socket with IPV6_V6ONLY cannot have"
            );
        }
        if lacks_scope(addr) {
            return format!("{addr} is a link-local address, and no interface is named with it");
        }
    }
    match query.operation {
        Operation::Connect { destination, .. } => {
            let addr = destination.addr.to_canonical();
            if lacks_scope(addr) && !(is_tcp && addr.is_multicast()) {
                return format!(
                    "{addr} is a link-local address, and no interface is named with it"
                );
            }
            match (is_tcp, addr.is_multicast()) {
                (true, true) => {
                    format!("{addr} is a multicast address, to which TCP does not connect")
                }
                (true, false) => {
                    format!("{addr} is a broadcast address, to which TCP does not connect")
                }
                (false, _) => {
                    format!("{addr} is a broadcast address, which takes a socket with SO_BROADCAST")
                }
            }
        }
        Operation::Bind => "no socket can have such an address".to_owned(),
    }
}

/// Whether every link has the address anew: unicast, and the scopes 1 and 2 of multicast.
fn is_of_link(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(_) => false,
        IpAddr::V6(addr) => {
            addr.is_unicast_link_local()
                || (addr.is_multicast() && matches!(addr.segments()[0] & 0xf, 1 | 2))
        }
    }
}

/// What the kernel says of the way.
pub(super) fn no_route(route: Option<Route>) -> String {
    match route {
        Some(Route::None(errno)) => {
            let mut text = format!("The kernel answers {errno} when it is asked for the route");
            if errno != Errno::NetworkUnreachable {
                text += ": a rule or a route forbids it";
            }
            text + "."
        }
        Some(Route::From(_) | Route::Broadcast(_)) | None => String::new(),
    }
}

/// Which interface has to be up first.
pub(super) fn down(case: &Case<'_>) -> String {
    let name = { case.blockers.iter().flat_map(|blocker| &blocker.fixes) }
        .find_map(|fix| match fix {
            Fix::LinkUp { interface } => case.report.machine.links.as_ref()?.get(*interface),
            _ => None,
        })
        .map(|link| format!("the interface {}", escape::terminal(&link.name)));
    format!("{} is down", name.as_deref().unwrap_or("its interface"))
}

/// What that has to do with the address.
pub(super) fn down_reason(case: &Case<'_>) -> &'static str {
    match case.query().operation {
        Operation::Bind => "The address is there only while it is up.",
        Operation::Connect { .. } => "The way leads over it.",
    }
}

/// From which port on none needs a privilege.
pub(super) fn privileged_below(report: &WhyReport<'_>) -> u32 {
    // The kernel's default, where it cannot be read.
    report.machine.unprivileged_port_start.unwrap_or(1024)
}

fn asker(report: &WhyReport<'_>, query: &Query) -> String {
    match &report.user {
        Some(name) => format!(
            "{} (uid {})",
            escape::terminal(name.as_bytes()),
            query.user.uid
        ),
        None => format!("uid {}", query.user.uid),
    }
}
