//! How a command may end.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::cli::UsageError;
use crate::collect::CollectError;
use crate::filter::FilterError;
use crate::kernel::{HostError, NetnsError};
use crate::render::escape::{message, terminal};

/// How a run ended that could do its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// As asked.
    Done,
    /// Nothing matched, and only that was asked.
    NoMatch,
    /// Whoever was asked said no.
    Declined,
    /// Not all that was asked for was done, and that was said.
    Refused,
    /// A bind or a connect would fail, and only that was asked.
    Blocked,
    /// Ephemeral ports run short.
    Warning,
    /// Ephemeral ports have run out, or nearly.
    Critical,
    /// It cannot be told how the ephemeral ports stand, or whether a bind would succeed, and that
    /// was said where it is due.
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
    /// The file of a filter cannot be read, and why.
    #[error("cannot read the filter in {0}: {1}")]
    FilterFile(String, String),
    /// The file of a filter holds none.
    #[error("the filter in {0} is empty")]
    EmptyFilter(String),
    /// Words that are no filter, and what may be meant by them.
    #[error("filter, column 1: no command or filter begins with {word:?}: {meant}")]
    NoFilter {
        /// The first word.
        word: String,
        /// What may be meant.
        meant: String,
    },
    /// The recording cannot be used.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The network namespace cannot be looked at.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// Nothing could be read.
    #[error("{0}")]
    Nothing(String),
    /// Nobody said that sockets may be destroyed.
    #[error("nothing was destroyed: say --yes, or run it on a terminal")]
    Unconfirmed,
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
            Error::NoFilter { .. } | Error::EmptyFilter(_) | Error::Unconfirmed => 2,
            Error::Host(_) | Error::Netns(_) | Error::Nothing(_) | Error::Record(_) => 4,
            Error::File { .. } | Error::FilterFile(..) | Error::Output(_) => 4,
        }
    }

    /// What is said of it on stderr: one line, and below it two of a filter that makes no sense.
    pub fn message(&self) -> String {
        let text = self.to_string();
        let shown_again = match self {
            Error::Filter(_) => 2,
            _ => 0,
        };
        let mut lines: Vec<String> = text.rsplitn(shown_again + 1, '\n').map(message).collect();
        lines.reverse();
        lines.join("\n")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_lines_of_a_filter_are_lines() {
        let filter = FilterError {
            text: "netns = x".to_owned(),
            line: None,
            column: 9,
            expected: "a\nb".to_owned(),
            found: "x".to_owned(),
            reason: Some("c\nd".to_owned()),
        };
        assert_eq!(
            Error::from(filter).message(),
            "filter, column 9: expected a\\x0ab, found x (c\\x0ad)\n  netns = x\n          ^"
        );
        let nothing = Error::Nothing("a\n\u{1b}[2J".to_owned());
        assert_eq!(nothing.message(), r"a\x0a\x1b[2J");
    }
}
