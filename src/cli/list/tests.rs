//! What command lines come to.

use super::super::args::Args;
use super::super::output::Environment;
use super::super::plan::{Job, Plan};
use super::*;
use std::ffi::OsString;

pub(in crate::cli) fn list(args: &[&str]) -> ListPlan {
    let words = ["portstat"].iter().chain(args).map(OsString::from);
    let args = Args::read(words).unwrap();
    match Plan::new(args, &Environment::default()).unwrap().job {
        Job::List(list) => list,
        other => panic!("{other:?}"),
    }
}

#[test]
fn states_are_those_of_ss() {
    assert_eq!(list(&["-t"]).states, StateSet::DEFAULT);
    assert_eq!(list(&["-tl"]).states, StateSet::LISTENING);
    assert_eq!(list(&["-ta"]).states, StateSet::ALL);
    assert_eq!(list(&["-tB"]).states, StateSet::BOUND);
    let connected = StateSet::EMPTY.with(State::Established);
    assert_eq!(list(&["-u"]).states, connected);
    assert_eq!(list(&["-ul"]).states, StateSet::LISTENING);
    assert_eq!(list(&["-w"]).states, connected);
    let closed = StateSet::EMPTY.with(State::Close);
    assert_eq!(list(&["-0"]).states, closed);
    assert_eq!(list(&["-f", "netlink"]).states, closed);
    assert_eq!(list(&["-w0"]).states, connected.union(closed));
    assert_eq!(list(&["-x0"]).states, StateSet::DEFAULT.union(closed));
    for more in ["-u4", "-u6", "-tu", "-x", "-f=inet", "-ux"] {
        assert_eq!(list(&[more]).states, StateSet::DEFAULT, "{more}");
    }
}

#[test]
fn queries_are_those_of_ss() {
    let names = |query: &str| -> Vec<&str> {
        let list = list(&["-A", query]);
        list.tables.iter().map(|table| table.proc_name()).collect()
    };
    assert_eq!(names("tcp"), ["tcp", "tcp6"]);
    assert_eq!(names("tcp,unix"), ["unix", "tcp", "tcp6"]);
    assert_eq!(names("inet").len(), 6);
    assert_eq!(names("all").len(), 9);
    assert_eq!(names("inet,!raw,!udp"), ["tcp", "tcp6"]);
    assert_eq!(names("!udp,all").len(), 9);
    assert_eq!(list(&["--socket=tcp", "-4"]).tables.len(), 1);
    assert_eq!(list(&["-A", "tcp", "-A", "udp"]).tables.len(), 4);
    assert_eq!(list(&["-A", "all"]).states, StateSet::DEFAULT);
    assert_eq!(list(&["-A", "udp", "-l"]).states, StateSet::LISTENING);
    let closed = StateSet::EMPTY.with(State::Close);
    assert_eq!(list(&["-A", "packet,netlink"]).states, closed);
    let args = Args::read(["portstat", "-A", "!tcp"].map(OsString::from)).unwrap();
    assert!(Plan::new(args, &Environment::default()).is_err());
}

#[test]
fn the_cgroup_comes_with_the_details() {
    let list = list(&["-t", "--cgroup"]);
    assert!(list.details.extended && list.timers);
}

#[test]
fn tables_are_those_asked_for() {
    let names = |args: &[&str]| -> Vec<&str> {
        list(args)
            .tables
            .iter()
            .map(|table| table.proc_name())
            .collect()
    };
    assert_eq!(names(&["-a"]), ["udp", "udp6", "tcp", "tcp6"]);
    assert_eq!(names(&["-t"]), ["tcp", "tcp6"]);
    assert_eq!(names(&["-6a"]), ["udp6", "tcp6"]);
    assert_eq!(names(&["-tu46"]), ["udp", "udp6", "tcp", "tcp6"]);
    assert_eq!(names(&["-x"]), ["unix"]);
    assert_eq!(names(&["-xt4"]), ["unix", "tcp"]);
    assert_eq!(names(&["-x4"]), ["unix", "udp", "tcp"]);
    assert_eq!(names(&["-w6"]), ["raw6"]);
    assert_eq!(
        names(&["-f", "inet6", "-f", "link"]),
        ["packet", "udp6", "tcp6"]
    );
    let all = [
        "netlink", "packet", "unix", "raw", "raw6", "udp", "udp6", "tcp", "tcp6",
    ];
    assert_eq!(names(&["-tuwx0", "--netlink"]), all);
}

#[test]
fn an_interval_is_no_filter() {
    let interval = |args: &[&str]| list(args).interval.map(|wait| wait.as_millis());
    assert_eq!(interval(&["-tc"]), Some(1000));
    assert_eq!(interval(&["-tc", "0.5"]), Some(500));
    assert_eq!(interval(&["-t", "-c", "2", "sport", "=", ":1"]), Some(2000));
    assert_eq!(interval(&["-t", "--continuous=3"]), Some(3000));
    assert_eq!(interval(&["-t", "sport", "=", ":1"]), None);
    assert_eq!(
        list(&["-tc", "state", "established"]).filter,
        "state established"
    );
}
