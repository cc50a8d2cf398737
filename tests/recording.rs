//! Recordings: what `record` writes, and what is said of one that is not whole.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use support::portstat::{Ran, run};
use support::recording::{PROC_HEADING, Recording, proc_line};

const LISTENING: &str = "0A";

/// What portstat prints of a recording.
#[track_caller]
fn look(path: &str, args: &[&str]) -> Ran {
    run(&[&["--from", path], args].concat())
}

/// A table of `/proc/net/tcp` with one listener on a port of 127.0.0.1.
fn proc_table(port: u16) -> String {
    let local = format!("0100007F:{port:04X}");
    let line = proc_line(&local, "00000000:0000", LISTENING, u64::from(port));
    format!("{PROC_HEADING}{line}")
}

// What it says of itself.

#[test]
fn a_recording_of_another_schema_is_refused() {
    let recording = |meta: &str| {
        Recording::empty()
            .with("proc/net/tcp", proc_table(80))
            .with("meta.json", meta)
    };
    for schema in [
        r#""portstat.recording.v2""#,
        r#""portstat.recording.v10\u001b[2J""#,
        "2",
    ] {
        let recording = recording(&format!(r#"{{"schema": {schema}}}"#));
        let ran = look(recording.path(), &["-4tln"]).exited(4);
        assert_eq!(ran.text(), "");
        assert!(!ran.stderr.contains('\u{1b}'), "{:?}", ran.stderr);
        assert!(
            ran.stderr.contains("portstat.recording.v1") && ran.stderr.contains("newer"),
            "{}",
            ran.stderr
        );
    }
    for meta in [r#"{"schema": "portstat.recording.v1"}"#, "{}"] {
        look(recording(meta).path(), &["-4tln"]).exited(0);
    }
}
