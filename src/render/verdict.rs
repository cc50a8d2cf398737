//! The one line on the ephemeral ports.

use super::address::{push_addr, push_endpoint};
use super::paint::Paint;
use crate::analyze::{Severity, Verdict};

/// Appends the line below a table.
pub fn verdict_line(out: &mut Vec<u8>, verdict: &Verdict, paint: Paint) {
    out.extend_from_slice(b"ephemeral ports ");
    paint.severe(out, verdict.severity, verdict.severity.name());
    let mut text = b": ".to_vec();
    push_findings(&mut text, verdict);
    text.push(b'\n');
    out.extend_from_slice(&text);
}

/// The warning for stderr; `None` while there is nothing to warn of.
pub fn verdict_warning(verdict: &Verdict) -> Option<String> {
    if verdict.severity < Severity::Warning {
        return None;
    }
    let mut text = format!("ephemeral ports {}: ", verdict.severity.name()).into_bytes();
    push_findings(&mut text, verdict);
    Some(String::from_utf8_lossy(&text).into_owned())
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
            text.extend(format!("{} of {capacity} ({percent:.1} %) from ", pool.used).bytes());
            push_addr(text, pool.source);
            text.extend_from_slice(b" to ");
            push_endpoint(text, &pool.destination);
            if pool.time_wait > 0 {
                text.extend(format!(", {} of them TIME-WAIT", pool.time_wait).bytes());
            }
            text.extend(format!(" ({range})").bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::FullestPool;
    use crate::model::{Endpoint, PortRange};

    #[test]
    fn the_line_names_the_fullest_pool() {
        let mut verdict = Verdict {
            range: PortRange::new(32768, 60999).unwrap(),
            capacity: 28232,
            fullest: Some(FullestPool {
                source: "10.0.0.9".parse().unwrap(),
                destination: Endpoint {
                    addr: "::1".parse().unwrap(),
                    port: 5432,
                },
                used: 23701,
                time_wait: 19000,
            }),
            percent: 83.95,
            severity: Severity::Warning,
        };
        let warning = verdict_warning(&verdict).unwrap();
        assert_eq!(
            warning,
            "ephemeral ports warning: 23701 of 28232 (84.0 %) from 10.0.0.9 to [::1]:5432, \
             19000 of them TIME-WAIT (32768-60999)"
        );
        let mut line = Vec::new();
        verdict_line(&mut line, &verdict, Paint::Plain);
        assert_eq!(String::from_utf8(line).unwrap(), format!("{warning}\n"));
        verdict.severity = Severity::Notice;
        assert_eq!(verdict_warning(&verdict), None);
    }
}
