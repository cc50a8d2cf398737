//! Filters out of a file.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::portstat::{self, Ran, run};
use crate::support::ss::{self, beside_ss};

const RECORDING: &str = "--from=fixtures/hosts/shared";

struct Written {
    _folder: TempDir,
    path: PathBuf,
}

fn written(text: impl AsRef<[u8]>) -> Written {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("filter");
    fs::write(&path, text).unwrap();
    Written {
        _folder: folder,
        path,
    }
}

/// What is listed by a filter in a file, and words before it.
fn by_file(text: impl AsRef<[u8]>, words: &[&str]) -> Ran {
    let file = written(text);
    let path = file.path.to_str().unwrap();
    run(&[&["-tuan", RECORDING, "-F", path], words].concat())
}

#[track_caller]
fn check_same(text: &str, words: &[&str], filter: &str) {
    let expected = run(&["-tuan", RECORDING, filter]).exited(0);
    let found = by_file(text, words).exited(0);
    assert_eq!(found.text(), expected.text(), "{text}");
}

#[test]
fn a_file_goes_on_where_the_words_end() {
    let all = run(&["-tuan", RECORDING]).exited(0);
    check_same("sport = :80\n", &[], "sport = :80");
    check_same("sport\n=\n:80", &[], "sport = :80");
    check_same(
        "state listening\n# who else\nsport = :80\n",
        &[],
        "state listening sport = :80",
    );
    check_same(
        "# sport = :1\n  # dport\nsport = :80\r\n",
        &[],
        "sport = :80",
    );
    check_same(
        "sport = :80",
        &["state", "listening"],
        "state listening sport = :80",
    );
    check_same(
        "sport = :80 )",
        &["(", "sport = :81 or"],
        "( sport = :81 or sport = :80 )",
    );
    // To ss, a line that begins with a zero is none.
    check_same("sport =\n0120", &[], "sport = :80");
    assert!(all.text().lines().count() > 2);
}

#[test]
fn a_file_beside_ss() {
    beside_ss(|| {
        let listeners =
            [0; 3].map(|port| std::net::TcpListener::bind(("127.0.0.1", port)).unwrap());
        let [one, two, three] = listeners
            .each_ref()
            .map(|one| one.local_addr().unwrap().port());
        for (text, words) in [
            (format!("sport = :{one}\n"), vec![]),
            (
                format!("# none\n\nsport = :{one}\nor\tsport = :{two}\n"),
                vec![],
            ),
            (
                format!("or sport = :{two}"),
                vec!["sport".to_owned(), format!("= :{three}")],
            ),
        ] {
            let file = written(&text);
            let path = file.path.to_str().unwrap().to_owned();
            let args = [vec!["-tanH".to_owned(), "-F".to_owned(), path], words].concat();
            let rows = |text: &str| {
                let mut lines: Vec<String> = text
                    .lines()
                    .map(|line| portstat::words(line).join(" "))
                    .collect();
                lines.sort();
                lines
            };
            let ours = run(&args).exited(0);
            let expected = rows(&ss::text(&args));
            assert!(!expected.is_empty());
            assert_eq!(rows(ours.text()), expected, "{text}");
        }
    });
}

#[test]
fn a_mark_of_utf8_is_no_part_of_it() {
    let filter = "sport = :80";
    let expected = run(&["-tuan", RECORDING, filter]).exited(0);
    let marked = by_file(format!("\u{feff}{filter}").as_bytes(), &[]).exited(0);
    assert_eq!(marked.stdout, expected.stdout);
    check_error(
        "\u{feff}nope".as_bytes(),
        &[],
        2,
        &["column 1", "  nope\n  ^"],
    );
}

#[test]
fn standard_input_is_a_file_too() {
    for flag in ["-F-", "--filter=-"] {
        let mut command = portstat::command(&["-tuan", RECORDING, flag]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(b"sport = :80\n")
            .unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let expected = run(&["-tuan", RECORDING, "sport = :80"]).exited(0);
        assert_eq!(output.stdout, expected.stdout);
    }
}

#[track_caller]
fn check_error(text: &[u8], words: &[&str], code: i32, expected: &[&str]) {
    let ran = by_file(text, words).exited(code);
    for expected in expected {
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
}

#[test]
fn a_mistake_is_found_in_its_line() {
    let of =
        |line: usize, column: usize| format!("/filter, line {line}, column {column}: expected");
    let check = |text: &str, words: &[&str], line, column, excerpt: &str| {
        check_error(text.as_bytes(), words, 2, &[&of(line, column), excerpt]);
    };
    check("nope", &[], 1, 1, "  nope\n  ^");
    check(
        "sport = :80\nor nope = 1\nor sport = :81",
        &[],
        2,
        4,
        "  or nope = 1\n     ^",
    );
    check(
        "# a comment\n\n  ( sport = :80\n",
        &[],
        3,
        16,
        "  ( sport = :80\n",
    );
    check(
        "sport =",
        &["state listening"],
        1,
        8,
        "  sport =\n         ^",
    );
    check(
        "sport = :80\nsport = \"x\ny",
        &[],
        2,
        9,
        "a quote that is closed",
    );
    // What is wrong before the file is told as ever.
    check_error(
        b"sport = :80",
        &["nope and"],
        2,
        &["filter, column 1: no command or filter begins with \"nope\""],
    );
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    let ran = run(&["-t", RECORDING, "-F", "/no/such\u{1b}file"]).exited(4);
    assert!(
        ran.stderr
            .starts_with(r"portstat: cannot read the filter in /no/such"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("No such file") && !ran.stderr.contains('\u{1b}'));
    let folder = run(&["-t", RECORDING, "-F", "/"]).exited(4);
    assert!(folder.stderr.contains("directory"), "{}", folder.stderr);
    check_error(
        &vec![b' '; (1 << 20) + 1],
        &[],
        4,
        &["longer than 1048576 bytes"],
    );
    let mut longest = b"sport = :80".to_vec();
    longest.resize(1 << 20, b' ');
    by_file(longest, &[]).exited(0);
    run(&["-t", RECORDING, "-F", "/dev/zero"]).exited(4);
    check_error(b"\ncomm = '\xff'", &[], 4, &["line 2 is no UTF-8", r"\xNN"]);
    by_file(b"# '\xff'\ncomm = \xff", &[]).exited(0);
    let ran = run(&["-t", RECORDING, "-F", "/dev/null", "-F", "/dev/null"]).exited(2);
    assert!(ran.stderr.contains("another -F"), "{}", ran.stderr);
    run(&["why", "80", RECORDING, "-F", "/dev/null"]).exited(2);
}

#[test]
fn a_file_without_a_filter_is_a_mistake() {
    for text in [
        "",
        "\n",
        " \t\r\n\n",
        "# none\n",
        "  # none\n\n# here",
        "\u{a0}",
    ] {
        for words in [
            &[][..],
            &["sport = :80"],
            &["-q"],
            &["-K", "--yes"],
            &["-s"],
        ] {
            let is_replayed = !words.contains(&"-K");
            let file = written(text);
            let path = file.path.to_str().unwrap();
            let from: &[&str] = if is_replayed { &[RECORDING] } else { &[] };
            let ran = run(&[&["-F", path], from, words].concat()).exited(2);
            assert!(ran.stdout.is_empty(), "{text:?} {words:?}");
            let expected = format!("portstat: the filter in {path} is empty\n");
            assert_eq!(ran.stderr, expected, "{text:?} {words:?}");
        }
    }
}

#[test]
fn standard_input_without_a_filter_is_a_mistake() {
    for redirection in ["</dev/null", "<&-"] {
        let mut command = Command::new("sh");
        let line = format!("\"$0\" -tuan {RECORDING} -F - {redirection}");
        let output = command
            .args(["-c", &line, env!("CARGO_BIN_EXE_portstat")])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty());
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            "portstat: the filter in standard input is empty\n"
        );
    }
}
