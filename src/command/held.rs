//! A listing that is held whole before its first row is printed: tables, documents, sorted lists.

use std::io::{self, Write};

use super::annotate::Annotator;
use super::context::{Context, Remarks};
use super::hold::{Hold, credible, whole_verdict};
use super::outcome::Error;
use super::ports::PortCounts;
use super::request::{lists_ports, sees_all_connections};
use super::sieve::Sieve;
use super::stream::Writer;
use super::wants::Wants;
use crate::analyze::{Group, GroupCounts, Verdict, reading_order};
use crate::cli::{Format, ListPlan};
use crate::collect::{Batch, Report, Request, collect};
use crate::filter::Query;
use crate::model::{Details, Fate, Gap, Row, Socket};
use crate::render::{self, Collection, JsonFields, SortKey, TableOptions, verdict_line};

/// The `schema` of a list.
const SCHEMA: &str = "portstat.list.v1";
/// Rows written at once.
const CHUNK_LEN: usize = 1024;

/// All that is to be printed, and what was learnt about it.
pub(super) struct Held<'a> {
    kept: Batch,
    /// Indexes into `kept`, in the order of printing.
    order: Vec<usize>,
    annotator: Annotator<'a>,
    report: Report,
    verdict: Option<Verdict>,
    /// What became of each that is kept, where that is told.
    fates: Vec<Fate>,
}

impl<'a> Held<'a> {
    /// Reads, joins and sorts.
    pub(super) fn read(
        context: &'a Context,
        plan: &ListPlan,
        request: &'a Request,
        query: &Query,
    ) -> Result<Held<'a>, Error> {
        let sieve = Sieve::new(context, query);
        let pass = |socket: &Socket, details: Option<&Details>| sieve.may_pass(socket, details);
        let mut settings_gap = None;
        let settings = plan.tells_ports.then(|| context.ephemeral_settings());
        let settings = settings
            .transpose()
            .map_err(|gap| settings_gap = Some(gap))
            .ok()
            .flatten();
        let counts = |settings| PortCounts::new(context, settings);
        let mut hold = Hold::new(&pass, settings.clone().map(counts));
        let mut report = collect(&context.host, request, &mut hold)?;
        report.gaps.extend(sieve.gaps(&report));
        let Hold {
            mut kept, counts, ..
        } = hold;
        kept.sort_by_table();

        let is_table = plan.output.format == Format::Table && lists_ports(request);
        // A document and a sorted list tell what they can without reading more.
        let verdict = match (counts.ephemeral, settings) {
            (counted, Some(settings)) if is_table => {
                whole_verdict(context, request, counted, settings, &mut report.gaps)
            }
            (Some(count), _) if sees_all_connections(request) => count
                .verdict()
                .and_then(|verdict| credible(verdict, &report.gaps)),
            _ => None,
        };
        // Plain, CSV and lines of JSON have no place for what is now missing.
        let is_told =
            is_table || (plan.output.format == Format::Json && sees_all_connections(request));
        report.gaps.extend(settings_gap.filter(|_| is_told));

        let mut annotator = Annotator::new(context, request, Wants::of(plan, query));
        sieve.sift(&mut annotator, &mut kept, 0);
        Ok(Held {
            order: order(plan, &kept, &annotator),
            kept,
            annotator,
            report,
            verdict,
            fates: Vec::new(),
        })
    }

    /// The sockets, in the order in which they came.
    pub(super) fn sockets(&self) -> &[Socket] {
        &self.kept.sockets
    }

    /// The same, with what became of each of [its sockets](Held::sockets).
    pub(super) fn with_fates(mut self, fates: &[Fate]) -> Held<'a> {
        self.fates = fates.to_vec();
        self
    }

    /// Prints it.
    pub(super) fn print(
        &self,
        context: &Context,
        plan: &ListPlan,
        request: &Request,
    ) -> Result<(), Error> {
        let mut out = io::stdout().lock();
        match plan.output.format {
            Format::Table => self.table(plan, &mut out),
            Format::Json => self.document(context, plan, &mut out),
            Format::Plain | Format::Csv | Format::Jsonl => {
                self.rows(Writer::new(context, plan, request), &mut out)
            }
        }?;
        out.flush()?;
        Ok(())
    }

    /// What is left to be said.
    pub(super) fn remarks(&self) -> Remarks {
        Remarks {
            gaps: self.gaps(),
            verdict: self.verdict.clone(),
            without_bpf: self.annotator.without_bpf(),
        }
    }

    fn row(&self, index: &usize) -> Row<'_> {
        Row {
            fate: self.fates.get(*index).copied(),
            ..self.annotator.row_of(&self.kept, *index)
        }
    }

    fn gaps(&self) -> Vec<Gap> {
        let mut gaps = self.report.gaps.clone();
        gaps.extend(self.annotator.gaps());
        gaps
    }

    fn table(&self, plan: &ListPlan, out: &mut impl Write) -> io::Result<()> {
        if self.order.is_empty() {
            out.write_all(b"no sockets match\n")?;
        }
        let row = |place: usize| self.row(&self.order[place]);
        render::table(out, self.order.len(), &row, &self.table_options(plan))?;
        let mut text = Vec::new();
        if let Some(verdict) = &self.verdict {
            verdict_line(&mut text, verdict, plan.output.paint);
        }
        out.write_all(&text)
    }

    fn table_options(&self, plan: &ListPlan) -> TableOptions {
        TableOptions {
            columns: plan.columns.clone(),
            beyond_ip: plan.is_beyond_ip(),
            timers: plan.timers,
            details: plan.details,
            namespaces: self.annotator.knows_several_namespaces(),
            header: plan.output.header,
            width: plan.output.width.map(usize::from),
            paint: plan.output.paint,
        }
    }

    fn document(&self, context: &Context, plan: &ListPlan, out: &mut impl Write) -> io::Result<()> {
        let mut groups = GroupCounts::default();
        self.kept.sockets.iter().for_each(|one| groups.add(one));
        let mut document = context.document(SCHEMA);
        document.collection = Collection {
            sources: self.report.sources.clone(),
            gaps: self.gaps(),
        };
        let mut text = Vec::new();
        document.open_list(&groups, self.verdict.as_ref(), &mut text);
        let fields = JsonFields {
            netns: context.host.netns(),
            details: plan.details,
        };
        for (number, index) in self.order.iter().enumerate() {
            if number > 0 {
                text.extend_from_slice(b",\n");
            }
            render::json_row(&mut text, &self.row(index), fields);
            if number % CHUNK_LEN == 0 {
                out.write_all(&text)?;
                text.clear();
            }
        }
        document.close_list(&mut text);
        out.write_all(&text)
    }

    fn rows(&self, mut writer: Writer, out: &mut impl Write) -> io::Result<()> {
        let mut text = Vec::new();
        for chunk in self.order.chunks(CHUNK_LEN) {
            let rows: Vec<Row<'_>> = chunk.iter().map(|index| self.row(index)).collect();
            writer.rows(&rows, &mut text);
            out.write_all(&text)?;
            text.clear();
        }
        writer.finish(&mut text);
        out.write_all(&text)
    }
}

/// The order of rows: by the column of `--sort`, in a table by group first; else as they came. Rows
/// of which the column says nothing are the last, whichever way it is sorted.
fn order(plan: &ListPlan, kept: &Batch, annotator: &Annotator<'_>) -> Vec<usize> {
    let is_table = plan.output.format == Format::Table;
    let mut order: Vec<usize> = (0..kept.sockets.len()).collect();
    if let Some(sort) = plan.sort {
        let keys: Vec<Option<SortKey>> = order
            .iter()
            .map(|&index| annotator.row_of(kept, index))
            .map(|row| sort.column.sort_key(&row))
            .collect();
        order.sort_by(|&one, &other| match (&keys[one], &keys[other]) {
            (Some(one), Some(other)) if sort.descending => other.cmp(one),
            (Some(one), Some(other)) => one.cmp(other),
            (one, other) => one.is_none().cmp(&other.is_none()),
        });
    } else if is_table {
        order.sort_by_key(|&index| reading_order(&kept.sockets[index]));
    }
    if is_table {
        order.sort_by_key(|&index| Group::of(&kept.sockets[index]));
    }
    order
}
