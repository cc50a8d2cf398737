//! The listing: collect, filter, join, print; streamed where the format allows it.

use std::io::{self, Write};

use super::annotate::{Annotator, Wants};
use super::context::{Context, Error, Finish, Remarks};
use super::held::Held;
use super::request::{query, request};
use super::stream::{Stream, Writer};
use crate::analyze::Ephemeral;
use crate::cli::plan::{Format, ListPlan};
use crate::collect::{Batch, Flow, Receiver, Request, collect};
use crate::filter::Query;
use crate::kernel::output::wait_for_next_round;
use crate::model::Socket;

pub(super) fn run(context: &mut Context, plan: &ListPlan) -> Result<Finish, Error> {
    let query = query(context, plan)?;
    let request = request(context, plan, &query);
    if plan.quiet {
        return search(context, &request, &query);
    }
    print(context, plan, &request, &query)?;
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
        print(context, &again, &request, &query)?;
    }
}

/// `-q`: reads until something matches. That nothing does can be said only when all was read.
fn search(context: &mut Context, request: &Request, query: &Query) -> Result<Finish, Error> {
    let mut search = Search {
        query,
        found: false,
    };
    let report = collect(&context.host, request, &mut search)?;
    if search.found {
        return Ok(Finish::Done);
    }
    match report.gaps.iter().find(|gap| gap.loses_sockets()) {
        Some(gap) => Err(Error::Nothing(format!("nothing matched, but {gap}"))),
        None => Ok(Finish::NoMatch),
    }
}

struct Search<'a> {
    query: &'a Query,
    found: bool,
}

impl Receiver for Search<'_> {
    fn begin(&mut self) {}

    fn rows(&mut self, batch: &mut Batch) -> io::Result<Flow> {
        self.found |= batch
            .sockets
            .iter()
            .any(|socket| self.query.accepts(socket));
        Ok(if self.found { Flow::Enough } else { Flow::More })
    }

    /// The same rows come again by another way; none was taken.
    fn take_back(&mut self) -> bool {
        true
    }
}

fn print(
    context: &mut Context,
    plan: &ListPlan,
    request: &Request,
    query: &Query,
) -> Result<(), Error> {
    let held = plan.sort.is_some() || matches!(plan.output.format, Format::Table | Format::Json);
    let remarks = if held {
        Held::read(context, plan, request, query)?.print(context, plan, request)?
    } else {
        print_streamed(context, plan, request, query)?
    };
    context.warn_of_gaps(&remarks.gaps);
    context.say_without_bpf(remarks.without_bpf, plan.verbose);
    // A table says it below its rows.
    if plan.output.format != Format::Table
        && let Some(verdict) = &remarks.verdict
    {
        context.warn_of_verdict(verdict);
    }
    Ok(())
}

fn print_streamed(
    context: &Context,
    plan: &ListPlan,
    request: &Request,
    query: &Query,
) -> Result<Remarks, Error> {
    let pass = |socket: &Socket| query.accepts(socket);
    let annotator = Annotator::new(context, request, Wants::of(plan));
    let mut stream = Stream::new(
        &pass,
        annotator,
        Writer::new(context, plan, request),
        context.ephemeral_settings().ok().map(Ephemeral::new),
        io::stdout().lock(),
    );
    let report = collect(&context.host, request, &mut stream)?;
    let (ephemeral, annotator) = stream.finish()?;
    let mut gaps = report.gaps;
    gaps.extend(annotator.gaps());
    Ok(Remarks {
        gaps,
        verdict: ephemeral.map(|count| count.verdict()),
        without_bpf: annotator.without_bpf(),
    })
}
