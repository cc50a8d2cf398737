//! The sockets of a recording: dumps as they came, and the tables of `/proc/net`.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use super::Recording;
use crate::collect::{Method, Raw, copy_dump, copy_recorded, copy_table};
use crate::kernel::{Meta, Recorder};
use crate::model::{Protocol, Table};
use crate::wire::redact::{Redactor, scrub_keys};

/// Files of `/proc/net` that hold no addresses, or such as are replaced line by line.
const COUNTERS: [&str; 5] = ["sockstat", "sockstat6", "snmp", "snmp6", "netstat"];

impl Recording<'_> {
    /// The raw messages of every protocol; returns how many dumps succeeded.
    pub(super) fn dumps(&mut self) -> io::Result<usize> {
        if self.method == Method::Proc {
            self.left_out
                .push("diag: asked for by PORTSTAT_COLLECTOR=proc".to_owned());
            return Ok(0);
        }
        let mut done = 0;
        for protocol in Protocol::EVERY {
            let mut file = DumpFile::new(self.recorder, protocol);
            done += if self.host.is_recorded() {
                self.recorded_dumps(protocol, &mut file)?
            } else {
                self.live_dumps(protocol, &mut file)?
            };
            file.finish()?;
        }
        Ok(done)
    }

    fn live_dumps(&mut self, protocol: Protocol, file: &mut DumpFile<'_>) -> io::Result<usize> {
        let mut done = 0;
        for table in protocol.tables() {
            let redactor = &mut self.redactor;
            match copy_dump(self.host, table, |raw| file.take(raw, redactor))? {
                Ok(copied) => {
                    done += 1;
                    self.count(protocol, copied.rows);
                    if let Some(flaw) = copied.flaw {
                        self.warnings.push(format!("diag of {table}: {flaw}"));
                    }
                    file.keep();
                }
                Err(reason) => {
                    file.take(Raw::Begin, redactor)?;
                    self.left_out.push(Meta::dump_left_out(table, &reason));
                }
            }
        }
        Ok(done)
    }

    /// A recording answers with all it has of the protocol. What it lacks, its copy lacks.
    fn recorded_dumps(&mut self, protocol: Protocol, file: &mut DumpFile<'_>) -> io::Result<usize> {
        for table in protocol.tables() {
            if let Some(why) = self.host.why_no_dump(table) {
                self.left_out.push(Meta::dump_left_out(table, why));
            }
        }
        let redactor = &mut self.redactor;
        match copy_recorded(self.host, protocol, |raw| file.take(raw, redactor))? {
            Ok(copied) => {
                self.count(protocol, copied.rows);
                if let Some(flaw) = copied.flaw {
                    self.left_out.push(format!("diag of {protocol}: {flaw}"));
                }
                file.keep();
                Ok(usize::from(file.kept > 0))
            }
            Err(reason) => {
                file.take(Raw::Begin, redactor)?;
                self.left_out.push(format!("diag of {protocol}: {reason}"));
                Ok(0)
            }
        }
    }

    /// Counts the rows of a protocol's dump.
    fn count(&mut self, protocol: Protocol, rows: [u64; 2]) {
        self.dumped.extend(protocol.tables().zip(rows));
    }

    /// The sockets that were recorded: of each table those of its dump, or else of its file.
    pub(super) fn sockets(&self) -> u64 {
        let of = |counts: &[(Table, u64)], table| -> u64 {
            let counts = counts.iter().filter(|(other, _)| *other == table);
            counts.map(|(_, rows)| rows).sum()
        };
        let tables = Protocol::EVERY.into_iter().flat_map(Protocol::tables);
        tables
            .map(|table| match of(&self.dumped, table) {
                0 => of(&self.listed, table),
                rows => rows,
            })
            .sum()
    }

    /// The tables of `/proc/net`; returns how many there are.
    pub(super) fn tables(&mut self) -> io::Result<usize> {
        if self.method == Method::Netlink {
            self.left_out
                .push("tables of proc/net: asked for by PORTSTAT_COLLECTOR=netlink".to_owned());
        } else {
            for table in Protocol::EVERY.into_iter().flat_map(Protocol::tables) {
                self.table(table)?;
            }
        }
        for name in COUNTERS {
            self.copy(&format!("proc/net/{name}"))?;
        }
        Ok(self.listed.len())
    }

    fn table(&mut self, table: Table) -> io::Result<()> {
        let name = format!("proc/net/{}", table.proc_name());
        let mut file = self.recorder.file(&name)?;
        match copy_table(self.host, table, self.redactor.as_mut(), &mut file)? {
            Ok((rows, lost)) => {
                self.listed.push((table, rows));
                if lost > 0 {
                    self.left_out
                        .push(format!("{name}: {lost} lines that are no sockets"));
                }
                Ok(())
            }
            Err(error) => {
                self.left_out.push(format!("{name}: {error}"));
                self.recorder.remove(&name)
            }
        }
    }
}

/// The file of a protocol's messages, made with the first of them.
struct DumpFile<'a> {
    recorder: &'a Recorder,
    protocol: Protocol,
    name: String,
    file: Option<File>,
    /// What of it is to stay.
    kept: u64,
    length: u64,
}

impl<'a> DumpFile<'a> {
    fn new(recorder: &'a Recorder, protocol: Protocol) -> DumpFile<'a> {
        DumpFile {
            recorder,
            protocol,
            name: format!("diag/{protocol}.nlmsg"),
            file: None,
            kept: 0,
            length: 0,
        }
    }

    fn take(&mut self, raw: Raw<'_>, redactor: &mut Option<Redactor>) -> io::Result<()> {
        match (raw, &mut self.file) {
            (Raw::Begin, None) => Ok(()),
            (Raw::Begin, Some(file)) => {
                file.set_len(self.kept)?;
                self.length = file.seek(SeekFrom::Start(self.kept))?;
                Ok(())
            }
            (Raw::Messages(messages), file) => {
                let mut messages = messages.to_vec();
                if self.protocol == Protocol::Tcp {
                    scrub_keys(&mut messages);
                }
                if let Some(redactor) = redactor {
                    redactor.messages(&mut messages, self.protocol);
                }
                let file = match file {
                    Some(file) => file,
                    None => file.insert(self.recorder.file(&self.name)?),
                };
                self.length += messages.len() as u64;
                file.write_all(&messages)
            }
        }
    }

    /// The dump that came is whole.
    const fn keep(&mut self) {
        self.kept = self.length;
    }

    fn finish(self) -> io::Result<()> {
        match self.file {
            Some(_) if self.kept == 0 => self.recorder.remove(&self.name),
            _ => Ok(()),
        }
    }
}
