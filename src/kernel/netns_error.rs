//! Why a network namespace cannot be looked at.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::netns::NAMED;
use crate::model::EntryRights;
use crate::model::shown::shown;

/// Why a network namespace cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// Nothing is called so.
    #[error(
        "no netns \"{name}\": there is neither {NAMED}/{name} nor a process of that number",
        name = shown(.0.as_bytes())
    )]
    Unknown(OsString),
    /// It is something else.
    #[error("{} is no network namespace", shown(.0.as_os_str().as_bytes()))]
    Other(PathBuf),
    /// It may not be entered, and shows nothing of itself, or could not be.
    #[error(
        "cannot enter netns {}: {}",
        shown(.place.as_os_str().as_bytes()),
        words(.error, *.lacks)
    )]
    Refused {
        /// Its file.
        place: PathBuf,
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
    let place = path.to_owned();
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
