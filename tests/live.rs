//! portstat beside ss and the kernel, over real sockets in namespaces of the tests' own.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::io::{BufRead, BufReader, IoSlice, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{self, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::socket::sockopt::ReusePort;
use nix::sys::socket::{ControlMessage, MsgFlags, SockType, sendmsg, setsockopt};
use serde_json::Value;
use tempfile::TempDir;

use support::holder::{Holder, inherit, without_rights};
use support::namespace::in_namespace;
use support::population::Population;
use support::portstat::{self, Collector, Ran, csv_records, words};
use support::proc_net;
use support::rows::{self, Owner, Row, Timer, assert_same};
use support::socket;
use support::ss::{self, beside_ss};
use support::waiting::{steadily, wait_until};

/// Sockets of a population, beside those that connections leave behind.
const SIZE: usize = 400;

/// Several populations, the same every time, and one more on demand.
fn seeds() -> Vec<u64> {
    let wanted = env::var("PORTSTAT_TEST_SEED").ok();
    let wanted = wanted.map(|seed| seed.parse().unwrap());
    [1, 2, 3].into_iter().chain(wanted).collect()
}

/// What portstat lists, by one way and in one format.
struct Reading {
    collector: Collector,
    format: &'static str,
    rows: Vec<Row>,
}

impl Reading {
    /// The formats that tell all of a row.
    const FORMATS: [&str; 2] = ["plain", "json"];

    #[track_caller]
    fn of(collector: Collector, format: &'static str, args: &[String]) -> Self {
        let mut all = vec!["--format".to_owned(), format.to_owned()];
        all.extend_from_slice(args);
        let ran = portstat::run_by(collector, &all).exited(0);
        let rows = match format {
            "json" => rows::json_as_plain(&ran.json(), args),
            _ => rows::plain(ran.text(), args),
        };
        Self {
            collector,
            format,
            rows,
        }
    }
}

/// What portstat lists, by both ways and in both formats that tell all of a row.
#[track_caller]
fn readings(args: &[String]) -> Vec<Reading> {
    let mut readings = Vec::new();
    for collector in Collector::BOTH {
        for format in Reading::FORMATS {
            readings.push(Reading::of(collector, format, args));
        }
    }
    readings
}

// Listings, beside those of ss.

/// Insists that portstat lists what ss lists: states, addresses, queues and owners, by both ways
/// and in both formats.
#[track_caller]
fn check_listing(args: &str) {
    beside_ss(|| {
        for seed in seeds() {
            let _population = Population::random(seed, SIZE);
            compare_listings(&words(args));
        }
    });
}

/// Insists on the same of filters, in which `:P` and `:Q` are ports of listeners.
#[track_caller]
fn check_filters(flags: &str, filters: &[&str]) {
    beside_ss(|| {
        let population = Population::random(4, SIZE);
        let (p, q) = population.ports();
        for filter in filters {
            let filter = filter.replace(":P", &format!(":{p}"));
            let filter = filter.replace(":Q", &format!(":{q}"));
            compare_listings(&words(&format!("{flags} {filter}")));
        }
    });
}

/// Insists that the columns are those of ss.
#[track_caller]
fn compare_headings(args: &[String]) {
    let expected = rows::heading(&ss::text(args));
    for collector in Collector::BOTH {
        let found = portstat::run_by(collector, args).exited(0);
        assert_eq!(rows::heading(found.text()), expected, "{args:?}");
    }
}

#[track_caller]
fn compare_listings(args: &[String]) {
    compare_headings(args);
    let (expected, found) = steadily(proc_net::rows, || (ss::rows(args), readings(args)));
    for reading in found {
        let what = format!("{args:?} by {:?} in {}", reading.collector, reading.format);
        compare(&what, &expected, reading);
    }
}

#[track_caller]
fn compare(what: &str, expected: &[Row], reading: Reading) {
    match reading.collector {
        Collector::Netlink => assert_same(what, expected, &ss::as_ss_shows(reading.rows)),
        Collector::Proc => assert_same(what, &ss::as_proc_shows(expected.to_vec()), &reading.rows),
    }
}

#[test]
fn tcp_in_every_state() {
    check_listing("-tan");
}

#[test]
fn udp_in_every_state() {
    check_listing("-uan");
}

#[test]
fn listeners() {
    check_listing("-tuln");
}

#[test]
fn listeners_with_owners() {
    check_listing("-tulnp");
}

#[test]
fn tcp_with_owners() {
    check_listing("-tanp");
}

#[test]
fn udp_with_owners() {
    check_listing("-uanp");
}

#[test]
fn ipv4_alone() {
    check_listing("-4an");
}

#[test]
fn ipv6_alone() {
    check_listing("-6an");
}

#[test]
fn connected_sockets_unless_told() {
    check_listing("-tn");
}

#[test]
fn connected_sockets_of_both_protocols() {
    check_listing("-tun");
}

#[test]
fn connected_udp_unless_told() {
    check_listing("-un");
}

#[test]
fn a_single_state_has_no_column() {
    beside_ss(|| {
        for args in [
            "-un",
            "-u4n",
            "-u6n",
            "-tn",
            "-uan",
            "-tln",
            "-uln",
            "-tuln",
            "-tuan",
            "-un sport = :1",
            "-uan state closed",
            "-tan state closed",
            "-tan state close",
            "-tuan state closed",
            "-uan state connected",
            "-un state big",
            "-un state established",
            "-un exclude established",
            "-tn state listening",
            "-tn state listening state closed",
            "-tan state bucket",
        ] {
            compare_headings(&words(args));
        }
    });
}

#[test]
fn details() {
    check_listing("-tane");
}

#[test]
fn details_of_udp() {
    check_listing("-uane");
}

#[test]
fn owners_details_and_timers_together() {
    check_listing("-tanpoe");
}

// Filters, beside those of ss.

#[test]
fn states_by_their_names() {
    check_filters(
        "-tn",
        &[
            "state established",
            "state syn-sent",
            "state syn-recv",
            "state fin-wait-1",
            "state fin-wait-2",
            "state time-wait",
            "state close-wait",
            "state last-ack",
            "state listening",
            "state closing",
            "state all",
        ],
    );
    check_filters("-un", &["state established", "state close", "state all"]);
    check_filters("-uan", &["state closed"]);
}

#[test]
fn every_state_but_some() {
    check_filters(
        "-tan",
        &["exclude established", "exclude time-wait exclude listening"],
    );
}

#[test]
fn states_that_are_connected() {
    check_filters("-tn", &["state connected"]);
    check_filters("-tan", &["exclude connected"]);
}

#[test]
fn states_that_are_synchronized() {
    check_filters("-tn", &["state synchronized"]);
}

#[test]
fn states_kept_in_small_and_in_full() {
    check_filters("-tn", &["state bucket", "state big"]);
}

#[test]
fn ports_by_operators_in_both_spellings() {
    check_filters(
        "-tan",
        &[
            "sport = :P",
            "sport == :P",
            "sport eq :P",
            "sport != :P",
            "sport neq :P",
            "dport > :P",
            "dport gt :P",
            "sport < :Q",
            "sport lt :Q",
            "dport >= :Q",
            "dport geq :Q",
            "sport <= :P",
            "sport leq :P",
        ],
    );
}

#[test]
fn addresses_and_networks() {
    check_filters(
        "-tuan",
        &[
            "dst 127.0.0.0/8",
            "src = 127.0.0.0/23",
            "src 127.0.0.0/9 or src [::1]:P",
            "src [::1]",
            "src 0.0.0.0/0",
            "dst 0.0.0.0",
            "src *:P",
            "src :P",
            "dst :Q",
            "src inet:127.0.0.0/8",
            "sport :P",
            "src 127/8",
            "src 127.0/23",
            "src 127.0.0.0/255.255.254.0",
            "src ::1:P",
            "src [::1/127]:P",
            "src ::/0:P",
            "src [127.0.0.0/8]:P",
            "src 127.0.0.1:",
        ],
    );
}

#[test]
fn any_address_and_any_port() {
    check_filters("-tuan", &["src *", "dst *:*", "dst :*"]);
}

#[test]
fn expressions() {
    check_filters(
        "-tan",
        &[
            "( sport ge :P and not dport = :Q ) or src [::1]",
            "not ( sport = :P or dport = :P )",
            // ss reads what no brackets hold together from left to right.
            "sport >= :P dport < :Q or sport = :Q",
            "! sport = :P && dst 127.0.0.0/8 || dport = :Q",
            "sport = :P | ( dport = :Q & src 127.0.0.0/8 )",
        ],
    );
}

#[test]
fn expressions_beside_states() {
    check_filters(
        "-tn",
        &[
            "state established state close-wait dport > :P or sport <= :Q",
            "exclude established ( sport > :P )",
        ],
    );
}

#[test]
fn an_ipv6_address_needs_no_brackets() {
    in_namespace(|| {
        let _population = Population::random(1, SIZE);
        let (bare, bracketed) = steadily(proc_net::rows, || {
            let list = |filter: &str| {
                let args = words(&format!("-tan {filter}"));
                rows::plain(portstat::run(&args).exited(0).text(), &args)
            };
            (list("src ::1"), list("src [::1]"))
        });
        assert!(!bracketed.is_empty());
        assert_same("src ::1", &bracketed, &bare);
    });
}

// Timers.

/// Ends and state of a socket: all by which the same one is found in two listings.
type Place = (String, String, String);

fn timers(rows: &[Row]) -> BTreeMap<Place, Option<Timer>> {
    let place = |row: &Row| (row.local.clone(), row.peer.clone(), row.state.clone());
    rows.iter()
        .map(|row| (place(row), row.timer.clone()))
        .collect()
}

/// Whether a timer did nothing but run down between two looks that were this far apart: it neither
/// fired nor was it set anew, and what it counts stayed the same.
fn ran_down(before: &Timer, after: &Timer, apart: Duration) -> bool {
    before.kind == after.kind
        && before.retransmits == after.retransmits
        && after.milliseconds <= before.milliseconds
        && u128::from(before.milliseconds) > apart.as_millis()
}

/// Insists that each timer that only ran down between two looks of ss is told as it was between
/// them, and returns the kinds of those, and whether they had fired before.
#[track_caller]
fn check_timers(
    before: &[Row],
    reading: Reading,
    after: &[Row],
    apart: Duration,
) -> BTreeSet<(String, bool)> {
    let netlink = reading.collector == Collector::Netlink;
    let shown = |rows: &[Row]| {
        if netlink {
            timers(rows)
        } else {
            timers(&ss::as_proc_shows(rows.to_vec()))
        }
    };
    let (before, after) = (shown(before), shown(after));
    let mut kinds = BTreeSet::new();
    for (place, found) in timers(&ss::as_ss_shows(reading.rows)) {
        let (Some(before), Some(after)) = (before.get(&place), after.get(&place)) else {
            // Its state changed meanwhile.
            continue;
        };
        let what = format!(
            "{place:?} by {:?} in {}: {before:?}, {found:?}, {after:?}",
            reading.collector, reading.format
        );
        match (before, after) {
            (None, None) => assert_eq!(found, None, "{what}"),
            (Some(before), Some(after)) if ran_down(before, after, apart) => {
                let found = found.unwrap_or_else(|| panic!("{what}"));
                assert_eq!(found.kind, before.kind, "{what}");
                if netlink {
                    assert_eq!(found.retransmits, before.retransmits, "{what}");
                }
                // ss cuts off what is less than a second, and from ten minutes on than a minute.
                let cut = if before.milliseconds < 600_000 {
                    1000
                } else {
                    60_000
                };
                assert!(found.milliseconds <= before.milliseconds + cut, "{what}");
                // /proc counts in steps of 10 ms.
                assert!(found.milliseconds + 10 > after.milliseconds, "{what}");
                kinds.insert((found.kind, before.retransmits > 0));
            }
            _ => (),
        }
    }
    kinds
}

#[test]
fn timers_run_as_ss_says() {
    beside_ss(|| {
        let args = words("-tano");
        for collector in Collector::BOTH {
            for format in Reading::FORMATS {
                // TIME-WAIT lasts a minute.
                let _population = Population::random(1, SIZE);
                let mut compared = BTreeSet::new();
                wait_until("timers of every kind run down undisturbed", || {
                    let started = Instant::now();
                    let before = ss::rows(&args);
                    let reading = Reading::of(collector, format, &args);
                    let after = ss::rows(&args);
                    compared.extend(check_timers(&before, reading, &after, started.elapsed()));
                    let kinds = BTreeSet::from_iter(compared.iter().map(|(kind, _)| &kind[..]));
                    kinds.iter().eq(&["keepalive", "on", "persist", "timewait"])
                        && compared.contains(&("on".to_owned(), true))
                        && compared.contains(&("persist".to_owned(), true))
                });
            }
        }
    });
}

// Scripts written for ss.

/// The lines that an awk program prints of a listing, sorted.
#[track_caller]
fn awk(program: &str, listing: &str) -> Vec<String> {
    let mut awk = Command::new("awk")
        .arg(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = awk.stdin.take().unwrap();
    let mut output = awk.stdout.take().unwrap();
    let listing = listing.to_owned();
    let writer = std::thread::spawn(move || input.write_all(listing.as_bytes()).unwrap());
    let mut text = String::new();
    output.read_to_string(&mut text).unwrap();
    writer.join().unwrap();
    assert!(awk.wait().unwrap().success());
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Insists that an awk program makes the same of what ss and portstat print.
#[track_caller]
fn check_script(args: &str, program: &str) {
    beside_ss(|| {
        let _population = Population::random(1, SIZE);
        let args = words(args);
        let (theirs, ours) = steadily(proc_net::rows, || {
            let ours = portstat::run(&args).exited(0).quietly();
            (ss::text(&args), ours.text().to_owned())
        });
        // An older ss knows no bound sockets, a newer one by another name.
        let ours = if ss::sees_bound() {
            ours.replace("BOUND ", "UNCONN")
        } else {
            awk("$1 != \"BOUND\"", &ours)[..].join("\n")
        };
        let (theirs, ours) = (awk(program, &theirs), awk(program, &ours));
        assert!(theirs.len() > 20, "{theirs:?}");
        assert_eq!(ours, theirs);
    });
}

#[test]
fn an_awk_script_for_listeners_works_unchanged() {
    check_script("-tlnp", "$1 == \"LISTEN\" {print $1, $4, $5}");
}

#[test]
fn an_awk_script_for_owners_works_unchanged() {
    check_script(
        "-tlnp",
        "$1 == \"LISTEN\" { n = split($4, end, \":\"); print end[n], gsub(\"pid=\", \"\", $6) }",
    );
}

#[test]
fn an_awk_script_for_connections_works_unchanged() {
    check_script("-tan", "$1 != \"State\" {print $1, $4, $5}");
}

#[test]
fn an_awk_script_that_counts_states_works_unchanged() {
    check_script(
        "-tan",
        "$1 != \"State\" {count[$1]++; q[$1] += $2 + $3; peer[$5]++}
         END {for (state in count) print state, count[state], q[state]
              for (end in peer) print end, peer[end]}",
    );
}

#[test]
fn the_heading_is_as_easy_to_split_as_the_rows() {
    in_namespace(|| {
        let _listener = TcpListener::bind("127.0.0.1:80").unwrap();
        let listing = portstat::run(&["-tlnp"]).exited(0).quietly();
        let lines: Vec<Vec<&str>> = listing
            .text()
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(
            lines[0].join(" "),
            "State Recv-Q Send-Q Local Address:Port Peer Address:Port Process"
        );
        assert_eq!(
            lines[1][..5],
            ["LISTEN", "0", "128", "127.0.0.1:80", "0.0.0.0:*"]
        );
        assert_eq!((lines[1].len(), lines.len()), (6, 2));
    });
}

#[test]
fn udp_comes_before_tcp_and_ipv4_before_ipv6_in_one_stable_order() {
    in_namespace(|| {
        let _population = Population::random(1, SIZE);
        let (first, second) = steadily(proc_net::rows, || {
            let run = || portstat::run(&["-tuan"]).exited(0).text().to_owned();
            (run(), run())
        });
        assert_eq!(first, second);
        let mut groups: Vec<(String, bool)> = first
            .lines()
            .skip(1)
            .map(|line| {
                let fields = words(line);
                let is_v6 = fields[4].starts_with('[') || fields[4].starts_with('*');
                (fields[0].clone(), is_v6)
            })
            .collect();
        groups.dedup();
        let order = [("udp", false), ("udp", true), ("tcp", false), ("tcp", true)];
        assert_eq!(
            groups,
            order.map(|(proto, is_v6)| (proto.to_owned(), is_v6))
        );
    });
}

// What ss of old does not show, and what /proc/net does.

#[test]
fn bound_sockets_are_shown_by_b_and_a_and_by_nothing_else() {
    in_namespace(|| {
        for seed in seeds() {
            let mut population = Population::random(seed, SIZE);
            population.bound.sort();
            for (args, shows) in [
                ("-tBn", true),
                ("-tan", true),
                ("-tln", false),
                ("-tn", false),
            ] {
                let args = words(args);
                for reading in readings(&args) {
                    let mut bound: Vec<String> = reading
                        .rows
                        .into_iter()
                        .filter(|row| row.state == "BOUND")
                        .map(|row| row.local)
                        .collect();
                    bound.sort();
                    let shows = shows && reading.collector == Collector::Netlink;
                    let expected = if shows { &population.bound[..] } else { &[] };
                    assert_eq!(bound, expected, "{args:?} in {}", reading.format);
                }
            }
        }
    });
}

#[test]
fn what_proc_cannot_know_is_said() {
    in_namespace(|| {
        let listing = portstat::run_by(Collector::Proc, &["-tan", "--json"]).exited(0);
        assert_eq!(listing.stderr.lines().count(), 1, "{}", listing.stderr);
        assert!(listing.stderr.contains("/proc/net"), "{}", listing.stderr);
        let document = listing.json();
        assert_eq!(document["collection"]["tcp"], "proc");
        assert_eq!(document["collection"]["complete"], false);
        assert_eq!(document["collection"]["gaps"].as_array().unwrap().len(), 1);
    });
}

#[test]
fn proc_is_read_as_it_stands() {
    in_namespace(|| {
        for seed in seeds() {
            let _population = Population::random(seed, SIZE);
            let (expected, by_proc, by_netlink) = steadily(proc_net::rows, || {
                let read = |collector| {
                    let listing = portstat::run_by(collector, &["-tuane", "--json"]);
                    rows::json(&listing.exited(0).json())
                };
                (
                    proc_net::rows(),
                    read(Collector::Proc),
                    read(Collector::Netlink),
                )
            });
            assert_same("by /proc", &expected, &by_proc);
            let mut by_netlink = by_netlink;
            by_netlink.retain(|row| row.state != "BOUND");
            // UDP without a peer is UNCONN too.
            let (tcp, udp): (Vec<Row>, Vec<Row>) =
                by_netlink.into_iter().partition(|row| row.proto == "tcp");
            let mut by_netlink = ss::as_proc_shows(tcp);
            by_netlink.extend(ss::as_proc_shows(udp));
            assert_same("by netlink", &expected, &by_netlink);
        }
    });
}

// Formats, counts, columns and order.

#[test]
fn every_format_has_every_row() {
    in_namespace(|| {
        let _population = Population::random(2, SIZE);
        let [json, jsonl, csv, plain] = steadily(proc_net::rows, || {
            ["json", "jsonl", "csv", "plain"].map(|format| {
                let args = ["-tuanpe", "--format", format];
                portstat::run(&args).exited(0).quietly()
            })
        });
        let expected = rows::json(&json.json());
        assert!(expected.len() > SIZE, "{}", expected.len());
        let mut lines: Vec<Row> = jsonl.json_lines().iter().map(rows::json_row).collect();
        lines.sort();
        assert_same("jsonl", &expected, &lines);
        assert_same(
            "plain",
            &expected,
            &rows::plain(plain.text(), &words("-tuanpe")),
        );

        let records = csv_records(csv.text());
        let names = &records[0];
        assert!(records.iter().all(|record| record.len() == names.len()));
        let column = |name: &str| names.iter().position(|known| known == name).unwrap();
        let mut ends: Vec<[String; 4]> = records[1..]
            .iter()
            .map(|record| {
                ["proto", "state", "recv_q", "local_port"].map(|name| record[column(name)].clone())
            })
            .collect();
        ends.sort();
        let mut expected: Vec<[String; 4]> = expected
            .into_iter()
            .map(|row| {
                let (_, port) = row.local.rsplit_once(':').unwrap();
                [
                    row.proto,
                    row.state,
                    row.recv_q.to_string(),
                    port.to_owned(),
                ]
            })
            .collect();
        expected.sort();
        assert_eq!(ends, expected);
    });
}

/// Sockets by protocol, family and state.
type Counts = BTreeMap<(String, String, String), u64>;

fn counted(sockets: &[Value]) -> Counts {
    let mut counts = Counts::new();
    for socket in sockets {
        let text = |name: &str| socket[name].as_str().unwrap().to_owned();
        let key = (text("proto"), text("family"), text("state"));
        // A row of a listing is one socket, a row of counts as many as it says.
        *counts.entry(key).or_default() += socket["count"].as_u64().unwrap_or(1);
    }
    counts
}

#[track_caller]
fn check_counts(filter: &str) {
    let run = |args: &str| portstat::run(&words(&format!("{args} {filter}"))).exited(0);
    let (list, json, jsonl, csv, plain) = steadily(proc_net::rows, || {
        (
            run("-tua --format jsonl"),
            run("-s --json"),
            run("-s --format jsonl"),
            run("-s --format csv"),
            run("-s"),
        )
    });
    let expected = counted(&list.json_lines());
    assert!(!expected.is_empty());
    assert_eq!(counted(json.json()["counts"].as_array().unwrap()), expected);
    assert_eq!(counted(&jsonl.json_lines()), expected);
    let from_csv: Counts = csv_records(csv.text())[1..]
        .iter()
        .map(|record| {
            let [proto, family, state, count] = &record[..] else {
                panic!("{record:?}")
            };
            let key = (proto.clone(), family.clone(), state.clone());
            (key, count.parse().unwrap())
        })
        .collect();
    assert_eq!(from_csv, expected);
    let tcp: u64 = expected
        .iter()
        .filter(|((proto, _, _), _)| proto == "tcp")
        .map(|(_, count)| count)
        .sum();
    let total = plain
        .text()
        .lines()
        .map(words)
        .find(|fields| fields[..2] == ["tcp", "total"])
        .unwrap();
    assert_eq!(total.last(), Some(&tcp.to_string()));
}

#[test]
fn the_summary_counts_what_the_listing_shows() {
    in_namespace(|| {
        let population = Population::random(3, SIZE);
        check_counts("");
        check_counts("exclude time-wait");
        check_counts(&format!("sport >= :{}", population.ports().0));
    });
}

#[test]
fn quiet_answers_by_its_exit_code_alone() {
    in_namespace(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let check = |args: &str, code: i32| {
            for collector in Collector::BOTH {
                let ran = portstat::run_by(collector, &words(args)).exited(code);
                assert_eq!((ran.text(), &ran.stderr[..]), ("", ""), "{args}");
            }
        };
        check(&format!("-q -tl sport = :{port}"), 0);
        check(&format!("-qtl sport = :{port}"), 0);
        check("-q -tl", 0);
        check("-q -tl sport = :9", 1);
        check(&format!("-q -ul sport = :{port}"), 1);
        check(&format!("-q -t sport = :{port}"), 1);
        drop(listener);
        check(&format!("-q -tl sport = :{port}"), 1);
    });
}

/// The cells of a listing in plain, without the heading.
#[track_caller]
fn cells(args: &str) -> Vec<Vec<String>> {
    let listing = portstat::run(&words(args)).exited(0).quietly();
    listing.text().lines().skip(1).map(words).collect()
}

#[track_caller]
fn check_sorted(column: &str) {
    let numbers = |args: &str| -> Vec<u64> {
        cells(args)
            .iter()
            .map(|cells| cells[0].parse().unwrap())
            .collect()
    };
    let (unsorted, up, down) = steadily(proc_net::rows, || {
        let list = |more: &str| numbers(&format!("-tuan --columns {column} {more}"));
        (
            list(""),
            list(&format!("--sort {column}")),
            list(&format!("--sort -{column}")),
        )
    });
    let mut expected = unsorted.clone();
    expected.sort_unstable();
    assert_ne!(unsorted, expected, "{column} is sorted by chance");
    assert_eq!(up, expected, "{column}");
    expected.reverse();
    assert_eq!(down, expected, "-{column}");
}

#[test]
fn rows_are_sorted_by_numbers_as_numbers() {
    in_namespace(|| {
        let _population = Population::random(1, SIZE);
        for column in ["local_port", "recv_q", "send_q", "cookie"] {
            check_sorted(column);
        }
    });
}

#[test]
fn chosen_columns_stand_in_their_order_in_every_row() {
    in_namespace(|| {
        let _population = Population::random(1, SIZE);
        let columns = "pid,local,state,peer_port,iface,v6only,inode,timer";
        let csv_args = ["-tuan", "--format", "csv", "--columns", columns];
        let (plain, csv) = steadily(proc_net::rows, || {
            let names = "pid,local,state,peer_port,iface,v6only,inode";
            (
                cells(&format!("-tuan --columns {names}")),
                portstat::run(&csv_args).exited(0).quietly(),
            )
        });
        let records = csv_records(csv.text());
        assert_eq!(records[0].join(","), columns);
        assert_eq!(plain.len(), records.len() - 1);
        for (cells, record) in plain.iter().zip(&records[1..]) {
            let cells: Vec<&str> = cells
                .iter()
                .map(|cell| if cell == "-" { "" } else { cell })
                .collect();
            assert_eq!(cells, record[..7]);
        }
    });
}

#[test]
fn a_chosen_cell_with_several_processes_stays_one_word() {
    in_namespace(|| {
        let listener = TcpListener::bind("127.0.0.1:80").unwrap();
        let _holder = Holder::named(b"with blank", &[listener.as_fd()]);
        let rows = cells("-tln --columns local,process,state");
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].len(), 3, "{rows:?}");
        assert_eq!(rows[0][2], "LISTEN");
    });
}

// Owners.

/// Insists on the owners of the sockets that listen on a port, one list for each socket, by both
/// ways and in both formats.
#[track_caller]
fn check_owners(port: u16, expected: &[&[(u32, i32)]]) {
    for reading in readings(&words(&format!("-tlnp sport = :{port}"))) {
        let mut found: Vec<Vec<(u32, i32)>> = reading
            .rows
            .iter()
            .map(|row| {
                let owner = |owner: &Owner| (owner.pid, i32::try_from(owner.fd).unwrap());
                let mut owners: Vec<(u32, i32)> = row.owners.iter().map(owner).collect();
                owners.sort_unstable();
                owners
            })
            .collect();
        found.sort();
        let mut expected: Vec<Vec<(u32, i32)>> = expected
            .iter()
            .map(|owners| {
                let mut owners = owners.to_vec();
                owners.sort_unstable();
                owners
            })
            .collect();
        expected.sort();
        assert_eq!(
            found, expected,
            "{:?} {}",
            reading.collector, reading.format
        );
    }
}

fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[test]
fn both_descriptors_of_a_process_are_named() {
    in_namespace(|| {
        let (listener, port) = listener();
        let again = listener.try_clone().unwrap();
        let own = process::id();
        check_owners(
            port,
            &[&[(own, listener.as_raw_fd()), (own, again.as_raw_fd())]],
        );
        drop(again);
        check_owners(port, &[&[(own, listener.as_raw_fd())]]);
    });
}

#[test]
fn everybody_who_inherited_a_socket_is_named() {
    in_namespace(|| {
        let (listener, port) = listener();
        let fd = listener.as_raw_fd();
        let (one, two) = (
            Holder::of(&[listener.as_fd()]),
            Holder::of(&[listener.as_fd()]),
        );
        let (own, one_pid) = (process::id(), one.pid());
        check_owners(port, &[&[(own, fd), (one_pid, fd), (two.pid(), fd)]]);
        drop(two);
        drop(listener);
        check_owners(port, &[&[(one_pid, fd)]]);
    });
}

#[test]
fn each_listener_on_a_shared_port_has_its_own_owner() {
    in_namespace(|| {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 7000));
        let open = || {
            let fd = socket::open(SockType::Stream, address.ip());
            setsockopt(&fd, ReusePort, &true).unwrap();
            socket::bind(&fd, address).unwrap();
            socket::listen(&fd, 5).unwrap();
            fd
        };
        let (ours, theirs) = (open(), open());
        let holder = Holder::of(&[theirs.as_fd()]);
        let their_fd = theirs.as_raw_fd();
        drop(theirs);
        check_owners(
            address.port(),
            &[
                &[(process::id(), ours.as_raw_fd())],
                &[(holder.pid(), their_fd)],
            ],
        );
    });
}

/// The only socket that listens on a port, as JSON.
#[track_caller]
fn listening(port: u16) -> Value {
    let args = words(&format!("-tlnp --json sport = :{port}"));
    let document = portstat::run(&args).exited(0).json();
    let sockets = document["sockets"].as_array().unwrap();
    assert_eq!(sockets.len(), 1, "{document}");
    sockets[0].clone()
}

#[test]
fn a_socket_in_flight_is_nobody_s() {
    in_namespace(|| {
        let (listener, port) = listener();
        let (sender, _receiver) = UnixStream::pair().unwrap();
        let fds = [listener.as_raw_fd()];
        sendmsg::<()>(
            sender.as_raw_fd(),
            &[IoSlice::new(b"x")],
            &[ControlMessage::ScmRights(&fds)],
            MsgFlags::empty(),
            None,
        )
        .unwrap();
        drop(listener);
        let socket = listening(port);
        assert_eq!(socket["owners"], Value::Array(Vec::new()));
        // Whether everything was seen depends on the machine; to name somebody would be wrong.
        let status = socket["owners_status"].as_str().unwrap();
        assert!(matches!(status, "hidden" | "unheld"), "{status}");
        let plain = portstat::run(&["-tlnp"]).exited(0);
        assert!(
            plain.text().contains(&format!(" users:({status})")),
            "{}",
            plain.text()
        );
    });
}

#[test]
fn what_nobody_can_own_has_no_owner_and_no_warning() {
    in_namespace(|| {
        let (listener, port) = listener();
        let _waiting = TcpStream::connect(("127.0.0.1", port)).unwrap();
        socket::await_pending(&OwnedFd::from(listener.try_clone().unwrap()), 1);
        let args = words(&format!("-tnp --json sport = :{port}"));
        let ran = portstat::run(&args).exited(0).quietly();
        let socket = &ran.json()["sockets"][0];
        assert_eq!(socket["state"], "ESTAB");
        assert_eq!(
            (&socket["inode"], &socket["uid"]),
            (&0.into(), &Value::Null)
        );
        assert_eq!(socket["owners_status"], "none");
    });
}

/// Outside of any namespace of our own: in one, BPF is out of reach.
#[test]
fn owners_are_the_same_by_either_way() {
    let (listener, port) = listener();
    let holders = [
        Holder::of(&[listener.as_fd()]),
        Holder::twice(&[listener.as_fd()]),
    ];
    let filter = format!("sport = :{port}");
    let by = |owners: &str, flags: &str| {
        portstat::finish(portstat::command(&[flags, &filter]).env("PORTSTAT_OWNERS", owners))
            .exited(0)
    };
    // What other tests start holds all that this process has until it is another program.
    drop(listener);
    let pids = BTreeSet::from(holders.each_ref().map(Holder::pid));
    let mut proc = by("proc", "-tlnpv");
    wait_until("that nobody else holds it", || {
        proc = by("proc", "-tlnpv");
        let rows = rows::plain(proc.text(), &words("-tlnpv"));
        let owners = rows.iter().flat_map(|row| &row.owners);
        owners.map(|owner| owner.pid).collect::<BTreeSet<_>>() == pids
    });
    assert!(!proc.stderr.contains("BPF"), "{}", proc.stderr);
    for flags in ["-tlnp", "-tlnpv"] {
        assert_eq!(by("", flags).text(), proc.text());
        let bpf = by("bpf", flags);
        assert_eq!(bpf.text(), proc.text());
        // Whoever asks for BPF is told where it was not used, and nobody else.
        let refused = bpf.stderr.contains("owners by /proc, not BPF: ");
        assert!(
            refused || nix::unistd::geteuid().is_root(),
            "{}",
            bpf.stderr
        );
    }
    assert!(!by("", "-tlnp").stderr.contains("BPF"));
}

#[test]
fn owners_out_of_reach_are_hidden_with_one_warning() {
    beside_ss(|| {
        for seed in seeds() {
            let _population = Population::random(seed, SIZE);
            let args = words("-tuan");
            let owner_args = ["-tuanp", "--json"];
            let (expected, plain, json) = steadily(proc_net::rows, || {
                let run = |args: &[&str]| {
                    let mut command = portstat::command(args);
                    without_rights(&mut command);
                    portstat::finish(&mut command)
                };
                (ss::rows(&args), run(&["-tuanp"]), run(&owner_args))
            });
            for ran in [&plain, &json] {
                assert_eq!(ran.code, 0);
                assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
                assert!(ran.stderr.contains("hidden"), "{}", ran.stderr);
            }
            let folder = tempfile::tempdir().unwrap();
            let recording = folder.path().join("recording");
            let mut command = portstat::command(&["record", recording.to_str().unwrap()]);
            without_rights(&mut command);
            let recorded = portstat::finish(&mut command);
            assert_eq!(recorded.code, 0);
            let warned = recorded.stderr.lines().any(|line| {
                line.starts_with("portstat: owners of up to ")
                    && line.contains("sockets are hidden: ")
            });
            assert!(warned, "{}", recorded.stderr);
            let document = json.json();
            let sockets = document["sockets"].as_array().unwrap();
            let hidden = sockets
                .iter()
                .inspect(|socket| {
                    let expected = if socket["inode"] == 0 {
                        "none"
                    } else {
                        "hidden"
                    };
                    assert_eq!(socket["owners_status"], expected, "{socket}");
                })
                .filter(|socket| socket["owners_status"] == "hidden")
                .count();
            let gap = &document["collection"]["gaps"][0];
            assert_eq!(
                (&gap["what"], &gap["count"]),
                (&"owners".into(), &hidden.into())
            );
            assert!(json.stderr.contains(&hidden.to_string()), "{}", json.stderr);

            let document = rows::json_as_plain(&document, &args);
            for rows in [rows::plain(plain.text(), &args), document] {
                assert_eq!(
                    rows.iter().filter(|row| row.unknown == "hidden").count(),
                    hidden
                );
                let nameless = rows
                    .into_iter()
                    .map(|row| Row {
                        unknown: String::new(),
                        ..row
                    })
                    .collect();
                assert_same("without rights", &expected, &ss::as_ss_shows(nameless));
            }
        }
    });
}

#[test]
fn ones_own_sockets_are_named_where_others_are_hidden() {
    in_namespace(|| {
        let (own, own_port) = listener();
        let (_other, other_port) = listener();
        let mut command = portstat::command(&["-tlnp"]);
        inherit(&mut command, &[own.as_fd()], &[]);
        without_rights(&mut command);
        let ran = portstat::finish(&mut command).exited(0);
        let line = |port: u16| {
            let end = format!(":{port} ");
            ran.text().lines().find(|line| line.contains(&end)).unwrap()
        };
        assert!(
            line(own_port).contains("users:((\"portstat\",pid="),
            "{}",
            ran.text()
        );
        assert!(
            line(other_port).ends_with("users:(hidden)"),
            "{}",
            ran.text()
        );
        assert!(ran.stderr.contains("1 socket "), "{}", ran.stderr);
    });
}

// Process names that mean harm.

/// Names by which a process would pass for another, clear the screen or end the line; the kernel
/// keeps 15 bytes.
const HOSTILE: [&[u8]; 9] = [
    b"x\",pid=1,fd=6)\x1b",
    b"x\",pid=1,fd=6)\n",
    b"\x1b[2J\x1b[31m\n\nx",
    b"a) R 1 (b\n0 x",
    b"\r\n\r\n\t\x07\x7f",
    b"\"},{\"pid\":1,\"\\",
    b"x,\"1\",\"\"\r\n\",",
    b"\xff\xfe\xc3\x28\x9b2J",
    "\u{202e}\u{9b}\u{2028}x".as_bytes(),
];

const FORMATS: [&str; 5] = ["table", "plain", "json", "jsonl", "csv"];

/// What every format prints of one listener, of which one process of that name has one
/// descriptor.
#[track_caller]
fn printed_under(name: &[u8]) -> (Holder, i32, [Ran; 5]) {
    let (listener, port) = listener();
    let fd = listener.as_raw_fd();
    let holder = Holder::named(name, &[listener.as_fd()]);
    drop(listener);
    let printed = FORMATS.map(|format| {
        let args = words(&format!("-tlnp --format {format} sport = :{port}"));
        portstat::run(&args).exited(0).quietly()
    });
    (holder, fd, printed)
}

/// Insists that a process name forges nothing: every format says the same of its process as of
/// one with a harmless name.
#[track_caller]
fn check_name(name: &[u8]) {
    let (_, _, harmless) = printed_under(b"harmless");
    let (hostile, fd, printed) = printed_under(name);
    for ((ran, harmless), format) in printed.iter().zip(&harmless).zip(FORMATS) {
        let text = ran.text();
        let lines = harmless.text().lines().count();
        assert_eq!(text.lines().count(), lines, "{format}: {text:?}");
        let ends_lines = |c| c == '\n' || (c == '\r' && format == "csv");
        let harmful = |c: char| c.is_control() && !ends_lines(c);
        assert!(!text.contains(harmful), "{format}: {text:?}");
        assert!(
            !text.contains(['\u{202e}', '\u{2028}']),
            "{format}: {text:?}"
        );
    }
    let [_, plain, json, jsonl, csv] = printed;

    let pid = hostile.pid();
    let own = format!(",pid={pid},fd={fd}))");
    assert!(plain.text().trim_end().ends_with(&own), "{}", plain.text());
    for mark in ["pid=", "fd=", "users:("] {
        assert_eq!(plain.text().matches(mark).count(), 1, "{}", plain.text());
    }
    let comm = String::from_utf8(hostile.comm()).ok();
    for socket in [&json.json()["sockets"][0], &jsonl.json_lines()[0]] {
        let owners = socket["owners"].as_array().unwrap();
        assert_eq!(owners.len(), 1, "{socket}");
        assert_eq!(
            (&owners[0]["pid"], &owners[0]["fd"]),
            (&pid.into(), &fd.into())
        );
        if let Some(comm) = &comm {
            assert_eq!(owners[0]["comm"], comm[..]);
        }
    }
    let records = csv_records(csv.text());
    assert_eq!(records.len(), 2, "{records:?}");
    assert_eq!(records[0].len(), records[1].len());
    let process = records[0]
        .iter()
        .position(|name| name == "process")
        .unwrap();
    assert!(
        records[1][process].ends_with(&format!("[{pid}]")),
        "{records:?}"
    );
}

#[test]
fn a_process_name_forges_nothing() {
    in_namespace(|| {
        for name in HOSTILE {
            check_name(name);
        }
    });
}

#[test]
fn a_process_name_forges_nothing_in_the_overview() {
    in_namespace(|| {
        let (listener, _) = listener();
        let _holders: Vec<Holder> = HOSTILE
            .iter()
            .map(|name| Holder::named(name, &[listener.as_fd()]))
            .collect();
        for args in [&[][..], &["-tuae", "--format", "table"]] {
            let ran = portstat::run(args).exited(0);
            let harmful = |c: char| c.is_control() && c != '\n';
            assert!(!ran.text().contains(harmful), "{:?}", ran.text());
            assert!(!ran.stderr.contains(harmful), "{:?}", ran.stderr);
        }
    });
}

// What is recorded now and looked at later.

/// Records until nothing changed meanwhile; returns what `look` saw at the same time.
#[track_caller]
fn recorded<T>(record: impl Fn(&str), look: impl Fn() -> T) -> (TempDir, String, T) {
    steadily(proc_net::rows, || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recording").to_str().unwrap().to_owned();
        record(&path);
        (folder, path, look())
    })
}

#[test]
fn a_recording_lists_what_was_there() {
    in_namespace(|| {
        for seed in seeds() {
            let _population = Population::random(seed, SIZE);
            let (_folder, path, live) = recorded(
                |path| drop(portstat::run(&["record", path]).exited(0)),
                || portstat::run(&["-tuanpe", "--json"]).exited(0).json(),
            );
            let later = portstat::run(&["-tuanpe", "--json", "--from", &path]).exited(0);
            assert_same("recorded", &rows::json(&live), &rows::json(&later.json()));
        }
    });
}

#[test]
fn what_ss_recorded_is_listed_as_ss_lists_it() {
    beside_ss(|| {
        let _population = Population::random(1, SIZE);
        let args = words("-tan");
        let (_folder, path, expected) = recorded(
            |path| drop(ss::text(&["-tan", "-D", path])),
            || ss::rows(&args),
        );
        let ran = portstat::run(&["-tan", "--from", &path])
            .exited(0)
            .quietly();
        // Such a file has no names of interfaces; loopback is always the first.
        let text = ran.text().replace("%if1:", "%lo:");
        let found = ss::as_ss_shows(rows::plain(&text, &args));
        assert_same("recorded by ss", &expected, &found);
    });
}

#[test]
fn ss_lists_what_was_recorded_here() {
    beside_ss(|| {
        let _population = Population::random(1, SIZE);
        let args = words("-tan");
        let (_folder, path, expected) = recorded(
            |path| drop(portstat::run(&["record", path]).exited(0)),
            || ss::rows(&words("-4tan")),
        );
        // Of the families one after another ss reads the first, in files of its own too.
        let text = ss::text_of_recording(&args, &format!("{path}/diag/tcp.nlmsg"));
        let found = rows::plain(&text, &args);
        // It also shows what an older ss would not ask for.
        let without_bound = |rows: Vec<Row>| -> Vec<Row> {
            let is_bound = |row: &Row| row.state == "UNCONN";
            rows.into_iter().filter(|row| !is_bound(row)).collect()
        };
        assert_same(
            "recorded for ss",
            &without_bound(expected),
            &without_bound(found),
        );
    });
}

// The end of a pipe.

#[test]
fn a_reader_that_has_enough_ends_it_quietly() {
    in_namespace(|| {
        let _population = Population::random(1, SIZE);
        for args in [&["-tan"][..], &["-tuanp", "--json"], &["-s"], &[]] {
            let mut child = portstat::command(args)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap())
                .read_line(&mut line)
                .unwrap();
            assert!(!line.is_empty());
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{args:?}");
            assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
        }
    });
}
