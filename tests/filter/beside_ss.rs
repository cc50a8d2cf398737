//! Random filters beside ss, over namespaces full of sockets.

use crate::grammar::Grammar;
use crate::marks::marked;
use crate::support::population::{Population, Random};
use crate::support::portstat::{self, Collector, words};
use crate::support::proc_net;
use crate::support::rows::{self, Row, assert_same};
use crate::support::ss::{self, beside_ss};
use crate::support::waiting::steadily;

/// Sockets of a population, beside those that connections leave behind.
const SIZE: usize = 400;
/// As many filters are tried while the sockets stand still.
const AT_ONCE: usize = 10;

/// Insists that filters let pass what they let pass in ss.
#[track_caller]
fn check(flags: &str, filters: &[String], collectors: &[Collector]) {
    for filters in filters.chunks(AT_ONCE) {
        let seen = steadily(proc_net::rows, || -> Vec<(Vec<Row>, Vec<Vec<Row>>)> {
            let look = |filter: &String| {
                let args = words(&format!("{flags} {filter}"));
                let list = |&collector: &Collector| {
                    let ran = portstat::run_by(collector, &args).exited(0);
                    rows::plain(ran.text(), &args)
                };
                (ss::rows(&args), collectors.iter().map(list).collect())
            };
            filters.iter().map(look).collect()
        });
        for (filter, (expected, found)) in filters.iter().zip(seen) {
            for (collector, found) in collectors.iter().zip(found) {
                let what = format!("{flags} {filter} by {collector:?}");
                match collector {
                    Collector::Netlink => assert_same(&what, &expected, &ss::as_ss_shows(found)),
                    Collector::Proc => {
                        assert_same(&what, &ss::as_proc_shows(expected.clone()), &found);
                    }
                }
            }
        }
    }
}

/// Insists on the same of so many random filters over one population.
#[track_caller]
fn check_random(seed: u64, count: usize, others: &[&str], positive: &[&str], by: &[Collector]) {
    beside_ss(|| {
        let population = Population::random(seed, SIZE);
        let mut random = Random(seed);
        let _marked = marked(&mut random);
        let mut grammar = Grammar {
            others,
            positive,
            ..Grammar::new(random, &population.listening)
        };
        let filters: Vec<String> = (0..count).map(|_| grammar.filter()).collect();
        check("-tuan", &filters, by);
    });
}

#[test]
fn ends_by_either_collector() {
    check_random(11, 150, &[], &[], &Collector::BOTH);
}

#[test]
fn devices_and_marks() {
    let others = [
        "dev lo",
        "dev = lo",
        "dev == 1",
        "dev != lo",
        "dev neq 0x1",
        "fwmark 5",
        "fwmark = 0x5/0xf",
        "fwmark eq 0x15/0x15",
        "fwmark != 0",
        "fwmark ne 01",
        "fwmark = 0/0x10",
        "fwmark = 0xffffffff",
    ];
    check_random(12, 150, &others, &[], &[Collector::Netlink]);
}

#[test]
fn ports_that_the_kernel_chose() {
    // Of the others ss leaves out those that were asked for inside of the range, and more.
    let others = ["fwmark = 5", "fwmark != 0x1/0x1"];
    check_random(13, 150, &others, &["autobound"], &[Collector::Netlink]);
}

#[test]
fn beside_flags_and_states() {
    beside_ss(|| {
        let population = Population::random(14, SIZE);
        let mut grammar = Grammar {
            others: &["dev = lo"],
            ..Grammar::new(Random(14), &population.listening)
        };
        for flags in [
            "-tn",
            "-un",
            "-tln",
            "-tan state established state time-wait",
            "-tuan exclude time-wait exclude closed",
        ] {
            let filters: Vec<String> = (0..10).map(|_| grammar.filter()).collect();
            check(flags, &filters, &[Collector::Netlink]);
        }
    });
}
