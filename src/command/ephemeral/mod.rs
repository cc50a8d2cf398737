//! `portstat ephemeral`: count, judge, name the owners, tell.

mod everywhere;
mod look;
mod memory;
mod probe;
mod tell;

use std::path::Path;
use std::thread;

use self::look::Look;
use self::tell::{print, tell, tell_unknown};
use super::context::Context;
use super::hold::hides_ports;
use super::outcome::{Error, Finish};
use super::shares::Owners;
use crate::analyze::{Ephemeral, EphemeralSettings, Exposed, Findings, Pool, Severity};
use crate::cli::{EphemeralPlan, ReportFormat};
use crate::kernel::{Host, replace_file};
use crate::model::Gap;
use crate::render::ephemeral::{self as report, EphemeralReport, PoolNotes};
use crate::render::escape::message;
use crate::render::{Collection, Document};

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
    let contexts = everywhere::contexts(&context.host);
    let (mut judged, mut gaps) = match &context.host {
        Host::Everywhere(all) => everywhere::judged(context, all, &contexts, plan)?,
        _ => {
            let judged = judged_here(context, plan)?;
            let gaps = judged.look.report.gaps.clone();
            (vec![judged], gaps)
        }
    };
    let probed = probed(context, plan, &mut judged);
    for one in &mut judged {
        one.findings.pools.truncate(plan.top);
    }
    let severities = judged.iter().map(|judged| judged.findings.severity);
    let severity = severities.max().unwrap_or(Severity::Ok);
    let finish = match severity {
        Severity::Ok | Severity::Notice => Finish::Done,
        Severity::Warning => Finish::Warning,
        Severity::Critical => Finish::Critical,
    };
    if let Some(path) = &plan.textfile {
        write_metrics(context, plan, &judged, &gaps, path)?;
    }
    // Nothing is said to be well of sockets that were not all seen.
    let hidden = gaps.iter().find(|gap| hides_ports(gap));
    let unknown = hidden.filter(|_| finish == Finish::Done);
    let unknown = unknown.map(Gap::to_string);
    let (status, finish) = match &unknown {
        // Of one namespace there is nothing to tell then, of several how the others stand.
        Some(reason) if !context.is_everywhere() => return Err(Error::Nothing(reason.clone())),
        Some(_) => ("unknown", Finish::Unknown),
        None => (severity.status(), finish),
    };
    let mut told = Vec::new();
    let finish = tell(plan, status, finish, || {
        let Some(format) = plan.report else {
            return Ok(());
        };
        let owners = find_owners(context, plan, &mut judged);
        let mut reports = assemble(context, plan, &judged, &owners);
        gaps.extend(owners.gap());
        let document = document(context, &judged, &gaps);
        if let [report] = &mut reports[..] {
            report.probe = probed;
        }
        print(&written(
            plan,
            format,
            &document,
            &reports,
            unknown.as_deref(),
        ))?;
        told = gaps;
        // These have said it at their top.
        if matches!(format, ReportFormat::Human | ReportFormat::Nagios) {
            told.retain(|gap| unknown.as_ref() != Some(&gap.to_string()));
        }
        Ok(())
    })?;
    Ok((finish, told))
}

/// What came of a probe, where one was asked for; that is of one namespace only.
fn probed(context: &Context, plan: &EphemeralPlan, judged: &mut [Judged<'_>]) -> Option<String> {
    let Judged { look, findings, .. } = judged.first_mut().filter(|_| plan.probe)?;
    Some(probe::probe(context, look, findings, plan.thresholds))
}

/// The reports in a format; `unknown` is why it cannot be told that all is well.
fn written(
    plan: &EphemeralPlan,
    format: ReportFormat,
    document: &Document,
    reports: &[EphemeralReport<'_>],
    unknown: Option<&str>,
) -> Vec<u8> {
    let mut out = Vec::new();
    match format {
        ReportFormat::Human => {
            if let Some(reason) = unknown {
                out.extend(format!("UNKNOWN: {}\n\n", message(reason)).bytes());
            }
            report::human(&mut out, reports, plan.output.paint, plan.output.width);
        }
        ReportFormat::Json => report::json(&mut out, document, reports, unknown),
        ReportFormat::Nagios => match unknown {
            Some(reason) => report::nagios_unknown(&mut out, &message(reason)),
            None => report::nagios(&mut out, reports),
        },
        ReportFormat::Prometheus => report::prometheus(&mut out, document, reports),
    }
    out
}

/// A network namespace that was looked at.
struct Judged<'c> {
    look: Look<'c>,
    findings: Findings,
    netns: report::Netns,
}

/// Judges the network namespace that the host is in.
fn judged_here<'c>(context: &'c Context, plan: &EphemeralPlan) -> Result<Judged<'c>, Error> {
    let settings = context
        .ephemeral_settings()
        .map_err(|gap| Error::Nothing(gap.to_string()))?;
    let (look, findings) = look(context, plan, &settings)?;
    Ok(Judged {
        look,
        findings,
        netns: report::Netns {
            id: context.host.netns(),
            name: context.host.netns_name(),
            entrance: context.entrance.clone(),
        },
    })
}

/// Writes metrics where the textfile collector finds them.
fn write_metrics(
    context: &Context,
    plan: &EphemeralPlan,
    judged: &[Judged<'_>],
    gaps: &[Gap],
    path: &Path,
) -> Result<(), Error> {
    let reports = assemble(context, plan, judged, &Owners::unasked());
    let mut out = Vec::new();
    report::prometheus(&mut out, &document(context, judged, gaps), &reports);
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
    // Where it may come to silence, owners are not looked for before that is known.
    let speaks = !plan.quiet && plan.state_file.is_none();
    let wants_owners =
        |seen: &Ephemeral| speaks && wants_owners(plan, seen.fills(), seen.listens_inside());
    let Some(interval) = plan.sample else {
        let look = Look::at(context, settings, wants_owners)?;
        let findings = findings(plan, None, &look);
        return Ok((look, findings));
    };
    let first = Look::at(context, settings, |_| false)?;
    thread::sleep(interval);
    let second = Look::at(context, settings, wants_owners)?;
    let findings = findings(plan, Some(&first), &second);
    Ok((second, findings))
}

/// What a look comes to, after one before.
fn findings(plan: &EphemeralPlan, first: Option<&Look<'_>>, look: &Look<'_>) -> Findings {
    // What a probe finds may bring any pool to the top.
    let top = if plan.probe { usize::MAX } else { plan.top };
    let mut findings = look.ephemeral.judge(&plan.ask, plan.thresholds, top);
    if let Some(first) = first {
        let seconds = look.since(first).as_secs_f64();
        look.ephemeral
            .time_left_since(&first.ephemeral, seconds, &mut findings);
    }
    findings
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
    judged: &mut [Judged<'c>],
) -> Owners<'c> {
    let wants = |Judged { look, findings, .. }: &Judged<'_>| {
        let fills = findings.severity > Severity::Ok;
        wants_owners(plan, fills, look.ephemeral.listens_inside())
    };
    if !judged.iter().any(wants) {
        return Owners::unasked();
    }
    let found = judged.iter_mut().find_map(|one| one.look.owners.take());
    found.unwrap_or_else(|| Owners::scan(context))
}

/// What is told of each.
fn assemble<'a>(
    context: &Context,
    plan: &EphemeralPlan,
    judged: &'a [Judged<'_>],
    owners: &Owners<'_>,
) -> Vec<EphemeralReport<'a>> {
    let assemble = |judged: &'a Judged<'_>| assemble_one(context, plan, judged, owners);
    judged.iter().map(assemble).collect()
}

fn assemble_one<'a>(
    context: &Context,
    plan: &EphemeralPlan,
    judged: &'a Judged<'_>,
    owners: &Owners<'_>,
) -> EphemeralReport<'a> {
    let Judged { look, findings, .. } = judged;
    let exposed = look.ephemeral.exposed();
    let of_pools = findings.pools.iter().flat_map(|pool| {
        let sockets = look.ephemeral.sockets_of(&pool.key).into_iter();
        sockets.map(|(inode, _)| inode)
    });
    let of_exposed = exposed
        .iter()
        .flat_map(|exposed| exposed.inodes.iter().copied());
    let owners = owners.among(of_pools.chain(of_exposed));
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
    let exposed = exposed.into_iter().map(with_owners).collect();
    EphemeralReport {
        taken_at: context.host.taken_at(),
        netns: judged.netns.clone(),
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

/// Host, time, and what was not seen.
fn document(context: &Context, judged: &[Judged<'_>], gaps: &[Gap]) -> Document {
    let mut document = context.document(SCHEMA);
    document.collection = Collection {
        sources: judged
            .iter()
            .flat_map(|judged| judged.look.report.sources.iter().copied())
            .collect(),
        gaps: gaps.to_vec(),
    };
    document
}
