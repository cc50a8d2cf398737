//! Why a network namespace cannot be looked at.

use std::io;
use std::path::Path;

use super::netns::NAMED;
use crate::model::EntryRights;

/// Why a network namespace cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// Nothing is called so.
    #[error("no netns {0:?}: there is neither {NAMED}/{0} nor a process of that number")]
    Unknown(String),
    /// It is something else.
    #[error("{0} is no network namespace")]
    Other(String),
    /// It may not be entered, and shows nothing of itself, or could not be.
    #[error("cannot enter netns {place}: {}", words(.error, *.lacks))]
    Refused {
        /// Its file.
        place: String,
        /// Why not.
        error: io::Error,
        /// What it takes, where it is a matter of rights.
        lacks: EntryRights,
    },
}

impl NetnsError {
    /// Whether there is no such namespace, or none any more.
    pub fn is_gone(&self) -> bool {
        match self {
            NetnsError::Unknown(_) | NetnsError::Other(_) => true,
            NetnsError::Refused { error, .. } => error.kind() == io::ErrorKind::NotFound,
        }
    }
}

fn words(error: &io::Error, lacks: EntryRights) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => format!("permission denied (needs {})", lacks.name()),
        io::ErrorKind::NotFound => "not there".to_owned(),
        _ => error.to_string(),
    }
}

/// Why the namespace of a file could not be entered.
pub(super) fn refusal(path: &Path, error: io::Error, lacks: EntryRights) -> NetnsError {
    let place = path.to_string_lossy().into_owned();
    match error.raw_os_error() {
        // setns says so of what is none.
        Some(libc::EINVAL) => NetnsError::Other(place),
        _ => NetnsError::Refused {
            place,
            error,
            lacks,
        },
    }
}
