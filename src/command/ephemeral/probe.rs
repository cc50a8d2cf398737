//! `--probe`: the doubtful ports of the worst pool of connections, asked about one by one.

use std::io;
use std::net::SocketAddr;

use super::look::Look;
use crate::analyze::{Findings, Thresholds};
use crate::command::context::Context;
use crate::kernel::{ConnectAttempt, Draw, try_connect};

/// Asks, puts what was answered into the findings, and tells what came of it.
pub(super) fn probe(
    context: &Context,
    look: &Look<'_>,
    findings: &mut Findings,
    thresholds: Thresholds,
) -> String {
    if !context.host.is_here() {
        return "unavailable: only in a network namespace that may be entered".to_owned();
    }
    let pools = findings.pools.iter();
    let named = pools.filter_map(|pool| Some((pool.key, pool.key.source?, pool.key.destination?)));
    let Some((key, source, destination)) = { named }.next() else {
        return "no pool of connections to ask about".to_owned();
    };
    if let Some(reason) = context.without_fast_open() {
        return format!("unavailable: {reason}");
    }
    let ask = |port| {
        try_connect(&ConnectAttempt {
            source: Some(source),
            destination: SocketAddr::new(destination.addr, destination.port),
            device: None,
            scope: None,
            free_bind: false,
            port,
        })
    };
    let doubtful = look.ephemeral.doubtful(&key);
    if doubtful.is_empty() {
        return "no port is in doubt".to_owned();
    }
    let (mut free, mut taken) = (0, 0);
    for port in doubtful {
        match ask(Some(port)) {
            Ok(Draw::Found) => free += 1,
            Ok(Draw::NO_PORT) => taken += 1,
            Ok(Draw::NoSinglePorts) => {
                return match ask(None) {
                    Ok(Draw::Found) => "a connect finds a port".to_owned(),
                    Ok(Draw::NO_PORT) => {
                        look.ephemeral.settle_full(findings, &key, thresholds);
                        "a connect finds no port".to_owned()
                    }
                    told => unavailable(told),
                };
            }
            told => return unavailable(told),
        }
    }
    look.ephemeral
        .settle(findings, &key, (free, taken), thresholds);
    format!("of {} doubtful ports {free} are free", free + taken)
}

/// Why nothing was learnt of ports.
fn unavailable(told: io::Result<Draw>) -> String {
    match told {
        Ok(Draw::Refused(call, errno)) => {
            format!("unavailable: {} fails with {errno}", call.name())
        }
        Ok(Draw::Found | Draw::NoSinglePorts) => "unavailable".to_owned(),
        Err(error) => format!("unavailable: {error}"),
    }
}
