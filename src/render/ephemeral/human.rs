//! The report for people. Its first line stands alone: it is the subject of a mail.

use super::advice::{reserving, words};
use super::table::{MOST_OWNERS, table};
use super::{EphemeralReport, label, owner, place, upper};
use crate::analyze::Severity;
use crate::render::page::Page;
use crate::render::paint::Paint;

/// Listeners named, and addresses of each; a list of all would hide the rest.
const MOST_EXPOSED: usize = 10;
const MOST_ADDRESSES: usize = 3;

/// Appends the report, for a terminal of so many columns. Of several network namespaces those in
/// which all is well have a line each.
pub fn human(out: &mut Vec<u8>, reports: &[EphemeralReport<'_>], paint: Paint, width: Option<u16>) {
    for (index, report) in reports.iter().enumerate() {
        let is_short = |report: &EphemeralReport<'_>| {
            reports.len() > 1 && report.findings.severity == Severity::Ok
        };
        let before = index.checked_sub(1).and_then(|before| reports.get(before));
        if before.is_some_and(|before| !is_short(before)) {
            out.push(b'\n');
        }
        let severity = report.findings.severity;
        let status = upper(severity);
        paint.severe(out, severity, &status);
        let mut first = format!(": {}{}", place(report, reports), report.sentence());
        if severity == Severity::Notice {
            first += "; from half on, connects are slow";
        }
        let mut page = Page::new(out, width);
        page.words(status.len(), &first, 4);
        if !is_short(report) {
            body(&mut page, report, paint);
        }
    }
}

/// What follows the first line.
fn body(page: &mut Page<'_>, report: &EphemeralReport<'_>, paint: Paint) {
    page.line("");
    page.words(0, &limits(report), 4);
    if !report.findings.pools.is_empty() {
        page.line("");
        table(page, report, paint);
    }
    trends(page, report);
    let advised = advice(page, report);
    exposed(page, report);
    if let Some(probe) = &report.probe {
        page.line("");
        page.words(0, &format!("probe: {probe}"), 4);
    }
    if advised || !report.exposed.is_empty() {
        page.line("");
        let text = match report.netns.entrance {
            None => "sysctl -w lasts until the next boot; a file in /etc/sysctl.d keeps it",
            // Files of sysctl.d are for the namespace of the first process.
            Some(_) => {
                "sysctl -w lasts as long as the network namespace; whoever makes it has to set it \
                 the next time"
            }
        };
        page.words(0, text, 4);
    }
}

fn limits(report: &EphemeralReport<'_>) -> String {
    let settings = report.settings;
    let range = settings.range();
    let reserved = match settings.reserved() {
        0 => String::new(),
        reserved => format!(", {reserved} of them reserved"),
    };
    format!(
        "range {}-{}{reserved}: {} ports for each pool; tcp_tw_reuse {}",
        range.first(),
        range.last(),
        settings.capacity(),
        settings.time_wait().reuse.number()
    )
}

fn trends(page: &mut Page<'_>, report: &EphemeralReport<'_>) {
    let mut first = true;
    for pool in &report.findings.pools {
        let trend = pool.trend;
        let rate = trend
            .rate
            .map(|rate| format!("{rate:.1} connections end a second"));
        let text = match (trend.seconds_to_full, rate, trend.steady) {
            // Of a pool that is full already there is nothing to foretell.
            _ if pool.free == 0 => continue,
            (Some(seconds), rate, _) => {
                let rate = rate.map(|rate| format!(" ({rate})")).unwrap_or_default();
                format!("full in {}{rate}", duration(seconds))
            }
            (None, Some(rate), Some(steady)) => {
                format!("{rate}; at this rate it settles at {steady:.0} ports")
            }
            _ => continue,
        };
        if std::mem::take(&mut first) {
            page.line("");
        }
        page.words(0, &format!("{}: {text}", label(pool)), 4);
    }
}

fn duration(seconds: f64) -> String {
    match seconds {
        ..120.0 => format!("{seconds:.0} s"),
        ..7200.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.0} h", seconds / 3600.0),
    }
}

/// Says what helps; returns whether that includes a command.
fn advice(page: &mut Page<'_>, report: &EphemeralReport<'_>) -> bool {
    // Pools that fill for the same reason need the same; it is said once.
    let mut told: Vec<(String, Option<String>)> = Vec::new();
    for (pool, notes) in report.findings.pools.iter().zip(&report.notes) {
        let new: Vec<_> = notes
            .advice
            .iter()
            .map(|advice| words(advice, &notes.owners, report.netns.entrance.as_ref(), ""))
            .filter(|advice| !told.contains(advice))
            .collect();
        if new.is_empty() {
            continue;
        }
        page.line("");
        page.words(0, &format!("what helps ({}):", label(pool)), 4);
        for (text, command) in &new {
            page.out.extend_from_slice(b"  - ");
            page.words(4, text, 4);
            if let Some(command) = command {
                page.line(&format!("      {command}"));
            }
        }
        told.extend(new);
    }
    told.iter().any(|(_, command)| command.is_some())
}

fn exposed(page: &mut Page<'_>, report: &EphemeralReport<'_>) {
    if report.exposed.is_empty() {
        return;
    }
    page.line("");
    let text = "listeners inside the range, not reserved: while one is down, a connect may take \
                its port";
    page.words(0, text, 4);
    for (exposed, owners) in report.exposed.iter().take(MOST_EXPOSED) {
        let addresses = exposed.addresses.iter().take(MOST_ADDRESSES);
        let addresses: Vec<String> = addresses.map(|addr| addr.to_string()).collect();
        let mut line = format!("{} on {}", exposed.port, addresses.join(", "));
        if let Some(more @ 1..) = exposed.addresses.len().checked_sub(MOST_ADDRESSES) {
            line += &format!(" and {more} more");
        }
        let owners: Vec<String> = owners.iter().take(MOST_OWNERS).map(owner).collect();
        if !owners.is_empty() {
            line += &format!(": {}", owners.join(", "));
        }
        page.out.extend_from_slice(b"  ");
        page.words(2, &line, 6);
    }
    if let Some(more @ 1..) = report.exposed.len().checked_sub(MOST_EXPOSED) {
        page.line(&format!("  and {more} more"));
    }
    if let Some(reserve) = &report.reserve {
        page.line("  to reserve them:");
        page.line(&format!(
            "      {}",
            reserving(report.netns.entrance.as_ref(), &reserve.ranges())
        ));
    }
}
