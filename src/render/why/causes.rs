//! Causes in words: who or what is in the way, and why. Short plain sentences: who reads them is
//! tired.

use std::time::Duration;

use super::case::{Case, listed, mark, named};
use super::conditions::{down, down_reason, exhausted, no_route, pool_reason, privileged, unfit};
use super::connections;
use super::unseen::kernels_own;
use crate::analyze::why::{Cause, Ipv6, Operation, Route};
use crate::model::{Errno, InetRow, Parent};
use crate::render::escape;

/// Parents named in a sentence.
const MOST_NAMED: usize = 3;

/// What is in the way, as it goes on after "is blocked:".
pub(super) fn headline(case: &Case<'_>) -> String {
    match case.cause {
        Cause::Listener
        | Cause::DualStackListener
        | Cause::ReuseportGroup
        | Cause::ReuseportOtherUser
        | Cause::BoundNotListening
        | Cause::InheritedByChild
        | Cause::UdpSocket => server(case) + &kin(case),
        Cause::ConnectionRemains
        | Cause::TimeWait
        | Cause::OutgoingConnection
        | Cause::SelfConnect
        | Cause::DuplicateTuple => connections::headline(case),
        _ => condition(case),
    }
}

/// Somebody who keeps the port by a socket that is no connection.
fn server(case: &Case<'_>) -> String {
    let (who, locals) = (case.subject(), case.locals());
    let listens = || format!("{} on {locals}", who.does("listens", "listen"));
    match case.cause {
        Cause::ReuseportGroup => format!("{}, together by SO_REUSEPORT", listens()),
        Cause::DualStackListener => format!(
            "{} on {} (dual-stack){}",
            who.does("listens", "listen"),
            case.local(),
            case.and_more()
        ),
        Cause::ReuseportOtherUser => format!(
            "{} as {}, and only that user may join by SO_REUSEPORT",
            listens(),
            user(case.first_row())
        ),
        Cause::BoundNotListening => format!(
            "{} bound to {locals} and {} not listen",
            who.does("is", "are"),
            if who.plural { "do" } else { "does" }
        ),
        Cause::InheritedByChild if is_idle(case) => {
            format!("{} {locals} without serving it", who.does("holds", "hold"))
        }
        Cause::InheritedByChild => format!(
            "{} {locals}, most likely inherited from a server that has ended",
            who.does("holds", "hold")
        ),
        Cause::UdpSocket => format!("{} {locals}", who.does("has", "have")),
        _ => listens(),
    }
}

/// Who else has the socket: a parent that cannot be seen to, and children that only inherited it.
fn kin(case: &Case<'_>) -> String {
    let mut text = String::new();
    let mut parents: Vec<String> = Vec::new();
    for owner in case.roots() {
        if let Some(parent) = case.hidden_parent(owner) {
            let parent = named(&parent.comm, parent.pid);
            if !parents.contains(&parent) {
                parents.push(parent);
            }
        }
    }
    if !parents.is_empty() {
        let s = if parents.len() == 1 { "" } else { "s" };
        parents.truncate(MOST_NAMED);
        text += &format!("; most likely the parent{s} {} too", listed(&parents));
    }
    let heirs = case.heirs();
    let mut marks: Vec<String> = heirs
        .iter()
        .take(MOST_NAMED)
        .map(|one| mark(*one))
        .collect();
    if let Some(more @ 1..) = heirs.len().checked_sub(MOST_NAMED) {
        marks.push(format!("{more} more"));
    }
    if !marks.is_empty() {
        let has = if heirs.len() == 1 { "has" } else { "have" };
        text += &format!("; {} {has} inherited the socket", listed(&marks));
    }
    text
}

/// What is in the way where no process is, or nobody knows which.
fn condition(case: &Case<'_>) -> String {
    match case.cause {
        Cause::Unheld => format!(
            "a socket on {} that no process holds{}",
            case.local(),
            case.and_more()
        ),
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
                let who = match case.report.machine.route {
                    Some(Route::None(errno)) if errno != Errno::NetworkUnreachable => {
                        "a rule or route refuses"
                    }
                    _ => "no route leads to",
                };
                format!("{who} {}", destination.addr)
            }
            Operation::Bind => "no route leads there".to_owned(),
        },
        Cause::AddressUnfit => unfit(case.query()),
        _ => "something that was not seen".to_owned(),
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
        Cause::ConnectionRemains => connections::remains(case).to_owned(),
        Cause::TimeWait => "The kernel keeps a closed connection for 60 s, so that late \
             packets cannot reach the next one. No process holds it."
            .to_owned(),
        Cause::OutgoingConnection => connections::outgoing(case),
        Cause::SelfConnect => connections::to_itself(case),
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
                 is local. This is no shortage of ports."
                .to_owned(),
        },
        Cause::PrivilegedPort => {
            "The kernel checks this before it looks at who has the port.".to_owned()
        }
        Cause::DuplicateTuple => "Two connections cannot have the same addresses and ports at \
             both ends. This is no shortage of ports."
            .to_owned(),
        Cause::NoRoute => match case.report.machine.route {
            // That is the errno, which is told.
            Some(Route::None(errno)) if Some(errno) == case.answer.errno => String::new(),
            route => no_route(route),
        },
        Cause::AddressUnfit => String::new(),
        Cause::Unseen => {
            "The kernel refuses it, but nothing that could be read is in the way. A rule \
             that is not known here may forbid it, or a socket has just come or gone."
                .to_owned()
        }
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
        "All processes were read, and none has it. It is in flight between two processes, in a \
         unix socket, or it is the kernel's own, as those of NFS, VXLAN and WireGuard are{}.",
        kernels.unwrap_or_default()
    )
}

fn inherited(case: &Case<'_>) -> String {
    let mut text = if is_idle(case) && case.owners().len() > 1 {
        "They neither serve the socket nor wait for anything on it. Most likely they inherited the \
         socket from a server that has ended or closed its own; or they hang."
    } else if is_idle(case) {
        "It neither serves the socket nor waits for anything on it. Most likely it inherited the \
         socket from a server that has ended or closed its own; or it hangs."
    } else {
        "As far as can be told, the process that opened the socket has ended, and one that it \
         started still has it."
    }
    .to_owned();
    let mut families: Vec<(&Parent, Vec<String>)> = Vec::new();
    for owner in case.roots() {
        let Some(parent) = case.parent(owner.holder.pid) else {
            continue;
        };
        match families
            .iter_mut()
            .find(|(known, _)| known.pid == parent.pid)
        {
            Some((_, children)) => children.push(mark(owner)),
            None => families.push((parent, vec![mark(owner)])),
        }
    }
    for (parent, children) in families.iter_mut().take(MOST_NAMED) {
        let are = if children.len() == 1 {
            "is a child"
        } else {
            "are children"
        };
        if let Some(more @ 1..) = children.len().checked_sub(MOST_NAMED) {
            children.truncate(MOST_NAMED);
            children.push(format!("{more} more"));
        }
        let parent = named(&parent.comm, parent.pid);
        text += &format!(" {} {are} of {parent} now.", listed(children));
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
