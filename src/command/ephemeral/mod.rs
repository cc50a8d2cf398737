//! `portstat ephemeral`: count, judge, name the owners, tell.

mod look;
mod memory;
mod owners;
mod probe;

use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread;

use self::look::Look;
use self::owners::Owners;
use super::context::{Context, Error, Finish};
use crate::analyze::{EphemeralSettings, Exposed, Findings, Pool, Severity};
use crate::cli::{EphemeralPlan, ReportFormat};
use crate::kernel::replace_file;
use crate::render::Collection;
use crate::render::ephemeral::{self as report, EphemeralReport, PoolNotes};
use crate::render::escape::terminal;

/// The collector runs as another user.
const METRICS_MODE: u32 = 0o644;
/// The `schema` of a report.
const SCHEMA: &str = "portstat.ephemeral.v1";

pub(super) fn run(context: &mut Context, plan: &EphemeralPlan) -> Result<Finish, Error> {
    match judge(context, plan) {
        // The status is told all the same when nobody reads to the end.
        Err(error) if !error.is_closed_pipe() => {
            tell_unknown(context, plan, &error)?;
            Err(error)
        }
        told => told,
    }
}

fn judge(context: &mut Context, plan: &EphemeralPlan) -> Result<Finish, Error> {
    let settings = context
        .ephemeral_settings()
        .map_err(|gap| Error::Nothing(gap.to_string()))?;
    let (look, mut findings) = look(context, plan, &settings)?;
    let probed = plan
        .probe
        .then(|| probe::probe(context, &look, &mut findings, plan.thresholds));
    findings.pools.truncate(plan.top);
    let finish = match findings.severity {
        Severity::Ok | Severity::Notice => Finish::Done,
        Severity::Warning => Finish::Warning,
        Severity::Critical => Finish::Critical,
    };
    if let Some(path) = &plan.textfile {
        write_metrics(context, plan, &look, &findings, path)?;
    }
    if plan.report.is_none() || !speaks(context, plan, findings.severity) {
        return Ok(finish);
    }
    let owners = find_owners(context, plan, &look, &findings);
    let report = EphemeralReport {
        probe: probed,
        ..assemble(context, plan, &look, &findings, &owners)
    };
    let mut out = Vec::new();
    match plan.report {
        None => {}
        Some(ReportFormat::Human) => report::human(&mut out, &report, plan.output.paint),
        Some(ReportFormat::Json) => report::json(&mut out, &report),
        Some(ReportFormat::Nagios) => report::nagios(&mut out, &report),
        Some(ReportFormat::Prometheus) => report::prometheus(&mut out, &report),
    }
    print(&out)?;
    let gaps = report.document.collection.gaps;
    context.warn_of_gaps(&gaps);
    Ok(finish)
}

/// Whether anything is to be printed.
fn speaks(context: &mut Context, plan: &EphemeralPlan, severity: Severity) -> bool {
    let alarm = severity >= Severity::Warning;
    let Some(path) = &plan.state_file else {
        return alarm || !plan.quiet;
    };
    let place = || terminal(path.as_os_str().as_bytes());
    match memory::decide(path, severity.status(), plan.repeat) {
        Ok(decision) => {
            if let Some(warning) = decision.warning {
                context.warn(format!("state file {}: {warning}", place()));
            }
            decision.speaks
        }
        Err(error) => {
            context.warn(format!("state file {}: {error}", place()));
            alarm || !plan.quiet
        }
    }
}

/// Writes metrics where the textfile collector finds them.
fn write_metrics(
    context: &Context,
    plan: &EphemeralPlan,
    look: &Look,
    findings: &Findings,
    path: &Path,
) -> Result<(), Error> {
    let report = assemble(context, plan, look, findings, &Owners::unasked());
    let mut out = Vec::new();
    report::prometheus(&mut out, &report);
    replace_file(path, &out, METRICS_MODE).map_err(|error| Error::File {
        path: path.to_owned(),
        error,
    })
}

/// Looks once, or twice for the time between.
fn look(
    context: &Context,
    plan: &EphemeralPlan,
    settings: &EphemeralSettings,
) -> Result<(Look, Findings), Error> {
    let judged = |look: &Look| {
        // What a probe finds may bring any pool to the top.
        let top = if plan.probe { usize::MAX } else { plan.top };
        look.ephemeral.judge(&plan.ask, plan.thresholds, top)
    };
    let first = Look::at(context, settings)?;
    let Some(interval) = plan.sample else {
        let findings = judged(&first);
        return Ok((first, findings));
    };
    thread::sleep(interval);
    let second = Look::at(context, settings)?;
    let seconds = second.since(&first).as_secs_f64();
    let mut findings = judged(&second);
    second
        .ephemeral
        .time_left_since(&first.ephemeral, seconds, &mut findings);
    Ok((second, findings))
}

/// Owners are looked for where somebody wants to know: of pools that fill up, or that were asked
/// about; and of listeners that a person reads of anyway.
fn find_owners<'c>(
    context: &'c Context,
    plan: &EphemeralPlan,
    look: &Look,
    findings: &Findings,
) -> Owners<'c> {
    if plan.report == Some(ReportFormat::Prometheus) {
        return Owners::unasked();
    }
    let asked = plan.ask.source.is_some() || plan.ask.destination.is_some();
    let filling = findings.severity > Severity::Ok;
    let listeners = plan.report != Some(ReportFormat::Nagios) && look.has_exposed();
    if asked || filling || listeners {
        Owners::scan(context)
    } else {
        Owners::unasked()
    }
}

fn assemble<'a>(
    context: &Context,
    plan: &EphemeralPlan,
    look: &'a Look,
    findings: &'a Findings,
    owners: &Owners<'_>,
) -> EphemeralReport<'a> {
    let note = |pool: &Pool| {
        let (shares, status) = owners.of(&look.ephemeral.sockets_of(&pool.key));
        PoolNotes {
            owners: shares,
            owners_status: status,
            advice: look.ephemeral.advice(pool),
        }
    };
    let notes = findings.pools.iter().map(note).collect();
    let with_owners = |exposed: Exposed| {
        let inodes = exposed.inodes.iter();
        let sockets: Vec<(u64, u16)> = inodes.map(|&inode| (inode, exposed.port)).collect();
        let (shares, _) = owners.of(&sockets);
        (exposed, shares)
    };
    let exposed = look.ephemeral.exposed();
    let exposed = exposed.into_iter().map(with_owners).collect();
    let mut document = context.document(SCHEMA);
    document.collection = Collection {
        sources: look.report.sources.clone(),
        gaps: look
            .report
            .gaps
            .iter()
            .cloned()
            .chain(owners.gap())
            .collect(),
    };
    EphemeralReport {
        document,
        taken_at: context.host.taken_at(),
        netns: report::Netns {
            id: context.host.netns(),
            name: context.host.netns_name(),
        },
        settings: look.ephemeral.settings(),
        thresholds: plan.thresholds,
        findings,
        notes,
        exposed,
        reserve: look.ephemeral.to_reserve(),
        summary: &look.summary,
        backlogs: &look.backlogs,
        probe: None,
    }
}

/// Programs that read our output are told in their own format that nothing is known.
fn tell_unknown(context: &Context, plan: &EphemeralPlan, error: &Error) -> Result<(), Error> {
    let reason = error.to_string();
    let mut out = Vec::new();
    match plan.report {
        Some(ReportFormat::Json) => {
            let document = context.document(SCHEMA);
            report::json_unknown(&mut out, &document, plan.thresholds, &reason);
        }
        Some(ReportFormat::Nagios) => report::nagios_unknown(&mut out, &reason),
        Some(ReportFormat::Human | ReportFormat::Prometheus) | None => return Ok(()),
    }
    print(&out)
}

fn print(out: &[u8]) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(out)?;
    stdout.flush()?;
    Ok(())
}
