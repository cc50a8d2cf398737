//! The report as one document.

use super::advice::{reserving, words};
use super::{EphemeralReport, Netns, PoolNotes, severity};
use crate::analyze::{OwnerShare, Pool, Thresholds};
use crate::model::Entrance;
use crate::render::address::push_number;
use crate::render::escape::push_json;
use crate::render::json::{Document, push_optional, push_optional_number, push_pool_ends};

/// Appends the document; `unknown` is why it cannot be told that all is well.
pub fn json(
    out: &mut Vec<u8>,
    document: &Document,
    reports: &[EphemeralReport<'_>],
    unknown: Option<&str>,
) {
    document.open(out);
    let thresholds = reports.first().map(|report| report.thresholds);
    let status = unknown.map_or(severity(reports).status(), |_| "unknown");
    head(out, status, thresholds.unwrap_or(Thresholds::DEFAULT));
    for (index, report) in reports.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(b",\n");
        }
        namespace(out, report);
    }
    out.push(b']');
    if let Some(reason) = unknown {
        push_reason(out, reason);
    }
    out.extend_from_slice(b"}\n");
}

fn namespace(out: &mut Vec<u8>, report: &EphemeralReport<'_>) {
    netns(out, &report.netns);
    limits(out, report);
    out.extend_from_slice(b",\n\"pools\":[");
    let pools = report.findings.pools.iter().zip(&report.notes);
    for (index, (pool, notes)) in pools.enumerate() {
        out.extend_from_slice(if index > 0 { b",\n" } else { b"\n" });
        push_pool(out, pool, notes, report.netns.entrance.as_ref());
    }
    out.extend_from_slice(b"],\n\"exposed\":[");
    for (index, (exposed, owners)) in report.exposed.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend(format!("{{\"port\":{},\"addresses\":[", exposed.port).bytes());
        for (index, addr) in exposed.addresses.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            push_json(out, addr.to_string().as_bytes());
        }
        out.extend_from_slice(b"],\"owners\":[");
        push_owners(out, owners);
        out.extend_from_slice(b"]}");
    }
    out.extend_from_slice(b"],\"protect\":");
    let reserve = report.reserve.as_ref();
    let protect = reserve
        .filter(|_| !report.exposed.is_empty())
        .map(|reserve| reserving(report.netns.entrance.as_ref(), &reserve.ranges()));
    push_optional(out, protect.as_deref().map(str::as_bytes));
    out.extend_from_slice(b",\"probe\":");
    push_optional(out, report.probe.as_deref().map(str::as_bytes));
    out.push(b'}');
}

/// Appends the document of a run that could not tell.
pub fn json_unknown(out: &mut Vec<u8>, document: &Document, thresholds: Thresholds, reason: &str) {
    document.open(out);
    head(out, "unknown", thresholds);
    out.push(b']');
    push_reason(out, reason);
    out.extend_from_slice(b"}\n");
}

fn push_reason(out: &mut Vec<u8>, reason: &str) {
    out.extend_from_slice(b",\"reason\":");
    push_json(out, reason.as_bytes());
}

fn head(out: &mut Vec<u8>, status: &str, thresholds: Thresholds) {
    let (warn, crit) = (thresholds.warn(), thresholds.crit());
    out.extend(
        format!(
            ",\n\"status\":\"{status}\",\"thresholds\":{{\"warn\":{warn},\"crit\":{crit}}},\n\
             \"netns\":["
        )
        .bytes(),
    );
}

fn netns(out: &mut Vec<u8>, netns: &Netns) {
    out.extend_from_slice(b"{\"id\":");
    push_optional_number(out, netns.id);
    out.extend_from_slice(b",\"name\":");
    push_optional(out, netns.name.as_deref());
}

fn limits(out: &mut Vec<u8>, report: &EphemeralReport<'_>) {
    let settings = report.settings;
    out.extend(
        format!(
            ",\"range\":{{\"first\":{},\"last\":{}}},\"reserved\":{},\"capacity\":{},\
             \"tcp_tw_reuse\":{}",
            settings.range().first(),
            settings.range().last(),
            settings.reserved(),
            settings.capacity(),
            settings.time_wait().reuse.number()
        )
        .bytes(),
    );
}

/// Appends a pool.
pub(in crate::render) fn push_pool(
    out: &mut Vec<u8>,
    pool: &Pool,
    notes: &PoolNotes,
    entrance: Option<&Entrance>,
) {
    out.extend_from_slice(b"{\"pool\":");
    push_json(out, pool.key.kind.name().as_bytes());
    push_pool_ends(out, &pool.key);
    for (name, number) in [
        ("capacity", pool.capacity),
        ("used", pool.used),
        ("time_wait", pool.time_wait),
        ("reclaimable", pool.reclaimable),
        ("close_wait", pool.close_wait),
        ("blocked", pool.blocked),
        ("free", pool.free),
        ("free_min", pool.free_min),
        ("free_max", pool.free_max),
    ] {
        out.extend(format!(",\"{name}\":{number}").bytes());
    }
    out.extend(
        format!(
            ",\"percent\":{:.1},\"status\":\"{}\",\"notice\":{},\"owners\":[",
            pool.percent(),
            pool.severity.status(),
            pool.is_notice()
        )
        .bytes(),
    );
    push_owners(out, &notes.owners);
    out.extend_from_slice(b"],\"owners_status\":");
    push_optional(out, notes.owners_status.map(str::as_bytes));
    out.extend_from_slice(b",\"advice\":[");
    for (index, advice) in notes.advice.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let text = match words(advice, &notes.owners, entrance, "") {
            (text, Some(command)) => format!("{text}: {command}"),
            (text, None) => text,
        };
        push_json(out, text.as_bytes());
    }
    out.push(b']');
    for (name, number) in [
        ("rate", pool.trend.rate),
        ("steady", pool.trend.steady),
        ("seconds_to_full", pool.trend.seconds_to_full),
    ] {
        out.extend(format!(",\"{name}\":").bytes());
        match number {
            Some(number) => out.extend(format!("{number:.1}").bytes()),
            None => out.extend_from_slice(b"null"),
        }
    }
    out.push(b'}');
}

fn push_owners(out: &mut Vec<u8>, owners: &[OwnerShare]) {
    for (index, share) in owners.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"comm\":");
        push_json(out, &share.comm);
        out.extend_from_slice(b",\"pid\":");
        push_number(out, share.pid);
        out.extend_from_slice(b",\"ports\":");
        push_number(out, share.ports);
        out.push(b'}');
    }
}
