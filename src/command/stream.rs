//! A receiver that prints rows as they come, in constant memory.

use std::io::{self, Write};

use super::annotate::Annotator;
use super::context::Context;
use crate::analyze::Ephemeral;
use crate::cli::plan::{Format, ListPlan};
use crate::collect::{Batch, Flow, Receiver, Request};
use crate::model::{Protocol, Row, Socket};
use crate::render::{Csv, JsonFields, Plain, PlainOptions, json_row};

/// Rows that are held back before the first is printed: the widths of plain fit them, and owners
/// are looked for once they are known to exist. Most listings are shorter.
const STAGE_LEN: usize = 4096;
/// Output is handed to the kernel in pieces of about this size.
const OUTPUT_LEN: usize = 64 << 10;

/// A format whose rows stand for themselves.
pub(super) enum Writer {
    Plain(Plain),
    Csv(Csv),
    Jsonl(JsonFields),
}

impl Writer {
    /// The writer of a listing's format.
    pub(super) fn new(context: &Context, plan: &ListPlan, request: &Request) -> Writer {
        let header = plan.output.header;
        match plan.output.format {
            Format::Csv => Writer::Csv(Csv::new(
                plan.columns.clone().unwrap_or_else(|| {
                    Csv::default_columns(plan.needs_owners(), plan.timers, plan.details)
                }),
                header,
            )),
            Format::Jsonl => Writer::Jsonl(JsonFields {
                netns: context.host.netns(),
                details: plan.details,
            }),
            Format::Plain | Format::Table | Format::Json => {
                Writer::Plain(Plain::new(PlainOptions {
                    header,
                    netid: Protocol::ALL.iter().all(|protocol| {
                        plan.tables.iter().any(|table| table.protocol == *protocol)
                    }),
                    state: !request.states.is_single(),
                    port_names: !plan.numeric,
                    timers: plan.timers,
                    details: plan.details,
                    numeric: plan.numeric,
                    oneline: plan.oneline,
                    columns: plan.columns.clone(),
                }))
            }
        }
    }

    /// Appends rows.
    pub(super) fn rows(&mut self, rows: &[Row<'_>], out: &mut Vec<u8>) {
        match self {
            Writer::Plain(plain) => plain.rows(rows, out),
            Writer::Csv(csv) => csv.rows(rows, out),
            Writer::Jsonl(fields) => {
                for row in rows {
                    json_row(out, row, *fields);
                    out.push(b'\n');
                }
            }
        }
    }

    /// Appends what is due when no more rows come.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        match self {
            Writer::Plain(plain) => plain.finish(out),
            Writer::Csv(csv) => csv.finish(out),
            Writer::Jsonl(_) => {}
        }
    }
}

/// Prints the sockets that pass.
pub(super) struct Stream<'a, W> {
    pass: &'a dyn Fn(&Socket) -> bool,
    annotator: Annotator<'a>,
    writer: Writer,
    ephemeral: Option<Ephemeral>,
    stage: Batch,
    flowing: bool,
    printed: u64,
    out: W,
    buffer: Vec<u8>,
    before: Before,
}

/// What a table found when it began.
struct Before {
    staged: usize,
    printed: u64,
    ephemeral: Option<Ephemeral>,
}

impl<'a, W: Write> Stream<'a, W> {
    pub(super) fn new(
        pass: &'a dyn Fn(&Socket) -> bool,
        annotator: Annotator<'a>,
        writer: Writer,
        ephemeral: Option<Ephemeral>,
        out: W,
    ) -> Stream<'a, W> {
        Stream {
            pass,
            annotator,
            writer,
            ephemeral,
            stage: Batch::default(),
            flowing: false,
            printed: 0,
            out,
            buffer: Vec::with_capacity(OUTPUT_LEN + OUTPUT_LEN / 4),
            before: Before {
                staged: 0,
                printed: 0,
                ephemeral: None,
            },
        }
    }

    fn print_stage(&mut self) -> io::Result<()> {
        if !self.flowing {
            // As in ss; of what comes later it cannot be known what is still to come.
            self.stage.sort_by_table();
        }
        let Batch { sockets, details } = &self.stage;
        self.annotator.prepare(sockets);
        let rows: Vec<Row<'_>> = sockets
            .iter()
            .enumerate()
            .map(|(index, socket)| self.annotator.row(socket, details.get(index)))
            .collect();
        self.writer.rows(&rows, &mut self.buffer);
        self.printed += rows.len() as u64;
        self.flowing = true;
        self.stage.clear();
        if self.buffer.len() >= OUTPUT_LEN {
            self.out.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Prints what is left; returns what was counted and joined.
    pub(super) fn finish(mut self) -> io::Result<(Option<Ephemeral>, Annotator<'a>)> {
        self.print_stage()?;
        self.writer.finish(&mut self.buffer);
        self.out.write_all(&self.buffer)?;
        self.out.flush()?;
        Ok((self.ephemeral, self.annotator))
    }
}

impl<W: Write> Receiver for Stream<'_, W> {
    fn begin(&mut self) {
        self.before = Before {
            staged: self.stage.sockets.len(),
            printed: self.printed,
            ephemeral: self.ephemeral.clone(),
        };
    }

    fn rows(&mut self, batch: &mut Batch) -> io::Result<Flow> {
        if let Some(ephemeral) = &mut self.ephemeral {
            batch
                .sockets
                .iter()
                .for_each(|socket| ephemeral.add(socket));
        }
        self.stage.append_if(batch, self.pass);
        if self.flowing || self.stage.sockets.len() >= STAGE_LEN {
            self.print_stage()?;
        }
        Ok(Flow::More)
    }

    fn take_back(&mut self) -> bool {
        if self.printed != self.before.printed {
            return false;
        }
        self.stage.truncate(self.before.staged);
        self.ephemeral = self.before.ephemeral.take();
        true
    }
}
