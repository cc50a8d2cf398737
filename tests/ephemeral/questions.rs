//! What cannot be asked, and what cannot be answered.

use crate::support::portstat::{self, Ran};
use crate::support::recording::{Recording, dump};

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
fn both_ends_are_of_one_family() {
    check_refused(&["--src", "127.0.0.1", "--dst", "[::1]:80"]);
    check_refused(&["--src", "::1", "--dst", "127.0.0.1"]);
    check_refused(&["--src", "::1", "--dst", "[::ffff:127.0.0.1]:80"]);
    ephemeral(&["--src", "::ffff:127.0.0.1", "--dst", "127.0.0.1:80"]).exited(0);
}

#[test]
fn what_is_printed_at_every_run_needs_no_state() {
    for format in ["nagios", "prometheus"] {
        check_refused(&["--state-file", "/nonexistent/state", "--format", format]);
    }
}

#[test]
fn a_plugin_says_on_its_output_what_was_wrong_with_its_arguments() {
    for (args, reason) in [
        (&["--warn", "many"][..], "'many'"),
        (&["--nonsense"], "'--nonsense'"),
        (&["--crit", "10"], "--crit"),
        (&["--state-file", "x"], "--state-file"),
        (
            &["--from", "/nonexistent/recording"],
            "/nonexistent/recording",
        ),
    ] {
        for args in [
            [&["--format", "nagios"], args].concat(),
            [args, &["--format=nagios"]].concat(),
        ] {
            let ran = ephemeral(&args).exited(3);
            let text = ran.text();
            assert!(text.starts_with("PORTS UNKNOWN - "), "{args:?}: {text}");
            assert!(text.contains(reason), "{args:?}: {text}");
            assert_eq!(text.lines().count(), 1, "{args:?}: {text}");
        }
    }
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

/// Insists that a recording of which too much is missing is UNKNOWN, in every format.
#[track_caller]
fn check_unknown(recording: &Recording) {
    let from = ["--from", recording.path()];
    for format in ["human", "json", "nagios", "prometheus"] {
        let ran = ephemeral(&[&from[..], &["--format", format]].concat()).exited(3);
        assert_ne!(ran.stderr, "", "{format}");
        match format {
            "json" => assert_eq!(ran.json()["status"], "unknown"),
            "nagios" => {
                let text = ran.text();
                assert!(text.starts_with("PORTS UNKNOWN - "), "{text}");
                assert_eq!(text.lines().count(), 1, "{text}");
            }
            _ => assert!(!ran.text().contains("worst_ratio{"), "{}", ran.text()),
        }
    }
    let ran = ephemeral(&[&from[..], &["--quiet"]].concat()).exited(3);
    assert_ne!((ran.text(), &ran.stderr[..]), ("", ""));
}

#[test]
fn without_a_range_nothing_can_be_told() {
    check_unknown(&Recording::empty().with("diag/tcp.nlmsg", [dump(&[]), dump(&[])].concat()));
}

#[test]
fn a_damaged_range_is_none() {
    check_unknown(
        &Recording::empty()
            .with("diag/tcp.nlmsg", [dump(&[]), dump(&[])].concat())
            .with("proc/sys/net/ipv4/ip_local_port_range", "many\tmore\n"),
    );
}

#[test]
fn without_sockets_nothing_can_be_told() {
    check_unknown(
        &Recording::empty()
            .with("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n")
            .with_folder("diag"),
    );
}

#[test]
fn without_tcp_nothing_is_said_to_be_well() {
    check_unknown(
        &Recording::empty()
            .with("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n")
            .with("diag/udp.nlmsg", [dump(&[]), dump(&[])].concat()),
    );
}

#[test]
fn what_is_no_recording_is_unknown() {
    // It is the argument that is wrong.
    let nothing = Recording::empty();
    check_refused(&["--from", nothing.path()]);
    let ran = ephemeral(&["--from", "/nonexistent/recording"]).exited(3);
    assert!(
        ran.stderr.contains("/nonexistent/recording"),
        "{}",
        ran.stderr
    );
    let ran = ephemeral(&["--from", "/nonexistent/recording", "--json"]).exited(3);
    let document = ran.json();
    assert_eq!(document["schema"], "portstat.ephemeral.v1");
    assert_eq!(document["status"], "unknown");
    let reason = document["reason"].as_str().unwrap();
    assert!(reason.contains("/nonexistent/recording"), "{reason}");
}
