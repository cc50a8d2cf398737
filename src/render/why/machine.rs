//! What to change about the machine, or about the question.

use std::net::IpAddr;

use super::case::{Case, endpoint};
use super::conditions::privileged_below;
use super::fixes::{Advice, one, plain};
use crate::analyze::why::{Ipv6, Operation, Route};
use crate::model::{Errno, Protocol};
use crate::render::ephemeral::{reserving, words};
use crate::render::{entering, shell};

/// Gives an interface the address.
pub(super) fn add_address(case: &Case<'_>) -> Vec<Advice> {
    let text = "give an interface the address";
    let Some(addr) = asked(case) else {
        return plain(text);
    };
    let command = |device: &str| case.within(&format!("ip addr add {} dev {device}", alone(addr)));
    match &case.report.device {
        // Every machine has this one, and bind asks no more.
        None => one(
            &format!("{text}; lo does for bind, that of the network for who is to reach it"),
            command("lo"),
        ),
        Some(device) => vec![(
            text.to_owned(),
            shell::portable(device.as_bytes()).map(|device| command(&device)),
        )],
    }
}

pub(super) fn nonlocal_bind(case: &Case<'_>) -> Vec<Advice> {
    let family = match asked(case) {
        Some(IpAddr::V6(_)) => "ipv6",
        Some(IpAddr::V4(_)) | None => "ipv4",
    };
    let mut advice = plain("set IP_FREEBIND on the new socket, which may then bind it");
    advice.extend(one(
        "let every program bind addresses that are not there",
        case.within(&format!("sysctl -w net.{family}.ip_nonlocal_bind=1")),
    ));
    advice
}

pub(super) fn enable_ipv6(case: &Case<'_>) -> Vec<Advice> {
    match case.report.machine.ipv6 {
        Ipv6::Absent => plain("use IPv4, or a kernel with IPv6"),
        Ipv6::Disabled | Ipv6::On => one(
            "turn IPv6 on",
            case.within("sysctl -w net.ipv6.conf.all.disable_ipv6=0"),
        ),
    }
}

pub(super) fn add_route(case: &Case<'_>) -> Vec<Advice> {
    let family = match case.query().operation {
        Operation::Connect { destination, .. } if destination.addr.to_canonical().is_ipv6() => {
            "-6 "
        }
        _ => "",
    };
    let mut advice = one(
        "see whether a rule refuses it",
        case.within(&format!("ip {family}rule")),
    );
    match case.report.machine.route {
        Some(Route::None(errno)) if errno != Errno::NetworkUnreachable => {
            // Somebody wants it so.
            advice.extend(one(
                "see whether a route refuses it",
                case.within(&format!("ip {family}route show table all")),
            ));
            return advice;
        }
        _ => {}
    }
    advice.splice(0..0, missing_route(case));
    advice
}

fn missing_route(case: &Case<'_>) -> Vec<Advice> {
    match case.query().operation {
        Operation::Connect { destination, .. } => {
            let device = case.report.device.as_deref();
            let device = device.and_then(|device| shell::portable(device.as_bytes()));
            // The socket is bound to it, so that a route over another is none.
            let over = device.map(|device| format!(" dev {device}"));
            let destination = alone(destination.addr.to_canonical());
            let over = over.unwrap_or_default();
            let command = case.within(&format!("ip route add {destination} via GATEWAY{over}"));
            plain(&format!("add a route: {command}"))
        }
        Operation::Bind => plain("add a route"),
    }
}

pub(super) fn low_port(case: &Case<'_>) -> Vec<Advice> {
    let port = case.query().port;
    let mut advice = plain(
        "give the program CAP_NET_BIND_SERVICE, in its unit by \
         AmbientCapabilities=CAP_NET_BIND_SERVICE or on its file: \
         setcap cap_net_bind_service=+ep FILE",
    );
    advice.extend(one(
        &format!("let every user bind the ports from {port} on"),
        case.within(&format!(
            "sysctl -w net.ipv4.ip_unprivileged_port_start={port}"
        )),
    ));
    advice
}

/// Keeps the kernel from drawing the port again, with all that is reserved already.
pub(super) fn reserve(case: &Case<'_>) -> Vec<Advice> {
    let port = case
        .first_row()
        .map_or(case.query().port, |row| row.ends.local.port);
    let text = format!("for the next time, keep the kernel from drawing port {port}");
    // Where it cannot be read what is reserved already, a command would undo it.
    let settings = case.report.machine.ports.as_ref();
    match settings.filter(|settings| settings.knows_reserved()) {
        Some(settings) => {
            let mut ports = settings.reserved_ports().clone();
            ports.insert(port);
            one(
                &text,
                case.as_root(&reserving(case.report.entrance.as_ref(), &ports.ranges())),
            )
        }
        None => plain(&format!(
            "{text}: add it to net.ipv4.ip_local_reserved_ports, beside what is there"
        )),
    }
}

/// What helps the pool, and the command that tells of it.
pub(super) fn see_pool(case: &Case<'_>) -> Vec<Advice> {
    let notes = case.pool_notes();
    let helps = notes.map(|notes| {
        let advice = notes.advice.iter();
        let entrance = case.report.entrance.as_ref();
        advice
            .map(|advice| words(advice, &notes.owners, entrance, case.report.sudo()))
            .collect()
    });
    let mut advice: Vec<Advice> = helps.unwrap_or_default();
    let mut command = entering::portstat(case.report.entrance.as_ref()) + " ephemeral";
    let pools = case.blockers.iter();
    if let Some(pool) = { pools }.find_map(|blocker| blocker.pool.as_ref()) {
        if let Some(source) = pool.key.source.filter(|source| !source.is_unspecified()) {
            command += &format!(" --src {source}");
        }
        if let Some(destination) = pool.key.destination {
            let destination = endpoint(&destination);
            command += &format!(" --dst {}", shell::word(destination.as_bytes()));
        }
    }
    advice.extend(one("see how all its pools stand", command));
    advice
}

pub(super) fn another_address(case: &Case<'_>) -> Vec<Advice> {
    let query = case.query();
    let is_tcp = query.protocol == Protocol::Tcp;
    plain(match (query.operation, query.port) {
        (Operation::Bind, _) if is_taken_on_every_address(case) => match is_tcp {
            true => "listen on another port",
            false => "use another port",
        },
        (Operation::Bind, _) if is_tcp => "listen on another port, or on another address",
        (Operation::Bind, _) => "use another port, or another address",
        (Operation::Connect { .. }, 0) => "connect from another address, or leave it to the routes",
        (Operation::Connect { .. }, _) if is_taken_on_every_address(case) => {
            "connect from another port, or leave it to the kernel"
        }
        (Operation::Connect { .. }, _) => {
            "connect from another port or address, or leave both to the kernel"
        }
    })
}

/// Whether somebody in the way has the port on every address of the family that was asked for.
fn is_taken_on_every_address(case: &Case<'_>) -> bool {
    let is_v6 = asked(case).is_some_and(|addr| addr.is_ipv6());
    let sockets = case.answer.blockers.iter().filter_map(|one| one.socket);
    let rows = sockets.filter_map(|index| case.report.sockets.get(index));
    // What IPv6 has in the way of IPv4 has that too.
    { rows.map(|row| row.ends.local.addr.to_canonical()) }
        .any(|addr| addr.is_unspecified() && (addr.is_ipv6() || !is_v6))
}

/// An address that is there, whichever the port.
pub(super) fn own_address(case: &Case<'_>) -> Vec<Advice> {
    plain(&match case.query().operation {
        Operation::Bind => {
            let lists = match case.report.entrance {
                None => "ip addr".to_owned(),
                Some(_) => case.within("ip addr"),
            };
            format!("use an address of this machine ({lists} lists them)")
        }
        Operation::Connect { .. } => {
            "connect from an address of this machine, or leave it to the routes".to_owned()
        }
    })
}

pub(super) fn unprivileged_port(case: &Case<'_>) -> Vec<Advice> {
    let first = privileged_below(case.report);
    plain(&match case.query().operation {
        Operation::Bind => format!("use a port from {first} on"),
        Operation::Connect { .. } => {
            format!("connect from a port from {first} on, or leave it to the kernel")
        }
    })
}

pub(super) fn link_up(case: &Case<'_>, interface: u32) -> Vec<Advice> {
    let links = case.report.machine.links.as_ref();
    let link = links.and_then(|links| links.get(interface));
    let name = link.and_then(|link| shell::portable(&link.name));
    let command = name.map(|name| case.within(&format!("ip link set {name} up")));
    vec![("switch the interface on".to_owned(), command)]
}

pub(super) fn v6only(case: &Case<'_>) -> Vec<Advice> {
    let theirs_is_v6 = case
        .first_row()
        .is_some_and(|row| row.ends.local.addr.is_ipv6());
    plain(
        if theirs_is_v6 && matches!(asked(case), Some(IpAddr::V4(_))) {
            "set IPV6_V6ONLY on the socket that has [::], so that it leaves IPv4 alone (nginx: listen \
         [::]:PORT ipv6only=on)"
        } else {
            "set IPV6_V6ONLY on the new socket, so that it leaves IPv4 alone"
        },
    )
}

/// The address that was asked about; an IPv4 one in the form of IPv6 is IPv4's.
fn asked(case: &Case<'_>) -> Option<IpAddr> {
    case.query().addr.map(|addr| addr.to_canonical())
}

/// An address as a network of its own.
fn alone(addr: IpAddr) -> String {
    let prefix = if addr.is_ipv4() { 32 } else { 128 };
    format!("{addr}/{prefix}")
}
