//! Containers of the processes that hold sockets, as every maker of them names cgroups.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use serde_json::Value;
use support::portstat::{csv_records, run};
use support::recording::{DiagRow, Recording, dump};

/// The cgroup of a process, and its container: its id as it begins, or its name.
fn cgroups() -> [(String, Option<String>); 9] {
    let id = |digits: &str| digits.repeat(32);
    let (a, b) = (id("0a"), id("b1"));
    [
        (format!("/system.slice/docker-{a}.scope"), Some(a.clone())),
        (format!("/docker/{b}"), Some(b.clone())),
        (
            format!("/machine.slice/libpod-{a}.scope/container"),
            Some(a.clone()),
        ),
        (
            format!("/system.slice/x:cri-containerd:{b}"),
            Some(b.clone()),
        ),
        (
            format!("/kubepods.slice/kubepods-pod1_2.slice/cri-containerd-{a}.scope"),
            Some(a.clone()),
        ),
        (format!("/kubepods/besteffort/pod1-2/{b}"), Some(b.clone())),
        (
            "/machine.slice/systemd-nspawn@web.service/payload".to_owned(),
            Some("web".to_owned()),
        ),
        (
            format!("/docker/{a}/system.slice/docker-{b}.scope"),
            Some(b),
        ),
        ("/system.slice/nginx.service".to_owned(), None),
    ]
}

/// A process for each, that listens on a port with its own number.
fn recording() -> Recording {
    let rows: Vec<DiagRow> = (1..=cgroups().len())
        .map(|number| DiagRow {
            inode: u32::try_from(number).unwrap(),
            ..DiagRow::new(10, &format!("127.0.0.1:{number}"), "0.0.0.0:0")
        })
        .collect();
    let mut recording = Recording::empty()
        .with("diag/tcp.nlmsg", [dump(&rows), dump(&[])].concat())
        .with("meta.json", "{}");
    for (pid, (path, _)) in (1..).zip(cgroups()) {
        recording = recording
            .with_process(pid, b"server", &[u64::from(pid)])
            .with(&format!("proc/{pid}/cgroup"), format!("0::{path}\n"));
    }
    recording
}

#[test]
fn every_maker_is_known_in_every_format() {
    let recording = recording();
    let from = ["--from", recording.path(), "-tlnp"];
    let document = run(&[&from[..], &["--json"]].concat()).exited(0).json();
    let whole: Vec<Option<String>> = document["sockets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|socket| match &socket["owners"][0]["container"] {
            Value::String(name) => Some(name.clone()),
            Value::Null => None,
            other => panic!("{other}"),
        })
        .collect();
    let expected = cgroups().map(|(_, container)| container);
    assert_eq!(whole, expected);

    let short = |name: &Option<String>| {
        let name = name.clone().unwrap_or_default();
        name.chars().take(12).collect::<String>()
    };
    let list = |format: &str| {
        let columns = [
            "--columns",
            "local_port,container",
            "-H",
            "--format",
            format,
        ];
        run(&[&from[..], &columns].concat())
            .exited(0)
            .text()
            .to_owned()
    };
    let rows: Vec<Vec<String>> = (1..)
        .zip(&expected)
        .map(|(port, name): (u16, _)| vec![port.to_string(), short(name)])
        .collect();
    assert_eq!(csv_records(&list("csv")), rows);
    for format in ["plain", "table"] {
        let text = list(format);
        for row in &rows {
            let wanted = row.iter().filter(|cell| !cell.is_empty());
            let is_row = |line: &str| {
                let cells = line.split_whitespace().filter(|cell| *cell != "-");
                cells.eq(wanted.clone())
            };
            assert!(text.lines().any(is_row), "{format}: {row:?} in {text}");
        }
    }
    // Nowhere else unless it is asked for.
    for format in ["plain", "table", "csv"] {
        let usual = run(&[&from[..], &["--format", format]].concat()).exited(0);
        assert!(!usual.text().to_lowercase().contains("0a0a"), "{format}");
    }
}
