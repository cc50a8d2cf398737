//! How `-E` ends.

use std::net::{Ipv4Addr, UdpSocket};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::stream::Stream;
use crate::support::namespace::in_namespace;
use crate::support::portstat::command;
use crate::support::terminal::opened;
use crate::support::waiting::wait_until;

#[test]
fn quiet_waits_for_the_first_that_matches() {
    in_namespace(|| {
        let mut stream = Stream::of(&["-q", "sport = :7"]);
        drop(UdpSocket::bind((Ipv4Addr::LOCALHOST, 8)).unwrap());
        drop(UdpSocket::bind((Ipv4Addr::LOCALHOST, 7)).unwrap());
        assert_eq!(stream.ended().code(), Some(0));
        assert_eq!(stream.stop(), (Vec::new(), String::new()));
    });
}

#[test]
fn quiet_waits_although_nobody_reads() {
    in_namespace(|| {
        let mut child = command(&["-Eq", "sport = :7"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        wait_until("an end for a reason", || {
            drop(UdpSocket::bind((Ipv4Addr::LOCALHOST, 7)).unwrap());
            child
                .try_wait()
                .unwrap()
                .is_some_and(|status| status.success())
        });
    });
}

#[test]
fn it_ends_when_its_reader_has_enough_although_nothing_happens() {
    in_namespace(|| {
        for args in [
            "-nE --format plain",
            "-pE --format csv",
            "-E -N all --format plain",
        ] {
            let line = format!("{} {args} | head -1", env!("CARGO_BIN_EXE_portstat"));
            let mut shell = Command::new("sh");
            let mut ended = Stream::start(shell.args(["-c", &line]));
            assert!(ended.ended().success());
            let (lines, errors) = ended.stop();
            assert_eq!(lines.len(), 1, "{args}");
            // Namespaces beyond that of the test may be closed to it.
            assert!(errors.is_empty() || args.contains("-N"), "{args}: {errors}");
        }
    });
}

#[test]
fn an_interrupt_ends_it_as_it_ends_others() {
    use std::os::unix::process::ExitStatusExt;
    in_namespace(|| {
        let mut stream = Stream::of(&["-p"]);
        drop(UdpSocket::bind((Ipv4Addr::LOCALHOST, 7)).unwrap());
        stream.event_on(7);
        let pid = Pid::from_raw(stream.pid().try_into().unwrap());
        kill(pid, Signal::SIGINT).unwrap();
        assert_eq!(stream.ended().signal(), Some(libc::SIGINT));
    });
}

#[test]
fn a_terminal_gets_rows() {
    in_namespace(|| {
        let (mut terminal, theirs) = opened();
        let mut child = command(&["-E", "-n"])
            .stdin(Stdio::null())
            .stdout(theirs)
            .spawn()
            .unwrap();
        let mut shown = Vec::new();
        let mut read_line = || {
            use std::io::Read;
            let mut byte = [0];
            shown.clear();
            while !shown.ends_with(b"\n") {
                terminal.read_exact(&mut byte).unwrap();
                shown.push(byte[0]);
            }
            String::from_utf8(shown.clone()).unwrap()
        };
        assert!(read_line().starts_with("Netid"));
        drop(UdpSocket::bind((Ipv4Addr::LOCALHOST, 7)).unwrap());
        let line = read_line();
        assert!(
            line.starts_with("udp") && !line.contains('\u{1b}'),
            "{line:?}"
        );
        child.kill().unwrap();
        child.wait().unwrap();
    });
}
