//! Which network namespaces `-N all` finds, and what it says of those that it cannot read.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, AsRawFd};

use serde_json::Value;
use support::holder::Holder;
use support::mounts::mount;
use support::netns::{in_new_netns, own_inode, with_names};
use support::portstat::run;

/// The port that somebody has in each namespace.
const PORT: u16 = 8080;

/// A namespace in which no process lives: its file, a listener in it, and its inode.
fn abandoned() -> (File, TcpListener, u64) {
    in_new_netns(|| {
        let file = File::open("/proc/thread-self/ns/net").unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)).unwrap();
        (file, listener, own_inode())
    })
}

/// What `-N all` lists of the port in the namespace of an inode.
#[track_caller]
fn listed_in(inode: u64) -> Vec<Value> {
    let args = [
        "-N", "all", "-tlp", "--format", "jsonl", "sport", "=", ":8080",
    ];
    let mut sockets = run(&args).exited(0).json_lines();
    sockets.retain(|one| one["netns"] == inode);
    sockets
}

#[test]
fn one_that_only_a_descriptor_keeps_is_found_once() {
    with_names(|| {
        let (file, listener, inode) = abandoned();
        let [socket] = &listed_in(inode)[..] else {
            panic!("by one process");
        };
        // Like others without a name it goes by its inode.
        assert_eq!(socket["netns_name"], Value::Null);
        assert_eq!(socket["owners"][0]["pid"], std::process::id());
        let held = [file.as_fd(), listener.as_fd()];
        let holders = [Holder::of(&held), Holder::twice(&held)];
        drop((file, listener));
        let [socket] = &listed_in(inode)[..] else {
            panic!("by two processes, neither of which lives there");
        };
        assert_eq!(socket["owners"].as_array().unwrap().len(), 3);
        let plain = run(&["-N", "all", "-tln", "sport", "=", ":8080"]).exited(0);
        let end = format!(" netns:{inode}");
        assert!(
            plain.text().lines().any(|line| line.ends_with(&end)),
            "{}",
            plain.text()
        );
        // Every command looks there.
        let counts = run(&["-N", "all", "-s", "-t", "--json"]).exited(0).json();
        let counts = counts["counts"].as_array().unwrap();
        assert!(counts.iter().any(|count| count["netns"] == inode));
        let pools = run(&["-N", "all", "ephemeral", "--json", "--top", "100"]).json();
        let judged = pools["netns"].as_array().unwrap();
        assert!(judged.iter().any(|one| one["id"] == inode), "{pools}");
        drop(holders);
        assert_eq!(listed_in(inode), [] as [Value; 0]);
    });
}

#[test]
fn one_that_is_open_and_has_a_name_or_a_process_is_no_second() {
    with_names(|| {
        let (file, _listener, inode) = abandoned();
        let own = File::open("/proc/self/ns/net").unwrap();
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        support::netns::name_netns("kept", &path).unwrap();
        let [socket] = &listed_in(inode)[..] else {
            panic!("by its name");
        };
        assert_eq!(socket["netns_name"], "kept");
        let _here = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)).unwrap();
        assert_eq!(listed_in(own_inode()).len(), 1);
        drop(own);
    });
}

#[test]
fn those_that_container_engines_mount_are_found() {
    with_names(|| {
        let mut kept = Vec::new();
        for folder in ["/run/docker/netns", "/run/containers/a b", "/run/cni"] {
            let (file, listener, inode) = abandoned();
            fs::create_dir_all(folder).unwrap();
            let point = format!("{folder}/0a1b2c");
            File::create(&point).unwrap();
            let from = format!("/proc/self/fd/{}", file.as_raw_fd());
            mount(&from, &point, "", libc::MS_BIND).unwrap();
            drop(file);
            assert_eq!(listed_in(inode).len(), 1, "{point}");
            let named = run(&["-N", &point, "-tlnH"]).exited(0);
            assert_eq!(named.text().lines().count(), 1, "{point}");
            kept.push(listener);
        }
    });
}
