//! What stands behind the addresses of a row, as ss has it.

use super::super::address::push_number;
use super::super::clock::push_timer;
use super::super::extended::{push_identity, push_shutdown};
use super::super::info::{self, InfoOptions};
use super::super::{ends, escape};
use super::PlainOptions;
use crate::model::{Details, Owners, Protocol, Row};

/// ` users:(("name",pid=1,fd=3),…)`, as ss has it.
///
/// `=` in a name is escaped too: scripts look for `pid=` without reading the quotes.
pub(super) fn push_owners(out: &mut Vec<u8>, row: &Row<'_>) {
    let owners = &row.owners;
    match owners {
        // Its ends tell that it is the kernel's own, as ss has it.
        Owners::Unheld if row.socket.is_kernels() => return,
        Owners::Unasked | Owners::None => return,
        Owners::Hidden => return out.extend_from_slice(b" users:(hidden)"),
        Owners::Unseen => return out.extend_from_slice(b" users:(unseen)"),
        Owners::Unheld => return out.extend_from_slice(b" users:(unheld)"),
        Owners::Known { .. } => {}
    }
    out.extend_from_slice(b" users:(");
    for (index, owner) in owners.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"(\"");
        escape::push_without(out, &owner.process.comm, b"=");
        out.extend_from_slice(b"\",pid=");
        push_number(out, owner.holder.pid);
        out.extend_from_slice(b",fd=");
        push_number(out, owner.holder.fd);
        out.push(b')');
    }
    out.push(b')');
}

/// ` timer:(keepalive,119min,0)`, as ss has it.
pub(super) fn push_timer_field(out: &mut Vec<u8>, row: &Row<'_>) {
    let Some(timer) = row.socket.timer else {
        return;
    };
    out.extend_from_slice(b" timer:(");
    out.extend_from_slice(timer.kind.name().as_bytes());
    out.push(b',');
    push_timer(out, timer.expires_ms);
    out.push(b',');
    push_number(out, timer.retransmits);
    out.push(b')');
}

/// ` netns:blue`, where there are several.
fn push_namespace(out: &mut Vec<u8>, row: &Row<'_>, options: &PlainOptions) {
    if let Some(namespace) = row.namespace.filter(|_| options.namespaces) {
        out.extend_from_slice(b" netns:");
        escape::push_word(out, &namespace.label());
    }
}

/// What is asked for of the details, as ss has it; of UDP there is no account of TCP.
pub(super) fn push_details(out: &mut Vec<u8>, row: &Row<'_>, options: &PlainOptions) {
    if row.socket.inet().is_none() {
        let mut text = Vec::new();
        ends::push_ss_details(&mut text, row, options.details, options.oneline);
        let line_end = text.iter().position(|&byte| byte == b'\n');
        let (line, rest) = text.split_at(line_end.unwrap_or(text.len()));
        out.extend_from_slice(line);
        push_namespace(out, row, options);
        return out.extend_from_slice(rest);
    }
    let asked = options.details;
    let none = Details::default();
    let details = row.details.unwrap_or(&none);
    if asked.extended {
        push_extended(out, row, details);
    }
    if asked.tos {
        push_tos(out, details);
    }
    push_namespace(out, row, options);
    let is_tcp = row.socket.protocol == Protocol::Tcp;
    if !(asked.memory || asked.info && is_tcp) {
        return;
    }
    let line_end = out.len();
    if !options.oneline {
        out.extend_from_slice(b"\n\t");
    }
    let start = out.len();
    if let Some(memory) = details.memory.as_ref().filter(|_| asked.memory) {
        info::push_memory(out, memory);
    }
    if let Some(tcp) = details.tcp.as_ref().filter(|_| asked.info) {
        let options = InfoOptions {
            options: options.timers,
            numeric: options.numeric,
        };
        info::push_tcp(out, tcp, row.socket.state, options);
    }
    // The line stays, as scripts count on it; no line ends in a blank.
    if out.len() == start {
        out.truncate((line_end + 1).min(start));
    }
}

/// ` tos:0x10 tclass:0 class_id:0`, as ss has it.
fn push_tos(out: &mut Vec<u8>, details: &Details) {
    for (word, number) in [
        (" tos:", details.tos.map(u32::from)),
        (" tclass:", details.traffic_class.map(u32::from)),
        (" class_id:", details.class_id),
    ] {
        match number {
            // C's `%#x` has no prefix for zero.
            Some(0) => out.extend(format!("{word}0").bytes()),
            Some(number) => out.extend(format!("{word}{number:#x}").bytes()),
            None => {}
        }
    }
}

/// ` uid:33 ino:4242 sk:1001 cgroup:/x v6only:1 <->`, as ss has it.
fn push_extended(out: &mut Vec<u8>, row: &Row<'_>, details: &Details) {
    let socket = row.socket;
    push_identity(out, row);
    if let Some(mark) = details.mark.filter(|&mark| mark != 0) {
        out.extend(format!(" fwmark:{mark:#x}").bytes());
    }
    match (row.cgroup, details.cgroup) {
        (Some(path), _) => {
            out.extend_from_slice(b" cgroup:");
            escape::push_word(out, path);
        }
        (None, Some(id)) if id != 0 => {
            out.extend(format!(" cgroup:unreachable:{id:x}").bytes());
        }
        _ => {}
    }
    if let Some(v6only) = socket.v6only {
        out.extend_from_slice(b" v6only:");
        push_number(out, u8::from(v6only));
    }
    push_shutdown(out, details.shutdown);
}
