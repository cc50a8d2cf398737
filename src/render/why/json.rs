//! The answers as one document.

use std::collections::HashSet;

use super::case::{Case, Overview, source};
use super::{PortContext, Probe, WhyReport, around, causes, fixes, words};
use crate::analyze::why::{Answer, Operation, Outcome};
use crate::model::{Errno, InetRow, Owner, PortClass};
use crate::render::address::push_addr;
use crate::render::ephemeral::push_pool_json;
use crate::render::escape::push_json;
use crate::render::json::{JsonFields, push_optional, push_optional_number, row};

/// Appends the document.
pub fn json(out: &mut Vec<u8>, report: &WhyReport<'_>) {
    report.document.open(out);
    out.extend_from_slice(b",\n\"port\":");
    push_port(out, report);
    out.extend_from_slice(b",\n\"answers\":[");
    for (index, (answer, probe)) in report.answers.iter().enumerate() {
        out.extend_from_slice(if index > 0 { b",\n" } else { b"\n" });
        push_answer(out, report, answer, probe.as_ref());
    }
    out.extend_from_slice(b"]}\n");
}

fn push_answer(out: &mut Vec<u8>, report: &WhyReport<'_>, answer: &Answer, probe: Option<&Probe>) {
    out.extend_from_slice(b"{\"query\":");
    push_query(out, report, answer);
    push_text(out, "verdict", Some(answer.outcome.name()));
    push_text(out, "errno", answer.errno.and_then(Errno::name));
    let certainty = match answer.assumptions[..] {
        [] => "exact",
        _ => "assumed",
    };
    push_text(out, "certainty", Some(certainty));
    let assumptions = answer.assumptions.iter();
    let assumptions = assumptions.map(|one| words::assumption(report, *one));
    push_texts(out, "assumptions", assumptions);
    out.extend_from_slice(b",\n\"blockers\":[");
    let overview = Overview::new(report, answer);
    for (index, blocker) in report.shown(&answer.blockers).enumerate() {
        if index > 0 {
            out.extend_from_slice(b",\n");
        }
        push_blocker(out, report, &Case::one(report, answer, blocker, overview));
    }
    out.extend(format!("],\"blockers_total\":{}", answer.blockers.len()).bytes());
    push_processes(out, report, answer);
    let reusing = answer.with_reuse_address.and_then(|outcome| match outcome {
        Outcome::Free | Outcome::Blocked => Some(outcome.name()),
        Outcome::Unknown => None,
    });
    push_text(out, "with_reuseaddr", reusing);
    let notes = answer.notes.iter().map(|note| words::note(report, note));
    push_texts(out, "notes", notes.chain(around::surroundings(report)));
    out.extend_from_slice(b",\"probe\":");
    push_probe(out, probe);
    out.push(b'}');
}

fn push_query(out: &mut Vec<u8>, report: &WhyReport<'_>, answer: &Answer) {
    let query = &answer.query;
    let (operation, destination, binds_first) = match query.operation {
        Operation::Bind => ("bind", None, None),
        Operation::Connect {
            destination,
            binds_first,
        } => ("connect", Some(destination), Some(binds_first)),
    };
    out.extend(format!("{{\"op\":\"{operation}\",\"proto\":\"{}\"", query.protocol).bytes());
    push_addr_or_null(out, "addr", source(report.machine, query));
    out.extend(format!(",\"port\":{}", query.port).bytes());
    push_addr_or_null(out, "dst", destination.map(|end| end.addr));
    out.extend_from_slice(b",\"dport\":");
    push_optional_number(out, destination.map(|end| end.port));
    let flags = [
        ("reuseaddr", Some(query.reuse_address)),
        ("reuseport", Some(query.reuse_port)),
        ("v6only", query.is_ipv6().then_some(query.v6only)),
        ("free_bind", Some(query.free_bind)),
        ("binds_first", binds_first),
    ];
    for (name, flag) in flags {
        let flag = flag.map_or("null", |flag| if flag { "true" } else { "false" });
        out.extend(format!(",\"{name}\":{flag}").bytes());
    }
    push_text(out, "dev", report.device.as_deref());
    out.extend(format!(",\"uid\":{}", query.user.uid).bytes());
    push_text(out, "user", report.user.as_deref());
    out.push(b'}');
}

fn push_addr_or_null(out: &mut Vec<u8>, name: &str, addr: Option<std::net::IpAddr>) {
    out.extend(format!(",\"{name}\":").bytes());
    match addr {
        None => out.extend_from_slice(b"null"),
        Some(addr) => {
            out.push(b'"');
            push_addr(out, addr);
            out.push(b'"');
        }
    }
}

fn push_blocker(out: &mut Vec<u8>, report: &WhyReport<'_>, case: &Case<'_>) {
    let [blocker] = case.blockers[..] else {
        return;
    };
    out.extend(format!("{{\"cause\":\"{}\",\"socket\":", blocker.cause.name()).bytes());
    let socket = blocker.socket.and_then(|index| report.sockets.get(index));
    match socket {
        None => out.extend_from_slice(b"null"),
        Some(socket) => row(out, socket, report.fields()),
    }
    out.extend_from_slice(b",\"pool\":");
    match case.pool().zip(case.pool_notes()) {
        Some((pool, notes)) => push_pool_json(out, pool, notes, report.entrance.as_ref()),
        None => out.extend_from_slice(b"null"),
    }
    push_text(out, "explanation", Some(&causes::explanation(case)));
    out.extend_from_slice(b",\"frees_in_ms\":");
    push_optional_number(out, blocker.frees_in.map(|time| time.as_millis() as u64));
    out.extend_from_slice(b",\"fixes\":[");
    for (index, (text, command)) in fixes::advice(case).iter().enumerate() {
        out.extend_from_slice(if index > 0 { b",{" } else { b"{" });
        out.extend_from_slice(b"\"text\":");
        push_json(out, text.as_bytes());
        push_text(out, "command", command.as_deref());
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
}

/// Every process that has something in the way, once.
fn push_processes(out: &mut Vec<u8>, report: &WhyReport<'_>, answer: &Answer) {
    out.extend_from_slice(b",\n\"processes\":[");
    let mut told = HashSet::new();
    for index in answer.blockers.iter().filter_map(|one| one.socket) {
        for owner in report.owners(index) {
            if told.insert(owner.holder.pid) {
                if told.len() > 1 {
                    out.push(b',');
                }
                push_process(out, report, index, owner);
            }
        }
    }
    out.push(b']');
}

fn push_process(out: &mut Vec<u8>, report: &WhyReport<'_>, index: usize, owner: Owner<'_>) {
    let pid = owner.holder.pid;
    out.extend(format!("{{\"pid\":{pid},\"comm\":").bytes());
    push_json(out, &owner.process.comm);
    out.extend_from_slice(b",\"cmdline\":");
    let lineage = report.lineage(index, pid);
    match lineage.and_then(|lineage| lineage.command_line.as_ref()) {
        None => out.extend_from_slice(b"null"),
        Some(words) => {
            out.push(b'[');
            for (position, word) in words.iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                push_json(out, word);
            }
            out.push(b']');
        }
    }
    out.extend_from_slice(b",\"unit\":");
    push_optional(out, owner.process.unit.as_deref());
    out.extend_from_slice(b",\"parent\":");
    match report.parent(index, pid) {
        None => out.extend_from_slice(b"null"),
        Some(parent) => {
            out.extend(format!("{{\"pid\":{},\"comm\":", parent.pid).bytes());
            push_json(out, &parent.comm);
            out.push(b'}');
        }
    }
    out.push(b'}');
}

fn push_port(out: &mut Vec<u8>, report: &WhyReport<'_>) {
    let Some(port) = &report.port else {
        out.extend_from_slice(b"null");
        return;
    };
    let PortContext {
        port: number,
        protocol,
        is_own,
        service,
        description,
        range,
        reserved,
    } = *port;
    out.extend(format!("{{\"port\":{number},\"proto\":\"{protocol}\"").bytes());
    push_text(out, "service", service);
    push_text(out, "description", description);
    push_text(out, "class", Some(PortClass::of(number).name()));
    let own = |flag: bool| match (is_own, flag) {
        (false, _) => "null",
        (true, true) => "true",
        (true, false) => "false",
    };
    let ephemeral = range.map_or("null", |range| own(range.contains(number)));
    out.extend(format!(",\"ephemeral\":{ephemeral},\"reserved\":{}", own(reserved)).bytes());
    out.extend_from_slice(b",\"range\":");
    match range {
        None => out.extend_from_slice(b"null"),
        Some(range) => {
            let (first, last) = (range.first(), range.last());
            out.extend(format!("{{\"first\":{first},\"last\":{last}}}").bytes());
        }
    }
    out.extend_from_slice(b",\"listeners\":[");
    let listens = |(_, one): &(usize, &InetRow<'_>)| {
        is_own && one.socket.is_listening() && one.ends.local.port == number
    };
    let sockets = report.sockets.iter().enumerate();
    let listeners: Vec<usize> = sockets.filter(listens).map(|(index, _)| index).collect();
    let shown = report.shown_sockets(&listeners).into_iter();
    for (position, listener) in shown
        .flat_map(|index| report.sockets.get(index))
        .enumerate()
    {
        if position > 0 {
            out.push(b',');
        }
        row(out, listener, report.fields());
    }
    out.extend(format!("],\"listeners_total\":{}}}", listeners.len()).bytes());
}

fn push_probe(out: &mut Vec<u8>, probe: Option<&Probe>) {
    let Some(probe) = probe else {
        out.extend_from_slice(b"null");
        return;
    };
    let said = |out: &mut Vec<u8>, name: &str, said: Option<&Result<(), Errno>>| {
        let verdict = said.map(|said| match said {
            Ok(()) => Outcome::Free.name(),
            Err(_) => Outcome::Blocked.name(),
        });
        push_text(out, name, verdict);
    };
    let errno = |said: &Result<(), Errno>| said.err().map(|errno| errno.to_string());
    out.extend_from_slice(b"{\"text\":");
    push_json(out, words::probe(probe).as_bytes());
    match probe {
        Probe::Unavailable(_) => {
            push_text(out, "foretold", None);
            said(out, "verdict", None);
            push_text(out, "errno", None);
            said(out, "with_reuseaddr", None);
            out.extend_from_slice(b",\"agrees\":null}");
        }
        Probe::Asked {
            call: _,
            said: plain,
            with_reuse_address,
            foretold,
            agrees,
        } => {
            push_text(out, "foretold", Some(foretold.name()));
            said(out, "verdict", Some(plain));
            push_text(out, "errno", errno(plain).as_deref());
            said(out, "with_reuseaddr", with_reuse_address.as_ref());
            out.extend(format!(",\"agrees\":{agrees}}}").bytes());
        }
    }
}

/// Appends `,"name":"text"`, or null.
fn push_text(out: &mut Vec<u8>, name: &str, text: Option<&str>) {
    out.extend(format!(",\"{name}\":").bytes());
    push_optional(out, text.map(str::as_bytes));
}

fn push_texts(out: &mut Vec<u8>, name: &str, texts: impl Iterator<Item = String>) {
    out.extend(format!(",\"{name}\":[").bytes());
    for (index, text) in texts.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push_json(out, text.as_bytes());
    }
    out.push(b']');
}

impl WhyReport<'_> {
    fn fields(&self) -> JsonFields {
        JsonFields {
            netns: self.netns,
            ..JsonFields::default()
        }
    }
}
