//! What every command works with, and how it may end.

use std::collections::HashSet;
use std::io::{self, Write};
use std::mem::{Discriminant, discriminant};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::analyze::{EphemeralSettings, Reuse, Severity, TimeWaitReuse, Verdict};
use crate::cli::plan::UsageError;
use crate::collect::{CollectError, Method};
use crate::filter::FilterError;
use crate::kernel::{HolderMethod, Host, HostError};
use crate::model::Gap;
use crate::render::escape::{message, terminal};
use crate::render::{Document, verdict_warning};
use crate::wire::sysctl;

/// How a run ended that could do its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// As asked.
    Done,
    /// Nothing matched, and only that was asked.
    NoMatch,
    /// Ephemeral ports run short.
    Warning,
    /// Ephemeral ports have run out, or nearly.
    Critical,
    /// It cannot be told how the ephemeral ports stand, and that was said where it is due.
    Unknown,
}

/// Why a run could not do its job.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Arguments that make no sense together.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// A filter that makes no sense.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The recording cannot be used.
    #[error("{}", message(&.0.to_string().replace('\n', "\\n")))]
    Host(#[from] HostError),
    /// Nothing could be read.
    #[error("{0}")]
    Nothing(String),
    /// The recording could not be made.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A file could not be written.
    #[error("cannot write {}: {error}", terminal(path.as_os_str().as_bytes()))]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// Output could not be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl Error {
    /// The exit code of the contract: 2 usage, 4 the job could not be done.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Error::Usage(_) | Error::Filter(_) => 2,
            Error::Host(_) | Error::Nothing(_) | Error::Record(_) => 4,
            Error::File { .. } | Error::Output(_) => 4,
        }
    }

    /// Whether the reader of our output simply had enough.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Error::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl From<CollectError> for Error {
    fn from(error: CollectError) -> Error {
        match error {
            CollectError::Receiver(error) => Error::Output(error),
            nothing @ CollectError::Nothing { .. } => Error::Nothing(nothing.to_string()),
        }
    }
}

/// Why a recording could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The folder cannot be made or written to.
    #[error("cannot record into {}: {error}", terminal(dir.as_os_str().as_bytes()))]
    Write {
        /// The folder.
        dir: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// There is nothing to record.
    #[error("nothing could be read that would be worth recording")]
    Nothing,
}

/// What a listing leaves to be said.
pub(super) struct Remarks {
    /// What it lacks.
    pub(super) gaps: Vec<Gap>,
    /// How the ephemeral ports stand.
    pub(super) verdict: Option<Verdict>,
    /// Why owners were not found by BPF.
    pub(super) without_bpf: Option<String>,
}

/// What every command works with.
pub(super) struct Context {
    /// The machine, or a recording.
    pub(super) host: Host,
    /// By which way tables are read.
    pub(super) method: Method,
    /// By which way owners are found.
    pub(super) holder_method: HolderMethod,
    warned: Warned,
}

/// What was warned of in this run. Rounds see the same again, with other numbers and at other
/// places; that is nothing new.
#[derive(Default)]
struct Warned {
    texts: HashSet<String>,
    gaps: HashSet<(Discriminant<Gap>, &'static str, String)>,
    ports: Option<Severity>,
}

impl Warned {
    fn is_new_text(&mut self, text: &str) -> bool {
        self.texts.insert(text.to_owned())
    }

    fn is_new_gap(&mut self, gap: &Gap) -> bool {
        let about = match gap {
            Gap::Garbled { place, .. } => place.clone(),
            Gap::Owners { cause, .. } => cause.name().to_owned(),
            _ => gap.place().unwrap_or_default(),
        };
        self.gaps.insert((discriminant(gap), gap.what(), about))
    }

    /// Whether ports stand worse than ever said.
    fn is_new_severity(&mut self, severity: Severity) -> bool {
        let is_worse = Some(severity) > self.ports;
        if is_worse {
            self.ports = Some(severity);
        }
        is_worse
    }
}

impl Context {
    /// A run on this host.
    pub(super) fn new(host: Host, method: Method, holder_method: HolderMethod) -> Context {
        Context {
            host,
            method,
            holder_method,
            warned: Warned::default(),
        }
    }

    /// Writes a warning to stderr, once a run.
    pub(super) fn warn(&mut self, warning: String) {
        if self.warned.is_new_text(&warning) {
            write_warning(&warning);
        }
    }

    /// Warns of every gap, once a run of each kind.
    pub(super) fn warn_of_gaps(&mut self, gaps: &[Gap]) {
        for gap in gaps {
            if self.warned.is_new_gap(gap) {
                write_warning(&gap.to_string());
            }
        }
    }

    /// Warns when ephemeral ports run short, and again when it gets worse.
    pub(super) fn warn_of_verdict(&mut self, verdict: &Verdict) {
        if let Some(warning) = verdict_warning(verdict)
            && self.warned.is_new_severity(verdict.severity)
        {
            write_warning(&warning);
        }
    }

    /// Says why owners were not found by BPF: to whoever asked for that, or for more words.
    pub(super) fn say_without_bpf(&mut self, reason: Option<String>, verbose: bool) {
        if let Some(reason) = reason
            && (verbose || self.holder_method == HolderMethod::Bpf)
        {
            self.warn(format!("owners by /proc, not BPF: {reason}"));
        }
    }

    /// The limits of the ephemeral ports; a gap where they cannot be read.
    pub(super) fn ephemeral_settings(&self) -> Result<EphemeralSettings, Gap> {
        let name = "proc/sys/net/ipv4/ip_local_port_range";
        let unreadable = |reason: String| Gap::Unreadable {
            what: "ephemeral port range",
            place: name.to_owned(),
            reason,
        };
        let text = self
            .host
            .read(name)
            .map_err(|error| unreadable(error.to_string()))?;
        let range = sysctl::port_range(&text).map_err(|error| unreadable(error.to_string()))?;
        // Kernels before 2.6.35 reserve nothing; nor does a recording that lacks the file.
        let reserved = self
            .host
            .read("proc/sys/net/ipv4/ip_local_reserved_ports")
            .ok()
            .and_then(|text| sysctl::port_list(&text).ok())
            .unwrap_or_default();
        Ok(EphemeralSettings::new(range, reserved).with_reuse(self.time_wait_reuse()))
    }

    /// What becomes of TIME-WAIT; the kernel's defaults where a file is not there, as on kernels
    /// that lack the sysctl.
    fn time_wait_reuse(&self) -> TimeWaitReuse {
        let number = |name: &str| {
            let text = self.host.read(&format!("proc/sys/net/ipv4/{name}")).ok()?;
            sysctl::number(&text).ok()
        };
        let default = TimeWaitReuse::DEFAULT;
        TimeWaitReuse {
            reuse: number("tcp_tw_reuse")
                .and_then(Reuse::from_number)
                .unwrap_or(default.reuse),
            delay_ms: number("tcp_tw_reuse_delay").unwrap_or(default.delay_ms),
            timestamps: number("tcp_timestamps") != Some(0),
        }
    }

    /// A document about this host, its collection still to be filled in.
    pub(super) fn document(&self, schema: &'static str) -> Document {
        Document {
            schema,
            host: self.host.name(),
            taken_at: self.host.taken_at().map(crate::render::utc),
            collection: crate::render::Collection::default(),
        }
    }
}

/// Writes a warning to stderr.
pub(super) fn write_warning(warning: &str) {
    // There is nobody left to tell when stderr is closed.
    let _ = writeln!(io::stderr(), "portstat: {}", message(warning));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Family, HiddenCause, Protocol, Table};

    #[test]
    fn other_numbers_are_no_new_warning() {
        let mut warned = Warned::default();
        let mut check = |gap: Gap, is_new: bool| {
            assert_eq!(warned.is_new_gap(&gap), is_new, "{gap}");
        };
        let owners = |count, cause| Gap::Owners { count, cause };
        let garbled = |place: &str, line: u64| Gap::Garbled {
            what: "sockets",
            place: place.to_owned(),
            first: format!("line {line}"),
            count: line,
            reason: format!("reason {line}"),
        };
        let tables = Family::ALL.map(|family| Table {
            protocol: Protocol::Tcp,
            family,
        });
        let broken = |rows| Gap::Broken {
            tables: tables.to_vec(),
            rows,
            reason: "interrupted".to_owned(),
        };
        let unread = |table| Gap::Unread {
            table,
            reason: "no".to_owned(),
        };
        check(owners(3, HiddenCause::Permission), true);
        check(owners(4, HiddenCause::Permission), false);
        check(owners(4, HiddenCause::Vanished), true);
        check(garbled("proc/net/tcp", 3), true);
        check(garbled("proc/net/tcp", 5), false);
        check(garbled("proc/net/udp", 5), true);
        check(broken(100), true);
        check(broken(200), false);
        check(unread(tables[0]), true);
        check(unread(tables[1]), true);
        check(unread(tables[1]), false);
        check(Gap::Unresolved { count: 2 }, true);
        check(Gap::Unresolved { count: 7 }, false);
    }

    #[test]
    fn ports_are_warned_of_again_only_when_it_gets_worse() {
        let mut warned = Warned::default();
        for (severity, is_new) in [
            (Severity::Warning, true),
            (Severity::Warning, false),
            (Severity::Critical, true),
            (Severity::Warning, false),
            (Severity::Critical, false),
        ] {
            assert_eq!(warned.is_new_severity(severity), is_new, "{severity:?}");
        }
    }
}
