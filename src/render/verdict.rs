//! The one line on the ephemeral ports.

use super::address::{push_addr, push_endpoint};
use super::escape;
use super::paint::Paint;
use crate::analyze::{PoolKey, PoolKind, Severity, Verdict};

/// Appends the line below a table.
pub fn verdict_line(out: &mut Vec<u8>, verdict: &Verdict, paint: Paint) {
    out.extend_from_slice(b"ephemeral ports ");
    paint.severe(out, verdict.severity, verdict.severity.name());
    let mut text = place(verdict).into_bytes();
    text.extend_from_slice(b": ");
    push_findings(&mut text, verdict);
    text.push(b'\n');
    out.extend_from_slice(&text);
}

/// The warning for stderr; `None` while there is nothing to warn of.
pub fn verdict_warning(verdict: &Verdict) -> Option<String> {
    if verdict.severity < Severity::Warning {
        return None;
    }
    let (severity, place) = (verdict.severity.name(), place(verdict));
    let mut text = format!("ephemeral ports {severity}{place}: ").into_bytes();
    push_findings(&mut text, verdict);
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// In which network namespace, where there are several.
fn place(verdict: &Verdict) -> String {
    let name = verdict.namespace.as_deref();
    let place = |name: &[u8]| format!(" in netns {}", escape::terminal(name));
    name.map(place).unwrap_or_default()
}

fn push_findings(text: &mut Vec<u8>, verdict: &Verdict) {
    let Verdict {
        capacity, percent, ..
    } = verdict;
    let range = format!("{}-{}", verdict.range.first(), verdict.range.last());
    match &verdict.fullest {
        None if *capacity == 0 => {
            text.extend(format!("every port of {range} is reserved").bytes());
        }
        None => {
            text.extend(format!("none of {capacity} in use ({range})").bytes());
        }
        Some(pool) => {
            text.extend(format!("{} of {capacity} ({percent:.1} %) ", pool.used).bytes());
            push_pool(text, &pool.key);
            if pool.time_wait > 0 {
                text.extend(format!(", {} of them TIME-WAIT", pool.time_wait).bytes());
            }
            text.extend(format!(" ({range})").bytes());
        }
    }
}

/// Appends which pool it is, as it goes on after "ports in use".
pub(super) fn push_pool(text: &mut Vec<u8>, key: &PoolKey) {
    match (key.kind, key.source, &key.destination) {
        (PoolKind::TcpConnect, Some(source), Some(destination)) => {
            text.extend_from_slice(b"from ");
            push_addr(text, source);
            text.extend_from_slice(b" to ");
            push_endpoint(text, destination);
        }
        (PoolKind::TcpConnect, ..) => text.extend_from_slice(b"to any other destination"),
        (PoolKind::TcpBind, Some(source), _) => {
            text.extend_from_slice(b"on ");
            push_addr(text, source);
        }
        (PoolKind::UdpBind, Some(source), _) => {
            text.extend_from_slice(b"of UDP on ");
            push_addr(text, source);
        }
        (PoolKind::TcpBind | PoolKind::UdpBind | PoolKind::UdpAutobind, ..) => {
            text.extend_from_slice(b"of UDP");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::{Pool, Trend};
    use crate::model::{Endpoint, PortRange};

    fn verdict() -> Verdict {
        Verdict {
            range: PortRange::new(32768, 60999).unwrap(),
            capacity: 28232,
            fullest: Some(Pool {
                key: PoolKey {
                    kind: PoolKind::TcpConnect,
                    source: Some("10.0.0.9".parse().unwrap()),
                    destination: Some(Endpoint {
                        addr: "::1".parse().unwrap(),
                        port: 5432,
                    }),
                },
                capacity: 28232,
                used: 23701,
                time_wait: 19000,
                reclaimable: 0,
                close_wait: 0,
                blocked: 0,
                listening: 0,
                presumed: 0,
                bound_first: false,
                free: 4531,
                free_min: 4531,
                free_max: 4531,
                severity: Severity::Warning,
                trend: Trend::default(),
            }),
            percent: 83.95,
            severity: Severity::Warning,
            namespace: None,
        }
    }

    #[test]
    fn the_line_names_the_fullest_pool() {
        let mut verdict = verdict();
        let warning = verdict_warning(&verdict).unwrap();
        assert_eq!(
            warning,
            "ephemeral ports warning: 23701 of 28232 (84.0 %) from 10.0.0.9 to [::1]:5432, \
             19000 of them TIME-WAIT (32768-60999)"
        );
        let mut line = Vec::new();
        verdict_line(&mut line, &verdict, Paint::Plain);
        assert_eq!(String::from_utf8(line).unwrap(), format!("{warning}\n"));
        verdict.namespace = Some(b"blue".to_vec());
        let warning = verdict_warning(&verdict).unwrap();
        assert!(warning.starts_with("ephemeral ports warning in netns blue: 23701 of"));
        verdict.severity = Severity::Notice;
        assert_eq!(verdict_warning(&verdict), None);
    }

    #[test]
    fn every_kind_of_pool_has_its_words() {
        let mut verdict = verdict();
        let mut told = Vec::new();
        for kind in PoolKind::ALL {
            let pool = verdict.fullest.as_mut().unwrap();
            pool.key.kind = kind;
            pool.key.destination = None;
            if kind == PoolKind::UdpAutobind {
                pool.key.source = None;
            }
            let mut text = Vec::new();
            push_pool(&mut text, &pool.key);
            told.push(String::from_utf8(text).unwrap());
            pool.key.source = Some("10.0.0.9".parse().unwrap());
        }
        assert_eq!(
            told,
            [
                "to any other destination",
                "on 10.0.0.9",
                "of UDP",
                "of UDP on 10.0.0.9"
            ]
        );
    }
}
