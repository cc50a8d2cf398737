//! `-s`: counts per protocol, family and state.

use std::io::{self, Write};

use super::context::{Context, Error, Finish};
use super::hold::{tables_read, whole_verdict};
use super::request::{query, request};
use crate::analyze::{Ephemeral, Summary};
use crate::cli::plan::{Format, ListPlan};
use crate::collect::{Batch, Flow, Receiver, Request, collect};
use crate::filter::Query;
use crate::kernel::output::wait_for_next_round;
use crate::render::{self, Collection};

/// The `schema` of a summary.
const SCHEMA: &str = "portstat.summary.v1";

pub(super) fn run(context: &mut Context, plan: &ListPlan) -> Result<Finish, Error> {
    let query = query(context, plan)?;
    let request = request(context, plan, &query);
    let mut plan = plan.clone();
    loop {
        print(context, &plan, &request, &query)?;
        // One file of CSV has one header.
        plan.output.header &= plan.output.format != Format::Csv;
        match plan.interval {
            Some(interval) if wait_for_next_round(interval) => {
                // Tables for people stand apart.
                if plan.output.format == Format::Table {
                    writeln!(io::stdout())?;
                }
            }
            Some(_) => return Ok(Finish::Done),
            None => return Ok(Finish::Done),
        }
    }
}

/// Counts the sockets that pass.
struct Count<'a> {
    query: &'a Query,
    summary: Summary,
    ephemeral: Option<Ephemeral>,
    before: Option<(Summary, Option<Ephemeral>)>,
}

impl Receiver for Count<'_> {
    fn begin(&mut self) {
        self.before = Some((self.summary.clone(), self.ephemeral.clone()));
    }

    fn rows(&mut self, batch: &mut Batch) -> io::Result<Flow> {
        for socket in &batch.sockets {
            if let Some(ephemeral) = &mut self.ephemeral {
                ephemeral.add(socket);
            }
            if self.query.accepts(socket) {
                self.summary.add(socket);
            }
        }
        Ok(Flow::More)
    }

    fn take_back(&mut self) -> bool {
        if let Some((summary, ephemeral)) = self.before.take() {
            (self.summary, self.ephemeral) = (summary, ephemeral);
        }
        true
    }
}

/// Prints the counts once.
fn print(
    context: &mut Context,
    plan: &ListPlan,
    request: &Request,
    query: &Query,
) -> Result<(), Error> {
    let (settings, settings_gap) = match context.ephemeral_settings() {
        Ok(settings) => (Some(settings), None),
        Err(gap) => (None, Some(gap)),
    };
    let mut count = Count {
        query,
        summary: Summary::default(),
        ephemeral: settings.clone().map(Ephemeral::new),
        before: None,
    };
    let mut report = collect(&context.host, request, &mut count)?;
    let summary = &count.summary;
    let counted = count.ephemeral.take();
    let verdict = settings
        .and_then(|settings| whole_verdict(context, request, counted, settings, &mut report.gaps));
    // CSV and lines of JSON have no place for what is now missing.
    let has_place = matches!(
        plan.output.format,
        Format::Table | Format::Plain | Format::Json
    );
    report.gaps.extend(settings_gap.filter(|_| has_place));
    let header = plan.output.header;
    let mut out = Vec::new();
    match plan.output.format {
        Format::Table | Format::Plain => {
            let shown = verdict.as_ref();
            let tables = tables_read(&plan.tables, &report.gaps);
            let paint = plan.output.paint;
            render::summary_text(&mut out, summary, &tables, shown, header, paint);
        }
        Format::Json => {
            let mut document = context.document(SCHEMA);
            document.collection = Collection {
                sources: report.sources,
                gaps: report.gaps.clone(),
            };
            render::summary_json(&mut out, &document, summary, verdict.as_ref());
        }
        Format::Jsonl => render::summary_jsonl(&mut out, summary),
        Format::Csv => render::summary_csv(&mut out, summary, header),
    }
    let mut stdout = io::stdout().lock();
    stdout.write_all(&out)?;
    stdout.flush()?;
    context.warn_of_gaps(&report.gaps);
    let told = matches!(plan.output.format, Format::Table | Format::Plain);
    if let Some(verdict) = verdict.as_ref().filter(|_| !told) {
        context.warn_of_verdict(verdict);
    }
    Ok(())
}
