//! A receiver that prints rows as they come, in constant memory.

use std::io::{self, Write};

use super::annotate::Annotator;
use super::context::Context;
use super::ports::PortCounts;
use super::sieve::Sieve;
use crate::cli::{Format, ListPlan};
use crate::collect::{Batch, Flow, Receiver, Request};
use crate::model::Row;
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
                    Csv::default_columns(plan.csv_asked(context.is_everywhere()))
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
                    netid: plan.netids,
                    state: !request.states.is_single(),
                    port_names: !plan.numeric,
                    timers: plan.timers,
                    details: plan.details,
                    namespaces: context.is_everywhere(),
                    numeric: plan.numeric,
                    oneline: plan.oneline,
                    columns: plan.columns.clone(),
                    endless: plan.events,
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
    sieve: &'a Sieve<'a>,
    annotator: Annotator<'a>,
    writer: Writer,
    ephemeral: Option<PortCounts<'a>>,
    stage: Batch,
    /// How many rows of the stage are prepared and known to pass.
    sifted: usize,
    flowing: bool,
    printed: u64,
    out: W,
    buffer: Vec<u8>,
    before: Before<'a>,
}

/// What a table found when it began.
struct Before<'a> {
    staged: usize,
    printed: u64,
    ephemeral: Option<PortCounts<'a>>,
}

impl<'a, W: Write> Stream<'a, W> {
    pub(super) fn new(
        sieve: &'a Sieve<'a>,
        annotator: Annotator<'a>,
        writer: Writer,
        ephemeral: Option<PortCounts<'a>>,
        out: W,
    ) -> Stream<'a, W> {
        Stream {
            sieve,
            annotator,
            writer,
            ephemeral,
            stage: Batch::default(),
            sifted: 0,
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

    /// Leaves on the stage what passes wholly.
    fn sift(&mut self) {
        self.sieve
            .sift(&mut self.annotator, &mut self.stage, self.sifted);
        self.sifted = self.stage.sockets.len();
    }

    fn print_stage(&mut self) -> io::Result<()> {
        self.sift();
        if !self.flowing {
            // As in ss; of what comes later it cannot be known what is still to come.
            self.stage.sort_by_table();
        }
        let rows: Vec<Row<'_>> = (0..self.stage.sockets.len())
            .map(|index| self.annotator.row_of(&self.stage, index))
            .collect();
        self.writer.rows(&rows, &mut self.buffer);
        self.printed += rows.len() as u64;
        self.flowing = true;
        self.stage.clear();
        self.sifted = 0;
        if self.buffer.len() >= OUTPUT_LEN {
            self.out.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Prints what is left; returns what was counted and joined.
    pub(super) fn finish(mut self) -> io::Result<(Option<PortCounts<'a>>, Annotator<'a>)> {
        self.print_stage()?;
        self.writer.finish(&mut self.buffer);
        self.out.write_all(&self.buffer)?;
        self.out.flush()?;
        Ok((self.ephemeral, self.annotator))
    }
}

impl<W: Write> Receiver for Stream<'_, W> {
    fn begin(&mut self) {
        if self.sieve.asks_more() {
            // What is taken back is counted from here.
            self.sift();
        }
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
        let sieve = self.sieve;
        self.stage
            .append_if(batch, |socket, details| sieve.may_pass(socket, details));
        let is_full = |stage: &Batch| stage.sockets.len() >= STAGE_LEN;
        if is_full(&self.stage) && self.sieve.asks_more() {
            self.sift();
        }
        if self.flowing || is_full(&self.stage) {
            self.print_stage()?;
        }
        Ok(Flow::More)
    }

    fn take_back(&mut self) -> bool {
        if self.printed != self.before.printed {
            return false;
        }
        self.stage.truncate(self.before.staged);
        self.sifted = self.sifted.min(self.before.staged);
        self.ephemeral = self.before.ephemeral.take();
        true
    }
}
