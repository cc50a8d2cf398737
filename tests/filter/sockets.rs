//! What sockets tell of themselves, for which ss has other words or none.

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::process;

use nix::sys::socket::sockopt::Mark;
use nix::sys::socket::{SockType, setsockopt};

use crate::support::holder::without_rights;
use crate::support::namespace::{in_namespace, sysctl};
use crate::support::population::Population;
use crate::support::portstat::{self, Collector, Ran, words};
use crate::support::proc_net;
use crate::support::recording::{DiagRow, Recording, dump};
use crate::support::rows::{self, Row, assert_same};
use crate::support::socket::{accept, bind, connect, listen, local_address, open};
use crate::support::ss::{self, beside_ss};
use crate::support::waiting::steadily;

/// The inode of a socket of this process.
fn inode(fd: &OwnedFd) -> String {
    let link = fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap();
    let text = link.to_str().unwrap();
    text.trim_start_matches("socket:[")
        .trim_end_matches(']')
        .to_owned()
}

/// Lists all sockets, with a filter of one argument.
#[track_caller]
fn list(filter: &str) -> Vec<Row> {
    let args = [&words("-tuane")[..], &[filter.to_owned()]].concat();
    rows::plain(portstat::run(&args).exited(0).text(), &args)
}

/// The local ports of rows, sorted.
fn ports(rows: &[Row]) -> Vec<u16> {
    let port = |row: &Row| row.local.rsplit(':').next().unwrap().parse().unwrap();
    let mut ports: Vec<u16> = rows.iter().map(port).collect();
    ports.sort_unstable();
    ports
}

fn listener(port: u16) -> (OwnedFd, u16) {
    let fd = open(SockType::Stream, [127, 0, 0, 1].into());
    bind(&fd, ([127, 0, 0, 1], port).into()).unwrap();
    listen(&fd, 8).unwrap();
    let port = local_address(&fd).port();
    (fd, port)
}

fn connection(port: u16) -> (OwnedFd, u16) {
    let fd = open(SockType::Stream, [127, 0, 0, 1].into());
    connect(&fd, ([127, 0, 0, 1], port).into()).unwrap();
    let port = local_address(&fd).port();
    (fd, port)
}

// Whose port the kernel chose.

#[test]
fn a_port_in_the_range_may_have_been_asked_for() {
    in_namespace(|| {
        sysctl("net.ipv4.ip_local_port_range", "40000 40099");
        // First those that are asked for: what is drawn may be any other.
        let (server, asked) = listener(40007);
        let (_bound, bound) = listener(40008);
        let (_chosen, chosen) = listener(0);
        let (_outside, outside) = listener(80);
        let (_client, client) = connection(outside);
        let mut expected = [chosen, client];
        expected.sort_unstable();
        assert_eq!(ports(&list("autobound")), expected);
        let mut others = [asked, outside, outside, bound];
        others.sort_unstable();
        assert_eq!(ports(&list("not autobound")), others);
        let either = list(&format!("autobound or sport = :{asked}"));
        assert_eq!(either.len(), 3);
        drop(server);
    });
}

#[test]
fn every_port_was_chosen_or_was_not() {
    in_namespace(|| {
        let _population = Population::random(31, 300);
        let (all, chosen, others, either) = steadily(proc_net::rows, || {
            (
                list("src any"),
                list("autobound"),
                list("not autobound"),
                list("autobound or sport != :1"),
            )
        });
        assert!(!chosen.is_empty() && !others.is_empty());
        let mut together = [chosen, others].concat();
        together.sort();
        assert_same("chosen or not", &all, &together);
        assert_same("chosen or another", &all, &either);
    });
}

// Marks, cgroups and namespaces.

#[test]
fn marks_are_for_those_with_rights() {
    in_namespace(|| {
        let (server, port) = listener(0);
        let (_other, other) = listener(0);
        setsockopt(&server, Mark, &7).unwrap();
        assert_eq!(ports(&list("fwmark = 7")), [port]);
        assert_eq!(ports(&list("fwmark != 7")), [other]);
        let without = |args: &[&str]| {
            let mut command = portstat::command(args);
            without_rights(&mut command);
            portstat::finish(&mut command)
        };
        let ran = without(&["-tan", "fwmark = 7"]).exited(0);
        assert_eq!(ran.text().lines().count(), 1);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        assert!(ran.stderr.contains("CAP_NET_ADMIN"), "{}", ran.stderr);
        // Whether one has the mark cannot be said.
        let ran = without(&["-qtan", "fwmark = 7"]).exited(4);
        assert!(ran.stderr.contains("CAP_NET_ADMIN"), "{}", ran.stderr);
        let filter = format!("fwmark = 7 or sport = :{port}");
        without(&["-qtan", &filter]).exited(0);
        let document = without(&["--json", "-tan", "fwmark = 7"]).json();
        assert_eq!(document["collection"]["complete"], false);
    });
}

#[test]
fn what_proc_does_not_tell_is_said() {
    in_namespace(|| {
        let _listener = listener(0);
        for filter in ["dev = lo", "fwmark = 1", "cgroup = unreachable:7"] {
            let args = ["-qtln", filter];
            let ran = portstat::run_by(Collector::Proc, &args).exited(4);
            assert!(
                ran.stderr.contains("/proc/net does not tell"),
                "{}",
                ran.stderr
            );
            portstat::run_by(Collector::Netlink, &args)
                .exited(1)
                .quietly();
        }
    });
}

/// A cgroup of a test's own.
struct Cgroup {
    folder: PathBuf,
}

impl Cgroup {
    /// Below the one this process is in; `None` where that is not allowed. Sockets that are made
    /// while `body` runs are in it.
    fn around<T>(body: impl FnOnce() -> T) -> Option<(Cgroup, T)> {
        let mounts = fs::read_to_string("/proc/mounts").unwrap();
        let root = mounts.lines().find_map(|line| {
            let mut words = line.split(' ').skip(1);
            let (point, kind) = (words.next()?, words.next()?);
            (kind == "cgroup2").then(|| PathBuf::from(point))
        })?;
        let own = fs::read_to_string("/proc/self/cgroup").unwrap();
        let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
        let own = root.join(own);
        let folder = own.join(format!("portstat test {}", process::id()));
        fs::create_dir(&folder).ok()?;
        let cgroup = Cgroup { folder };
        let enter = |folder: &PathBuf| fs::write(folder.join("cgroup.procs"), "0");
        enter(&cgroup.folder).ok()?;
        let value = body();
        enter(&own).unwrap();
        Some((cgroup, value))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Nothing is left in it; where it stays it harms nobody.
        let _ = fs::remove_dir(&self.folder);
    }
}

#[test]
fn cgroups_by_every_path_they_have() {
    beside_ss(|| {
        let (_other, other) = listener(0);
        let Some((cgroup, (server, port))) = Cgroup::around(|| listener(0)) else {
            // A container may see cgroups and change none: there is the one.
            return check_own_cgroup(other);
        };
        let document = portstat::run(&["-tane", "--json", &format!("sport = :{port}")]).json();
        let printed = document["sockets"][0]["extended"]["cgroup"]
            .as_str()
            .unwrap();
        for path in [printed, cgroup.folder.to_str().unwrap(), &printed[1..]] {
            assert_eq!(ports(&list(&format!("cgroup = \"{path}\""))), [port]);
            assert_eq!(ports(&list(&format!("cgroup != '{path}'"))), [other]);
            assert_eq!(
                ports(&list(&format!("cgroup {}", path.replace(' ', "\\ ")))),
                [port]
            );
        }
        let args = ["-tanH", "cgroup", "=", &printed.replace(' ', "\\ ")];
        let expected = ss::text(&args);
        assert!(expected.contains(&format!(":{port} ")), "{expected}");
        assert_eq!(expected.lines().count(), 1);
        drop(server);
    });
}

#[track_caller]
fn check_own_cgroup(port: u16) {
    let document = portstat::run(&["-tane", "--json"]).json();
    let extended = &document["sockets"][0]["extended"];
    let Some(path) = extended["cgroup"].as_str() else {
        let id = extended["cgroup_id"].as_u64().unwrap_or_default();
        assert_eq!(
            list(&format!("cgroup = unreachable:{id:x}")).len(),
            usize::from(id != 0)
        );
        return;
    };
    assert_eq!(ports(&list(&format!("cgroup = '{path}'"))), [port]);
    assert!(list(&format!("cgroup != '{path}'")).is_empty());
}

#[test]
fn namespaces_by_number_and_name() {
    in_namespace(|| {
        let (_listener, port) = listener(0);
        let link = fs::read_link("/proc/self/ns/net").unwrap();
        let own = link.to_str().unwrap();
        let own = own.trim_start_matches("net:[").trim_end_matches(']');
        assert_eq!(ports(&list(&format!("netns = {own}"))), [port]);
        assert!(list(&format!("netns != {own}")).is_empty());
        // That of the first process is another.
        assert!(list("netns = host").is_empty());
        assert_eq!(ports(&list("netns != host")), [port]);
        let ran = portstat::run(&["-tan", "netns = portstat-no-such"]).exited(2);
        assert!(
            ran.stderr.contains("no netns \"portstat-no-such\""),
            "{}",
            ran.stderr
        );
    });
}

// Users and inodes.

#[test]
fn one_socket_by_its_inode() {
    in_namespace(|| {
        let (server, port) = listener(0);
        let (_client, client) = connection(port);
        let accepted = accept(&server);
        let wanted = inode(&server);
        assert_eq!(ports(&list(&format!("inode = {wanted}"))), [port]);
        assert_eq!(ports(&list(&format!("inode != {wanted}"))).len(), 2);
        let later = list(&format!("inode > {wanted} and sport = :{client}"));
        assert_eq!(later.len(), 1);
        assert!(list("inode = 0").is_empty());
        drop(accepted);
    });
}

/// Sockets of several users, and what was known of them.
fn recording() -> Recording {
    let row = |port: u16, uid, inode| DiagRow {
        uid,
        inode,
        ..DiagRow::new(10, &format!("127.0.0.1:{port}"), "0.0.0.0:0")
    };
    let rows = [
        row(1, 0, 11),
        row(2, 33, 12),
        row(3, 1000, 13),
        row(4, 0, 0),
    ];
    Recording::empty()
        .with("diag/tcp.nlmsg", [dump(&rows), dump(&[])].concat())
        .with("proc/1/comm", "init\n")
        .with(
            "etc/passwd",
            "root:x:0:0::/:/\nwww-data:x:33:33::/:/\n77:x:1000:0::/:/\n",
        )
        .with("etc/hosts", "127.0.0.1 here\n10.0.0.1 there\n")
        .with(
            "meta.json",
            r#"{"interfaces":{"2":"eth0"},"cgroups":{"5":"/a"},"netns":7}"#,
        )
}

#[track_caller]
fn run_recorded(recording: &Recording, filter: &str) -> Ran {
    portstat::run(&[
        "-ta",
        "--columns",
        "local_port",
        "-H",
        "--from",
        recording.path(),
        filter,
    ])
}

#[test]
fn users_of_a_recording_are_its_own() {
    let recording = recording();
    for (filter, expected) in [
        ("user = www-data", "2"),
        ("user != www-data", "1 3 4"),
        ("user = 33", "2"),
        // Somebody is called so.
        ("user = 77", "3"),
        ("uid = 77", ""),
        // Of what is left of a connection no user is known.
        ("user = root", "1"),
        ("uid > 0", "2 3"),
        ("uid <= 33", "1 2"),
        ("inode = 0", "4"),
        ("dev = eth0", ""),
        ("dev != eth0", "1 2 3 4"),
        ("cgroup != /a", "1 2 3 4"),
        ("netns = 7", "1 2 3 4"),
        ("src here", "1 2 3 4"),
        ("src there or src here:3", "3"),
    ] {
        let ran = run_recorded(&recording, filter).exited(0);
        let found: Vec<&str> = ran.text().split_whitespace().collect();
        assert_eq!(found.join(" "), expected, "{filter}");
    }
    for (filter, reason) in [
        ("user = daemon", "no such user in the recording"),
        ("dev = lo", "no such interface in the recording"),
        ("cgroup = /", "no such cgroup in the recording"),
        ("netns = host", "no such network namespace in the recording"),
        ("src localhost", "not in etc/hosts of the recording"),
        ("sport = nope", "no such service in the recording"),
    ] {
        let ran = run_recorded(&recording, filter).exited(2);
        assert!(ran.stderr.contains(reason), "{filter}: {}", ran.stderr);
    }
    // The range of ports is not in it.
    let ran = run_recorded(&recording, "autobound").exited(0);
    assert!(ran.stderr.contains("ip_local_port_range"), "{}", ran.stderr);
}
