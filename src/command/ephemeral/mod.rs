//! `portstat ephemeral`: count, judge, name the owners, tell.

mod look;
mod memory;
mod owners;
mod probe;
mod tell;

use std::path::Path;
use std::thread;

use self::look::Look;
use self::owners::Owners;
use self::tell::{print, tell, tell_unknown};
use super::context::{Context, Error, Finish};
use super::hold::hides_ports;
use crate::analyze::{Ephemeral, EphemeralSettings, Exposed, Findings, Pool, Severity};
use crate::cli::{EphemeralPlan, ReportFormat};
use crate::kernel::replace_file;
use crate::model::Gap;
use crate::render::Collection;
use crate::render::ephemeral::{self as report, EphemeralReport, PoolNotes};

/// The collector runs as another user.
const METRICS_MODE: u32 = 0o644;
/// The `schema` of a report.
const SCHEMA: &str = "portstat.ephemeral.v1";

/// Judges what there is to see; `context` may be the reason why there is nothing.
pub(super) fn run(context: Result<Context, Error>, plan: &EphemeralPlan) -> Result<Finish, Error> {
    let mut context = match context {
        Ok(context) => context,
        Err(error) => return tell_unknown(None, plan, &error),
    };
    match judge(&context, plan) {
        Ok((finish, gaps)) => {
            context.warn_of_gaps(&gaps);
            Ok(finish)
        }
        // It is known, and could not be told.
        Err(Error::Output(error)) => Err(Error::Output(error)),
        Err(error) => tell_unknown(Some(&context), plan, &error),
    }
}

/// Judges and tells; returns what was not seen, where that is to be said.
fn judge(context: &Context, plan: &EphemeralPlan) -> Result<(Finish, Vec<Gap>), Error> {
    let settings = context
        .ephemeral_settings()
        .map_err(|gap| Error::Nothing(gap.to_string()))?;
    let (mut look, mut findings) = look(context, plan, &settings)?;
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
    // Nothing is said to be well of sockets that were not all seen.
    if finish == Finish::Done
        && let Some(gap) = look.report.gaps.iter().find(|gap| hides_ports(gap))
    {
        return Err(Error::Nothing(gap.to_string()));
    }
    let mut gaps = Vec::new();
    let finish = tell(plan, findings.severity.status(), finish, || {
        let Some(format) = plan.report else {
            return Ok(());
        };
        let owners = find_owners(context, plan, &mut look, &findings);
        let report = EphemeralReport {
            probe: probed,
            ..assemble(context, plan, &look, &findings, &owners)
        };
        let mut out = Vec::new();
        match format {
            ReportFormat::Human => {
                report::human(&mut out, &report, plan.output.paint, plan.output.width);
            }
            ReportFormat::Json => report::json(&mut out, &report),
            ReportFormat::Nagios => report::nagios(&mut out, &report),
            ReportFormat::Prometheus => report::prometheus(&mut out, &report),
        }
        print(&out)?;
        gaps = report.document.collection.gaps;
        Ok(())
    })?;
    Ok((finish, gaps))
}

/// Writes metrics where the textfile collector finds them.
fn write_metrics(
    context: &Context,
    plan: &EphemeralPlan,
    look: &Look<'_>,
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
fn look<'c>(
    context: &'c Context,
    plan: &EphemeralPlan,
    settings: &EphemeralSettings,
) -> Result<(Look<'c>, Findings), Error> {
    let judged = |look: &Look<'_>| {
        // What a probe finds may bring any pool to the top.
        let top = if plan.probe { usize::MAX } else { plan.top };
        look.ephemeral.judge(&plan.ask, plan.thresholds, top)
    };
    // Where it may come to silence, owners are not looked for before that is known.
    let speaks = !plan.quiet && plan.state_file.is_none();
    let wants_owners =
        |seen: &Ephemeral| speaks && wants_owners(plan, seen.fills(), seen.listens_inside());
    let Some(interval) = plan.sample else {
        let look = Look::at(context, settings, wants_owners)?;
        let findings = judged(&look);
        return Ok((look, findings));
    };
    let first = Look::at(context, settings, |_| false)?;
    thread::sleep(interval);
    let second = Look::at(context, settings, wants_owners)?;
    let seconds = second.since(&first).as_secs_f64();
    let mut findings = judged(&second);
    second
        .ephemeral
        .time_left_since(&first.ephemeral, seconds, &mut findings);
    Ok((second, findings))
}

/// Owners are looked for where somebody wants to know: of pools that fill up, or that were asked
/// about; and of listeners inside the range, of which people and documents tell anyway.
fn wants_owners(plan: &EphemeralPlan, fills: bool, listens_inside: bool) -> bool {
    let asked = plan.ask.source.is_some() || plan.ask.destination.is_some();
    match plan.report {
        None | Some(ReportFormat::Prometheus) => false,
        Some(ReportFormat::Nagios) => asked || fills,
        Some(ReportFormat::Human | ReportFormat::Json) => asked || fills || listens_inside,
    }
}

fn find_owners<'c>(
    context: &'c Context,
    plan: &EphemeralPlan,
    look: &mut Look<'c>,
    findings: &Findings,
) -> Owners<'c> {
    let fills = findings.severity > Severity::Ok;
    if !wants_owners(plan, fills, look.ephemeral.listens_inside()) {
        return Owners::unasked();
    }
    look.owners.take().unwrap_or_else(|| Owners::scan(context))
}

fn assemble<'a>(
    context: &Context,
    plan: &EphemeralPlan,
    look: &'a Look<'_>,
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
