//! The report of `portstat ephemeral`. One file a format; the words of the findings are here, those
//! of advice in a file of their own.

mod advice;
mod human;
mod json;
mod nagios;
mod prometheus;
mod table;

use std::time::SystemTime;

use super::address::push_endpoint;
use super::escape;
use super::verdict::push_pool;
use crate::analyze::{
    Advice, EphemeralSettings, Exposed, Findings, OwnerShare, Pool, PoolKind, Severity, Summary,
    Thresholds,
};
use crate::model::{Endpoint, Entrance, PortSet};

pub(super) use advice::{reserving, words};
pub use human::human;
pub(super) use json::push_pool as push_pool_json;
pub use json::{json, json_unknown};
pub use nagios::{nagios, nagios_unknown};
pub use prometheus::prometheus;

/// All there is to tell of one network namespace.
#[derive(Debug)]
pub struct EphemeralReport<'a> {
    /// When it was seen.
    pub taken_at: Option<SystemTime>,
    /// The network namespace.
    pub netns: Netns,
    /// The limits.
    pub settings: &'a EphemeralSettings,
    /// When it is an alarm.
    pub thresholds: Thresholds,
    /// How the pools stand.
    pub findings: &'a Findings,
    /// What else is known of each of its pools, in the same order.
    pub notes: Vec<PoolNotes>,
    /// Listeners inside the range, and who they are.
    pub exposed: Vec<(Exposed, Vec<OwnerShare>)>,
    /// What to reserve for them.
    pub reserve: Option<PortSet>,
    /// Sockets by table and state.
    pub summary: &'a Summary,
    /// The queues of TCP listeners.
    pub backlogs: &'a [(Endpoint, Backlog)],
    /// What became of the probe, where one was asked for.
    pub probe: Option<String>,
}

/// A network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Netns {
    /// Its inode.
    pub id: Option<u64>,
    /// Its name: `host` for that of the first process.
    pub name: Option<Vec<u8>>,
    /// How commands get there.
    pub entrance: Option<Entrance>,
}

impl Netns {
    /// Its name, or its inode.
    fn label(&self) -> Option<Vec<u8>> {
        let name = self.name.clone();
        name.or_else(|| self.id.map(|id| id.to_string().into_bytes()))
    }
}

/// What else is known of a pool.
#[derive(Clone, Debug, Default)]
pub struct PoolNotes {
    /// Who holds most of its ports.
    pub owners: Vec<OwnerShare>,
    /// `known`, `none`, `hidden`; `None` when nobody asked.
    pub owners_status: Option<&'static str>,
    /// What helps.
    pub advice: Vec<Advice>,
}

/// How full the queue of a listener is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Connections that wait to be accepted.
    pub pending: u32,
    /// How many may wait.
    pub max: u32,
}

/// The worst of several.
fn severity(reports: &[EphemeralReport<'_>]) -> Severity {
    let severities = reports.iter().map(|report| report.findings.severity);
    severities.max().unwrap_or(Severity::Ok)
}

/// What tells one of several from the others, before what is said of it.
fn place(report: &EphemeralReport<'_>, reports: &[EphemeralReport<'_>]) -> String {
    match report.netns.label() {
        Some(name) if reports.len() > 1 => {
            format!("netns {}: ", escape::terminal(&name))
        }
        _ => String::new(),
    }
}

impl EphemeralReport<'_> {
    /// A percentage without decimals that does not pretend to have reached a threshold.
    fn rounded(&self, percent: f64) -> f64 {
        let rounded = percent.round();
        if self.thresholds.judge(rounded) == self.thresholds.judge(percent) {
            rounded
        } else {
            percent.floor()
        }
    }

    fn percent_of_worst(&self) -> f64 {
        match self.findings.pools.first() {
            Some(pool) => pool.percent(),
            None if self.settings.capacity() == 0 => 100.0,
            None => 0.0,
        }
    }

    /// What the worst pool comes to, in a sentence without a full stop.
    fn sentence(&self) -> String {
        let capacity = self.settings.capacity();
        let range = self.settings.range();
        let Some(pool) = self.findings.pools.first() else {
            return if capacity == 0 {
                let (first, last) = (range.first(), range.last());
                format!("every port of {first}-{last} is reserved, and the first connect fails")
            } else {
                let are = if capacity == 1 { "is" } else { "are" };
                format!("no ephemeral port is in use ({capacity} {are} free)")
            };
        };
        let percent = self.rounded(pool.percent());
        format!(
            "{percent:.0}% of the ephemeral ports {} are in use ({})",
            which(pool),
            self.counts(pool)
        )
    }

    fn counts(&self, pool: &Pool) -> String {
        let mut text = format!("{} of {}", pool.used, pool.capacity);
        if pool.time_wait > 0 {
            text += &format!(", {} TIME-WAIT", pool.time_wait);
        }
        if pool.reclaimable > 0 {
            text += &format!(", {} of them reclaimable", pool.reclaimable);
        }
        text += &self.besides(pool);
        text
    }

    /// What the ports in use do not tell of a pool: others that nobody gets, and how much worse it
    /// may be. What is in use is certain; what else is taken is an estimate between bounds.
    fn besides(&self, pool: &Pool) -> String {
        let others = match pool.key.kind {
            PoolKind::TcpConnect if pool.key.source.is_none() => pool.presumed,
            PoolKind::TcpConnect => pool.blocked + pool.presumed,
            _ => 0,
        };
        let mut text = String::new();
        // A percent, lest every line begin with trifles.
        if others > 0 && others >= pool.capacity / 100 {
            text += &format!(", {others} more bound");
        }
        let judge = |percent| self.thresholds.judge(percent);
        if judge(pool.percent_at_worst()) > judge(pool.percent()) {
            text += &format!(", {} to {} free", pool.free_min, pool.free_max);
            if self.probe.is_none() {
                text += ": --probe tells";
            }
        }
        text
    }
}

/// Which pool, as it goes on after "ports".
fn which(pool: &Pool) -> String {
    let mut text = Vec::new();
    push_pool(&mut text, &pool.key);
    if pool.key.destination.is_some() {
        text.extend_from_slice(b"/tcp");
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// A short name of a pool, for a column.
fn label(pool: &Pool) -> String {
    let source = pool.key.source.map(|addr| addr.to_string());
    let source = source.as_deref().unwrap_or("*");
    match (pool.key.kind, &pool.key.destination) {
        (PoolKind::TcpConnect, Some(destination)) => {
            let mut end = Vec::new();
            push_endpoint(&mut end, destination);
            format!("tcp {source} -> {}", String::from_utf8_lossy(&end))
        }
        (PoolKind::TcpConnect, None) => "tcp to any other".to_owned(),
        (PoolKind::TcpBind, _) => format!("tcp bind {source}"),
        (PoolKind::UdpAutobind, _) => "udp".to_owned(),
        (PoolKind::UdpBind, _) => format!("udp bind {source}"),
    }
}

/// `nginx[812]`.
pub(super) fn owner(share: &OwnerShare) -> String {
    format!("{}[{}]", escape::terminal(&share.comm), share.pid)
}

fn upper(severity: Severity) -> String {
    severity.status().to_ascii_uppercase()
}

#[cfg(test)]
mod tests;
