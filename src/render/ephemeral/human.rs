//! The report for people. Its first line stands alone: it is the subject of a mail.

use super::advice::{reserving, words};
use super::{EphemeralReport, PoolNotes, label, owner, upper};
use crate::analyze::{Pool, Severity};
use crate::render::paint::Paint;
use crate::render::plain::width;

/// Characters of a bar.
const BAR: usize = 20;
/// Owners named of a pool.
const MOST_OWNERS: usize = 3;
/// Listeners named; a list of all would hide the rest.
const MOST_EXPOSED: usize = 20;
/// Blanks between columns.
const GAP: &str = "  ";

/// Appends the report.
pub fn human(out: &mut Vec<u8>, report: &EphemeralReport<'_>, paint: Paint) {
    let severity = report.findings.severity;
    paint.severe(out, severity, &upper(severity));
    let mut first = format!(": {}", report.sentence());
    if severity == Severity::Notice {
        first += "; from half on, connects are slow";
    }
    push_line(out, &first);
    out.push(b'\n');
    push_line(out, &limits(report));
    if !report.findings.pools.is_empty() {
        out.push(b'\n');
        table(out, report, paint);
    }
    trends(out, report);
    advice(out, report);
    exposed(out, report);
    if let Some(probe) = &report.probe {
        push_line(out, &format!("\nprobe: {probe}"));
    }
}

fn push_line(out: &mut Vec<u8>, line: &str) {
    out.extend_from_slice(line.trim_end().as_bytes());
    out.push(b'\n');
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

fn table(out: &mut Vec<u8>, report: &EphemeralReport<'_>, paint: Paint) {
    let heading = [
        "POOL",
        "IN USE",
        "USED",
        "TIME-WAIT",
        "RECLAIMABLE",
        "FREE",
        "OWNERS",
    ];
    let rows: Vec<[String; 7]> = report
        .findings
        .pools
        .iter()
        .zip(&report.notes)
        .map(|(pool, notes)| cells(report, pool, notes))
        .collect();
    let mut widths = heading.map(str::len);
    for row in &rows {
        for (most, cell) in widths.iter_mut().zip(row) {
            *most = (*most).max(width(cell.as_bytes()));
        }
    }
    let mut title = String::new();
    for (index, cell) in heading.iter().enumerate() {
        title += &padded(cell, widths[index], is_number(index));
    }
    paint.faint(out, title.trim_end());
    out.push(b'\n');
    for (row, pool) in rows.iter().zip(&report.findings.pools) {
        out.extend_from_slice(padded(&row[0], widths[0], false).as_bytes());
        paint.severe(out, pool.severity, &row[1]);
        let blanks = " ".repeat(widths[1].saturating_sub(width(row[1].as_bytes())));
        let mut rest = blanks + GAP;
        for index in 2..row.len() {
            rest += &padded(&row[index], widths[index], is_number(index));
        }
        push_line(out, &rest);
    }
}

const fn is_number(column: usize) -> bool {
    matches!(column, 2..=4)
}

fn padded(cell: &str, most: usize, right: bool) -> String {
    let blanks = " ".repeat(most.saturating_sub(width(cell.as_bytes())));
    if right {
        format!("{blanks}{cell}{GAP}")
    } else {
        format!("{cell}{blanks}{GAP}")
    }
}

fn cells(report: &EphemeralReport<'_>, pool: &Pool, notes: &PoolNotes) -> [String; 7] {
    let percent = pool.percent();
    // Rounded down, so that a full bar is a full pool; the percentage is from 0 to 100.
    let filled = ((percent / 100.0 * BAR as f64) as usize).min(BAR);
    let bar = format!("{}{}", "#".repeat(filled), ".".repeat(BAR - filled));
    let owners: Vec<String> = notes
        .owners
        .iter()
        .take(MOST_OWNERS)
        .map(|share| format!("{} {}", owner(share), share.ports))
        .collect();
    [
        label(pool),
        format!("[{bar}] {:>3.0}%", report.rounded(percent)),
        format!("{}/{}", pool.used, pool.capacity),
        pool.time_wait.to_string(),
        pool.reclaimable.to_string(),
        if pool.free_min == pool.free_max {
            pool.free.to_string()
        } else {
            format!("{} ({}-{})", pool.free, pool.free_min, pool.free_max)
        },
        match notes.owners_status {
            Some("hidden") if owners.is_empty() => "(hidden)".to_owned(),
            _ => owners.join(", "),
        },
    ]
}

fn trends(out: &mut Vec<u8>, report: &EphemeralReport<'_>) {
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
            out.push(b'\n');
        }
        push_line(out, &format!("{}: {text}", label(pool)));
    }
}

fn duration(seconds: f64) -> String {
    match seconds {
        ..120.0 => format!("{seconds:.0} s"),
        ..7200.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.0} h", seconds / 3600.0),
    }
}

fn advice(out: &mut Vec<u8>, report: &EphemeralReport<'_>) {
    // Pools that fill for the same reason need the same; it is said once.
    let mut told: Vec<(String, Option<String>)> = Vec::new();
    for (pool, notes) in report.findings.pools.iter().zip(&report.notes) {
        let new: Vec<_> = notes
            .advice
            .iter()
            .map(|advice| words(advice, &notes.owners))
            .filter(|advice| !told.contains(advice))
            .collect();
        if new.is_empty() {
            continue;
        }
        push_line(out, &format!("\nwhat helps {}:", label(pool)));
        for (text, command) in &new {
            push_line(out, &format!("  - {text}"));
            if let Some(command) = command {
                push_line(out, &format!("      {command}"));
            }
        }
        told.extend(new);
    }
}

fn exposed(out: &mut Vec<u8>, report: &EphemeralReport<'_>) {
    if report.exposed.is_empty() {
        return;
    }
    push_line(
        out,
        "\nlisteners inside the range, not reserved: once one is down, a connect may take its port",
    );
    for (exposed, owners) in report.exposed.iter().take(MOST_EXPOSED) {
        let addresses: Vec<String> = exposed
            .addresses
            .iter()
            .map(|addr| addr.to_string())
            .collect();
        let owners: Vec<String> = owners.iter().take(MOST_OWNERS).map(owner).collect();
        let line = format!(
            "  {} on {}  {}",
            exposed.port,
            addresses.join(", "),
            owners.join(", ")
        );
        push_line(out, &line);
    }
    if let Some(more @ 1..) = report.exposed.len().checked_sub(MOST_EXPOSED) {
        push_line(out, &format!("  and {more} more"));
    }
    let command = reserving(&report.reserve.ranges());
    push_line(out, &format!("  to reserve them: {command}"));
}
