//! How a question is put, and what is no question.

use std::fs::File;
use std::process::Stdio;

use crate::answer::{Answer, answers};
use crate::support::namespace::in_namespace;
use crate::support::portstat::{self, Ran};
use crate::support::recording::Recording;
use crate::support::terminal::shown_on_terminal;
use crate::wanted::Wanted;

#[track_caller]
fn run(args: &[&str]) -> Ran {
    portstat::run(&[&["why"], args].concat())
}

/// What is asked, as portstat understands it.
#[track_caller]
fn understood(args: &[&str]) -> Vec<(String, String, u64)> {
    let ran = run(&[args, &["--json"]].concat());
    let part = |answer: &Answer| {
        let query = &answer.query;
        assert_eq!(query["op"], "bind", "{query}");
        let text = |key: &str| query[key].as_str().unwrap().to_owned();
        (text("proto"), text("addr"), query["port"].as_u64().unwrap())
    };
    answers(&ran).iter().map(part).collect()
}

/// Insists on what is asked: `PROTOCOL ADDRESS PORT`, once or twice.
#[track_caller]
fn check_understood(args: &[&str], expected: &[&str]) {
    let asked = understood(args);
    let asked: Vec<String> = asked
        .iter()
        .map(|(proto, addr, port)| format!("{proto} {addr} {port}"))
        .collect();
    assert_eq!(asked, expected, "{args:?}");
}

const BOTH: [&str; 2] = ["tcp 0.0.0.0 8080", "tcp :: 8080"];
const BOTH_UDP: [&str; 2] = ["udp 0.0.0.0 8080", "udp :: 8080"];

#[test]
fn a_port_is_one_of_both_wildcards() {
    in_namespace(|| {
        check_understood(&["8080"], &BOTH);
        // As netstat writes it.
        check_understood(&[":::8080"], &["tcp :: 8080"]);
        check_understood(&[":8080"], &BOTH);
        check_understood(&["8080/tcp"], &BOTH);
        check_understood(&["tcp:8080"], &BOTH);
        check_understood(&["8080/udp"], &BOTH_UDP);
        check_understood(&["udp:8080"], &BOTH_UDP);
        check_understood(&["8080", "--proto", "udp"], &BOTH_UDP);
        check_understood(&["udp:8080", "--proto", "udp"], &BOTH_UDP);
        check_understood(&["http"], &["tcp 0.0.0.0 80", "tcp :: 80"]);
        check_understood(&[":http"], &["tcp 0.0.0.0 80", "tcp :: 80"]);
        check_understood(&["domain/udp"], &["udp 0.0.0.0 53", "udp :: 53"]);
    });
}

#[test]
fn an_address_is_asked_alone() {
    in_namespace(|| {
        check_understood(&["0.0.0.0:8080"], &["tcp 0.0.0.0 8080"]);
        check_understood(&["10.0.0.1:8080"], &["tcp 10.0.0.1 8080"]);
        check_understood(&["[::]:8080"], &["tcp :: 8080"]);
        check_understood(&["[::1]:8080"], &["tcp ::1 8080"]);
        check_understood(&["0.0.0.0:http"], &["tcp 0.0.0.0 80"]);
        check_understood(&["[::1]:http/tcp"], &["tcp ::1 80"]);
        check_understood(&["127.0.0.1:53/udp"], &["udp 127.0.0.1 53"]);
        check_understood(&["[::ffff:127.0.0.1]:80"], &["tcp ::ffff:127.0.0.1 80"]);
        check_understood(&["127.0.0.1:0"], &["tcp 127.0.0.1 0"]);
        check_understood(&["127.0.0.1:65535"], &["tcp 127.0.0.1 65535"]);
    });
}

/// A name is what `/etc/hosts` says of it.
#[test]
fn a_name_stands_for_its_addresses() {
    let hosts = "127.0.0.1 localhost\n::1 localhost ip6-lo\n10.9.8.7 db\n";
    let recording = Recording::empty()
        .with("etc/hosts", hosts)
        .with("diag/tcp.nlmsg", crate::support::recording::done())
        .with("diag/udp.nlmsg", crate::support::recording::done());
    let from = format!("--from={}", recording.path());
    let both = ["tcp 127.0.0.1 8080", "tcp ::1 8080"];
    check_understood(&["localhost:8080", &from], &both);
    check_understood(&["db:80/udp", &from], &["udp 10.9.8.7 80"]);
    let expected = "no host of /etc/hosts is called \"other\"";
    check_refused(&["other:80", &from], &[expected]);
}

/// Of a destination it is the first address, as a connect by name tries them, and that is said.
#[test]
fn a_destination_may_have_a_name() {
    let hosts = "10.9.8.7 db\n2001:db8::7 db\n127.0.0.1 here\n";
    let recording = Recording::empty()
        .with("etc/hosts", hosts)
        .with("diag/tcp.nlmsg", crate::support::recording::done())
        .with("diag/udp.nlmsg", crate::support::recording::done());
    let from = format!("--from={}", recording.path());
    let check = |args: &[&str], to: &str, note: &str| {
        let ran = run(&[args, &["--json", &from]].concat());
        let answer = crate::answer::only_answer(&ran);
        let asked = (&answer.query["op"], &answer.query["dst"]);
        assert_eq!(asked, (&"connect".into(), &to.into()));
        assert!(
            answer.notes.contains(&note.to_owned()),
            "{:?}",
            answer.notes
        );
        let told = run(&[args, &[&from]].concat());
        assert!(
            told.text().contains(&format!("note: {note}\n")),
            "{}",
            told.text()
        );
    };
    check(&["--connect", "here:80"], "127.0.0.1", "here is 127.0.0.1");
    let both = "db is 10.9.8.7; its other addresses were not asked about: 2001:db8::7";
    check(&["--connect", "db:5432"], "10.9.8.7", both);
    let both = "db is 2001:db8::7; its other addresses were not asked about: 10.9.8.7";
    check(&["[::]:5000", "--connect", "db:5432"], "2001:db8::7", both);
    check_refused(
        &["--connect", "other:80", &from],
        &["no host is called \"other\""],
    );
    let family = "no host of the family of the source is called \"here\"";
    check_refused(&["::1", "--connect", "here:80", &from], &[family]);
}

#[test]
fn any_address_and_a_device_may_be_given() {
    in_namespace(|| {
        let wildcards = ["0.0.0.0", "::"];
        for (proto, addr, port) in understood(&["*:80"]) {
            assert_eq!((&proto[..], port), ("tcp", 80));
            assert!(wildcards.contains(&&addr[..]), "{addr}");
        }
        let (_, addr, port) = understood(&["[fe80::1%lo]:80"]).remove(0);
        assert!(addr.starts_with("fe80::1") && port == 80, "{addr}");
        let ran = run(&["127.0.0.1:80", "--dev", "lo", "--json"]).exited(0);
        assert_eq!(answers(&ran).len(), 1);
    });
}

#[test]
fn what_was_asked_for_is_told_again() {
    in_namespace(|| {
        let flags = ["--reuseaddr", "--reuseport", "--v6only", "--user", "0"];
        let ran = run(&[&["[::]:8080", "--json"], &flags[..]].concat());
        let query = answers(&ran)[0].query.clone();
        assert_eq!(query["reuseaddr"], true);
        assert_eq!(query["reuseport"], true);
        assert_eq!(query["v6only"], true);
        assert_eq!(query["uid"], 0);
        assert!(query["dst"].is_null(), "{query}");
        let query = answers(&run(&["0.0.0.0:8080", "--json"]))[0].query.clone();
        assert_eq!(
            (&query["reuseaddr"], &query["reuseport"]),
            (&false.into(), &false.into())
        );
        assert!(query["v6only"].is_null(), "{query}");
    });
}

// What makes no sense.

/// Insists that arguments are refused, with a message that has all of the words.
#[track_caller]
fn check_refused(args: &[&str], words: &[&str]) {
    let ran = run(args).exited(2);
    assert_eq!(ran.text(), "", "{args:?}");
    assert_ne!(ran.stderr, "", "{args:?}");
    for word in words {
        assert!(
            ran.stderr.contains(word),
            "{args:?}: {word}: {}",
            ran.stderr
        );
    }
    assert!(!ran.stderr.contains('\x1b'), "{args:?}: {:?}", ran.stderr);
}

#[test]
fn nonsense_is_named_beside_what_was_expected() {
    for target in [
        "99999",
        "65536",
        ":65536",
        "10.0.0.1:65536",
        "-1",
        "+80",
        "0x50",
        "80.5",
    ] {
        check_refused(&["--", target], &[target, "port"]);
    }
    for (target, name) in [
        ("http2x", "http2x"),
        ("127.0.0.1:http2x", "http2x"),
        ("xyz", "xyz"),
    ] {
        check_refused(&[target], &[name, "service"]);
    }
    for target in ["1.2.3.4", "::1", "[::1]", "fe80::1%lo"] {
        check_refused(&[target], &[target, "port"]);
    }
    for target in [
        "[::",
        "[::]",
        "[::]8080",
        "[:::]:80",
        "[1.2.3.4]:80",
        "1.2.3:80",
        "1.2.3.4.5:80",
        "256.0.0.1:80",
        "no such host:80",
        "1.2.3.4:",
        ":",
        "[]:80",
        "1.2.3.4:80:81",
        "",
        " ",
        "8080 ",
        "８０８０",
        "80,81",
        "80-90",
        "/",
        "8080/",
        "/tcp",
        "tcp:",
        "tcp:udp:80",
    ] {
        check_refused(&[target], &[]);
    }
    check_refused(&["80/sctp"], &["sctp", "tcp", "udp"]);
    check_refused(&["sctp:80"], &["sctp"]);
    check_refused(&["80", "--proto", "sctp"], &["sctp", "tcp", "udp"]);
    check_refused(&["80/udp", "--proto", "tcp"], &["--proto"]);
    check_refused(&["udp:80/tcp"], &[]);
    check_refused(&["80", "81"], &["81"]);
}

#[test]
fn something_is_to_be_asked() {
    check_refused(&[], &["TARGET"]);
    check_refused(&["--json"], &[]);
    check_refused(&["--reuseaddr"], &[]);
    check_refused(&["--nonsense", "80"], &["--nonsense"]);
}

#[test]
fn names_that_nobody_has_are_refused() {
    check_refused(&["80", "--dev", "nothing0"], &["nothing0"]);
    check_refused(&["[fe80::1%nothing0]:80"], &["nothing0"]);
    check_refused(&["[fe80::1%77777]:80"], &["77777"]);
    check_refused(&["80", "--dev", ""], &[]);
    check_refused(
        &["80", "--user", "nobody-has-this-name"],
        &["nobody-has-this-name"],
    );
    check_refused(&["80", "--user", "-5"], &[]);
    check_refused(&["80", "--user", ""], &[]);
    check_refused(&["80", "--user", "99999999999"], &["99999999999"]);
    // The kernel's word for nobody.
    check_refused(&["80", "--user", "4294967295"], &["4294967295"]);
    check_refused(
        &["127.0.0.1"],
        &["a port behind the address", "found nothing"],
    );
}

#[test]
fn a_destination_has_an_address_and_a_port() {
    check_refused(&["--connect", "127.0.0.1"], &["127.0.0.1", "port"]);
    check_refused(&["--connect", "[::1]"], &["::1", "port"]);
    check_refused(&["--connect", "80"], &["80"]);
    check_refused(&["--connect", ":80"], &[]);
    check_refused(&["--connect", "127.0.0.1:0"], &[]);
    check_refused(&["--connect", "127.0.0.1:99999"], &["99999"]);
    check_refused(&["--connect", ""], &[]);
    check_refused(&["--connect"], &["--connect"]);
    // Both ends are of one family.
    check_refused(&["127.0.0.1", "--connect", "[::1]:80"], &[]);
    check_refused(&["::1", "--connect", "127.0.0.1:80"], &[]);
    check_refused(&["[::1]:5000", "--connect", "127.0.0.1:80"], &[]);
    check_refused(&["1.2.3", "--connect", "127.0.0.1:80"], &["1.2.3"]);
}

#[test]
fn it_is_for_people_or_json() {
    for format in ["csv", "jsonl"] {
        check_refused(&["80", "--format", format], &[format]);
    }
    check_refused(&["80", "--format", "nonsense"], &["nonsense"]);
    check_refused(
        &["80", "--json", "--format", "plain"],
        &["--json", "--format"],
    );
    in_formats(&["auto", "table", "plain"]);
}

/// Insists that these formats say the same, to people.
#[track_caller]
fn in_formats(formats: &[&str]) {
    let recording = Recording::empty().with("diag/tcp.nlmsg", crate::support::recording::done());
    let text = |format: &&str| {
        let args = [
            "0.0.0.0:8080",
            "--from",
            recording.path(),
            "--format",
            format,
        ];
        run(&args).text().to_owned()
    };
    let texts: Vec<String> = formats.iter().map(text).collect();
    assert!(texts[0].starts_with("0.0.0.0:8080/tcp is "), "{texts:?}");
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
}

#[test]
fn what_is_shown_of_bad_arguments_is_escaped() {
    check_refused(&["\x1b[2J"], &[]);
    check_refused(&["80", "--dev", "\x1b[2J"], &[]);
    check_refused(&["80", "--user", "\x1b[2J"], &[]);
    check_refused(&["--connect", "\x1b[2J"], &[]);
    check_refused(&["127.0.0.1:\x1b[2J"], &[]);
}

#[test]
fn help_names_every_flag() {
    for flag in ["-h", "--help"] {
        let ran = run(&[flag]).exited(0).quietly();
        for word in [
            "--proto",
            "--reuseaddr",
            "--reuseport",
            "--v6only",
            "--dev",
            "--user",
            "--free-bind",
            "--connect",
            "--probe",
        ] {
            assert!(ran.text().contains(word), "{flag}: {word}");
        }
    }
}

// Where the answer goes.

#[test]
fn a_reader_that_has_gone_is_no_trouble() {
    in_namespace(|| {
        let _old = Wanted::tcp("127.0.0.1:8091").really().unwrap();
        for (args, code) in [
            (&["why", "8090"][..], 0),
            (&["why", "8090", "--json"], 0),
            // The verdict is not lost with it.
            (&["why", "8091"], 1),
            (&["why", "8091", "--json"], 1),
        ] {
            let mut child = portstat::command(args)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            drop(child.stdout.take());
            let output = child.wait_with_output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            // Others may be on this machine, closed, and with the same port.
            let of_others = ["other network namespaces", " hidden: "];
            let is_of_others = |line: &str| of_others.iter().any(|said| line.contains(said));
            assert!(stderr.lines().all(is_of_others), "{args:?}: {stderr}");
            assert_eq!(output.status.code(), Some(code), "{args:?}");
            let full = File::options().write(true).open("/dev/full").unwrap();
            let output = portstat::command(args).stdout(full).output().unwrap();
            assert_eq!(output.status.code(), Some(4), "{args:?}");
        }
    });
}

#[test]
fn colours_are_for_terminals() {
    in_namespace(|| {
        let args = ["why", "0.0.0.0:8080"];
        let plain = portstat::run(&args).exited(0);
        assert!(!plain.stdout.contains(&0x1b));
        let shown = shown_on_terminal(&mut portstat::command(&args));
        let uncoloured = shown_on_terminal(portstat::command(&args).env("NO_COLOR", "1"));
        assert!(!uncoloured.contains(&0x1b));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            text(&uncoloured).contains("0.0.0.0:8080/tcp is free"),
            "{}",
            text(&shown)
        );
    });
}

/// Where the sockets are not of those who look, names are only text.
#[test]
fn names_of_processes_are_only_text() {
    use std::os::fd::AsFd;

    use crate::support::holder::Holder;

    const NAMES: [&[u8]; 3] = [b"x\x1b[2J\x1b[31m", b"a\n0.0.0.0:80", b"\"],\x07\x7f\\"];
    in_namespace(|| {
        for name in NAMES {
            let old = Wanted::tcp("127.0.0.1:8080").really().unwrap();
            let holder = Holder::named(name, &[old.as_fd()]);
            drop(old);
            let ran = run(&["0.0.0.0:8080"]).exited(1);
            let printable = |&byte: &u8| byte == b'\n' || !byte.is_ascii_control();
            assert!(ran.stdout.iter().all(printable), "{:?}", ran.text());
            let pid = format!("[{}]", holder.pid());
            let first = ran.text().lines().next().unwrap();
            assert!(first.contains(&pid), "{first}");
            let ran = run(&["0.0.0.0:8080", "--json"]).exited(1);
            let owners = &answers(&ran)[0].blockers[0].socket["owners"];
            assert_eq!(
                owners[0]["comm"],
                String::from_utf8_lossy(name).into_owned()
            );
        }
    });
}
