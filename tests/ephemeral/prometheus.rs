//! Metrics for node_exporter's textfile collector.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::setup::{S, local, with_twenty_ports};
use crate::support::dial::Source;
use crate::support::namespace::sysctl;
use crate::support::portstat;

/// One line with a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

/// Samples by the family they are of.
pub type Families = BTreeMap<String, Vec<Sample>>;

/// Reads the text format, and insists on what promises are made of it.
#[track_caller]
pub fn families(text: &str) -> Families {
    assert!(text.ends_with('\n'));
    let mut families = Families::new();
    let mut described: BTreeSet<String> = BTreeSet::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(described.insert(name.to_owned()), "{name} comes twice");
            assert!(!words.is_empty(), "{line}");
            assert!(name.starts_with("portstat_"), "{line}");
            current = name.to_owned();
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(name, current, "HELP comes before TYPE");
            // Only counters are named so.
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert!(kind == "counter" || kind == "gauge", "{line}");
            let before = families.insert(name.to_owned(), Vec::new());
            assert_eq!(before, None);
        } else {
            let (name, sample) = sample(line);
            assert_eq!(name, current, "of one family after another");
            let samples = families.get_mut(name).unwrap();
            assert!(
                samples.iter().all(|other| other.labels != sample.labels),
                "comes twice: {line}"
            );
            samples.push(sample);
        }
    }
    families
}

#[track_caller]
fn sample(line: &str) -> (&str, Sample) {
    let end = line.find(['{', ' ']).unwrap();
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"").unwrap();
            assert!(
                label.chars().all(|c| c.is_ascii_lowercase() || c == '_'),
                "{line}"
            );
            let (value, after) = quoted(after);
            assert_eq!(labels.insert(label.to_owned(), value), None, "{line}");
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = &rest[1..];
    }
    // Neither a process nor another machine has a series of its own.
    for label in ["pid", "comm", "src", "dst", "dport", "peer"] {
        assert!(!labels.contains_key(label), "{line}");
    }
    // The value is all there is: no timestamp.
    let value = rest.strip_prefix(' ').unwrap();
    let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
    (name, Sample { labels, value })
}

/// The text up to a quote, and what comes after it.
#[track_caller]
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((index, c)) = chars.next() {
        match c {
            '"' => return (value, &text[index + 1..]),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, c @ ('\\' | '"'))) => value.push(c),
                other => panic!("{other:?} is no escape: {text}"),
            },
            c => value.push(c),
        }
    }
    panic!("a quote is missing: {text}");
}

impl Sample {
    fn label(&self, name: &str) -> &str {
        &self.labels[name]
    }
}

#[track_caller]
fn check_contents(families: &Families, worst: f64) {
    let only = |name: &str| {
        let samples = &families[name];
        assert_eq!(samples.len(), 1, "{samples:?}");
        samples[0].clone()
    };
    let ratios = &families["portstat_ephemeral_worst_ratio"];
    for ratio in ratios {
        let labels: Vec<&str> = ratio.labels.keys().map(String::as_str).collect();
        assert_eq!(labels, ["netns", "pool"]);
        assert!((0.0..=1.0).contains(&ratio.value), "{ratio:?}");
    }
    let pools: BTreeSet<&str> = ratios.iter().map(|ratio| ratio.label("pool")).collect();
    let known = BTreeSet::from(["tcp-connect", "tcp-bind", "udp-autobind", "udp-bind"]);
    // A pool that was quiet for once is not one that is gone.
    assert_eq!(pools, known);
    let connect = ratios
        .iter()
        .find(|ratio| ratio.label("pool") == "tcp-connect");
    assert_eq!(connect.unwrap().value, worst);

    let capacity = only("portstat_ephemeral_capacity_ports");
    assert_eq!(capacity.value, 20.0);
    assert_eq!(capacity.label("netns"), connect.unwrap().label("netns"));
    let visible = only("portstat_visibility_complete");
    assert!(visible.value == 0.0 || visible.value == 1.0, "{visible:?}");
    let run = only("portstat_last_run_timestamp_seconds").value;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let age = now.as_secs_f64() - run;
    assert!((-1.0..60.0).contains(&age), "{age}");

    let sockets = &families["portstat_sockets"];
    let count = |state: &str| -> f64 {
        let counted = sockets.iter().filter(|sample| {
            let labels: Vec<&str> = sample.labels.keys().map(String::as_str).collect();
            assert_eq!(labels, ["family", "netns", "proto", "state"]);
            sample.label("proto") == "tcp" && sample.label("state") == state
        });
        counted.map(|sample| sample.value).sum()
    };
    assert_eq!(count("LISTEN"), 2.0);
    // Both ends of each connection.
    assert_eq!(count("ESTAB"), worst * 40.0);
    for backlog in families
        .get("portstat_listen_backlog_ratio")
        .into_iter()
        .flatten()
    {
        assert!((0.0..=2.0).contains(&backlog.value), "{backlog:?}");
    }
}

#[test]
fn metrics_are_what_prometheus_reads() {
    with_twenty_ports(|server| {
        let args = ["ephemeral", "--format", "prometheus"];
        let ran = portstat::run(&args).exited(0).quietly();
        check_contents(&families(ran.text()), 0.0);
        let _held = server.dial_many(19, Source::Any, local(S));
        let ran = portstat::run(&args).exited(2);
        check_contents(&families(ran.text()), 0.95);
    });
}

#[test]
fn of_no_port_at_all_every_one_is_taken() {
    with_twenty_ports(|_| {
        sysctl("net.ipv4.ip_local_reserved_ports", "40000-40019");
        let ran = portstat::run(&["ephemeral", "--format", "prometheus"]).exited(2);
        let families = families(ran.text());
        let worst = &families["portstat_ephemeral_worst_ratio"];
        assert!(!worst.is_empty() && worst.iter().all(|sample| sample.value == 1.0));
    });
}

#[test]
fn the_metrics_of_a_full_machine_do_not_multiply() {
    with_twenty_ports(|server| {
        let args = ["ephemeral", "--format", "prometheus"];
        let lines = || portstat::run(&args).text().lines().count();
        let _few = server.dial_many(1, Source::Any, local(S));
        let before = lines();
        let mut held = Vec::new();
        for client in 10..40 {
            let source = Source::NoPort([127, 0, 2, client].into());
            held.extend(server.dial_many(1, source, local(S)));
        }
        assert_eq!(lines(), before);
    });
}

#[test]
fn a_textfile_is_there_as_a_whole_or_not_at_all() {
    with_twenty_ports(|server| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("portstat.prom");
        let run = |code: i32| {
            let mut command =
                portstat::command(&["ephemeral", "--textfile", path.to_str().unwrap()]);
            portstat::with_umask(0o077, &mut command);
            portstat::finish(&mut command).exited(code)
        };
        run(0);
        let first = fs::metadata(&path).unwrap();
        assert_eq!(first.permissions().mode() & 0o7777, 0o644);
        check_contents(&families(&fs::read_to_string(&path).unwrap()), 0.0);

        // Whoever reads the old one reads on.
        let kept = folder.path().join("kept");
        fs::hard_link(&path, &kept).unwrap();
        let old = fs::read_to_string(&kept).unwrap();
        let _held = server.dial_many(20, Source::Any, local(S));
        run(2);
        assert_eq!(fs::read_to_string(&kept).unwrap(), old);
        assert_ne!(fs::metadata(&path).unwrap().ino(), first.ino());
        check_contents(&families(&fs::read_to_string(&path).unwrap()), 1.0);
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["kept", "portstat.prom"]);
    });
}

#[test]
fn a_reader_never_sees_half_a_textfile() {
    with_twenty_ports(|_| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("portstat.prom");
        let args = ["ephemeral", "--textfile", path.to_str().unwrap()];
        portstat::run(&args).exited(0);
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for _ in 0..10 {
                    portstat::run(&args).exited(0);
                }
            });
            while !writer.is_finished() {
                let text = fs::read_to_string(&path).unwrap();
                assert_eq!(text.lines().count(), lines);
                // The temporary file is none that node_exporter reads.
                let shown = fs::read_dir(folder.path()).unwrap().filter(|entry| {
                    let name = entry.as_ref().unwrap().file_name();
                    name.to_str().unwrap().ends_with(".prom")
                });
                assert_eq!(shown.count(), 1);
                std::thread::sleep(Duration::from_millis(1));
            }
            writer.join().unwrap();
        });
    });
}

#[test]
fn a_textfile_that_cannot_be_written_is_an_error() {
    with_twenty_ports(|_| {
        let args = ["ephemeral", "--textfile", "/nonexistent/portstat.prom"];
        let ran = portstat::run(&args);
        assert!(ran.code == 3 || ran.code == 4, "{}", ran.code);
        assert!(ran.stderr.contains("/nonexistent"), "{}", ran.stderr);
    });
}
