//! What every command works with, and how it may end.

use std::collections::HashSet;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::analyze::{EphemeralSettings, Reuse, TimeWaitReuse};
use crate::cli::plan::UsageError;
use crate::collect::{CollectError, Method};
use crate::filter::FilterError;
use crate::kernel::{HolderMethod, Host, HostError};
use crate::model::Gap;
use crate::render::Document;
use crate::render::escape::{message, terminal};
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

/// What every command works with.
pub(super) struct Context {
    /// The machine, or a recording.
    pub(super) host: Host,
    /// By which way tables are read.
    pub(super) method: Method,
    /// By which way owners are found.
    pub(super) holder_method: HolderMethod,
    warned: HashSet<String>,
}

impl Context {
    /// A run on this host.
    pub(super) fn new(host: Host, method: Method, holder_method: HolderMethod) -> Context {
        Context {
            host,
            method,
            holder_method,
            warned: HashSet::new(),
        }
    }

    /// Writes a warning to stderr, once a run.
    pub(super) fn warn(&mut self, warning: String) {
        if !self.warned.contains(&warning) {
            // There is nobody left to tell when stderr is closed.
            let _ = writeln!(io::stderr(), "portstat: {}", message(&warning));
            self.warned.insert(warning);
        }
    }

    /// Warns of every gap.
    pub(super) fn warn_of_gaps(&mut self, gaps: &[Gap]) {
        for gap in gaps {
            self.warn(gap.to_string());
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
