//! Random filters over what ss recorded: ss reads it again, and so do we, both without the kernel.

use std::fs;

use portstat::wire::netlink::{Message, Messages};

use crate::grammar::Grammar;
use crate::marks::marked;
use crate::support::namespace::in_namespace;
use crate::support::population::{Population, Random};
use crate::support::portstat::{run, words};
use crate::support::proc_net;
use crate::support::rows::{self, Row, assert_same};
use crate::support::ss::{self, beside_ss};
use crate::support::waiting::steadily;

const SIZE: usize = 400;

/// The dumps of a file, each with its end.
fn dumps(file: &[u8]) -> Vec<Vec<u8>> {
    let (mut dumps, mut start) = (Vec::new(), 0);
    let ends = Messages::new(file)
        .map(Result::unwrap)
        .filter(|framed| matches!(framed.message, Message::Done(_)));
    for end in ends.map(|framed| framed.offset + DONE_LEN) {
        dumps.push(file[start..end].to_vec());
        start = end;
    }
    dumps
}

/// Length of the message that ends a dump: a heading and a number.
const DONE_LEN: usize = 20;

#[test]
fn what_ss_recorded_passes_as_in_ss() {
    beside_ss(|| {
        let population = Population::random(21, SIZE);
        let mut random = Random(21);
        let _marked = marked(&mut random);
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        drop(ss::text(&["-tan", "-D", &path("both")]));
        let others = [
            "autobound",
            "dev = 1",
            "dev != 1",
            "fwmark = 5",
            "fwmark = 0x5/0xf",
            "fwmark != 0x15/0x15",
        ];
        let mut grammar = Grammar {
            others: &others,
            ..Grammar::new(random, &population.listening)
        };
        // Of a file with the dumps of both families ss reads the first.
        let dumps = dumps(&fs::read(path("both")).unwrap());
        assert_eq!(dumps.len(), 2);
        for (number, dump) in dumps.iter().enumerate() {
            let path = path(&number.to_string());
            fs::write(&path, dump).unwrap();
            for _ in 0..150 {
                let filter = grammar.filter();
                let args = words(&format!("-tan {filter}"));
                let expected = rows::plain(&ss::text_of_recording(&args, &path), &args);
                let ours = words(&format!("-tan --from {path} {filter}"));
                let ran = run(&ours).exited(0);
                // Such a file has no names of interfaces; loopback is always the first.
                let text = ran.text().replace("%if1:", "%lo:");
                assert_same(
                    &filter,
                    &expected,
                    &ss::as_ss_shows(rows::plain(&text, &args)),
                );
            }
        }
    });
}

/// Whatever the kernel was sent, it left out nothing that passes here.
#[test]
fn the_kernel_leaves_out_nothing_that_passes() {
    in_namespace(|| {
        let population = Population::random(22, SIZE);
        let mut random = Random(22);
        let _marked = marked(&mut random);
        let own = std::process::id();
        let pid = format!("pid = {own}");
        let others = [
            "dev = lo",
            "dev != lo",
            "fwmark = 5",
            "fwmark != 0x1/0x5",
            "uid = 0",
            "uid != 0",
            "inode != 0",
            "inode = 0",
            "user = root",
            "comm = sh",
            "comm != sh",
            &pid,
        ];
        let mut grammar = Grammar {
            others: &others,
            ..Grammar::new(random, &population.listening)
        };
        for _ in 0..8 {
            let filters: Vec<String> = (0..10).map(|_| grammar.filter()).collect();
            let seen = steadily(proc_net::rows, || -> Vec<(Vec<Row>, Vec<Row>)> {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("recording").to_str().unwrap().to_owned();
                drop(run(&["record", &path]).exited(0));
                let look = |filter: &String| {
                    let list = |args: &str| {
                        let args = words(&format!("-tuane {filter} {args}"));
                        rows::plain(run(&args).exited(0).text(), &args)
                    };
                    (list(""), list(&format!("--from {path}")))
                };
                filters.iter().map(look).collect()
            });
            for (filter, (live, recorded)) in filters.iter().zip(seen) {
                assert_same(filter, &recorded, &live);
            }
        }
    });
}
