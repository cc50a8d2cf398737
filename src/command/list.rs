//! The listing: collect, filter, join, print; streamed where the format allows it.

use std::io::{self, Write};

use super::annotate::Annotator;
use super::context::{Context, Remarks};
use super::held::Held;
use super::outcome::{Error, Finish};
use super::ports::PortCounts;
use super::request::{Asked, request};
use super::sieve::Sieve;
use super::stream::{Stream, Writer};
use super::wants::Wants;
use crate::cli::{Format, ListPlan};
use crate::collect::{Batch, Flow, Receiver, Request, collect};
use crate::filter::Query;
use crate::kernel::output::wait_for_next_round;
use crate::model::Gap;

pub(super) fn run(context: &mut Context, plan: &ListPlan) -> Result<Finish, Error> {
    let asked = Asked::read(plan)?;
    let mut query = asked.query(context)?;
    let plan = &plan.clone().following(&query);
    if plan.quiet {
        return search(context, &request(context, plan, &query), &query);
    }
    print(context, plan, &query)?;
    let Some(interval) = plan.interval else {
        return Ok(Finish::Done);
    };
    let mut again = plan.clone();
    // One file of CSV has one header; tables for people stand apart.
    again.output.header &= plan.output.format != Format::Csv;
    loop {
        if !wait_for_next_round(interval) {
            return Ok(Finish::Done);
        }
        if plan.output.format == Format::Table {
            writeln!(io::stdout())?;
        }
        context.begin_round();
        asked.again(context, &mut query);
        print(context, &again, &query)?;
    }
}

/// `-q`: reads until something matches. That nothing does can be said only when all was read.
fn search(context: &mut Context, request: &Request, query: &Query) -> Result<Finish, Error> {
    let mut search = Search {
        sieve: Sieve::new(context, query),
        annotator: Annotator::new(context, request, Wants::of_filter(query)),
        stage: Batch::default(),
        found: false,
    };
    let report = collect(&context.host, request, &mut search)?;
    if search.found {
        return Ok(Finish::Done);
    }
    let mut gaps = report.gaps.clone();
    gaps.extend(search.sieve.gaps(&report));
    gaps.extend(search.annotator.gaps());
    let hides = |gap: &&Gap| gap.loses_sockets() || matches!(gap, Gap::Owners { .. });
    match gaps.iter().find(hides) {
        Some(gap) => Err(Error::Nothing(format!("nothing matched, but {gap}"))),
        None => Ok(Finish::NoMatch),
    }
}

struct Search<'a> {
    sieve: Sieve<'a>,
    annotator: Annotator<'a>,
    stage: Batch,
    found: bool,
}

impl Receiver for Search<'_> {
    fn begin(&mut self) {}

    fn rows(&mut self, batch: &mut Batch) -> io::Result<Flow> {
        self.stage.clear();
        let sieve = &self.sieve;
        self.stage
            .append_if(batch, |socket, details| sieve.may_pass(socket, details));
        if sieve.asks_more() {
            sieve.sift(&mut self.annotator, &mut self.stage, 0);
        }
        self.found |= !self.stage.sockets.is_empty();
        Ok(if self.found { Flow::Enough } else { Flow::More })
    }

    /// The same rows come again by another way; none was taken.
    fn take_back(&mut self) -> bool {
        true
    }
}

fn print(context: &mut Context, plan: &ListPlan, query: &Query) -> Result<(), Error> {
    let request = &request(context, plan, query);
    let held = plan.sort.is_some() || matches!(plan.output.format, Format::Table | Format::Json);
    let remarks = if held {
        let held = Held::read(context, plan, request, query)?;
        held.print(context, plan, request)?;
        held.remarks()
    } else {
        print_streamed(context, plan, request, query)?
    };
    say_remarks(context, plan, &remarks);
    Ok(())
}

/// Says what a listing leaves to be said.
pub(super) fn say_remarks(context: &mut Context, plan: &ListPlan, remarks: &Remarks) {
    context.warn_of_gaps(&remarks.gaps);
    context.say_without_bpf(remarks.without_bpf.as_deref(), plan.verbose);
    // A table says it below its rows.
    if plan.output.format != Format::Table
        && let Some(verdict) = &remarks.verdict
    {
        context.warn_of_verdict(verdict);
    }
}

fn print_streamed(
    context: &Context,
    plan: &ListPlan,
    request: &Request,
    query: &Query,
) -> Result<Remarks, Error> {
    let sieve = Sieve::new(context, query);
    let annotator = Annotator::new(context, request, Wants::of(plan, query));
    let mut stream = Stream::new(
        &sieve,
        annotator,
        Writer::new(context, plan, request),
        PortCounts::of(context).ok(),
        io::stdout().lock(),
    );
    let report = collect(&context.host, request, &mut stream)?;
    let (ephemeral, annotator) = stream.finish()?;
    let mut gaps = report.gaps.clone();
    gaps.extend(sieve.gaps(&report));
    gaps.extend(annotator.gaps());
    Ok(Remarks {
        gaps,
        verdict: ephemeral.and_then(|count| count.verdict()),
        without_bpf: annotator.without_bpf(),
    })
}
