//! The answer for people. The verdict is in the first line; then come the evidence and what to do.

use std::collections::{BTreeSet, HashSet};

use super::case::{Case, asked};
use super::evidence::evidence;
use super::fixes::Advice;
use super::{PortContext, WhyReport, around, causes, fixes, words};
use crate::analyze::Severity;
use crate::analyze::why::{Answer, Assumption, Blocker, Cause, Fix, Operation, Outcome};
use crate::model::{PortClass, Protocol};
use crate::render::escape;
use crate::render::page::Page;
use crate::render::paint::Paint;

/// Listeners named in the last line.
const MOST_LISTENERS: usize = 3;

/// Appends the answer, for a terminal of so many columns.
pub fn human(out: &mut Vec<u8>, report: &WhyReport<'_>, paint: Paint, width: Option<u16>) {
    let sections = sections(report);
    let mut told = Told::default();
    for (index, section) in sections.iter().enumerate() {
        if index > 0 {
            // The first line has told of it.
            if section.answer.outcome == Outcome::Free {
                continue;
            }
            out.push(b'\n');
        }
        let rest = match index {
            0 => &sections[1..],
            _ => &[],
        };
        first_line(out, report, section, rest, paint, width);
        body(&mut Page::new(out, width), section, &mut told, paint);
    }
    let mut page = Page::new(out, width);
    let first = { sections.first() }.and_then(Section::doubt);
    remarks(&mut page, report, first);
    if let Some(port) = &report.port {
        page.line("");
        page.words(0, &context(report, port), 2);
    }
}

/// What was told already: sockets and advice, each once.
#[derive(Default)]
struct Told {
    sockets: HashSet<usize>,
    advice: HashSet<Advice>,
}

/// An answer, and others that say the same.
struct Section<'r> {
    answer: &'r Answer,
    alike: Vec<&'r Answer>,
    cases: Vec<Case<'r>>,
}

/// The answers, the bad news first; those with the same in the way are told as one.
fn sections<'r>(report: &'r WhyReport<'r>) -> Vec<Section<'r>> {
    let mut sections: Vec<Section<'r>> = Vec::new();
    for (answer, _) in &report.answers {
        let is_same = |one: &&mut Section<'_>| is_alike(report, one.answer, answer);
        match sections.iter_mut().find(is_same) {
            Some(section) => section.add(report, answer),
            None => sections.push(Section {
                answer,
                alike: Vec::new(),
                cases: Case::all(report, answer),
            }),
        }
    }
    sections.sort_by_key(|section| match section.answer.outcome {
        Outcome::Blocked => 0,
        Outcome::Unknown => 1,
        Outcome::Free => 2,
    });
    sections
}

impl<'r> Section<'r> {
    /// What was assumed that leaves the answer open, where nothing is in the way.
    fn doubt(&self) -> Option<Assumption> {
        let is_open = self.answer.outcome == Outcome::Unknown && self.cases.is_empty();
        self.answer.assumptions.first().filter(|_| is_open).copied()
    }

    /// Adds an answer that says the same, with the sockets that are in its way alone.
    fn add(&mut self, report: &'r WhyReport<'r>, answer: &'r Answer) {
        self.alike.push(answer);
        let sockets = self.cases.iter().flat_map(Case::sockets);
        let known: HashSet<usize> = sockets.collect();
        for mut case in Case::all(report, answer) {
            let is_new = |one: &&Blocker| one.socket.is_some_and(|index| !known.contains(&index));
            case.blockers.retain(is_new);
            if case.blockers.is_empty() {
                continue;
            }
            match self.cases.iter_mut().find(|one| one.cause == case.cause) {
                Some(one) => one.blockers.extend(case.blockers),
                None => self.cases.push(case),
            }
        }
    }
}

fn is_alike(report: &WhyReport<'_>, one: &Answer, other: &Answer) -> bool {
    // A socket is in the way of both wildcards for other causes.
    let key = |blocker: &Blocker| match blocker.socket {
        Some(socket) => (Some(socket), None),
        None => (None, Some(blocker.cause)),
    };
    let keys = |answer: &Answer| answer.blockers.iter().map(key).collect::<Vec<_>>();
    let processes = |answer| servers(report, answer);
    let have_same = || {
        processes(one).is_some_and(|all| Some(all) == processes(other))
            && one.with_reuse_address == other.with_reuse_address
    };
    one.outcome == other.outcome
        && one.errno == other.errno
        && (keys(one) == keys(other) || have_same())
}

/// The processes of each server in the way, as of one that has a socket for each family. `None`
/// where something else is.
fn servers(report: &WhyReport<'_>, answer: &Answer) -> Option<BTreeSet<Vec<u32>>> {
    // What asks for nothing of its own goes with another.
    let own = { answer.blockers.iter() }.filter(|blocker| !blocker.fixes.is_empty());
    let mut servers = BTreeSet::new();
    for blocker in own {
        let is_server = matches!(
            blocker.cause,
            Cause::Listener
                | Cause::DualStackListener
                | Cause::ReuseportGroup
                | Cause::BoundNotListening
                | Cause::InheritedByChild
                | Cause::UdpSocket
        );
        let owners = report.owners(blocker.socket.filter(|_| is_server)?);
        let pids: Vec<u32> = owners.iter().map(|owner| owner.holder.pid).collect();
        if pids.is_empty() {
            return None;
        }
        servers.insert(pids);
    }
    Some(servers)
}

/// The verdict, with that of others in a few words.
fn first_line(
    out: &mut Vec<u8>,
    report: &WhyReport<'_>,
    section: &Section<'_>,
    rest: &[Section<'_>],
    paint: Paint,
    width: Option<u16>,
) {
    let answer = section.answer;
    let verdict = words::verdict(report, answer);
    let severity = match answer.outcome {
        Outcome::Free => Severity::Ok,
        Outcome::Blocked => Severity::Critical,
        Outcome::Unknown => Severity::Warning,
    };
    paint.severe(out, severity, &verdict);
    let mut text = match (answer.outcome, section.cases.first()) {
        (Outcome::Blocked, Some(first)) => format!(": {}", causes::headline(first)),
        (Outcome::Unknown, Some(first)) => {
            let can_be_probed =
                { first.blockers.iter() }.any(|one| one.fixes.contains(&Fix::Probe));
            format!(
                ": {}; it is free if the server had SO_REUSEADDR, which could not be read{}",
                causes::headline(first),
                if can_be_probed {
                    " (--probe tells)"
                } else {
                    ""
                }
            )
        }
        (Outcome::Unknown, None) => match section.doubt() {
            Some(first) => format!(": {}", words::assumption(report, first)),
            None => String::new(),
        },
        _ => String::new(),
    };
    if section.cases.len() > 1 {
        text += " (and more is in the way)";
    }
    for other in &section.alike {
        let alike = match answer.outcome {
            Outcome::Unknown => "the same goes for",
            Outcome::Free | Outcome::Blocked => "so is",
        };
        text += &format!("; {alike} {}", asked(report.machine, &other.query));
    }
    for other in rest {
        let others = other.alike.iter().copied();
        for answer in [other.answer].into_iter().chain(others) {
            text += &format!("; {}", words::verdict(report, answer));
        }
    }
    Page::new(out, width).words(verdict.len(), &text, 2);
}

fn body(page: &mut Page<'_>, section: &Section<'_>, told: &mut Told, paint: Paint) {
    for (index, case) in section.cases.iter().enumerate() {
        page.line("");
        let reason = causes::reason(case);
        let mut text = match index {
            0 => consequences(section.answer),
            _ => format!("Also in the way: {}.", causes::headline(case)),
        };
        if !reason.is_empty() {
            text = format!("{text} {reason}");
        }
        page.words(0, text.trim_start(), 0);
        evidence(page, case, &mut told.sockets);
        what_to_do(page, case, &mut told.advice, paint);
    }
    if section.cases.is_empty() && section.answer.outcome == Outcome::Blocked {
        page.words(0, &consequences(section.answer), 0);
    }
    if let Operation::Connect { destination, .. } = section.answer.query.operation
        && section.answer.outcome == Outcome::Free
    {
        page.line("");
        let text = format!(
            "A local port is available. Whether {} answers was not asked.",
            destination.addr
        );
        page.words(0, &text, 0);
    }
}

/// What the kernel will say, and whether SO_REUSEADDR changes that.
fn consequences(answer: &Answer) -> String {
    let Some(errno) = answer.errno else {
        return String::new();
    };
    let what = match answer.query.operation {
        Operation::Bind => "bind",
        Operation::Connect { .. } => "connect",
    };
    let mut text = format!("{what} fails with {errno}");
    match answer.with_reuse_address {
        Some(Outcome::Free) => text += "; with SO_REUSEADDR it would succeed",
        Some(Outcome::Blocked) => text += ", with SO_REUSEADDR too",
        Some(Outcome::Unknown) | None => {}
    }
    text.push('.');
    text
}

fn what_to_do(page: &mut Page<'_>, case: &Case<'_>, told: &mut HashSet<Advice>, paint: Paint) {
    let mut advice = fixes::advice(case);
    advice.retain(|one| told.insert(one.clone()));
    if advice.is_empty() {
        return;
    }
    page.line("");
    paint.heading(page.out, "what to do:");
    page.line("");
    for (number, (text, command)) in (1..).zip(&advice) {
        let number = format!("  {number}. ");
        page.out.extend_from_slice(number.as_bytes());
        page.words(number.len(), text, number.len());
        if let Some(command) = command {
            page.line(&format!("       {command}"));
        }
    }
}

/// What was assumed, but for what the first line has told; what is worth knowing, what the kernel
/// said: each once.
fn remarks(page: &mut Page<'_>, report: &WhyReport<'_>, doubt: Option<Assumption>) {
    let mut told: Vec<String> = Vec::new();
    let mut tell = |page: &mut Page<'_>, text: String| {
        if !told.contains(&text) {
            if told.is_empty() {
                page.line("");
            }
            page.words(0, &text, 2);
            told.push(text);
        }
    };
    for (answer, probe) in &report.answers {
        let assumptions = answer.assumptions.iter();
        for assumption in assumptions.filter(|one| Some(**one) != doubt) {
            let text = words::assumption(report, *assumption);
            tell(page, format!("assumed: {text}"));
        }
        if let Some(probe) = probe {
            let text = words::probe(probe);
            tell(
                page,
                format!("probe of {}: {text}", asked(report.machine, &answer.query)),
            );
        }
    }
    let notes = report.answers.iter().flat_map(|(answer, _)| &answer.notes);
    for note in notes {
        tell(page, format!("note: {}", words::note(report, note)));
    }
    for text in around::surroundings(report) {
        tell(page, format!("note: {text}"));
    }
}

/// What the port is, and who listens on it.
fn context(report: &WhyReport<'_>, port: &PortContext<'_>) -> String {
    let mut text = format!("{}/{}", port.port, port.protocol);
    match (port.service, port.description) {
        (Some(name), Some(what)) => {
            text += &format!(" is {} ({what})", escape::terminal(name.as_bytes()));
        }
        (Some(name), None) => text += &format!(" is {}", escape::terminal(name.as_bytes())),
        (None, Some(what)) => text += &format!(" is known for: {what}"),
        (None, None) => text += " has no name",
    }
    text += &format!("; {} port", class(port.port));
    if !port.is_own {
        return text;
    }
    if let Some(range) = port.range {
        let (first, last) = (range.first(), range.last());
        let inside = if range.contains(port.port) {
            "in"
        } else {
            "outside"
        };
        text += &format!(", {inside} the ephemeral range {first}-{last}");
    }
    if port.reserved {
        text += ", reserved";
    }
    text + &listeners(report, port)
}

fn class(port: u16) -> &'static str {
    match PortClass::of(port) {
        PortClass::System => "a system",
        PortClass::Registered => "a registered",
        PortClass::Dynamic => "a dynamic",
    }
}

fn listeners(report: &WhyReport<'_>, port: &PortContext<'_>) -> String {
    let mut known = HashSet::new();
    let mut names: Vec<String> = Vec::new();
    for (index, row) in report.sockets.iter().enumerate() {
        if row.socket.is_listening() && row.ends.local.port == port.port {
            let name = format!("{} on {}", report.subject(index).text, row.ends.local.addr);
            if known.insert(name.clone()) {
                names.push(name);
            }
        }
    }
    if names.is_empty() {
        return match port.protocol {
            Protocol::Tcp => "; nobody listens on it".to_owned(),
            _ => "; nobody has it".to_owned(),
        };
    }
    let more = names.len().saturating_sub(MOST_LISTENERS);
    names.truncate(MOST_LISTENERS);
    let more = match more {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let what = match port.protocol {
        Protocol::Tcp => "listening",
        _ => "in use by",
    };
    format!("; {what}: {}{more}", names.join(", "))
}
