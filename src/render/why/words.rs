//! Verdicts, assumptions, notes and what the kernel said, in words.

use super::case::{asked, local};
use super::{Probe, WhyReport};
use crate::analyze::why::{Answer, Assumption, Note, Outcome};
use crate::model::{Errno, Protocol};
use crate::render::escape;

/// What a verdict is about, with the interface where one was named.
pub(super) fn verdict(report: &WhyReport<'_>, answer: &Answer) -> String {
    let on = match &report.device {
        Some(device) => format!(" on {}", escape::terminal(device.as_bytes())),
        None => String::new(),
    };
    let asked = asked(report.machine, &answer.query);
    match answer.outcome {
        Outcome::Unknown if !answer.blockers.is_empty() => format!("{asked} may be blocked{on}"),
        Outcome::Unknown => format!("{asked} may be free or not{on}"),
        outcome => format!("{asked} is {}{on}", outcome.name()),
    }
}

/// What was taken for granted, and what that means.
pub(super) fn assumption(report: &WhyReport<'_>, assumption: Assumption) -> String {
    let socket = |index: usize| {
        let row = report.sockets.get(index);
        let row = row.map(|row| format!("{} in {}", local(row), row.socket.state.name()));
        row.unwrap_or_else(|| "the other one".to_owned())
    };
    match assumption {
        Assumption::NoReuseAddress { socket: index } => format!(
            "SO_REUSEADDR of the socket on {} could not be read and is taken to be off",
            socket(index)
        ),
        Assumption::ReuseAddressUnread => "whether the old server had SO_REUSEADDR, as most have, \
             could not be read; if it had, bind succeeds"
            .to_owned(),
        Assumption::NoReusePort { socket: index } => format!(
            "SO_REUSEPORT of the socket on {} could not be read and is taken to be off",
            socket(index)
        ),
        Assumption::OtherUser { socket: index } => format!(
            "the socket on {} was taken to be another user's: in this user namespace all users \
             that it does not know have one uid",
            socket(index)
        ),
        Assumption::NotV6Only { socket: index } => format!(
            "IPV6_V6ONLY of the socket on {} could not be read; it is taken to accept IPv4 too",
            socket(index)
        ),
        Assumption::V6OnlyAsListener => "IPV6_V6ONLY of the connections on the port could not be \
             read; they are taken to refuse IPv4, as the listener does"
            .to_owned(),
        Assumption::ReusePortHistory => "SO_REUSEPORT also depends on the past of the port, which \
             the kernel does not tell; in a few cases of a thousand it decides otherwise"
            .to_owned(),
        Assumption::AddressIsLocal => "the addresses of this machine could not be read; this one \
             is taken to be among them"
            .to_owned(),
        Assumption::UsualPrivilegedPorts => "net.ipv4.ip_unprivileged_port_start could not be \
             read; ports below 1024 are taken to be privileged"
            .to_owned(),
        Assumption::NoCapability => "the user is taken to lack CAP_NET_BIND_SERVICE: capabilities \
             are known only of the user who runs portstat"
            .to_owned(),
        Assumption::PortsWithinBounds => format!(
            "the number of free ephemeral ports is known only within bounds{}",
            if is_udp(report) {
                ""
            } else {
                "; --probe tells"
            }
        ),
        Assumption::PortsOfOthers => "every ephemeral port has a socket; connect can still draw \
             those of connections elsewhere and in TIME-WAIT, unless these were bound before they \
             were connected, which no socket tells; --probe tells"
            .to_owned(),
        Assumption::SocketsUnseen => "not all sockets could be read; one that was not seen may be \
             in the way"
            .to_owned(),
        Assumption::RouteSource => "the source address that the routes choose could not be read; \
             it is taken to make no difference"
            .to_owned(),
        Assumption::NoBoundSockets => "no TCP socket is taken to be bound without listening: it \
             could not be read whether the kernel lists such sockets (Linux does since 6.8)"
            .to_owned(),
        Assumption::RouteExists => {
            "the routes do not tell for certain; one is taken to lead there".to_owned()
        }
        Assumption::NoNonlocalBind => {
            "ip_nonlocal_bind could not be read and is taken to be 0".to_owned()
        }
        Assumption::UsualV6Only => "net.ipv6.bindv6only could not be read; the new socket is \
             taken to accept IPv4 too"
            .to_owned(),
        Assumption::VrfsApart => {
            "each VRF was taken to have ports and addresses of its own, by the \
             rules of the kernel (net.ipv4.tcp_l3mdev_accept); how full it is alone was not counted"
                .to_owned()
        }
        Assumption::TimeWaitTakenOver => "a connection in TIME-WAIT with the same ends is taken \
             to have timestamps, so that a new one may take over its port"
            .to_owned(),
    }
}

/// What is worth knowing beside it.
pub(super) fn note(report: &WhyReport<'_>, note: &Note) -> String {
    let socket = |index: usize| {
        let row = report.sockets.get(index);
        let at = row.map(local).unwrap_or_default();
        format!("{} on {at}", report.subject(index).text)
    };
    match note {
        Note::ListenMayFail { socket: index } => format!(
            "{} is bound with SO_REUSEADDR too: bind succeeds, but as soon as one of the two \
             listens, the listen of the other fails with EADDRINUSE",
            socket(*index)
        ),
        Note::JoinsGroup { members } => joins(report, *members),
        Note::TakesDatagrams { socket: index } => format!(
            "{} has the port too; unicast datagrams would go to the socket that was bound last",
            socket(*index)
        ),
        Note::DrawnByKernel => "the port lies in the ephemeral range: while no server is bound to \
             it, any connection may draw it"
            .to_owned(),
        Note::Reserved => "the port is reserved against being drawn for connections; it can be \
             bound all the same"
            .to_owned(),
        Note::BindPoolEmpty => "bind() of port 0 finds no free port on this address; only a \
             connect() without bind() may find one"
            .to_owned(),
    }
}

/// Whom it would share the port with, and what of theirs.
fn joins(report: &WhyReport<'_>, members: usize) -> String {
    let (what, comes) = match is_udp(report) {
        true => ("socket", "datagrams"),
        false => ("listener", "connections"),
    };
    let s = if members == 1 { "" } else { "s" };
    format!("it would join {members} {what}{s} on the port by SO_REUSEPORT and share their {comes}")
}

fn is_udp(report: &WhyReport<'_>) -> bool {
    let mut answers = report.answers.iter();
    answers.any(|(answer, _)| answer.query.protocol == Protocol::Udp)
}

/// What came of asking the kernel.
pub(super) fn probe(probe: &Probe) -> String {
    let said = |said: &Result<(), Errno>| match said {
        Ok(()) => "succeeds".to_owned(),
        Err(errno) => format!("fails with {errno}"),
    };
    match probe {
        Probe::Unavailable(reason) => format!("the kernel could not be asked: {reason}"),
        Probe::Asked {
            call,
            said: plain,
            with_reuse_address,
            foretold,
            agrees,
        } => {
            let mut text = match (agrees, foretold) {
                (true, _) => "the kernel agrees".to_owned(),
                (false, Outcome::Unknown) => "the kernel decides".to_owned(),
                (false, foretold) => {
                    format!(
                        "the kernel disagrees with the predicted {:?}",
                        foretold.name()
                    )
                }
            };
            text += &format!(": {} {}", call.name(), said(plain));
            if let Some(reusing) = with_reuse_address {
                text += &format!(", and with SO_REUSEADDR it {}", said(reusing));
            }
            text
        }
    }
}
