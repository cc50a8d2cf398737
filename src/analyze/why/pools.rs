//! Whether a port is left where the kernel is to draw one.

use std::net::IpAddr;

use super::check::Check;
use super::{Assumption, Blocker, Cause, Errno, Fix, Machine, Query, Situation};
use crate::analyze::{Ephemeral, Pool, PoolKey, PoolKind};
use crate::model::Protocol;

/// The pool that bind of port 0 draws from, or connect of UDP: for the address that it was bound to
/// without a port, else for the wildcard of its family.
pub(super) fn bind_pool(query: &Query, addr: IpAddr, ports: &Ephemeral) -> Pool {
    let kind = match (query.protocol, query.addr) {
        (Protocol::Tcp, _) => PoolKind::TcpBind,
        (_, Some(_)) => PoolKind::UdpBind,
        (_, None) => PoolKind::UdpAutobind,
    };
    if addr.is_unspecified() && addr.is_ipv6() && query.v6only {
        return ports.pool_of_v6(kind);
    }
    ports.pool(&PoolKey {
        kind,
        source: Some(addr.to_canonical()),
        destination: None,
    })
}

/// The check of bind of port 0. TCP shares a port that it draws only by SO_REUSEADDR, and where
/// `ip_autobind_reuse` is set; UDP draws also those of sockets with which it would share. How many
/// these are is not counted. `errno` is what the call says where no port is left.
pub(super) fn bind_check(
    query: &Query,
    addr: IpAddr,
    errno: Errno,
    situation: &Situation<'_>,
) -> Check {
    let Some(ports) = situation.ports else {
        return uncounted();
    };
    let pool = bind_pool(query, addr, ports);
    let check = draw(&pool, errno, &[Fix::SeeEphemeral]);
    let may_share = match query.protocol {
        Protocol::Tcp => query.reuse_address && situation.machine.autobind_reuse != Some(false),
        _ => query.reuse_address || query.reuse_port,
    };
    let check = match query.protocol {
        Protocol::Tcp => across_vrfs(check, situation.machine),
        _ => check,
    };
    if may_share && check.is_blocked() {
        return check.assuming(Assumption::PortsWithinBounds);
    }
    check
}

/// The check of a pool: its bounds decide where they can.
///
/// Where every port has a socket and some have others' connections only, they cannot: what connect
/// drew others may draw again, and what bind drew nobody may. Once all ports are drawn, the rows of
/// both are the same, so that an estimate would be a guess.
pub(super) fn draw(pool: &Pool, errno: Errno, fixes: &[Fix]) -> Check {
    let check = if pool.free_max == 0 {
        let blocker = Blocker {
            pool: Some(pool.clone()),
            ..Blocker::without_socket(Cause::EphemeralExhausted, fixes)
        };
        Check::blocked(errno, blocker)
    } else if pool.free_min > 0 {
        Check::passed()
    } else if pool.key.kind == PoolKind::TcpConnect {
        untold(Assumption::PortsOfOthers)
    } else {
        uncounted()
    };
    Check {
        asks_sockets: true,
        ..check
    }
}

/// A check of ports of TCP where VRFs have ports of their own, which were counted together.
pub(super) fn across_vrfs(check: Check, machine: &Machine) -> Check {
    match check.is_blocked() && machine.has_vrf() {
        true => check.assuming(Assumption::VrfsApart),
        false => check,
    }
}

/// The check of a pool of which too little is known.
pub(super) fn uncounted() -> Check {
    untold(Assumption::PortsWithinBounds)
}

fn untold(why: Assumption) -> Check {
    Check {
        is_open: true,
        asks_sockets: true,
        ..Check::passed().assuming(why)
    }
}
