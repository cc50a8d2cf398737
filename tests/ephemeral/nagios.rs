//! One line for Nagios and Icinga, with performance data that parses.

use std::collections::BTreeMap;

use crate::report::report;
use crate::setup::{S, given_to, local, with_twenty_ports};
use crate::support::dial::Source;
use crate::support::portstat;

/// A value of the performance data.
#[derive(Clone, Debug, PartialEq)]
struct Datum {
    value: f64,
    unit: String,
    /// Warning, critical, least and most, as far as they are told.
    bounds: [Option<f64>; 4],
}

/// Reads `'label'=value[UOM];[warn];[crit];[min];[max]` a blank apart, as the guidelines of the
/// monitoring plugins have it.
#[track_caller]
fn performance_data(text: &str) -> BTreeMap<String, Datum> {
    let mut data = BTreeMap::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (label, after) = label(rest);
        assert!(!label.is_empty() && !label.contains('='), "{text}");
        let (word, next) = after.split_once(' ').unwrap_or((after, ""));
        let before = data.insert(label, datum(word));
        assert_eq!(before, None, "a label comes twice: {text}");
        rest = next.trim_start();
    }
    data
}

/// A label, in quotes or not, and what comes after its equals sign.
#[track_caller]
fn label(text: &str) -> (String, &str) {
    let Some(mut rest) = text.strip_prefix('\'') else {
        let (label, after) = text.split_once('=').unwrap();
        assert!(!label.contains(['\'', ' ']), "{text}");
        return (label.to_owned(), after);
    };
    let mut label = String::new();
    loop {
        let (part, after) = rest.split_once('\'').unwrap();
        label.push_str(part);
        // A quote is written twice.
        match after.strip_prefix('\'') {
            Some(more) => {
                label.push('\'');
                rest = more;
            }
            None => return (label, after.strip_prefix('=').unwrap()),
        }
    }
}

#[track_caller]
fn datum(word: &str) -> Datum {
    let mut fields = word.split(';');
    let first = fields.next().unwrap();
    let digits = first
        .find(|c: char| !c.is_ascii_digit() && c != '.' && c != '-')
        .unwrap_or(first.len());
    let (value, unit) = first.split_at(digits);
    assert!(
        ["", "s", "us", "ms", "%", "B", "KB", "MB", "TB", "c"].contains(&unit),
        "{word}"
    );
    let mut bounds = [None; 4];
    for (bound, field) in bounds.iter_mut().zip(fields.by_ref()) {
        *bound = (!field.is_empty()).then(|| field.parse().unwrap());
    }
    assert_eq!(fields.next(), None, "{word}");
    Datum {
        value: value.parse().unwrap(),
        unit: unit.to_owned(),
        bounds,
    }
}

/// The line that is printed: its words, and its performance data.
#[track_caller]
fn line(code: i32, args: &[&str]) -> (String, BTreeMap<String, Datum>) {
    let args = [&["ephemeral", "--format", "nagios"], args].concat();
    let ran = portstat::run(&args).exited(code);
    let text = ran.text();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.ends_with('\n'));
    assert_eq!(text.matches('|').count(), 1, "{text}");
    let (words, data) = text.split_once('|').unwrap();
    (words.to_owned(), performance_data(data))
}

#[test]
fn the_line_names_status_pool_and_numbers() {
    with_twenty_ports(|server| {
        let (words, data) = line(0, &[]);
        assert!(words.starts_with("PORTS OK - "), "{words}");
        assert_eq!(data["worst_pct"].value, 0.0);

        let mut held = server.dial_many(17, Source::Any, local(S));
        let (words, data) = line(1, &[]);
        assert!(words.starts_with("PORTS WARNING - "), "{words}");
        assert!(words.contains("127.0.0.1:9000"), "{words}");
        assert!(words.contains("85%"), "{words}");
        let worst = Datum {
            value: 85.0,
            unit: "%".to_owned(),
            bounds: [80.0, 95.0, 0.0, 100.0].map(Some),
        };
        assert_eq!(data["worst_pct"], worst);
        let used = Datum {
            value: 17.0,
            unit: String::new(),
            bounds: [None, None, Some(0.0), Some(20.0)],
        };
        assert_eq!(data["used"], used);

        held.extend(server.dial_many(3, Source::Any, local(S)));
        let (words, data) = line(2, &["--warn", "40", "--crit", "60"]);
        assert!(words.starts_with("PORTS CRITICAL - "), "{words}");
        assert_eq!(data["worst_pct"].value, 100.0);
        assert_eq!(data["worst_pct"].bounds[..2], [Some(40.0), Some(60.0)]);
    });
}

#[test]
fn the_percentage_is_the_one_of_the_report() {
    with_twenty_ports(|server| {
        crate::support::namespace::sysctl("net.ipv4.ip_local_reserved_ports", "40000");
        let _held = server.dial_many(7, Source::Any, local(S));
        let (_, data) = line(0, &[]);
        let percent = report(&[]).netns.pools[0].percent;
        assert!(percent > 30.0);
        assert!((data["worst_pct"].value - percent).abs() <= 1.0, "{data:?}");
        assert_eq!(data["used"].bounds[3], Some(19.0));
    });
}

/// Insists that a process with that name, the only one with ports, adds nothing to the line but
/// its name.
#[track_caller]
fn check_name(name: &[u8]) {
    with_twenty_ports(|server| {
        let connections = server.dial_many(20, Source::Any, local(S));
        let (holder, _servers) = given_to(name, connections);
        let (words, data) = line(2, &[]);
        assert!(!words.contains(|c: char| c.is_control()), "{words:?}");
        assert!(words.contains(&format!("[{}]", holder.pid())), "{words}");
        let labels: Vec<&str> = data.keys().map(String::as_str).collect();
        assert_eq!(labels, ["used", "worst_pct"]);
        assert_eq!(data["worst_pct"].value, 100.0);
    });
}

#[test]
fn a_process_name_begins_no_performance_data() {
    check_name(b"a|x=1;2;3 'b");
}

#[test]
fn a_process_name_begins_no_line() {
    check_name(b"a\n|x=99%");
}

#[test]
fn a_process_name_clears_no_screen() {
    check_name(b"'|\x1b[2J");
}
