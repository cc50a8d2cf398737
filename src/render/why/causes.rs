//! Causes in words: who or what is in the way, and why. Short plain sentences: who reads them is
//! tired.

use std::time::Duration;

use super::case::{Case, listed, mark, named};
use super::conditions::{down, down_reason, exhausted, no_route, pool_reason, privileged, unfit};
use super::subject::Subject;
use super::unseen::kernels_own;
use crate::analyze::why::{Cause, Ipv6, Operation};
use crate::model::InetRow;
use crate::render::escape;

/// Parents named in a sentence.
const MOST_NAMED: usize = 3;

/// What is in the way, as it goes on after "is blocked:".
pub(super) fn headline(case: &Case<'_>) -> String {
    let (who, local, more) = (case.subject(), case.local(), case.and_more());
    match case.cause {
        Cause::Listener | Cause::ReuseportGroup => {
            let together = match case.cause {
                Cause::ReuseportGroup => ", together by SO_REUSEPORT",
                _ => "",
            };
            format!(
                "{} on {local}{more}{together}",
                who.does("listens", "listen")
            )
        }
        Cause::DualStackListener => {
            format!(
                "{} on {local} (dual-stack){more}",
                who.does("listens", "listen")
            )
        }
        Cause::ReuseportOtherUser => format!(
            "{} on {local}{more} as {}, and only that user may join by SO_REUSEPORT",
            who.does("listens", "listen"),
            user(case.first_row())
        ),
        Cause::BoundNotListening => format!(
            "{} bound to {local} and {} not listen{more}",
            who.does("is", "are"),
            if who.plural { "do" } else { "does" }
        ),
        Cause::ConnectionRemains => connection(case, &who),
        Cause::TimeWait => time_wait(case),
        Cause::OutgoingConnection | Cause::SelfConnect if is_left(case) => left_over(case),
        Cause::OutgoingConnection => format!(
            "{} connected from {local} to {}{more}",
            who.does("is", "are"),
            case.peer()
        ),
        Cause::SelfConnect => format!("{} connected from {local} to itself", who.does("is", "are")),
        Cause::InheritedByChild if is_idle(case) => format!(
            "{} {local}{more} without serving it",
            who.does("holds", "hold")
        ),
        Cause::InheritedByChild => format!(
            "{} {local}{more}, most likely inherited from a server that has ended",
            who.does("holds", "hold")
        ),
        Cause::Unheld => format!("a socket on {local} that no process holds{more}"),
        Cause::UdpSocket => format!("{} {local}{more}", who.does("has", "have")),
        Cause::DuplicateTuple => match case.first_row() {
            Some(_) => format!("this very connection exists, of {}", who.text),
            None => "this very connection exists".to_owned(),
        },
        Cause::EphemeralExhausted => match case.pool() {
            Some(pool) => exhausted(pool),
            None => "no ephemeral port is free".to_owned(),
        },
        Cause::AddressNotLocal => match &case.report.device {
            Some(device) if !case.report.at.is_empty() => format!(
                "{} is no address of {}",
                addr(case),
                escape::terminal(device.as_bytes())
            ),
            _ => format!("{} is no address of this machine", addr(case)),
        },
        Cause::InterfaceDown => down(case),
        Cause::AddressTentative => format!("{} is not ready for use yet", addr(case)),
        Cause::Ipv6Disabled => match case.report.machine.ipv6 {
            Ipv6::Absent => "this kernel has no IPv6".to_owned(),
            Ipv6::Disabled | Ipv6::On => "IPv6 is off on this machine".to_owned(),
        },
        Cause::PrivilegedPort => privileged(case),
        Cause::NoRoute => match case.query().operation {
            Operation::Connect { destination, .. } => {
                format!("no route leads to {}", destination.addr)
            }
            Operation::Bind => "no route leads there".to_owned(),
        },
        Cause::Unseen => "something that was not seen".to_owned(),
        Cause::AddressUnfit => unfit(case.query()),
    }
}

fn addr(case: &Case<'_>) -> String {
    let addr = case.query().addr;
    addr.map(|addr| addr.to_string()).unwrap_or_default()
}

fn exhaustion(case: &Case<'_>) -> String {
    let frees_in = case.blockers.first().and_then(|one| one.frees_in);
    let reason = case.pool().map(|pool| pool_reason(pool, frees_in));
    reason.unwrap_or_default()
}

/// Why that is in the way: sentences.
pub(super) fn reason(case: &Case<'_>) -> String {
    match case.cause {
        Cause::Listener => wildcard(case),
        Cause::DualStackListener => "It takes IPv4 on every address as well, because IPV6_V6ONLY \
             is not set on it."
            .to_owned(),
        Cause::ReuseportGroup => "They share the port among themselves. Only sockets with \
             SO_REUSEPORT and the same user may join."
            .to_owned(),
        Cause::ReuseportOtherUser => "Sockets share a port by SO_REUSEPORT only if all have it \
             and belong to one user."
            .to_owned(),
        Cause::BoundNotListening => "A socket keeps its port from bind on, whether it listens or \
             not. netstat does not show such a socket."
            .to_owned(),
        Cause::ConnectionRemains => remains(case).to_owned(),
        Cause::TimeWait => "The kernel keeps a closed connection for 60 s, lest late packets \
             reach the next one. No process holds it."
            .to_owned(),
        Cause::OutgoingConnection => outgoing(case),
        Cause::SelfConnect => "It connected to a port of the ephemeral range on which nobody \
             listened, and drew that very port for its own end."
            .to_owned(),
        Cause::InheritedByChild => inherited(case),
        Cause::Unheld => unheld(case),
        Cause::UdpSocket => wildcard(case),
        Cause::EphemeralExhausted => exhaustion(case),
        Cause::AddressNotLocal => not_local(case),
        Cause::InterfaceDown => down_reason(case).to_owned(),
        Cause::AddressTentative => "IPv6 first asks the network whether somebody else has the \
             address (duplicate address detection). Until then it cannot be bound, and never if \
             somebody has."
            .to_owned(),
        Cause::Ipv6Disabled => match case.report.machine.ipv6 {
            Ipv6::Absent => "It was built or started without it.".to_owned(),
            Ipv6::Disabled | Ipv6::On => "net.ipv6.conf.all.disable_ipv6 is 1, so no IPv6 address \
                 is local. Ports are not short."
                .to_owned(),
        },
        Cause::PrivilegedPort => {
            "The kernel asks for this before it looks at who has the port.".to_owned()
        }
        Cause::DuplicateTuple => "Two connections cannot have the same addresses and ports at \
             both ends. Ports are not short."
            .to_owned(),
        Cause::NoRoute => no_route(case.report.machine.route),
        Cause::AddressUnfit => String::new(),
        Cause::Unseen => "The kernel refuses it, though nothing that could be read is in the way: \
             a rule of the kernel's, or somebody who has come or gone meanwhile."
            .to_owned(),
    }
}

/// One blocker in whole sentences, for programs.
pub(super) fn explanation(case: &Case<'_>) -> String {
    let mut text = headline(case);
    if let Some(first) = text.get(..1) {
        // A name stays as it is.
        let is_name = case.sockets().next().is_some_and(|index| {
            case.report
                .owners(index)
                .iter()
                .any(|owner| text.starts_with(&mark(*owner)))
        });
        if !is_name && case.cause != Cause::AddressNotLocal {
            text.replace_range(..1, &first.to_ascii_uppercase());
        }
    }
    text.push('.');
    match &reason(case)[..] {
        "" => text,
        reason => format!("{text} {reason}"),
    }
}

/// Where one of two addresses stands for all.
fn wildcard(case: &Case<'_>) -> String {
    let Some(row) = case.first_row() else {
        return String::new();
    };
    let theirs = row.ends.local.addr;
    let Some(asked) = case.query().addr.filter(|asked| *asked != theirs) else {
        return String::new();
    };
    match (asked.is_unspecified(), theirs.is_unspecified()) {
        (true, _) if asked.is_ipv6() && theirs.is_ipv4() => {
            ":: takes every IPv4 address as well, unless IPV6_V6ONLY is set on it.".to_owned()
        }
        (_, true) => format!("{theirs} stands for every address, {asked} included."),
        (true, false) => format!("{asked} stands for every address, {theirs} included."),
        (false, false) => String::new(),
    }
}

fn connection(case: &Case<'_>, who: &Subject) -> String {
    let state = case.first_row().map(|row| row.socket.state.name());
    let state = state.unwrap_or_default();
    let (local, peer, more) = (case.local(), case.peer(), case.and_more());
    let what = format!("a connection to {peer} that was accepted on {local}");
    match case.first_row().map(|row| row.socket.inode) {
        Some(0) | None => format!("{what} remains in {state}{more}"),
        Some(_) => format!(
            "{} {what}, in {state}{more}",
            who.does("still has", "still have")
        ),
    }
}

fn remains(case: &Case<'_>) -> &'static str {
    if case.is_of_server() {
        "It came to this port, and keeps it until it ends."
    } else {
        "It came to this port, has outlived the listener of its server, and keeps the port from a \
         new one."
    }
}

fn time_wait(case: &Case<'_>) -> String {
    let frees = case.blockers.iter().filter_map(|blocker| blocker.frees_in);
    let last = frees.max().map(seconds);
    match (case.blockers.len(), last) {
        (1, None) => format!("a connection to {} is in TIME-WAIT", case.peer()),
        (1, Some(last)) => {
            format!(
                "a connection to {} is in TIME-WAIT for {last} more",
                case.peer()
            )
        }
        (count, None) => format!("{count} connections are in TIME-WAIT"),
        (count, Some(last)) => {
            format!("{count} connections are in TIME-WAIT, the last for {last} more")
        }
    }
}

/// Whether no process can have the first socket.
fn is_left(case: &Case<'_>) -> bool {
    case.first_row().is_some_and(|row| row.socket.inode == 0)
}

/// An orphan: its process has closed it, and the kernel goes on until the peer has, too.
fn left_over(case: &Case<'_>) -> String {
    let state = case.first_row().map(|row| row.socket.state.name());
    format!(
        "what is left of a connection from {} to {} is in {}; no process holds it{}",
        case.local(),
        case.peer(),
        state.unwrap_or_default(),
        case.and_more()
    )
}

/// Who else has the address.
fn not_local(case: &Case<'_>) -> String {
    let others: Vec<String> = { case.report.at.iter() }
        .map(|name| escape::terminal(name.as_bytes()))
        .collect();
    let have = if others.len() == 1 { "has" } else { "have" };
    match others[..] {
        [] => "No interface of this network namespace has it.".to_owned(),
        _ => format!("{} {have} it.", listed(&others)),
    }
}

fn unheld(case: &Case<'_>) -> String {
    let kernels = case.first_row().and_then(kernels_own);
    format!(
        "All processes were read, and none has it. It is on its way between two processes in a \
         unix socket, or it is the kernel's own, as of NFS, VXLAN or WireGuard{}.",
        kernels.unwrap_or_default()
    )
}

fn outgoing(case: &Case<'_>) -> String {
    let port = case.first_row().map_or(0, |row| row.ends.local.port);
    let drawn = case.report.machine.ports.as_ref();
    let drawn = drawn.is_some_and(|ports| ports.contains(port));
    let mut text = if drawn {
        format!(
            "Port {port} lies in the ephemeral range, so the kernel may have drawn it for the \
             connection's own end."
        )
    } else {
        format!("The program bound port {port} before it connected.")
    };
    if case
        .query()
        .addr
        .is_some_and(|addr| addr.is_ipv4() && addr.is_unspecified())
        && case
            .first_row()
            .is_some_and(|row| row.ends.local.addr.to_canonical().is_ipv6())
    {
        text += " An IPv6 connection is in the way of 0.0.0.0 too, though not of a single IPv4 \
                 address.";
    }
    text
}

fn inherited(case: &Case<'_>) -> String {
    let mut text = if is_idle(case) {
        "It neither accepts what comes in nor waits for it. Most likely it inherited the socket \
         from a server that has ended or closed its own, and so the kernel keeps it open; or it \
         hangs."
    } else {
        "As far as can be told, whoever opened the socket has ended; a process that it had started \
         still has it, and so the kernel keeps it open."
    }
    .to_owned();
    let roots = case.roots();
    let parents: Vec<String> = roots
        .iter()
        .filter_map(|owner| {
            let mut sockets = case.sockets();
            let parent = sockets.find_map(|index| case.report.parent(index, owner.holder.pid))?;
            let parent = named(&parent.comm, parent.pid);
            Some(format!("{} is a child of {parent} now", mark(*owner)))
        })
        .take(MOST_NAMED)
        .collect();
    if !parents.is_empty() {
        text += &format!(" {}.", listed(&parents));
    }
    text
}

/// Whether all who have the socket were seen to wait for nothing on it.
fn is_idle(case: &Case<'_>) -> bool {
    case.sockets().all(|index| {
        let mut owners = case.report.owners(index).into_iter();
        owners.all(|owner| {
            let lineage = case.report.lineage(index, owner.holder.pid);
            lineage.is_some_and(|lineage| lineage.serves == Some(false))
        })
    })
}

/// The user of a socket, as far as it is known.
pub(super) fn user(row: Option<&InetRow<'_>>) -> String {
    match row.map(|row| (row.user, row.uid())) {
        Some((Some(name), _)) => escape::terminal(name.as_bytes()),
        Some((None, Some(uid))) => format!("uid {uid}"),
        _ => "another user".to_owned(),
    }
}

/// A time to wait, in seconds rounded up. The kernel's long timers fire somewhat later than they
/// say.
pub(super) fn seconds(time: Duration) -> String {
    let seconds = time.as_millis().div_ceil(1000);
    match seconds {
        ..=120 => format!("about {seconds} s"),
        _ => format!("about {} min", seconds.div_ceil(60)),
    }
}
