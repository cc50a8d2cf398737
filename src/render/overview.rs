//! The overview: who listens, how many sockets are in which state, how the ephemeral ports stand.

use super::paint::Paint;
use super::table::{TableOptions, table};
use super::verdict::verdict_line;
use crate::analyze::{Summary, Verdict};
use crate::model::{Protocol, Row, State, Table};

/// Appends the overview. `listeners` are all sockets of the LISTEN group, `tables` those that were
/// read.
pub fn overview(
    out: &mut Vec<u8>,
    listeners: &[Row<'_>],
    summary: &Summary,
    tables: &[Table],
    verdict: Option<&Verdict>,
    options: &TableOptions,
) {
    if listeners.is_empty() {
        out.extend_from_slice(b"nothing listens\n");
    } else {
        // Writing to memory does not fail.
        let _ = table(
            out,
            listeners.len(),
            &|index| listeners[index].clone(),
            options,
        );
    }
    out.push(b'\n');
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        if tables.iter().any(|table| table.protocol == protocol) {
            counts(out, protocol, summary, options.paint);
        }
    }
    if let Some(verdict) = verdict {
        verdict_line(out, verdict, options.paint);
    }
}

fn counts(out: &mut Vec<u8>, protocol: Protocol, summary: &Summary, paint: Paint) {
    paint.heading(out, &protocol.name().to_ascii_uppercase());
    out.extend(format!(" {}", summary.total(protocol, None)).bytes());
    let states = summary.states(protocol);
    if !states.is_empty() {
        out.extend_from_slice(b": ");
    }
    let named: Vec<String> = states
        .iter()
        .map(|(state, count): &(State, u64)| format!("{count} {}", state.name()))
        .collect();
    out.extend_from_slice(named.join(", ").as_bytes());
    out.push(b'\n');
}
