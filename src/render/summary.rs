//! Counts per protocol, family and state (`-s`).

use std::io::Write;

use super::columns::Column;
use super::csv::push_field;
use super::escape::terminal;
use super::json::{Document, push_namespace, push_verdict};
use super::paint::Paint;
use super::verdict::verdict_line;
use crate::analyze::{Summary, Verdict};
use crate::model::{Family, Namespace, Protocol, State, Table};

/// Counts, of a network namespace where there are several.
pub type NamespaceCounts = (Option<Namespace>, Summary);

/// Appends the counts for a person: a line for each protocol and state, families side by side; of
/// several network namespaces one after the other, the name at the end of the line.
/// Only `tables` were read; of others nothing is claimed.
pub fn summary_text(
    out: &mut Vec<u8>,
    counts: &[NamespaceCounts],
    tables: &[Table],
    verdict: Option<&Verdict>,
    header: bool,
    paint: Paint,
) {
    let is_one = counts.iter().all(|(namespace, _)| namespace.is_none());
    let names = tables.iter().map(|table| table.protocol.name().len());
    let width = names.fold(5, usize::max);
    if header {
        let title = format!(
            "{:<width$} {:<11} {:>9} {:>9} {:>9}{}",
            "PROTO",
            "STATE",
            "IPV4",
            "IPV6",
            "TOTAL",
            if is_one { "" } else { "  NETNS" }
        );
        paint.faint(out, &title);
        out.push(b'\n');
    }
    for (namespace, summary) in counts {
        let label = namespace.as_ref().map(Namespace::label);
        let label = label.map(|label| format!("  {}", terminal(&label)));
        lines(out, summary, tables, width, label.as_deref().unwrap_or(""));
    }
    if let Some(verdict) = verdict {
        verdict_line(out, verdict, paint);
    }
}

/// The lines of one network namespace, which end in its `label`.
fn lines(out: &mut Vec<u8>, summary: &Summary, tables: &[Table], width: usize, label: &str) {
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
                "{:<width$} {name:<11} {v4:>9} {v6:>9} {total:>9}{label}",
                protocol.name()
            );
        };
        line(None);
        for (state, _) in summary.states(protocol) {
            line(Some(state));
        }
    }
}

/// Appends the counts as a document.
pub fn summary_json(
    out: &mut Vec<u8>,
    document: &Document,
    counts: &[NamespaceCounts],
    verdict: Option<&Verdict>,
) {
    document.open(out);
    out.extend_from_slice(b",\n\"ephemeral\":");
    push_verdict(out, verdict);
    out.extend_from_slice(b",\n\"counts\":[");
    for (index, object) in objects(counts).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend(object);
    }
    out.extend_from_slice(b"]}\n");
}

/// Appends the counts, an object a line.
pub fn summary_jsonl(out: &mut Vec<u8>, counts: &[NamespaceCounts]) {
    for object in objects(counts) {
        out.extend(object);
        out.push(b'\n');
    }
}

/// Appends the counts as RFC 4180; of several network namespaces with their names.
pub fn summary_csv(out: &mut Vec<u8>, counts: &[NamespaceCounts], header: bool) {
    let is_one = counts.iter().all(|(namespace, _)| namespace.is_none());
    if header {
        let names = [Column::Proto, Column::Family, Column::State].map(Column::name);
        let netns = if is_one { "" } else { ",netns" };
        out.extend(format!("{},count{netns}\r\n", names.join(",")).bytes());
    }
    for (namespace, summary) in counts {
        for (table, state, count) in summary.iter() {
            let (proto, family) = (table.protocol.name(), table.family.name());
            out.extend(format!("{proto},{family},{},{count}", state.name()).bytes());
            if let Some(namespace) = namespace {
                out.push(b',');
                push_field(out, terminal(&namespace.label()).to_string().as_bytes());
            }
            out.extend_from_slice(b"\r\n");
        }
    }
}

fn objects(counts: &[NamespaceCounts]) -> impl Iterator<Item = Vec<u8>> {
    counts.iter().flat_map(|(namespace, summary)| {
        summary.iter().map(move |(table, state, count)| {
            let mut object = format!(
                "{{\"proto\":\"{}\",\"family\":\"{}\",\"state\":\"{}\",\"count\":{count}",
                table.protocol.name(),
                table.family.name(),
                state.name()
            )
            .into_bytes();
            if let Some(namespace) = namespace {
                object.extend_from_slice(b",\"netns\":");
                push_namespace(&mut object, Some(namespace), None);
            }
            object.push(b'}');
            object
        })
    })
}
