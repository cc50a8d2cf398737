//! Processes that do not tell of themselves, as they are stuck in the kernel.

use std::net::TcpListener;
use std::os::fd::AsFd;

use tempfile::TempDir;

use crate::answer::array;
use crate::support::holder::Holder;
use crate::support::mounts::{never_answers, own_mounts};
use crate::support::namespace::in_namespace;
use crate::support::portstat;

const ADDRESS: &str = "127.0.0.1:8080";

/// A listener, and processes that have inherited it and do not tell their command lines.
fn stuck(count: usize) -> (TcpListener, Vec<(Holder, TempDir)>) {
    own_mounts().unwrap();
    let listener = TcpListener::bind(ADDRESS).unwrap();
    let holders = (0..count).map(|_| {
        let holder = Holder::named(b"stuck", &[listener.as_fd()]);
        let file = never_answers(&format!("/proc/{}/cmdline", holder.pid()));
        (holder, file)
    });
    let holders = holders.collect();
    (listener, holders)
}

#[test]
fn who_does_not_answer_keeps_nobody_waiting() {
    in_namespace(|| {
        let (_listener, holders) = stuck(1);
        let pid = holders[0].0.pid();
        let ran = portstat::run(&["why", ADDRESS, "--json"]).exited(1);
        let document = ran.json();
        let processes = array(&document["answers"][0], "processes");
        assert_eq!(processes.len(), 2, "{document}");
        for process in processes {
            assert_eq!(process["cmdline"].is_null(), process["pid"] == pid);
        }
        let gaps = array(&document["collection"], "gaps");
        let late = gaps.iter().filter(|gap| gap["what"] == "process details");
        assert_eq!(late.count(), 1, "{document}");
        let said = format!("/proc/{pid}: no answer within 500 ms");
        assert!(ran.stderr.contains(&said), "{}", ran.stderr);

        let ran = portstat::run(&["why", ADDRESS]).exited(1);
        let line = ran.text().lines().find(|line| line.contains("stuck["));
        let line = line.unwrap_or_else(|| panic!("{}", ran.text()));
        assert!(line.contains("stuck in the kernel"), "{}", ran.text());
    });
}

#[test]
fn after_a_few_that_do_not_answer_nobody_is_asked() {
    in_namespace(|| {
        let (_listener, holders) = stuck(9);
        let ran = portstat::run(&["why", ADDRESS, "--json"]).exited(1);
        let document = ran.json();
        let gaps = array(&document["collection"], "gaps");
        let reasons = gaps.iter().map(|gap| gap["reason"].as_str().unwrap());
        let late = reasons.clone().filter(|one| one.starts_with("no answer"));
        assert_eq!(late.count(), 4, "{document}");
        let mut others = reasons.filter(|one| one.ends_with("were not asked"));
        assert!(others.next().is_some(), "{document}");
        // They are named all the same.
        let processes = array(&document["answers"][0], "processes");
        assert_eq!(processes.len(), holders.len() + 1);
    });
}

#[test]
fn who_does_not_answer_is_recorded_without_it() {
    in_namespace(|| {
        let (_listener, holders) = stuck(1);
        let pid = holders[0].0.pid();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recording");
        let path = path.to_str().unwrap();
        let ran = portstat::run(&["record", path]).exited(0);
        let said = format!("proc/{pid}/cmdline: no answer within 500 ms");
        assert!(ran.stderr.contains(&said), "{}", ran.stderr);
        let ran = portstat::run(&["--from", path, "why", ADDRESS, "--json"]).exited(1);
        let document = ran.json();
        let processes = array(&document["answers"][0], "processes");
        let told = processes.iter().find(|one| one["pid"] == pid).unwrap();
        assert!(told["cmdline"].is_null(), "{document}");
        assert_eq!(told["comm"], "stuck");
    });
}
