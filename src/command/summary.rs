//! `-s`: counts per protocol, family and state.

use std::io::{self, Write};

use super::annotate::{Annotator, Wants};
use super::context::{Context, Error, Finish};
use super::hold::{tables_read, whole_verdict};
use super::ports::PortCounts;
use super::request::{lists_ports, query, request};
use super::sieve::Sieve;
use crate::analyze::{EphemeralSettings, Summary};
use crate::cli::{Format, ListPlan};
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
                context.begin_round();
            }
            Some(_) => return Ok(Finish::Done),
            None => return Ok(Finish::Done),
        }
    }
}

/// Counts the sockets that pass.
struct Count<'a> {
    sieve: Sieve<'a>,
    annotator: Annotator<'a>,
    stage: Batch,
    summary: Summary,
    ephemeral: Option<PortCounts<'a>>,
    before: Option<(Summary, Option<PortCounts<'a>>)>,
}

impl<'a> Count<'a> {
    fn new(
        context: &'a Context,
        request: &'a Request,
        query: &'a Query,
        settings: Option<EphemeralSettings>,
    ) -> Count<'a> {
        Count {
            sieve: Sieve::new(context, query),
            annotator: Annotator::new(context, request, Wants::of_filter(query)),
            stage: Batch::default(),
            summary: Summary::default(),
            ephemeral: settings.map(|settings| PortCounts::new(context, settings)),
            before: None,
        }
    }
}

impl Receiver for Count<'_> {
    fn begin(&mut self) {
        self.before = Some((self.summary.clone(), self.ephemeral.clone()));
    }

    fn rows(&mut self, batch: &mut Batch) -> io::Result<Flow> {
        if let Some(ephemeral) = &mut self.ephemeral {
            batch
                .sockets
                .iter()
                .for_each(|socket| ephemeral.add(socket));
        }
        let sieve = &self.sieve;
        self.stage.clear();
        self.stage
            .append_if(batch, |socket, details| sieve.may_pass(socket, details));
        if sieve.asks_more() {
            sieve.sift(&mut self.annotator, &mut self.stage, 0);
        }
        for socket in &self.stage.sockets {
            self.summary.add(socket);
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
    let mut count = Count::new(context, request, query, settings.clone());
    let mut report = collect(&context.host, request, &mut count)?;
    report.gaps.extend(count.sieve.gaps(&report));
    report.gaps.extend(count.annotator.gaps());
    let summary = &count.summary;
    let counted = count.ephemeral.take();
    let verdict = settings
        .filter(|_| lists_ports(request))
        .and_then(|settings| whole_verdict(context, request, counted, settings, &mut report.gaps));
    // CSV and lines of JSON have no place for what is now missing.
    let has_place = matches!(
        plan.output.format,
        Format::Table | Format::Plain | Format::Json
    );
    report
        .gaps
        .extend(settings_gap.filter(|_| has_place && lists_ports(request)));
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
