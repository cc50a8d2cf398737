//! Holders that nobody may see: whose they may be, and how to see them.

use super::again::again;
use super::case::Case;
use super::fixes::Advice;
use crate::model::{HiddenCause, InetRow, Protocol};

/// Who may hold a socket, and how to see who does.
pub(super) fn holder(case: &Case<'_>, index: usize) -> String {
    let rows = case.report.sockets.get(index);
    let kernels = rows.and_then(kernels_own).unwrap_or_default();
    let remedy = case.report.hidden().map(|cause| cause.remedy());
    let remedy = remedy.map(|remedy| format!(": {remedy}"));
    format!(
        "its holder cannot be seen from here: a process of another user, a socket in flight, or \
         the kernel's own{kernels}{}",
        remedy.unwrap_or_default()
    )
}

/// That others may hold it besides those who are named, and how to see them.
pub(super) fn others(case: &Case<'_>) -> String {
    let remedy = case.report.hidden().map(|cause| cause.remedy());
    let remedy = remedy.map(|remedy| format!(": {remedy}"));
    format!(
        "others may hold it too that cannot be seen from here{}",
        remedy.unwrap_or_default()
    )
}

/// Whoever cannot be seen has to be seen first.
pub(super) fn see(case: &Case<'_>) -> Advice {
    seeing("see who has it", case)
}

/// The same of those who may be there besides others.
pub(super) fn see_others(case: &Case<'_>) -> Advice {
    seeing("see who else has it", case)
}

fn seeing(what: &str, case: &Case<'_>) -> Advice {
    let cause = case.report.hidden();
    let remedy = cause.map(|cause| format!(": {}", cause.remedy()));
    let text = what.to_owned() + &remedy.unwrap_or_default();
    let command = match cause {
        Some(HiddenCause::Permission) => again(case),
        _ => None,
    };
    (text, command)
}

/// ` (4789 is vxlan's)`, of a port on which the kernel itself has a socket as a rule.
pub(super) fn kernels_own(row: &InetRow<'_>) -> Option<String> {
    let port = row.ends.local.port;
    let whose = match (row.socket.protocol, port) {
        (_, 2049) => "nfsd",
        (Protocol::Udp, 1701) => "l2tp",
        (Protocol::Udp, 2152) => "gtp",
        (Protocol::Udp, 4789) => "vxlan",
        (Protocol::Udp, 4791) => "rdma_rxe",
        (Protocol::Udp, 6081) => "geneve",
        (Protocol::Udp, 8472) => "vxlan, as of flannel and cilium,",
        (Protocol::Udp, 51820) => "wireguard",
        _ => return None,
    };
    Some(match whose.strip_suffix(',') {
        Some(whose) => format!(" ({port} is that of {whose})"),
        None => format!(" ({port} is {whose}'s)"),
    })
}
