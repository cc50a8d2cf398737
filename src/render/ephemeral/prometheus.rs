//! Metrics in the text exposition format. No process and no remote address is a label: there
//! would be no end of series.

use std::time::SystemTime;

use super::{EphemeralReport, Netns};
use crate::analyze::PoolKind;
use crate::model::Gap;
use crate::render::json::Document;

/// Appends the metrics. Those of a name stand together, whatever namespace they are of.
pub fn prometheus(out: &mut Vec<u8>, document: &Document, reports: &[EphemeralReport<'_>]) {
    family(
        out,
        "portstat_ephemeral_worst_ratio",
        "Share of its ephemeral ports that the fullest pool of a kind has not free.",
    );
    for report in reports {
        worst(out, report, &netns_label(&report.netns, reports.len()));
    }
    family(
        out,
        "portstat_ephemeral_capacity_ports",
        "Ephemeral ports less the reserved ones, which every pool has to itself.",
    );
    for report in reports {
        let (netns, capacity) = (
            netns_label(&report.netns, reports.len()),
            report.settings.capacity(),
        );
        line(
            out,
            &format!("portstat_ephemeral_capacity_ports{{netns=\"{netns}\"}} {capacity}"),
        );
    }
    sockets(out, reports);
    backlogs(out, reports);
    let taken_at = reports.first().and_then(|report| report.taken_at);
    if let Some(at) = taken_at.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok()) {
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
    let complete = u8::from(!document.collection.gaps.iter().any(Gap::loses_sockets));
    line(out, &format!("portstat_visibility_complete {complete}"));
}

fn worst(out: &mut Vec<u8>, report: &EphemeralReport<'_>, netns: &str) {
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
}

fn sockets(out: &mut Vec<u8>, reports: &[EphemeralReport<'_>]) {
    if reports
        .iter()
        .all(|report| report.summary.iter().next().is_none())
    {
        return;
    }
    family(
        out,
        "portstat_sockets",
        "Sockets by protocol, family and state.",
    );
    for report in reports {
        let netns = netns_label(&report.netns, reports.len());
        for (table, state, count) in report.summary.iter() {
            line(
                out,
                &format!(
                    "portstat_sockets{{netns=\"{netns}\",proto=\"{}\",family=\"{}\",\
                     state=\"{}\"}} {count}",
                    table.protocol.name(),
                    table.family.name(),
                    state.name()
                ),
            );
        }
    }
}

fn backlogs(out: &mut Vec<u8>, reports: &[EphemeralReport<'_>]) {
    let limited = || {
        reports.iter().flat_map(|report| {
            let limited = report
                .backlogs
                .iter()
                .filter(|(_, backlog)| backlog.max > 0);
            limited.map(move |one| (report, one))
        })
    };
    if limited().next().is_none() {
        return;
    }
    family(
        out,
        "portstat_listen_backlog_ratio",
        "Connections that wait to be accepted, as a share of how many may wait.",
    );
    for (report, (end, backlog)) in limited() {
        let netns = netns_label(&report.netns, reports.len());
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

/// The name of the namespace. Its inode is another after every boot, and would begin new series;
/// but of several without a name nothing else tells which is which.
fn netns_label(netns: &Netns, count: usize) -> String {
    let label = match count {
        1 => netns.name.clone(),
        _ => netns.label(),
    };
    let name = String::from_utf8_lossy(label.as_deref().unwrap_or(b"self"));
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
        assert_eq!(
            netns_label(
                &Netns {
                    id,
                    name: None,
                    entrance: None
                },
                1
            ),
            "self"
        );
        assert_eq!(
            netns_label(
                &Netns {
                    id,
                    name: None,
                    entrance: None
                },
                2
            ),
            "4026532840"
        );
        let name = Some(b"a\"b\\c".to_vec());
        assert_eq!(
            netns_label(
                &Netns {
                    id,
                    name,
                    entrance: None
                },
                1
            ),
            r#"a\"b\\c"#
        );
    }
}
