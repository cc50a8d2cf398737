//! `-s`: counts per protocol, family and state.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::annotate::Annotator;
use super::context::Context;
use super::hold::{tables_read, whole_verdict};
use super::outcome::{Error, Finish};
use super::ports::PortCounts;
use super::request::{Asked, lists_ports, request};
use super::sieve::Sieve;
use super::wants::Wants;
use crate::analyze::{EphemeralSettings, Summary};
use crate::cli::{Format, ListPlan};
use crate::collect::{Batch, Flow, Receiver, Request, collect, namespaces};
use crate::filter::Query;
use crate::kernel::output::wait_for_next_round;
use crate::render::{self, Collection, NamespaceCounts};

/// The `schema` of a summary.
const SCHEMA: &str = "portstat.summary.v1";

pub(super) fn run(context: &mut Context, plan: &ListPlan) -> Result<Finish, Error> {
    let asked = Asked::read(plan)?;
    let mut query = asked.query(context)?;
    let mut plan = plan.clone();
    loop {
        print(context, &plan, &request(context, &plan, &query), &query)?;
        // One file of CSV has one header.
        plan.output.header &= plan.output.format != Format::Csv;
        match plan.interval {
            Some(interval) if wait_for_next_round(interval) => {
                // Tables for people stand apart.
                if plan.output.format == Format::Table {
                    writeln!(io::stdout())?;
                }
                context.begin_round();
                asked.again(context, &mut query);
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
    /// Of each network namespace, by the number that sockets have of theirs.
    summaries: BTreeMap<u16, Summary>,
    ephemeral: Option<PortCounts<'a>>,
    before: Option<(BTreeMap<u16, Summary>, Option<PortCounts<'a>>)>,
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
            summaries: BTreeMap::new(),
            ephemeral: settings.map(|settings| PortCounts::new(context, settings)),
            before: None,
        }
    }
}

impl Receiver for Count<'_> {
    fn begin(&mut self) {
        self.before = Some((self.summaries.clone(), self.ephemeral.clone()));
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
            self.summaries.entry(socket.netns).or_default().add(socket);
        }
        Ok(Flow::More)
    }

    fn take_back(&mut self) -> bool {
        if let Some((summaries, ephemeral)) = self.before.take() {
            (self.summaries, self.ephemeral) = (summaries, ephemeral);
        }
        true
    }
}

/// The counts of each network namespace, of those without sockets too; without a name where there
/// is but one.
fn by_namespace(context: &Context, mut summaries: BTreeMap<u16, Summary>) -> Vec<NamespaceCounts> {
    if !context.is_everywhere() {
        return vec![(None, summaries.remove(&0).unwrap_or_default())];
    }
    let namespaces = (0..).zip(namespaces(&context.host));
    namespaces
        .map(|(number, namespace)| {
            let summary = summaries.remove(&number).unwrap_or_default();
            (Some(namespace), summary)
        })
        .collect()
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
    let counts = by_namespace(context, count.summaries);
    let counted = count.ephemeral;
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
            render::summary_text(&mut out, &counts, &tables, shown, header, paint);
        }
        Format::Json => {
            let mut document = context.document(SCHEMA);
            document.collection = Collection {
                sources: report.sources,
                gaps: report.gaps.clone(),
            };
            render::summary_json(&mut out, &document, &counts, verdict.as_ref());
        }
        Format::Jsonl => render::summary_jsonl(&mut out, &counts),
        Format::Csv => render::summary_csv(&mut out, &counts, header),
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
