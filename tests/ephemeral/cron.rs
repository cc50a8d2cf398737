//! Run again and again by cron: what is said once, and what is kept in between.

use std::fs::{self, File};
use std::io::pipe;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use tempfile::TempDir;

use crate::setup::{S, local, with_twenty_ports};
use crate::support::dial::{Connection, Server, Source, reset};
use crate::support::portstat::{self, Ran};
use crate::support::waiting::wait_until;

/// A folder with a state file, which need not be there yet.
struct State {
    folder: TempDir,
}

impl State {
    fn new() -> State {
        State {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn args(&self, repeat: &str) -> Vec<String> {
        let path = self.path().to_str().unwrap().to_owned();
        let args = [
            "ephemeral",
            "--quiet",
            "--state-file",
            &path,
            "--repeat",
            repeat,
        ];
        args.map(str::to_owned).to_vec()
    }

    #[track_caller]
    fn run(&self, repeat: &str) -> Ran {
        portstat::run(&self.args(repeat))
    }

    /// Insists that a run has nothing to say, and that its exit code tells the status all the
    /// same.
    #[track_caller]
    fn silent(&self, code: i32) {
        let ran = self.run("3600").exited(code).quietly();
        assert_eq!(ran.text(), "");
    }

    /// Insists that a run speaks.
    #[track_caller]
    fn speaks(&self, code: i32) -> String {
        let ran = self.run("3600").exited(code);
        assert_ne!(ran.text(), "");
        ran.text().to_owned()
    }
}

fn filled(server: &Server, count: usize) -> Vec<Connection> {
    server.dial_many(count, Source::Any, local(S))
}

#[test]
fn a_change_of_status_is_told_once_and_recovery_too() {
    with_twenty_ports(|server| {
        let state = State::new();
        state.silent(0);
        state.silent(0);
        let mut held = filled(server, 17);
        let text = state.speaks(1);
        assert!(
            text.to_lowercase()
                .lines()
                .next()
                .unwrap()
                .contains("warning")
        );
        state.silent(1);
        state.silent(1);
        held.extend(filled(server, 3));
        let text = state.speaks(2);
        assert!(
            text.to_lowercase()
                .lines()
                .next()
                .unwrap()
                .contains("critical")
        );
        state.silent(2);
        held.drain(..3).for_each(reset);
        state.speaks(1);
        state.silent(1);
        held.into_iter().for_each(reset);
        let text = state.speaks(0);
        assert!(text.to_lowercase().lines().next().unwrap().contains("ok"));
        state.silent(0);
    });
}

#[test]
fn an_alarm_that_lasts_is_repeated() {
    with_twenty_ports(|server| {
        let state = State::new();
        let _held = filled(server, 20);
        state.speaks(2);
        state.silent(2);
        wait_until("the alarm again", || {
            !state.run("1").exited(2).text().is_empty()
        });
        state.silent(2);
    });
}

#[test]
fn an_alarm_that_could_not_be_printed_is_not_forgotten() {
    with_twenty_ports(|server| {
        let state = State::new();
        let _held = filled(server, 20);
        let print_to = |stdout: Stdio| {
            let mut command = portstat::command(&state.args("3600"));
            command.stdin(Stdio::null()).stdout(stdout);
            command.stderr(Stdio::piped()).output().unwrap()
        };
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = print_to(full.into());
        assert_eq!(output.status.code(), Some(3));
        assert!(!output.stderr.is_empty());
        // Nobody reads this; the status is told nevertheless.
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        assert_eq!(print_to(writer.into()).status.code(), Some(2));
        state.speaks(2);
        state.silent(2);
    });
}

#[test]
fn what_is_unknown_is_told_once_and_recovery_too() {
    with_twenty_ports(|_| {
        let state = State::new();
        let run = |repeat: &str, more: &[&str]| {
            let mut args = state.args(repeat);
            args.extend(more.iter().map(|arg| (*arg).to_owned()));
            portstat::run(&args)
        };
        let nothing = &["--from", "/nonexistent/recording"];
        let ran = run("3600", nothing).exited(3);
        assert!(ran.stderr.contains("/nonexistent"), "{}", ran.stderr);
        for json in [&[][..], &["--json"]] {
            let ran = run("3600", &[nothing, json].concat()).exited(3).quietly();
            assert_eq!(ran.text(), "");
        }
        assert_ne!(run("0", nothing).exited(3).stderr, "");
        assert!(state.speaks(0).starts_with("OK"));
        state.silent(0);
        let ran = run("3600", &[&nothing[..], &["--json"]].concat()).exited(3);
        assert_eq!(ran.json()["status"], "unknown");
    });
}

#[test]
fn what_is_well_is_not_repeated() {
    with_twenty_ports(|_| {
        let state = State::new();
        for _ in 0..3 {
            let ran = state.run("0").exited(0).quietly();
            assert_eq!(ran.text(), "");
        }
    });
}

#[test]
fn without_repeat_an_alarm_is_told_once() {
    with_twenty_ports(|server| {
        let state = State::new();
        let _held = filled(server, 20);
        let path = state.path();
        let args = [
            "ephemeral",
            "--quiet",
            "--state-file",
            path.to_str().unwrap(),
        ];
        assert_ne!(portstat::run(&args).exited(2).text(), "");
        assert_eq!(portstat::run(&args).exited(2).text(), "");
    });
}

#[test]
fn of_many_at_once_one_speaks() {
    with_twenty_ports(|server| {
        let _held = filled(server, 20);
        for _ in 0..3 {
            let state = State::new();
            let spawn = || {
                portstat::command(&state.args("3600"))
                    .stdin(Stdio::null())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap()
            };
            let children: Vec<Child> = (0..8).map(|_| spawn()).collect();
            let mut spoke = 0;
            for child in children {
                let output = child.wait_with_output().unwrap();
                assert_eq!(output.status.code(), Some(2));
                assert_eq!(String::from_utf8_lossy(&output.stderr), "");
                spoke += usize::from(!output.stdout.is_empty());
            }
            assert_eq!(spoke, 1);
            // Nothing was damaged, and nothing stayed behind but perhaps a lock.
            state.silent(2);
            let files = fs::read_dir(state.folder.path()).unwrap().count();
            assert!(files <= 2, "{files} files");
        }
    });
}

#[test]
fn the_state_is_replaced_and_never_written_over() {
    with_twenty_ports(|server| {
        let state = State::new();
        let mut held = filled(server, 17);
        state.speaks(1);
        let before = fs::metadata(state.path()).unwrap().ino();
        let kept = fs::hard_link(state.path(), state.folder.path().join("kept"));
        kept.unwrap();
        held.extend(filled(server, 3));
        state.speaks(2);
        assert_ne!(fs::metadata(state.path()).unwrap().ino(), before);
    });
}

/// Insists that a state file of which no sense can be made costs a warning, and nothing else.
#[track_caller]
fn check_survives(contents: &[u8]) {
    with_twenty_ports(|server| {
        let _held = filled(server, 20);
        let state = State::new();
        fs::write(state.path(), contents).unwrap();
        let ran = state.run("3600").exited(2);
        assert_ne!(ran.text(), "", "an alarm is not lost");
        let path = state.path();
        assert!(
            ran.stderr.contains(path.to_str().unwrap()),
            "{}",
            ran.stderr
        );
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        state.silent(2);
    });
}

#[test]
fn a_state_file_of_garbage_is_survived() {
    check_survives(b"\xff\x00\x1b[2J garbage {");
}

#[test]
fn a_state_file_that_was_cut_short_is_survived() {
    check_survives(b"{\"schema\":\"portstat");
}

#[test]
fn a_state_file_of_something_else_is_survived() {
    check_survives(b"{\"schema\": \"other.v9\", \"status\": 12, \"since\": -5}\n");
}

#[test]
fn a_huge_state_file_is_survived() {
    check_survives(&[b'x'; 1 << 20]);
}

#[test]
fn a_status_of_no_known_name_in_the_state_file_is_survived() {
    with_twenty_ports(|server| {
        let _held = filled(server, 20);
        let state = State::new();
        state.speaks(2);
        let text = fs::read_to_string(state.path()).unwrap();
        assert!(text.contains("critical"), "{text}");
        fs::write(state.path(), text.replace("critical", "purple")).unwrap();
        let ran = state.run("3600").exited(2);
        assert_ne!((ran.text(), &ran.stderr[..]), ("", ""));
        state.silent(2);
    });
}

#[test]
fn where_no_state_can_be_kept_the_alarm_is_still_told() {
    with_twenty_ports(|server| {
        let _held = filled(server, 20);
        let args = ["ephemeral", "--quiet", "--state-file", "/nonexistent/state"];
        for _ in 0..2 {
            let ran = portstat::run(&args).exited(2);
            assert_ne!(ran.text(), "");
            assert!(ran.stderr.contains("/nonexistent/state"), "{}", ran.stderr);
        }
    });
}
