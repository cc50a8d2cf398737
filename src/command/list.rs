//! The listing: collect, filter, join, print; streamed where the format allows it.

use std::io::{self, Write};
use std::thread;

use super::annotate::{Annotator, Wants};
use super::context::{Context, Error, Finish};
use super::hold::Hold;
use super::request::{connection_tables, query, request, sees_all_connections};
use super::stream::{Stream, Writer};
use crate::analyze::{Ephemeral, Group, GroupCounts, Verdict, reading_order};
use crate::cli::plan::{Format, ListPlan};
use crate::collect::{Batch, Flow, Receiver, Report, Request, collect};
use crate::filter::Query;
use crate::model::{Gap, Protocol, Row, Socket, StateSet};
use crate::render::{
    self, Collection, Csv, Plain, PlainOptions, TableOptions, verdict_line, verdict_warning,
};
use crate::wire::inet_diag::Extensions;

/// The `schema` of a list.
const SCHEMA: &str = "portstat.list.v1";
/// Rows written at once of a list that is held whole.
const CHUNK_LEN: usize = 1024;

pub(super) fn run(context: &mut Context, plan: &ListPlan) -> Result<Finish, Error> {
    let query = query(context, plan)?;
    let request = request(context, plan, &query);
    if plan.quiet {
        return search(context, &request, &query);
    }
    let Some(interval) = plan.interval else {
        print(context, plan, &request, &query)?;
        return Ok(Finish::Done);
    };
    loop {
        print(context, plan, &request, &query)?;
        thread::sleep(interval);
    }
}

/// `-q`: reads until something matches.
fn search(context: &mut Context, request: &Request, query: &Query) -> Result<Finish, Error> {
    let mut search = Search {
        query,
        found: false,
    };
    collect(&context.host, request, &mut search)?;
    Ok(if search.found {
        Finish::Done
    } else {
        Finish::NoMatch
    })
}

struct Search<'a> {
    query: &'a Query,
    found: bool,
}

impl Receiver for Search<'_> {
    fn begin(&mut self) {}

    fn rows(&mut self, batch: &Batch) -> io::Result<Flow> {
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
    let (gaps, verdict) = if held {
        print_held(context, plan, request, query)?
    } else {
        print_streamed(context, plan, request, query)?
    };
    context.warn_of_gaps(&gaps);
    // A table says it below its rows.
    if plan.output.format != Format::Table
        && let Some(warning) = verdict.as_ref().and_then(verdict_warning)
    {
        context.warn(warning);
    }
    Ok(())
}

fn print_streamed(
    context: &Context,
    plan: &ListPlan,
    request: &Request,
    query: &Query,
) -> Result<(Vec<Gap>, Option<Verdict>), Error> {
    let pass = |socket: &Socket| query.accepts(socket);
    let annotator = Annotator::new(&context.host, request, Wants::of(plan));
    let mut stream = Stream::new(
        &pass,
        annotator,
        writer(context, plan, request),
        context.ephemeral_settings().ok().map(Ephemeral::new),
        io::stdout().lock(),
    );
    let report = collect(&context.host, request, &mut stream)?;
    let (ephemeral, annotator) = stream.finish()?;
    let mut gaps = report.gaps;
    gaps.extend(annotator.gaps());
    Ok((gaps, ephemeral.map(|count| count.verdict())))
}

fn writer(context: &Context, plan: &ListPlan, request: &Request) -> Writer {
    let header = plan.output.header;
    match plan.output.format {
        Format::Csv => Writer::Csv(Csv::new(
            plan.columns
                .clone()
                .unwrap_or_else(|| Csv::default_columns(plan.needs_owners())),
            header,
        )),
        Format::Jsonl => Writer::Jsonl(context.host.netns()),
        Format::Plain | Format::Table | Format::Json => Writer::Plain(Plain::new(PlainOptions {
            header,
            netid: Protocol::ALL
                .iter()
                .all(|protocol| plan.tables.iter().any(|table| table.protocol == *protocol)),
            state: !request.states.is_single(),
            port_names: !plan.numeric,
            timers: plan.timers,
            extended: plan.extended,
            columns: plan.columns.clone(),
        })),
    }
}

fn print_held(
    context: &Context,
    plan: &ListPlan,
    request: &Request,
    query: &Query,
) -> Result<(Vec<Gap>, Option<Verdict>), Error> {
    let pass = |socket: &Socket| query.accepts(socket);
    let settings = context.ephemeral_settings();
    let mut hold = Hold::new(&pass, settings.as_ref().ok().cloned().map(Ephemeral::new));
    let report = collect(&context.host, request, &mut hold)?;
    let Hold { kept, counts, .. } = hold;
    let mut gaps = report.gaps.clone();

    let mut annotator = Annotator::new(&context.host, request, Wants::of(plan));
    annotator.prepare(&kept.sockets);
    let order = order(plan, &kept, &annotator);
    let row = |index: &usize| annotator.row(&kept.sockets[*index], kept.details.get(*index));

    let counted = counts.ephemeral.as_ref().map(Ephemeral::verdict);
    let verdict = if sees_all_connections(request) {
        counted
    } else if plan.output.format == Format::Table {
        count_connections(context)?
    } else {
        None
    };
    let mut out = Vec::new();
    let mut stdout = io::stdout().lock();
    match plan.output.format {
        Format::Table => {
            gaps.extend(settings.err());
            let rows: Vec<Row<'_>> = order.iter().map(row).collect();
            render::table(&mut out, &rows, &table_options(plan));
            if rows.is_empty() {
                out.extend_from_slice(b"no sockets match\n");
            }
            if let Some(verdict) = &verdict {
                verdict_line(&mut out, verdict, plan.output.paint);
            }
        }
        Format::Json => {
            let mut groups = GroupCounts::default();
            kept.sockets.iter().for_each(|socket| groups.add(socket));
            let mut document = context.document(SCHEMA);
            document.collection = collection(&report, &annotator);
            let netns = context.host.netns();
            let mut chunks = order.chunks(CHUNK_LEN);
            let mut first = true;
            document.list(&groups, verdict.as_ref(), &mut out, |out| {
                let Some(chunk) = chunks.next() else {
                    return Ok(false);
                };
                for index in chunk {
                    if !first {
                        out.extend_from_slice(b",\n");
                    }
                    first = false;
                    render::json_row(out, &row(index), netns);
                }
                stdout.write_all(out)?;
                out.clear();
                Ok(true)
            })?;
        }
        Format::Plain | Format::Csv | Format::Jsonl => {
            let mut writer = writer(context, plan, request);
            for chunk in order.chunks(CHUNK_LEN) {
                let rows: Vec<Row<'_>> = chunk.iter().map(row).collect();
                writer.rows(&rows, &mut out);
                stdout.write_all(&out)?;
                out.clear();
            }
            writer.finish(&mut out);
        }
    }
    stdout.write_all(&out)?;
    stdout.flush()?;
    gaps.extend(annotator.gaps());
    Ok((gaps, verdict))
}

/// The order of rows: by the column of `--sort`, in a table by group first; else as they came.
fn order(plan: &ListPlan, kept: &Batch, annotator: &Annotator<'_>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..kept.sockets.len()).collect();
    if plan.output.format == Format::Table {
        order.sort_by_key(|&index| reading_order(&kept.sockets[index]));
    }
    if let Some(sort) = plan.sort {
        order.sort_by_cached_key(|&index| {
            sort.column
                .sort_key(&annotator.row(&kept.sockets[index], kept.details.get(index)))
        });
        if sort.descending {
            order.reverse();
        }
    }
    if plan.output.format == Format::Table {
        order.sort_by_key(|&index| Group::of(&kept.sockets[index]));
    }
    order
}

fn table_options(plan: &ListPlan) -> TableOptions {
    TableOptions {
        columns: plan.columns.clone(),
        timers: plan.timers,
        extended: plan.extended,
        header: plan.output.header,
        width: plan.output.width.map(usize::from),
        paint: plan.output.paint,
    }
}

/// How it was read, for a document.
pub(super) fn collection(report: &Report, annotator: &Annotator<'_>) -> Collection {
    let mut gaps = report.gaps.clone();
    gaps.extend(annotator.gaps());
    Collection {
        sources: report.sources.clone(),
        gaps,
    }
}

/// Counts the connections of a host whose listing does not show them all.
fn count_connections(context: &Context) -> Result<Option<Verdict>, Error> {
    let Ok(settings) = context.ephemeral_settings() else {
        return Ok(None);
    };
    let request = Request {
        tables: connection_tables(),
        states: StateSet::ALL
            .without(StateSet::LISTENING)
            .without(StateSet::BOUND),
        extensions: Extensions::None,
        method: context.method,
    };
    let mut hold = Hold::new(&|_| false, Some(Ephemeral::new(settings)));
    // What could not be read is said by the listing itself.
    if collect(&context.host, &request, &mut hold).is_err() {
        return Ok(None);
    }
    Ok(hold.counts.ephemeral.map(|count| count.verdict()))
}
