//! Bare `portstat`: who listens, how many sockets are in which state, how the ports stand.

use std::io::{self, Write};

use super::annotate::Annotator;
use super::context::Context;
use super::hold::{Hold, credible, tables_read};
use super::outcome::{Error, Finish};
use super::ports::PortCounts;
use super::request::{all_tables, whole};
use super::wants::Wants;
use crate::analyze::reading_order;
use crate::cli::Output;
use crate::collect::collect;
use crate::model::{DetailSet, Details, Row, Socket};
use crate::render::{self, TableOptions};

pub(super) fn run(context: &mut Context, output: &Output) -> Result<Finish, Error> {
    let request = whole(context, all_tables());
    let (counts, settings_gap) = match PortCounts::of(context) {
        Ok(counts) => (Some(counts), None),
        Err(gap) => (None, Some(gap)),
    };
    let pass = |socket: &Socket, _: Option<&Details>| socket.is_listening();
    let mut hold = Hold::new(&pass, counts);
    let report = collect(&context.host, &request, &mut hold)?;

    let wants = Wants {
        owners: true,
        services: true,
        users: true,
        ..Wants::default()
    };
    let mut annotator = Annotator::new(context, &request, wants);
    let mut listeners = hold.kept.sockets;
    listeners.sort_by_key(reading_order);
    annotator.prepare(&listeners);
    let rows: Vec<Row<'_>> = listeners
        .iter()
        .map(|socket| annotator.row(socket, None))
        .collect();
    let counts = hold.counts.ephemeral;
    let verdict = counts.and_then(|counts| counts.verdict());
    let verdict = verdict.and_then(|verdict| credible(verdict, &report.gaps));
    let mut out = Vec::new();
    render::overview(
        &mut out,
        &rows,
        &hold.counts.summary,
        &tables_read(&request.tables, &report.gaps),
        verdict.as_ref(),
        &TableOptions {
            columns: None,
            beyond_ip: false,
            timers: false,
            details: DetailSet::NONE,
            namespaces: annotator.knows_several_namespaces(),
            header: output.header,
            width: output.width.map(usize::from),
            paint: output.paint,
        },
    );
    let mut stdout = io::stdout().lock();
    stdout.write_all(&out)?;
    stdout.flush()?;
    let mut gaps = report.gaps;
    gaps.extend(annotator.gaps());
    gaps.extend(settings_gap);
    let without_bpf = annotator.without_bpf();
    context.warn_of_gaps(&gaps);
    context.say_without_bpf(without_bpf.as_deref(), false);
    Ok(Finish::Done)
}
