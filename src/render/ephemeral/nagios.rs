//! The report as a plugin of Nagios and Icinga prints it: one line, then performance data.

use super::{EphemeralReport, owner, place, upper, which};

/// Appends the line, of the first, which is the worst.
pub fn nagios(out: &mut Vec<u8>, reports: &[EphemeralReport<'_>]) {
    let Some(report) = reports.first() else {
        return;
    };
    let worst = report.findings.pools.first();
    let text = match worst {
        None => report.sentence(),
        Some(pool) => {
            let mut counts = format!("{}/{}", pool.used, pool.capacity);
            if pool.time_wait > 0 {
                counts += &format!(", {} TIME-WAIT", pool.time_wait);
            }
            counts += &report.besides(pool);
            let notes = report.notes.first();
            if let Some(share) = notes.and_then(|notes| notes.owners.first()) {
                counts += &format!(", top {}", owner(share));
            }
            let percent = report.rounded(pool.percent());
            format!(
                "{percent:.0}% of ephemeral ports {} in use ({counts})",
                which(pool)
            )
        }
    };
    let percent = report.rounded(report.percent_of_worst());
    let capacity = report.settings.capacity();
    let line = format!(
        "PORTS {} - {} | worst_pct={percent:.0}%;{};{};0;100 used={};;;0;{capacity}\n",
        upper(report.findings.severity),
        without_bars(&(place(report, reports) + &text)),
        report.thresholds.warn(),
        report.thresholds.crit(),
        worst.map_or(0, |pool| pool.used),
    );
    out.extend_from_slice(line.as_bytes());
}

/// Appends the line of a run that could not tell.
pub fn nagios_unknown(out: &mut Vec<u8>, reason: &str) {
    let reason = without_bars(reason).replace('\n', " ");
    out.extend(format!("PORTS UNKNOWN - {reason}\n").bytes());
}

/// A bar begins the performance data, so that a process may not be called one.
fn without_bars(text: &str) -> String {
    text.replace('|', "/")
}
