//! How events are printed.

use std::net::{Ipv4Addr, UdpSocket};

use crate::stream::Stream;
use crate::support::namespace::in_namespace;
use crate::support::portstat::csv_records;

fn end_udp(port: u16) {
    drop(UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).unwrap());
}

#[test]
fn plain_has_a_heading_at_once_and_fixed_widths() {
    in_namespace(|| {
        let stream = Stream::of(&["-n", "--format", "plain"]);
        let heading = stream.line();
        assert!(heading.starts_with("Netid State"), "{heading}");
        let column = heading.find("Port").unwrap();
        for port in [1, 65_535] {
            end_udp(port);
            let local = format!("127.0.0.1:{port}");
            let line = stream.line_with(&format!("{local} "));
            let fields: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(
                fields[..6],
                ["udp", "UNCONN", "0", "0", &local, "0.0.0.0:*"]
            );
            assert!(fields[6].starts_with("users:("), "{line}");
            let found = line.find(&local).map(|at| at + "127.0.0.1:".len());
            assert_eq!(found, Some(column), "{heading}\n{line}");
        }
    });
}

#[test]
fn csv_tells_when_and_keeps_to_its_columns() {
    in_namespace(|| {
        let stream = Stream::of(&["-p", "--format", "csv"]);
        let heading = stream.line();
        end_udp(1);
        let first = stream.line_with(",127.0.0.1,1,");
        end_udp(2);
        let second = stream.line_with(",127.0.0.1,2,");
        let records = csv_records(&[heading, first, second, String::new()].join("\r\n"));
        assert_eq!(records[0][0], "at");
        assert_eq!(records[0].last().unwrap(), "last_state");
        let port = records[0]
            .iter()
            .position(|name| name == "local_port")
            .unwrap();
        for (record, expected) in records[1..].iter().zip(["1", "2"]) {
            assert_eq!(record.len(), records[0].len());
            assert_eq!(record[port], expected);
            assert!(record[0].ends_with('Z'), "{record:?}");
        }
    });
}

#[test]
fn chosen_columns_are_rows_in_a_pipe_too() {
    in_namespace(|| {
        let stream = Stream::of(&["-H", "--columns", "proto,local_port,at,last_state"]);
        end_udp(7);
        let line = stream.line_with(" 7 ");
        let fields: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(&fields[..2], ["udp", "7"]);
        assert_eq!(fields.len(), 4);
        assert!(fields[2].starts_with("20"), "{line}");
    });
}

#[test]
fn details_stand_on_the_line_with_oneline() {
    in_namespace(|| {
        let stream = Stream::of(&["-inOH", "--format", "plain"]);
        drop(crate::sockets::connection(Ipv4Addr::LOCALHOST.into()));
        for _ in 0..2 {
            let line = stream.line_with("tcp");
            assert!(line.starts_with("tcp") && line.contains(" rto:"), "{line}");
        }
    });
}
