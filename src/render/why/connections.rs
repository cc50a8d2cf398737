//! Connections that are in the way, or what is left of them, in words.

use super::case::Case;
use super::causes::seconds;
use super::subject::Subject;
use crate::analyze::why::Cause;

/// A connection, or what is left of one.
pub(super) fn headline(case: &Case<'_>) -> String {
    let (who, local, more) = (case.subject(), case.local(), case.and_more());
    match case.cause {
        Cause::ConnectionRemains => connection(case, &who),
        Cause::TimeWait => time_wait(case),
        Cause::OutgoingConnection | Cause::SelfConnect if is_left(case) => left_over(case),
        Cause::OutgoingConnection => format!(
            "{} connected from {local} to {}{more}",
            who.does("is", "are"),
            case.peer()
        ),
        Cause::SelfConnect => format!("{} connected from {local} to itself", who.does("is", "are")),
        _ => match case.first_row() {
            Some(_) => format!("this very connection exists, of {}", who.text),
            None => "this very connection exists".to_owned(),
        },
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

pub(super) fn remains(case: &Case<'_>) -> &'static str {
    if case.is_of_server() {
        "It was accepted on this port, and keeps the port until it ends."
    } else {
        "Its server no longer listens here, but the connection keeps the port from a new server."
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

pub(super) fn outgoing(case: &Case<'_>) -> String {
    let port = case.first_row().map_or(0, |row| row.ends.local.port);
    let mut text = match is_drawn(case, port) {
        Some(true) => format!(
            "Port {port} lies in the ephemeral range, so the kernel may have drawn it for the \
             connection's own end."
        ),
        Some(false) => format!("The program bound port {port} before it connected."),
        None => format!("The kernel drew port {port} for it, or the program bound it."),
    };
    if case
        .query()
        .addr
        .is_some_and(|addr| addr.is_ipv4() && addr.is_unspecified())
        && case
            .first_row()
            .is_some_and(|row| row.ends.local.addr.to_canonical().is_ipv6())
    {
        text +=
            " An IPv6 connection keeps 0.0.0.0 from the port too, but no specific IPv4 address.";
    }
    text
}

/// How a socket came to be connected to itself.
pub(super) fn to_itself(case: &Case<'_>) -> String {
    let port = case.first_row().map_or(0, |row| row.ends.local.port);
    let end = "so that it reached itself";
    match is_drawn(case, port) {
        Some(true) => format!(
            "Nobody listened on port {port}, and the kernel drew that very port of the ephemeral \
             range for the connection's own end, {end}."
        ),
        Some(false) => format!("The program bound port {port} and connected to it, {end}."),
        None => {
            format!("It connected to port {port}, and had that very port at its own end, {end}.")
        }
    }
}

/// Whether the kernel may draw a port for connections; `None` where the range cannot be read.
fn is_drawn(case: &Case<'_>, port: u16) -> Option<bool> {
    let ports = case.report.machine.ports.as_ref()?;
    Some(ports.contains(port))
}
