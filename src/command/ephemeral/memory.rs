//! What was told at the last run (`--state-file`), so that nobody is told twice.

use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::kernel::LockedFile;

/// The `schema` of the file.
const SCHEMA: &str = "portstat.state.v1";
const OK: &str = "ok";

/// What is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Memory {
    status: String,
    /// When it was told last, in seconds since 1970.
    told_at: u64,
}

/// Whether to speak, and what to warn of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) speaks: bool,
    pub(super) warning: Option<String>,
}

/// Decides whether a status is to be told, and remembers it. Two runs at once take turns, so that
/// one of them speaks.
pub(super) fn decide(path: &Path, status: &str, repeat: Option<u64>) -> io::Result<Decision> {
    let mut file = LockedFile::lock(path)?;
    let (before, warning) = match Memory::parse(&file.read()?) {
        Ok(before) => (before, None),
        Err(()) => (None, Some("it makes no sense and is replaced".to_owned())),
    };
    // A clock before 1970 is as good as none.
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let speaks = speaks(before.as_ref(), status, now, repeat);
    let told_at = match before {
        Some(before) if !speaks => before.told_at,
        _ => now,
    };
    let memory = Memory {
        status: status.to_owned(),
        told_at,
    };
    file.replace(memory.text().as_bytes())?;
    Ok(Decision { speaks, warning })
}

fn speaks(before: Option<&Memory>, status: &str, now: u64, repeat: Option<u64>) -> bool {
    let Some(before) = before else {
        return status != OK;
    };
    let due = |repeat| {
        // A clock that was set back would keep it silent for as long.
        now.checked_sub(before.told_at)
            .is_none_or(|since| since >= repeat)
    };
    before.status != status || (status != OK && repeat.is_some_and(due))
}

impl Memory {
    /// `None` of a file that was just made.
    fn parse(text: &[u8]) -> Result<Option<Memory>, ()> {
        if text.is_empty() {
            return Ok(None);
        }
        let value: serde_json::Value = serde_json::from_slice(text).map_err(drop)?;
        let status = value["status"].as_str().ok_or(())?;
        let known = ["ok", "warning", "critical"].contains(&status);
        let told_at = value["told_at"].as_u64().ok_or(())?;
        if value["schema"] != SCHEMA || !known {
            return Err(());
        }
        Ok(Some(Memory {
            status: status.to_owned(),
            told_at,
        }))
    }

    fn text(&self) -> String {
        let Memory { status, told_at } = self;
        format!("{{\"schema\":\"{SCHEMA}\",\"status\":\"{status}\",\"told_at\":{told_at}}}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_speaks_on_change_on_recovery_and_again_after_a_while() {
        let before = |status: &str| Memory {
            status: status.to_owned(),
            told_at: 1000,
        };
        let (ok, warning) = (before("ok"), before("warning"));
        for (before, status, now, repeat, expected) in [
            (None, "ok", 1001, None, false),
            (None, "critical", 1001, None, true),
            (Some(&ok), "ok", 9999, Some(60), false),
            (Some(&ok), "warning", 1001, None, true),
            (Some(&warning), "warning", 9999, None, false),
            (Some(&warning), "warning", 1059, Some(60), false),
            (Some(&warning), "warning", 1060, Some(60), true),
            (Some(&warning), "warning", 10, Some(60), true),
            (Some(&warning), "critical", 1001, None, true),
            (Some(&warning), "ok", 1001, None, true),
        ] {
            let speaks = speaks(before, status, now, repeat);
            assert_eq!(speaks, expected, "{before:?} {status} {now} {repeat:?}");
        }
    }

    #[test]
    fn a_file_is_remembered_and_a_damaged_one_survived() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let mut told = |status: &str| decide(&path, status, Some(1000)).unwrap().speaks;
        let heard = ["ok", "warning", "warning", "critical", "ok", "ok"].map(&mut told);
        assert_eq!(heard, [false, true, false, true, true, false]);
        for garbage in [
            "{",
            "null",
            "\u{0}\u{1}",
            "{\"schema\":\"portstat.state.v1\"}",
            "[1]",
        ] {
            std::fs::write(&path, garbage).unwrap();
            let decision = decide(&path, "warning", None).unwrap();
            assert!(decision.speaks && decision.warning.is_some(), "{garbage}");
            assert_eq!(decide(&path, "warning", None).unwrap().warning, None);
        }
    }
}
