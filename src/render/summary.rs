//! Counts per protocol, family and state (`-s`).

use std::io::Write;

use super::columns::Column;
use super::json::{Document, push_verdict};
use super::paint::Paint;
use super::verdict::verdict_line;
use crate::analyze::{Summary, Verdict};
use crate::model::{Family, Protocol, State, Table};

/// Appends the counts for a person: a line for each protocol and state, families side by side.
/// Only `tables` were read; of others nothing is claimed.
pub fn summary_text(
    out: &mut Vec<u8>,
    summary: &Summary,
    tables: &[Table],
    verdict: Option<&Verdict>,
    header: bool,
    paint: Paint,
) {
    let names = tables.iter().map(|table| table.protocol.name().len());
    let width = names.fold(5, usize::max);
    if header {
        let title = format!(
            "{:<width$} {:<11} {:>9} {:>9} {:>9}",
            "PROTO", "STATE", "IPV4", "IPV6", "TOTAL"
        );
        paint.faint(out, &title);
        out.push(b'\n');
    }
    for protocol in Protocol::EVERY {
        let is_read = |family| tables.contains(&Table { protocol, family });
        if !protocol.families().iter().copied().any(is_read) {
            continue;
        }
        let mut line = |state: Option<State>| {
            let count = |family| match state {
                Some(state) => summary.count(protocol, family, state),
                None => summary.total(protocol, Some(family)),
            };
            let [v4, v6] = Family::IP.map(|family| match is_read(family) {
                true => count(family).to_string(),
                false => "-".to_owned(),
            });
            let total: u64 = protocol.families().iter().copied().map(count).sum();
            let name = state.map_or("total".into(), State::name);
            // Writing to memory does not fail.
            let _ = writeln!(
                out,
                "{:<width$} {name:<11} {v4:>9} {v6:>9} {total:>9}",
                protocol.name()
            );
        };
        line(None);
        for (state, _) in summary.states(protocol) {
            line(Some(state));
        }
    }
    if let Some(verdict) = verdict {
        verdict_line(out, verdict, paint);
    }
}

/// Appends the counts as a document.
pub fn summary_json(
    out: &mut Vec<u8>,
    document: &Document,
    summary: &Summary,
    verdict: Option<&Verdict>,
) {
    document.open(out);
    out.extend_from_slice(b",\n\"ephemeral\":");
    push_verdict(out, verdict);
    out.extend_from_slice(b",\n\"counts\":[");
    for (index, object) in objects(summary).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend(object.bytes());
    }
    out.extend_from_slice(b"]}\n");
}

/// Appends the counts, an object a line.
pub fn summary_jsonl(out: &mut Vec<u8>, summary: &Summary) {
    for object in objects(summary) {
        out.extend(object.bytes());
        out.push(b'\n');
    }
}

/// Appends the counts as RFC 4180.
pub fn summary_csv(out: &mut Vec<u8>, summary: &Summary, header: bool) {
    if header {
        let names = [Column::Proto, Column::Family, Column::State].map(Column::name);
        out.extend(format!("{},count\r\n", names.join(",")).bytes());
    }
    for (table, state, count) in summary.iter() {
        let (proto, family) = (table.protocol.name(), table.family.name());
        out.extend(format!("{proto},{family},{},{count}\r\n", state.name()).bytes());
    }
}

fn objects(summary: &Summary) -> impl Iterator<Item = String> {
    summary.iter().map(|(table, state, count)| {
        format!(
            "{{\"proto\":\"{}\",\"family\":\"{}\",\"state\":\"{}\",\"count\":{count}}}",
            table.protocol.name(),
            table.family.name(),
            state.name()
        )
    })
}
