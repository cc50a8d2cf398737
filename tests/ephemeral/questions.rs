//! What cannot be asked, and what cannot be answered.

use crate::support::portstat::{self, Ran};
use crate::support::recording::Recording;

#[track_caller]
fn ephemeral(args: &[&str]) -> Ran {
    portstat::run(&[&["ephemeral"], args].concat())
}

/// Insists that arguments are refused, with a reason: to whoever watches exit codes that is
/// UNKNOWN, never critical.
#[track_caller]
fn check_refused(args: &[&str]) {
    let ran = ephemeral(args).exited(3);
    assert_ne!(ran.stderr, "", "{args:?}");
    assert!(!ran.text().contains("OK"), "{args:?}: {}", ran.text());
}

#[test]
fn an_unknown_flag_is_unknown() {
    check_refused(&["--nonsense"]);
    check_refused(&["-Q"]);
    check_refused(&["nonsense"]);
}

#[test]
fn thresholds_are_percentages_in_their_order() {
    check_refused(&["--warn", "95", "--crit", "80"]);
    check_refused(&["--warn", "96"]);
    check_refused(&["--crit", "79"]);
    check_refused(&["--warn", "many"]);
    check_refused(&["--warn", "-1"]);
    check_refused(&["--crit", "101"]);
    check_refused(&["--warn", "NaN"]);
    check_refused(&["--crit"]);
}

#[test]
fn addresses_are_addresses() {
    check_refused(&["--src", "somewhere"]);
    check_refused(&["--src", "127.0.0.1:80"]);
    check_refused(&["--src", "127.0.0.256"]);
    check_refused(&["--dst", "127.0.0.1:65536"]);
    check_refused(&["--dst", "127.0.0.1:"]);
    check_refused(&["--dst", "[::1"]);
    check_refused(&["--dst", ""]);
}

#[test]
fn other_values_are_checked_too() {
    check_refused(&["--top", "few"]);
    check_refused(&["--top", "-1"]);
    check_refused(&["--repeat", "often"]);
    check_refused(&["--sample", "long"]);
    check_refused(&["--sample", "-1"]);
    check_refused(&["--format", "xml"]);
}

#[test]
fn help_is_no_alarm() {
    for flag in ["-h", "--help"] {
        let ran = ephemeral(&[flag]).exited(0).quietly();
        for word in ["--warn", "--crit", "--state-file", "--textfile", "--quiet"] {
            assert!(ran.text().contains(word), "{flag}: {word}");
        }
    }
}

#[test]
fn what_cannot_be_read_is_unknown() {
    let nothing = Recording::empty();
    for format in ["human", "json", "nagios", "prometheus"] {
        let ran = ephemeral(&["--from", nothing.path(), "--format", format]).exited(3);
        assert_ne!(ran.stderr, "", "{format}");
    }
    let ran = ephemeral(&["--from", nothing.path(), "--format", "nagios"]).exited(3);
    assert!(ran.text().starts_with("PORTS UNKNOWN - "), "{}", ran.text());
    let ran = ephemeral(&["--from", nothing.path(), "--quiet"]).exited(3);
    assert_ne!((ran.text(), &ran.stderr[..]), ("", ""));
    let ran = ephemeral(&["--from", "/nonexistent/recording"]).exited(3);
    assert!(
        ran.stderr.contains("/nonexistent/recording"),
        "{}",
        ran.stderr
    );
}
