//! What was told at the last run (`--state-file`), so that nobody is told twice.

use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::kernel::LockedFile;

/// The `schema` of the file.
const SCHEMA: &str = "portstat.state.v1";
const OK: &str = "ok";

/// What was told.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    status: String,
    /// When, in seconds since 1970.
    at: u64,
}

/// The file, locked: of two runs at once the second waits until the first has told what it has to,
/// so that one of them speaks.
pub(super) struct Memory {
    file: LockedFile,
    before: Option<Told>,
    now: u64,
    /// What is wrong with the file.
    pub(super) warning: Option<&'static str>,
}

impl Memory {
    /// Locks and reads it.
    pub(super) fn open(path: &Path) -> io::Result<Memory> {
        let mut file = LockedFile::lock(path)?;
        let (before, warning) = match Told::parse(&file.read()?) {
            Ok(before) => (before, None),
            Err(()) => (None, Some("it makes no sense and is replaced")),
        };
        // A clock before 1970 is as good as none.
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        Ok(Memory {
            file,
            before,
            now,
            warning,
        })
    }

    /// Whether a status is to be told.
    pub(super) fn speaks(&self, status: &str, repeat: Option<u64>) -> bool {
        speaks(self.before.as_ref(), status, self.now, repeat)
    }

    /// Remembers a status: once it was told, or when there is nothing to tell.
    pub(super) fn keep(self, status: &str, told: bool) -> io::Result<()> {
        let at = match &self.before {
            Some(before) if !told => before.at,
            _ => self.now,
        };
        let status = status.to_owned();
        let now = Told { status, at };
        if self.before.as_ref() == Some(&now) {
            return Ok(());
        }
        self.file.replace(now.text().as_bytes())
    }
}

fn speaks(before: Option<&Told>, status: &str, now: u64, repeat: Option<u64>) -> bool {
    let Some(before) = before else {
        return status != OK;
    };
    let due = |repeat| {
        // A clock that was set back would keep it silent for as long.
        now.checked_sub(before.at)
            .is_none_or(|since| since >= repeat)
    };
    before.status != status || (status != OK && repeat.is_some_and(due))
}

impl Told {
    /// `None` of a file that was just made.
    fn parse(text: &[u8]) -> Result<Option<Told>, ()> {
        if text.is_empty() {
            return Ok(None);
        }
        let value: serde_json::Value = serde_json::from_slice(text).map_err(drop)?;
        let status = value["status"].as_str().ok_or(())?;
        let known = ["ok", "warning", "critical", "unknown"].contains(&status);
        let at = value["told_at"].as_u64().ok_or(())?;
        if value["schema"] != SCHEMA || !known {
            return Err(());
        }
        Ok(Some(Told {
            status: status.to_owned(),
            at,
        }))
    }

    fn text(&self) -> String {
        let Told { status, at } = self;
        format!("{{\"schema\":\"{SCHEMA}\",\"status\":\"{status}\",\"told_at\":{at}}}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_speaks_on_change_on_recovery_and_again_after_a_while() {
        let before = |status: &str| Told {
            status: status.to_owned(),
            at: 1000,
        };
        let (ok, warning, unknown) = (before("ok"), before("warning"), before("unknown"));
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
            (None, "unknown", 1001, None, true),
            (Some(&unknown), "unknown", 1059, Some(60), false),
            (Some(&unknown), "unknown", 1060, Some(60), true),
            (Some(&unknown), "ok", 1001, None, true),
        ] {
            let speaks = speaks(before, status, now, repeat);
            assert_eq!(speaks, expected, "{before:?} {status} {now} {repeat:?}");
        }
    }

    #[test]
    fn a_file_is_remembered_and_a_damaged_one_survived() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let run = |status: &str| {
            let memory = Memory::open(&path).unwrap();
            let (speaks, warning) = (memory.speaks(status, Some(1000)), memory.warning);
            memory.keep(status, speaks).unwrap();
            (speaks, warning.is_some())
        };
        let statuses = ["ok", "warning", "warning", "unknown", "unknown", "ok", "ok"];
        let heard = statuses.map(|status| run(status).0);
        assert_eq!(heard, [false, true, false, true, false, true, false]);
        for garbage in [
            "{",
            "null",
            "\u{0}\u{1}",
            "{\"schema\":\"portstat.state.v1\"}",
            "[1]",
        ] {
            std::fs::write(&path, garbage).unwrap();
            assert_eq!(run("warning"), (true, true), "{garbage}");
            assert_eq!(run("warning"), (false, false), "{garbage}");
        }
    }

    #[test]
    fn what_was_not_told_is_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        for _ in 0..2 {
            let memory = Memory::open(&path).unwrap();
            assert!(memory.speaks("critical", None));
        }
    }
}
