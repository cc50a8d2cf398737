//! Runs ss, whose answers are the measure of portstat's.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::io;
use std::process::Command;

use super::namespace::{in_namespace, skip};
use super::portstat::output;
use super::rows::{self, Row};

/// Runs a comparison with ss in a namespace of its own; where ss is not installed the test is
/// skipped, which is a failure where continuous integration runs.
pub fn beside_ss(body: impl FnOnce()) {
    match Command::new("ss").arg("-V").output() {
        Ok(_) => in_namespace(body),
        Err(error) => skip(&io::Error::other(format!("ss: {error}"))),
    }
}

fn command<A: AsRef<str>>(args: &[A]) -> Command {
    let mut command = Command::new("ss");
    // One line for each socket, whatever is shown of it.
    command.arg("-O").args(args.iter().map(AsRef::as_ref));
    command
}

/// What ss prints.
#[track_caller]
pub fn text<A: AsRef<str>>(args: &[A]) -> String {
    finish(&mut command(args))
}

/// What ss prints of a file with netlink messages.
#[track_caller]
pub fn text_of_recording<A: AsRef<str>>(args: &[A], path: &str) -> String {
    finish(command(args).env("TCPDIAG_FILE", path))
}

#[track_caller]
fn finish(command: &mut Command) -> String {
    let output = output(command);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The TCP and UDP sockets that ss shows, sorted.
#[track_caller]
pub fn rows(args: &[String]) -> Vec<Row> {
    let mut rows = rows::plain(&text(args), args);
    // Without a protocol it shows many more.
    rows.retain(|row| row.proto == "tcp" || row.proto == "udp");
    rows
}

/// Whether this ss sees TCP sockets that are bound and nothing else: since 6.8.
pub fn sees_bound() -> bool {
    let help = output(Command::new("ss").arg("-h"));
    String::from_utf8_lossy(&help.stdout).contains("bound-inactive")
}

/// Rows of portstat as this ss would show them: bound TCP sockets are UNCONN to a new one, and
/// nothing to an old one.
pub fn as_ss_shows(mut rows: Vec<Row>) -> Vec<Row> {
    if sees_bound() {
        for row in rows.iter_mut().filter(|row| row.state == "BOUND") {
            row.state = "UNCONN".to_owned();
        }
        rows.sort();
    } else {
        rows.retain(|row| row.state != "BOUND");
    }
    rows
}

/// Rows of ss less what `/proc/net` cannot tell: bound sockets, devices, v6only, cookies,
/// directions shut down, and how many connections may wait at a listener.
pub fn as_proc_shows(rows: Vec<Row>) -> Vec<Row> {
    let end = |end: &str| {
        let end = end.replace("%lo:", ":");
        match end.strip_prefix("[::]:") {
            Some(port) => format!("*:{port}"),
            None => end,
        }
    };
    let mut rows: Vec<Row> = rows
        .into_iter()
        .filter(|row| row.proto != "tcp" || row.state != "UNCONN")
        .map(|row| Row {
            local: end(&row.local),
            peer: end(&row.peer),
            send_q: if row.state == "LISTEN" { 0 } else { row.send_q },
            details: row
                .details
                .into_iter()
                .filter(|detail| detail.starts_with("uid:") || detail.starts_with("ino:"))
                .collect(),
            ..row
        })
        .collect();
    rows.sort();
    rows
}
