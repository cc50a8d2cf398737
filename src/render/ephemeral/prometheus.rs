//! Metrics in the text exposition format. No process and no remote address is a label: there
//! would be no end of series.

use std::time::SystemTime;

use super::{EphemeralReport, Netns};
use crate::analyze::PoolKind;
use crate::model::Gap;

/// Appends the metrics.
pub fn prometheus(out: &mut Vec<u8>, report: &EphemeralReport<'_>) {
    let netns = netns_label(&report.netns);
    family(
        out,
        "portstat_ephemeral_worst_ratio",
        "Share of its ephemeral ports that the fullest pool of a kind has not free.",
    );
    for kind in PoolKind::ALL {
        let worst = report.findings.worst.iter().find(|(one, _)| *one == kind);
        // Of no port at all every one is taken.
        let least = if report.settings.capacity() == 0 {
            1.0
        } else {
            0.0
        };
        let ratio = worst.map_or(least, |(_, percent)| percent / 100.0);
        let pool = kind.name();
        line(
            out,
            &format!("portstat_ephemeral_worst_ratio{{netns=\"{netns}\",pool=\"{pool}\"}} {ratio}"),
        );
    }
    family(
        out,
        "portstat_ephemeral_capacity_ports",
        "Ephemeral ports less the reserved ones, which every pool has to itself.",
    );
    let capacity = report.settings.capacity();
    line(
        out,
        &format!("portstat_ephemeral_capacity_ports{{netns=\"{netns}\"}} {capacity}"),
    );
    sockets(out, report, &netns);
    backlogs(out, report, &netns);
    if let Some(at) = report
        .taken_at
        .and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok())
    {
        family(
            out,
            "portstat_last_run_timestamp_seconds",
            "When the sockets were read.",
        );
        let at = at.as_secs_f64();
        line(out, &format!("portstat_last_run_timestamp_seconds {at:.3}"));
    }
    family(
        out,
        "portstat_visibility_complete",
        "Whether every socket could be seen.",
    );
    let gaps = &report.document.collection.gaps;
    let complete = u8::from(!gaps.iter().any(Gap::loses_sockets));
    line(out, &format!("portstat_visibility_complete {complete}"));
}

fn sockets(out: &mut Vec<u8>, report: &EphemeralReport<'_>, netns: &str) {
    if report.summary.iter().next().is_none() {
        return;
    }
    family(
        out,
        "portstat_sockets",
        "Sockets by protocol, family and state.",
    );
    for (table, state, count) in report.summary.iter() {
        line(
            out,
            &format!(
                "portstat_sockets{{netns=\"{netns}\",proto=\"{}\",family=\"{}\",state=\"{}\"}} \
                 {count}",
                table.protocol.name(),
                table.family.name(),
                state.name()
            ),
        );
    }
}

fn backlogs(out: &mut Vec<u8>, report: &EphemeralReport<'_>, netns: &str) {
    let limited = || {
        report
            .backlogs
            .iter()
            .filter(|(_, backlog)| backlog.max > 0)
    };
    if limited().next().is_none() {
        return;
    }
    family(
        out,
        "portstat_listen_backlog_ratio",
        "Connections that wait to be accepted, as a share of how many may wait.",
    );
    for (end, backlog) in limited() {
        let ratio = f64::from(backlog.pending) / f64::from(backlog.max);
        line(
            out,
            &format!(
                "portstat_listen_backlog_ratio{{netns=\"{netns}\",addr=\"{}\",port=\"{}\"}} \
                 {ratio}",
                end.addr, end.port
            ),
        );
    }
}

fn family(out: &mut Vec<u8>, name: &str, help: &str) {
    line(out, &format!("# HELP {name} {help}\n# TYPE {name} gauge"));
}

fn line(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.push(b'\n');
}

/// The name of the namespace. Its inode is another after every boot, and would begin new series.
fn netns_label(netns: &Netns) -> String {
    let name = netns.name.as_deref().unwrap_or("self");
    let mut label = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '\\' => label += "\\\\",
            '"' => label += "\\\"",
            '\n' => label += "\\n",
            c => label.push(c),
        }
    }
    label
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_without_a_name_is_called_the_same_after_every_boot() {
        let id = Some(4_026_532_840);
        assert_eq!(netns_label(&Netns { id, name: None }), "self");
        let name = Some("a\"b\\c".to_owned());
        assert_eq!(netns_label(&Netns { id, name }), r#"a\"b\\c"#);
    }
}
