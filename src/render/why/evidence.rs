//! The sockets that are in the way, and who has them.

use std::collections::{HashMap, HashSet};

use super::case::{Case, local, mark, named, peer, service};
use super::causes::seconds;
use super::unseen;
use crate::analyze::why::Blocker;
use crate::model::{Condition, Owner, Owners, State};
use crate::render::ephemeral::owner;
use crate::render::escape;
use crate::render::page::Page;
use crate::render::shell;

/// Sockets told of one cause, and processes of one socket; the others are counted.
const MOST_SOCKETS: usize = 5;
const MOST_OWNERS: usize = 12;
/// Processes of which there is the same to say that are told one by one, or named.
const MOST_ALIKE: usize = 3;
/// Processes of a socket that are compared.
const MOST_COMPARED: usize = 1000;
/// Characters of a command line.
const MOST_OF_COMMAND: usize = 120;

/// The sockets and who has them, but for those that were told before.
pub(super) fn evidence(page: &mut Page<'_>, case: &Case<'_>, known: &mut HashSet<usize>) {
    let mut sockets: Vec<(usize, &Blocker)> = case
        .blockers
        .iter()
        .filter_map(|blocker| Some((blocker.socket?, *blocker)))
        .collect();
    if sockets.is_empty() {
        return pool(page, case);
    }
    sockets.retain(|(index, _)| known.insert(*index));
    if sockets.is_empty() {
        return;
    }
    page.line("");
    let mut told: Vec<Vec<u32>> = Vec::new();
    for (index, blocker) in sockets.iter().take(MOST_SOCKETS) {
        socket(page, case, *index, blocker);
        let owners = case.report.owners(*index);
        let pids: Vec<u32> = owners.iter().map(|owner| owner.holder.pid).collect();
        // As of a master and its workers, of which each has each socket.
        if pids.len() > 1 && told.contains(&pids) {
            page.line(&format!("    the same {} processes", pids.len()));
        } else {
            processes(page, case, *index, &owners);
            told.push(pids);
        }
    }
    if let Some(more @ 1..) = sockets.len().checked_sub(MOST_SOCKETS) {
        page.line(&format!("  and {more} more"));
    }
    followers(page, case, &sockets);
}

/// Whose the ports of an empty pool are.
fn pool(page: &mut Page<'_>, case: &Case<'_>) {
    let Some(notes) = case.pool_notes() else {
        return;
    };
    page.line("");
    for share in &notes.owners {
        let ports = if share.ports == 1 { "port" } else { "ports" };
        let text = format!("{} has {} {ports}", owner(share), share.ports);
        page.indented("  ", &text);
    }
    match (notes.owners_status, &notes.owners[..]) {
        (Some("hidden"), []) => page.line("  whose they are cannot be seen from here"),
        (Some("hidden"), _) => page.line("  whose the others are cannot be seen from here"),
        (_, []) => page.line("  no process holds them"),
        _ => {}
    }
}

/// The connections of the listeners, and who has them that has no listener.
fn followers(page: &mut Page<'_>, case: &Case<'_>, listeners: &[(usize, &Blocker)]) {
    let mut text = match case.followers.len() {
        0 => return,
        1 => "  and its connection".to_owned(),
        count => format!("  and its {count} connections"),
    };
    let owners = |index: &usize| case.report.owners(*index);
    let listening = listeners.iter().flat_map(|(index, _)| owners(index));
    let mut known: HashSet<u32> = listening.map(|owner| owner.holder.pid).collect();
    let others: Vec<String> = case
        .followers
        .iter()
        .flat_map(owners)
        .filter(|owner| known.insert(owner.holder.pid))
        .map(mark)
        .collect();
    let some = others.iter().take(MOST_OWNERS).map(String::as_str);
    let some: Vec<&str> = some.collect();
    if !some.is_empty() {
        text += &format!(", held by {}", some.join(", "));
    }
    if let Some(more @ 1..) = others.len().checked_sub(MOST_OWNERS) {
        text += &format!(" and {more} more");
    }
    page.words(0, &text, 4);
}

fn socket(page: &mut Page<'_>, case: &Case<'_>, index: usize, blocker: &Blocker) {
    let Some(row) = case.report.sockets.get(index) else {
        return;
    };
    let mut text = format!("{} {}", row.socket.state.name(), local(row));
    if !row.ends.peer.is_none() {
        text += &format!(" to {}", peer(row));
    }
    match (row.user, row.uid()) {
        (Some(user), _) => text += &format!(", user {}", escape::terminal(user.as_bytes())),
        (None, Some(uid)) => text += &format!(", uid {uid}"),
        (None, None) => {}
    }
    match blocker.frees_in {
        Some(time) if row.socket.state == State::TimeWait => {
            text += &format!(", free in {}", seconds(time));
        }
        Some(time) => {
            text += &format!(", free in {} unless it becomes TIME-WAIT", seconds(time));
        }
        None if row.socket.state == State::TimeWait => text += ", free within 60 s",
        None => {}
    }
    page.indented("  ", &text);
}

/// Who has a socket; several of whom there is the same to say, as of workers, are told as one.
fn processes(page: &mut Page<'_>, case: &Case<'_>, index: usize, owners: &[Owner<'_>]) {
    let mut groups: Vec<(Vec<String>, String)> = Vec::new();
    let mut places: HashMap<(&[u8], String), usize> = HashMap::new();
    for owner in owners.iter().take(MOST_COMPARED) {
        let text = process(case, index, *owner);
        let new = groups.len();
        let place = *places
            .entry((&owner.process.comm, text.clone()))
            .or_insert(new);
        match groups.get_mut(place) {
            Some((marks, _)) => marks.push(mark(*owner)),
            None => groups.push((vec![mark(*owner)], text)),
        }
    }
    let lines = groups.iter().flat_map(|(marks, text)| {
        let together = match marks.len() {
            ..=MOST_ALIKE => 1,
            many => many,
        };
        { marks.chunks(together) }
            .map(move |marks| (marks.len(), format!("{}{text}", named_first(marks))))
    });
    let mut told = 0;
    for (count, line) in lines.take(MOST_OWNERS) {
        told += count;
        page.indented("    ", &line);
    }
    if let Some(more @ 1..) = owners.len().checked_sub(told) {
        page.line(&format!("    and {more} more"));
    }
    if case.report.may_have_more(index) {
        page.indented("    ", &unseen::others(case));
    }
    match case.report.sockets.get(index).map(|row| row.owners) {
        Some(Owners::Hidden | Owners::Unseen | Owners::Unasked) => {
            page.indented("    ", &unseen::holder(case, index));
        }
        Some(Owners::Unheld) => page.line("    held by no process"),
        Some(Owners::None | Owners::Known { .. }) | None => {}
    }
}

/// The first of several.
fn named_first(marks: &[String]) -> String {
    match marks.len().checked_sub(MOST_ALIKE) {
        Some(more @ 1..) => format!("{} and {more} more,", marks[..MOST_ALIKE].join(", ")),
        _ => marks.join(", "),
    }
}

/// What is said of a process behind its name.
fn process(case: &Case<'_>, index: usize, owner: Owner<'_>) -> String {
    let (pid, process) = (owner.holder.pid, owner.process);
    let mut text = format!(" fd {}", owner.holder.fd);
    if let Some(unit) = &process.unit {
        let word = match service(process) {
            Some(_) => "",
            None => "in ",
        };
        text += &format!(", {word}{}", escape::terminal(unit));
    }
    if let Some(parent) = case.report.parent(index, pid) {
        text += &format!(", child of {}", named(&parent.comm, parent.pid));
    }
    if let Some(lineage) = case.report.lineage(index, pid) {
        text += condition(lineage.condition);
        match &lineage.command_line {
            Some(words) if !words.is_empty() => {
                text += &format!(": {}", command_line(words));
            }
            _ if lineage.is_stuck => {
                text += ", seems to be stuck in the kernel: its command line cannot be read";
            }
            Some(_) | None => {}
        }
    }
    text
}

/// What keeps a process from ending.
const fn condition(condition: Condition) -> &'static str {
    match condition {
        Condition::Usual => "",
        Condition::Stopped => ", is stopped (Ctrl-Z)",
        Condition::Traced => ", is stopped by a debugger",
        Condition::Uninterruptible => ", waits in the kernel",
        Condition::LeaderEnded => ", has ended but for some of its threads",
    }
}

/// A command line as it could be typed, up to a length.
fn command_line(words: &[Vec<u8>]) -> String {
    let mut text = match words {
        // A title, with blanks of its own.
        [title] => escape::terminal(title),
        _ => shell::words(words.iter().map(Vec::as_slice)),
    };
    if let Some((end, _)) = text.char_indices().nth(MOST_OF_COMMAND) {
        text.truncate(end);
        text += " ...";
    }
    text
}
