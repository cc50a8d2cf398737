//! The same port where it is in nobody's way, and containers behind it, in words.

use super::case::{listed, local};
use super::held::Held;
use super::{Elsewhere, NamedHost, Place, WhyReport, published};
use crate::analyze::why::Operation;
use crate::model::{Protocol, State};
use crate::render::escape;

/// Other sockets named in a note.
const MOST_NAMED: usize = 3;

/// The same port where it is in nobody's way, and containers behind it.
pub(super) fn surroundings(report: &WhyReport<'_>) -> Vec<String> {
    let mut texts: Vec<String> = report
        .named
        .iter()
        .map(|host| named(report, host))
        .collect();
    texts.extend(published::told(report));
    let others = |place: Place<'_>| {
        let rows = report.elsewhere.iter();
        rows.filter(|one| one.place == place).collect::<Vec<_>>()
    };
    let mut told = Vec::new();
    for Elsewhere { place, .. } in &report.elsewhere {
        if told.contains(place) {
            continue;
        }
        told.push(*place);
        texts.push(elsewhere(*place, &others(*place)));
    }
    texts
}

/// Which address of a host was asked about.
fn named(report: &WhyReport<'_>, host: &NamedHost) -> String {
    let name = escape::terminal(host.name.as_bytes());
    let mut answers = report.answers.iter();
    let to = answers.find_map(|(answer, _)| match answer.query.operation {
        Operation::Connect { destination, .. } => Some(destination.addr.to_string()),
        Operation::Bind => None,
    });
    let to = to.unwrap_or_default();
    let others = host.others.iter().take(MOST_NAMED);
    let mut others: Vec<String> = others.map(|addr| addr.to_string()).collect();
    if let Some(more @ 1..) = host.others.len().checked_sub(MOST_NAMED) {
        others.push(format!("{more} more"));
    }
    match &others[..] {
        [] => format!("{name} is {to}"),
        _ => format!(
            "{name} is {to}; its other addresses were not asked about: {}",
            listed(&others)
        ),
    }
}

fn elsewhere(place: Place<'_>, rows: &[&Elsewhere<'_>]) -> String {
    let mut holders: Vec<(String, Vec<String>)> = Vec::new();
    for one in rows.iter().take(MOST_NAMED) {
        let (who, what) = has(one);
        match holders.iter_mut().find(|(known, _)| *known == who) {
            Some((_, all)) => all.push(what),
            None => holders.push((who, vec![what])),
        }
    }
    let mut names: Vec<String> = { holders.iter() }
        .map(|(who, what)| format!("{who} {}", listed(what)))
        .collect();
    if let Some(more @ 1..) = rows.len().checked_sub(MOST_NAMED) {
        names.push(format!("{more} more"));
    }
    let names = listed(&names);
    let first = rows.first().map(|one| &one.row);
    let port = first.map_or(0, |row| row.ends.local.port);
    match place {
        Place::OtherProtocol => {
            let protocol = first.map(|row| row.socket.protocol.name().to_uppercase());
            let protocol = protocol.unwrap_or_default();
            format!("no conflict with {protocol} port {port}: {names}")
        }
        Place::Namespace { name, pid } => {
            let which = match name {
                Some(name) => escape::terminal(name),
                None => format!("of process {pid}"),
            };
            format!("no conflict with the network namespace {which}: {names}")
        }
    }
}

/// `nginx[3] listens on`, `0.0.0.0:8080`.
fn has(one: &Elsewhere<'_>) -> (String, String) {
    let row = &one.row;
    let existing = Some(&one.existing);
    let who = Held { row, existing }.subject();
    let at = local(row);
    match (row.socket.protocol, row.socket.state) {
        (Protocol::Tcp, State::Listen) => (who.does("listens on", "listen on"), at),
        (Protocol::Tcp, State::BoundInactive) => (who.does("is bound to", "are bound to"), at),
        (_, state) if !row.ends.peer.is_none() => {
            (who.does("has", "have"), format!("{at} in {}", state.name()))
        }
        _ => (who.does("has", "have"), at),
    }
}
