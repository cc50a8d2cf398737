//! What `-m`, `-i`, `-o`, `-e` and `--tos` tell of a socket, beside ss and beside what the socket
//! tells its owner.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;

use nix::errno::Errno;
use nix::sys::socket::sockopt::{Ipv4Tos, Mark, RcvBuf, SndBuf, TcpCongestion};
use nix::sys::socket::{SockType, getsockopt, setsockopt};
use serde_json::Value;
use tempfile::TempDir;

use support::population::Population;
use support::portstat;
use support::socket;
use support::ss::{self, beside_ss};
use support::waiting::{steadily_beside, wait_until};

/// Connections of every congestion control that may be used here, some with data under way.
fn busy_connections() -> Vec<OwnedFd> {
    let mut held = Vec::new();
    let mut controls = 0;
    for ip in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
        let listener = TcpListener::bind(SocketAddr::new(ip, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        for control in ["", "reno", "cubic", "bbr", "dctcp", "vegas"] {
            let client = socket::open(SockType::Stream, ip);
            if !control.is_empty() {
                match setsockopt(&client, TcpCongestion, &OsString::from(control)) {
                    Ok(()) => controls += 1,
                    // Not built, or not for users without privileges.
                    Err(Errno::ENOENT | Errno::EPERM) => continue,
                    Err(error) => panic!("{control}: {error}"),
                }
            }
            socket::connect(&client, address).unwrap();
            let (mut server, _) = listener.accept().unwrap();
            socket::write(&client, &[1; 100_000]);
            let mut some = [0; 70_000];
            server.read_exact(&mut some).unwrap();
            server.write_all(&some[..1000]).unwrap();
            held.extend([client, server.into()]);
        }
        held.push(listener.into());
    }
    assert!(controls > 0, "not one congestion control could be chosen");
    held
}

/// An MPTCP connection, where the kernel has it.
fn mptcp() -> Option<[OwnedFd; 3]> {
    let (listener, client) = (socket::open_mptcp().ok()?, socket::open_mptcp().ok()?);
    socket::bind(&listener, SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)).unwrap();
    socket::listen(&listener, 1).unwrap();
    socket::connect(&client, socket::local_address(&listener)).unwrap();
    let server = socket::accept(&listener);
    Some([listener, client, server])
}

/// Words that ss learnt after the one that is installed may have been built, and numbers of MPTCP
/// that it wrote in hexadecimal then.
const NEWER: [&str; 6] = [
    "rcv_wnd:", "rehash:", "usec_ts", "seq:", "sfseq:", "ssnoff:",
];

/// Lines as lists of words, sorted. Keys of TCP-MD5, which ss prints, are none of ours.
fn lines(text: &str) -> Vec<Vec<String>> {
    let mut lines: Vec<Vec<String>> = text
        .lines()
        .map(|line| {
            line.split_whitespace()
                .filter(|word| !NEWER.iter().any(|newer| word.starts_with(newer)))
                .map(str::to_owned)
                .collect()
        })
        .collect();
    lines.sort();
    lines
}

/// Insists that the lines are the same, and shows some that are not.
#[track_caller]
fn check_lines(what: &str, mut expected: Vec<Vec<String>>, mut found: Vec<Vec<String>>) {
    assert!(expected.len() > 4, "{what}: {expected:?}");
    let common: Vec<Vec<String>> = expected
        .iter()
        .filter(|line| found.contains(line))
        .cloned()
        .collect();
    expected.retain(|line| !common.contains(line));
    found.retain(|line| !common.contains(line));
    found.truncate(3);
    expected.truncate(3);
    let none: Vec<Vec<String>> = Vec::new();
    assert_eq!((found, expected), (none.clone(), none), "{what}");
}

/// Insists that portstat prints the same words as ss of the same recorded messages, in which ss
/// finds memory and account whichever of the two is asked for. Of a file with two families it
/// reads the first.
#[track_caller]
fn check_recorded(flags: &[&str]) {
    beside_ss(|| {
        let _population = Population::random(5, 300);
        let _busy = busy_connections();
        let _mptcp = mptcp();
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("r").to_str().unwrap().to_owned();
        portstat::run(&["record", &path]).exited(0);
        for flags in flags {
            let protocol = if flags.contains('u') { "udp" } else { "tcp" };
            let messages = format!("{path}/diag/{protocol}.nlmsg");
            let expected = ss::text_of_recording(&["-H", flags], &messages);
            let found = portstat::run(&["-H", "-O", flags, "--from", &path]).exited(0);
            // ss shows what the file has of bound sockets.
            let found = found.text().replace("BOUND ", "UNCONN ");
            check_lines(flags, lines(&expected), lines(&found));
        }
    });
}

#[test]
fn memory_and_account_of_tcp_are_those_of_ss() {
    check_recorded(&["-t4anim", "-t4anoemi", "-t4anemi", "-t4ane"]);
}

#[test]
fn memory_of_udp_is_that_of_ss_and_there_is_no_account() {
    check_recorded(&["-u4anm", "-u4anoemi"]);
}

/// Insists on the same of the live system, where only times go on between the two looks.
#[track_caller]
fn check_live(flags: &str) {
    let is_time = |word: &str| {
        ["lastsnd:", "lastrcv:", "lastack:", "timer:", "rto:", "ato:"]
            .iter()
            .any(|time| word.starts_with(time))
    };
    let steady = |text: &str| {
        let mut lines = lines(text);
        lines
            .iter_mut()
            .for_each(|words| words.retain(|word| !is_time(word)));
        // The header of ss has two words in one.
        lines.retain(|words| words.first().is_none_or(|word| word != "State"));
        lines.sort();
        lines
    };
    beside_ss(|| {
        let _busy = busy_connections();
        let _udp = [(); 5].map(|()| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let flags: Vec<&str> = flags.split(' ').collect();
        let of_ss = || {
            let output = portstat::output(Command::new("ss").args(&flags));
            steady(std::str::from_utf8(&output.stdout).unwrap())
        };
        // Acknowledgements that were put off, and what is sent once more, change counters.
        let of_ours = || steady(portstat::run(&flags).exited(0).text());
        let (expected, found) = steadily_beside(of_ss, of_ours);
        check_lines(&flags.join(" "), expected, found);
    });
}

#[test]
fn the_kernel_is_asked_for_all_that_is_printed() {
    check_live("-tanoemi");
    check_live("-tanei");
    check_live("-tani --tos");
    check_live("-tanm");
    check_live("-uanm");
    check_live("-tanoemi -O --tos");
}

/// A second line stands below each socket, empty or not, as long as nobody asks for one.
#[test]
fn two_lines_a_socket_unless_told_otherwise() {
    beside_ss(|| {
        let _population = Population::random(6, 100);
        let count = |flags: &[&str]| portstat::run(flags).exited(0).text().lines().count();
        let (one, counts) = steadily_beside(
            || count(&["-tanH"]),
            || {
                [
                    count(&["-tanHi"]),
                    count(&["-tanHm"]),
                    count(&["-tanHim", "-O"]),
                    count(&["-tanHio", "-O", "--columns", "local,rtt_us"]),
                ]
            },
        );
        assert_eq!(counts, [2 * one, 2 * one, one, one]);
    });
}

fn only_socket(args: &[&str]) -> Value {
    let document = portstat::run(args).exited(0).json();
    let sockets = document["sockets"].as_array().unwrap();
    assert_eq!(sockets.len(), 1, "{document}");
    sockets[0].clone()
}

#[test]
fn json_tells_what_the_socket_tells_its_owner() {
    beside_ss(|| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = socket::open(SockType::Stream, Ipv4Addr::LOCALHOST.into());
        setsockopt(&client, Ipv4Tos, &0x10).unwrap();
        setsockopt(&client, RcvBuf, &50_000).unwrap();
        setsockopt(&client, SndBuf, &60_000).unwrap();
        // Only those with CAP_NET_ADMIN may, which a namespace of one's own gives.
        setsockopt(&client, Mark, &77).unwrap();
        socket::connect(&client, listener.local_addr().unwrap()).unwrap();
        let (server, _): (TcpStream, _) = listener.accept().unwrap();
        socket::write(&client, &[1; 5000]);
        let port = format!("sport = :{}", socket::local_address(&client).port());
        wait_until("that all is acknowledged", || {
            socket::tcp_info(client.as_fd()).tcpi_unacked == 0
        });

        let shown = only_socket(&["-tneim", "--tos", "--json", &port]);
        let own = socket::tcp_info(client.as_fd());
        let info = &shown["tcp_info"];
        for (name, expected) in [
            ("rtt_us", u64::from(own.tcpi_rtt)),
            ("rttvar_us", u64::from(own.tcpi_rttvar)),
            ("rto_us", u64::from(own.tcpi_rto)),
            ("snd_mss_bytes", u64::from(own.tcpi_snd_mss)),
            ("advmss_bytes", u64::from(own.tcpi_advmss)),
            ("pmtu_bytes", u64::from(own.tcpi_pmtu)),
            ("snd_cwnd_segments", u64::from(own.tcpi_snd_cwnd)),
            ("reordering_segments", u64::from(own.tcpi_reordering)),
            ("rcv_space_bytes", u64::from(own.tcpi_rcv_space)),
            ("bytes_acked", 5001),
            ("bytes_sent", 5000),
            ("bytes_received", 0),
            ("lost_segments", 0),
        ] {
            assert_eq!(info[name], expected, "{name}: {info}");
        }
        let control = getsockopt(&client, TcpCongestion).unwrap();
        assert_eq!(info["congestion"], control.to_str().unwrap());
        let options: Vec<&str> = info["options"]
            .as_array()
            .unwrap()
            .iter()
            .map(|option| option.as_str().unwrap())
            .collect();
        assert!(options.contains(&"sack"), "{options:?}");

        let memory = &shown["memory"];
        // The kernel doubles what is asked for, and says so to both.
        assert_eq!(memory["rcvbuf_bytes"], getsockopt(&client, RcvBuf).unwrap());
        assert_eq!(memory["sndbuf_bytes"], getsockopt(&client, SndBuf).unwrap());
        assert_eq!(memory["drops"], 0);
        assert_eq!(shown["tos"]["tos"], 0x10);
        assert_eq!(shown["tos"]["tclass"], Value::Null);
        assert_eq!(shown["extended"]["mark"], 77);
        assert_eq!(shown["congestion_control"].is_null(), control != "bbr");

        let peer = format!("dport = :{}", socket::local_address(&client).port());
        let unread = only_socket(&["-tnm", "--json", &peer]);
        assert_eq!(unread["recv_q"], 5000);
        assert!(unread["memory"]["rmem_alloc_bytes"].as_u64().unwrap() >= 5000);
        // Nothing is told that was not asked for.
        for absent in ["tcp_info", "tos", "extended"] {
            assert_eq!(unread.get(absent), None);
        }
        drop(server);
    });
}

#[test]
fn columns_ask_for_the_details_they_need() {
    beside_ss(|| {
        let _busy = busy_connections();
        let columns = "local_port,congestion,rtt_us,rcvbuf,tos,data_segs_out";
        let out = portstat::run(&["-tn", "--format=csv", "--columns", columns]).exited(0);
        let records = portstat::csv_records(out.text());
        assert_eq!(records[0].join(","), columns);
        assert!(records.len() > 4);
        for record in &records[1..] {
            assert!(!record[1].is_empty(), "{record:?}");
            let numbers: Vec<u64> = record[2..]
                .iter()
                .map(|cell| cell.parse().unwrap())
                .collect();
            assert!(
                numbers[0] > 0 && numbers[1] > 0 && numbers[3] > 0,
                "{record:?}"
            );
        }
        let sorted = portstat::run(&["-tnH", "--sort", "-rtt_us", "--columns", "rtt_us"]).exited(0);
        let times: Vec<u64> = sorted
            .text()
            .lines()
            .map(|line| line.parse().unwrap())
            .collect();
        assert!(times.is_sorted_by(|one, next| one >= next), "{times:?}");
    });
}

/// A record of CSV, by the names of its columns.
fn only_record(args: &[&str]) -> HashMap<String, String> {
    let out = portstat::run(args).exited(0);
    let [header, record] = &portstat::csv_records(out.text())[..] else {
        panic!("{}", out.text());
    };
    header.iter().cloned().zip(record.iter().cloned()).collect()
}

#[test]
fn flags_show_in_tables_and_csv_what_they_ask_for() {
    beside_ss(|| {
        let listener = socket::open(SockType::Stream, Ipv6Addr::LOCALHOST.into());
        socket::set_v6only(&listener, true);
        setsockopt(&listener, Mark, &77).unwrap();
        socket::bind(&listener, SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 0)).unwrap();
        socket::listen(&listener, 1).unwrap();
        let port = socket::local_address(&listener).port();
        let client = socket::open(SockType::Stream, Ipv6Addr::LOCALHOST.into());
        socket::connect(&client, socket::local_address(&listener)).unwrap();
        let _server = socket::accept(&listener);
        socket::end(&client);

        let here = format!("sport = :{port}");
        let json = only_socket(&["-tleim", "--tos", "--json", &here]);
        let csv = only_record(&["-tleim", "--tos", "--format=csv", &here]);
        for (name, expected) in [
            ("mark", &json["extended"]["mark"]),
            ("cookie", &json["extended"]["cookie"]),
            ("cgroup_id", &json["extended"]["cgroup_id"]),
            ("v6only", &json["v6only"]),
            ("fwd_alloc_bytes", &json["memory"]["fwd_alloc_bytes"]),
            ("snd_cwnd_segments", &json["tcp_info"]["snd_cwnd_segments"]),
            ("rto_us", &json["tcp_info"]["rto_us"]),
            ("class_id", &json["tos"]["class_id"]),
        ] {
            let expected = match expected {
                Value::Null => String::new(),
                value => value.to_string(),
            };
            assert_eq!(csv[name], expected, "{name}");
        }
        assert_eq!((&csv["mark"][..], &csv["v6only"][..]), ("77", "true"));
        assert_eq!(csv["shutdown"], "none");
        let there = format!("dport = :{port}");
        let shut = only_record(&["-tae", "--format=csv", &there]);
        assert_eq!(shut["shutdown"], "send");

        for flag in ["-e", "--cgroup"] {
            let table = portstat::run(&["-tan", flag, "--format=table"]).exited(0);
            let mut lines = table.text().lines();
            let heading = lines.next().unwrap();
            for name in ["COOKIE", "V6ONLY", "MARK", "CGROUP", "SHUTDOWN"] {
                assert!(heading.contains(name), "{heading}");
            }
            let row = lines.find(|line| line.contains(" 77 ")).unwrap();
            assert!(row.contains(" true "), "{row}");
        }
        // What no row has, no table has.
        let table = portstat::run(&["-tane", "--format=table", &there]).exited(0);
        assert!(!table.text().contains("V6ONLY"), "{}", table.text());
    });
}
