//! Unix, raw, packet and netlink sockets: live beside ss, by both collectors, and in every format.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::path::PathBuf;

use nix::sys::socket::{
    AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, socket, socketpair,
};
use serde_json::Value;
use support::holder::Holder;
use support::namespace::in_namespace;
use support::portstat::{Collector, csv_records, run, run_by};
use support::recording::{DONE, Recording};
use support::ss;
use tempfile::TempDir;

/// A blank, a newline and a byte that is no UTF-8.
const ODD: &[u8] = b"a b\n\xffc";
/// The same as text that says what it was.
const ODD_TEXT: &str = r"a b\x0a\xffc";

/// A folder for sockets, and a name in it.
fn place(name: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::Builder::new().prefix("s").tempdir().unwrap();
    let path = folder.path().join(std::ffi::OsStr::from_bytes(name));
    (folder, path)
}

fn abstract_listener(name: &[u8]) -> UnixListener {
    UnixListener::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap()
}

fn pair(kind: SockType) -> (OwnedFd, OwnedFd) {
    socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC).unwrap()
}

fn inode(socket: impl AsFd) -> u64 {
    let stat = rustix::fs::fstat(socket).unwrap();
    stat.st_ino
}

/// The object of the socket with an inode.
#[track_caller]
fn of_inode(document: &Value, inode: u64) -> &Value {
    let sockets = document["sockets"].as_array().unwrap();
    let found = sockets.iter().find(|socket| socket["inode"] == inode);
    found.unwrap_or_else(|| panic!("no {inode} in {document:#}"))
}

/// Names of the processes that hold a socket or its peer.
fn comms(object: &Value) -> BTreeSet<&str> {
    let owners = object["owners"].as_array().unwrap();
    let names = owners.iter().map(|owner| owner["comm"].as_str().unwrap());
    names.collect()
}

#[test]
fn both_ends_of_a_pair_are_told_with_their_owners() {
    in_namespace(|| {
        for kind in [SockType::Stream, SockType::Datagram, SockType::SeqPacket] {
            let (left, right) = pair(kind);
            let (left_inode, right_inode) = (inode(&left), inode(&right));
            let _holders = [("left", left), ("right", right)]
                .map(|(name, end)| Holder::named(name.as_bytes(), &[end.as_fd()]));
            let document = run(&["-xap", "--json"]).exited(0).json();
            for (own, other, comm, peer) in [
                (left_inode, right_inode, "left", "right"),
                (right_inode, left_inode, "right", "left"),
            ] {
                let socket = of_inode(&document, own);
                assert_eq!(comms(socket), BTreeSet::from([comm]), "{socket:#}");
                assert_eq!(socket["peer"]["inode"], other);
                assert_eq!(comms(&socket["peer"]), BTreeSet::from([peer]));
                assert_eq!(socket["peer"]["owners_status"], "known");
                assert_eq!(socket["local"]["path"], Value::Null);
            }
            let table = run(&["-xap", "--format=table"]).exited(0);
            let words = |line: &str| -> Vec<String> {
                let words = line.split_whitespace().map(|word| {
                    let name = word.split_once('[').map_or(word, |(name, _)| name);
                    name.to_owned()
                });
                words.collect()
            };
            let rows: Vec<Vec<String>> = table.text().lines().map(words).collect();
            for ends in [["left", "right"], ["right", "left"]] {
                let is_row = |row: &Vec<String>| row.windows(2).any(|pair| pair == ends);
                assert!(rows.iter().any(is_row), "{}", table.text());
            }
        }
    });
}

#[test]
fn a_client_is_told_whose_server_it_is_connected_to() {
    in_namespace(|| {
        let (_folder, path) = place(b"server");
        let listener = UnixListener::bind(&path).unwrap();
        let client = UnixStream::connect(&path).unwrap();
        let waiting = of_inode(&run(&["-xa", "--json"]).json(), inode(&client)).clone();
        assert_eq!(waiting["peer"], Value::Null, "nobody has accepted it");
        let (server, _) = listener.accept().unwrap();
        for format in ["json", "jsonl"] {
            let ran = run(&["-x", "--format", format]).exited(0).quietly();
            let sockets = match format {
                "json" => ran.json()["sockets"].as_array().unwrap().clone(),
                _ => ran.json_lines(),
            };
            let of = |inode: u64| sockets.iter().find(|socket| socket["inode"] == inode);
            let socket = of(inode(&client)).unwrap();
            assert_eq!(socket["peer"]["inode"], inode(&server));
            assert_eq!(socket["peer"]["path"], path.to_str().unwrap());
            assert_eq!(
                socket["peer"]["owners_status"],
                Value::Null,
                "not asked for"
            );
        }
        // The server's own end is not listed, and yet has a name.
        let ran = run(&["-x", "--columns=path,peer_path", "--format=csv", "-H"]).exited(0);
        let path = path.to_str().unwrap();
        let expected = [["", path], [path, ""]].map(|record| record.map(str::to_owned).to_vec());
        let records = BTreeSet::from_iter(csv_records(ran.text()));
        assert_eq!(records, BTreeSet::from(expected));
    });
}

#[test]
fn names_survive_every_format() {
    in_namespace(|| {
        let (folder, path) = place(ODD);
        let _listener = UnixListener::bind(&path).unwrap();
        let before = folder.path().to_str().unwrap();
        let text = format!("{before}/{ODD_TEXT}");
        for collector in Collector::BOTH {
            let ran = |args: &[&str]| run_by(collector, args).exited(0);
            let document = ran(&["-xl", "--json"]).json();
            let local = &document["sockets"][0]["local"];
            assert_eq!(local["path"], format!("{before}/a b\n\\xffc"));
            let bytes = path.as_os_str().as_bytes().iter();
            let hex: String = bytes.map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(local["path_hex"], hex);
            assert_eq!(local["abstract"], false);
            let lines = ran(&["-xl", "--format=jsonl"]).json_lines();
            assert_eq!(lines[0]["local"], *local);

            let word = text.replace(' ', r"\x20");
            let plain = ran(&["-xlH"]);
            let fields: Vec<&str> = plain.text().split_whitespace().collect();
            assert_eq!(fields[4], word);
            assert_eq!(
                ran(&["-xlH", "--columns=path,state"]).text(),
                format!("{word} LISTEN\n")
            );
            let csv = csv_records(ran(&["-xl", "--format=csv", "--columns=path"]).text());
            assert_eq!(csv, [["path"], [&text]]);
            let table = ran(&["-xl", "--format=table"]);
            assert!(
                table.text().contains(&format!("  {text}")),
                "{}",
                table.text()
            );
        }
    });
}

#[test]
fn abstract_names_and_paths_are_told_apart() {
    in_namespace(|| {
        let folder = tempfile::tempdir().unwrap();
        std::env::set_current_dir(folder.path()).unwrap();
        let _sockets = (
            abstract_listener(b"one"),
            abstract_listener(b"t\0w\0o"),
            UnixListener::bind("@one").unwrap(),
            UnixDatagram::unbound().unwrap(),
        );
        let text = run(&["-xlH", "--columns=path,kind"]).exited(0);
        let rows: BTreeSet<&str> = text.text().lines().collect();
        let expected = ["- dgram", "@one stream", "@t@w@o stream", r"\x40one stream"];
        let rows: Vec<String> = rows
            .iter()
            .map(|row| row.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(rows, expected);
        let document = run(&["-xl", "--json"]).json();
        let of = |path: &str, is_abstract: bool| {
            let sockets = document["sockets"].as_array().unwrap();
            let found = sockets.iter().find(|socket| {
                socket["local"]["path"] == path && socket["local"]["abstract"] == is_abstract
            });
            found.unwrap()["local"]["path_hex"].clone()
        };
        assert_eq!(of("@one", true), Value::Null);
        assert_eq!(of("@one", false), Value::Null);
        assert_eq!(of("@t@w@o", true), "00740077006f");
    });
}

/// Sockets of every kind, kept as long as this.
struct Population {
    _fds: Vec<OwnedFd>,
    _folder: TempDir,
}

fn populate() -> Population {
    let (folder, path) = place(b"named");
    let listener = UnixListener::bind(&path).unwrap();
    let client = UnixStream::connect(&path).unwrap();
    let (server, _) = listener.accept().unwrap();
    let waiting = UnixStream::connect(&path).unwrap();
    let receiver = UnixDatagram::bind(folder.path().join("log")).unwrap();
    let sender = UnixDatagram::unbound().unwrap();
    sender.connect(folder.path().join("log")).unwrap();
    sender.send(b"hello").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let mut fds: Vec<OwnedFd> = vec![
        listener.into(),
        client.into(),
        server.into(),
        waiting.into(),
        receiver.into(),
        sender.into(),
        UnixDatagram::unbound().unwrap().into(),
        abstract_listener(b"population").into(),
    ];
    for kind in [SockType::Stream, SockType::Datagram, SockType::SeqPacket] {
        let (left, right) = pair(kind);
        fds.extend([left, right]);
    }
    let cloexec = SockFlag::SOCK_CLOEXEC;
    for (family, protocol) in [
        (AddressFamily::Inet, SockProtocol::Icmp),
        (AddressFamily::Inet6, SockProtocol::IcmpV6),
    ] {
        fds.push(socket(family, SockType::Raw, cloexec, protocol).unwrap());
    }
    for kind in [SockType::Raw, SockType::Datagram] {
        let every = SockProtocol::EthAll;
        fds.push(socket(AddressFamily::Packet, kind, cloexec, every).unwrap());
    }
    let route = SockProtocol::NetlinkRoute;
    let netlink = socket(AddressFamily::Netlink, SockType::Raw, cloexec, route).unwrap();
    let interfaces_and_addresses = 0b10001;
    let addr = NetlinkAddr::new(std::process::id(), interfaces_and_addresses);
    bind(std::os::fd::AsRawFd::as_raw_fd(&netlink), &addr).unwrap();
    fds.push(netlink);
    Population {
        _fds: fds,
        _folder: folder,
    }
}

/// The lines of a plain listing as words, sorted, each once; less the netlink sockets by which the
/// listing itself was made, and the device that this ss reads wrongly.
fn lines(text: &str) -> BTreeSet<Vec<String>> {
    let lines = text.lines().skip(1).map(|line| {
        let words = line.split_whitespace();
        let words = words.filter(|word| !word.starts_with("dev:"));
        words.map(str::to_owned).collect::<Vec<String>>()
    });
    let is_own = |line: &Vec<String>| {
        line.iter().any(|word| {
            let port = word.strip_prefix("tcpdiag:").or(word.strip_prefix("4:"));
            port.is_some_and(|port| port != "kernel" && port != "0")
        })
    };
    // The kernel's own takes what is asked for into its account.
    let is_kernels = |line: &Vec<String>| {
        let kernels = ["tcpdiag:kernel", "4:0"];
        line.iter().any(|word| kernels.contains(&&word[..]))
    };
    lines
        .filter(|line| !is_own(line) && !is_kernels(line))
        .collect()
}

/// The names of the first columns: those before the queues, which are there or not.
fn heading(text: &str) -> Vec<&str> {
    let names = text.lines().next().unwrap_or("").split_whitespace();
    names.take_while(|name| *name != "Recv-Q").collect()
}

#[test]
fn ss_prints_the_same() {
    ss::beside_ss(|| {
        let _population = populate();
        for (args, least) in [("-xa", 13), ("-wa", 2), ("-0a", 2)] {
            let found = lines(&ss::text(&[args])).len();
            assert!(found >= least, "{args}: {found}");
        }
        for args in [
            "-x", "-xa", "-xl", "-xan", "-xae", "-xam", "-xaem", "-w", "-wa", "-wan", "-wl", "-0",
            "-0a", "-0an", "-0aem", "-0l", "-xw0a",
        ] {
            let ours = run(&["-O", args]).exited(0);
            assert_eq!(lines(ours.text()), lines(&ss::text(&[args])), "{args}");
        }
        for args in ["-a", "-an", "-am", "-aem", "-l"] {
            let args = ["-f", "netlink", args];
            let ours = run(&[&["-O"][..], &args].concat()).exited(0);
            assert_eq!(lines(ours.text()), lines(&ss::text(&args)), "{args:?}");
            let named = run(&["-O", "--netlink", args[2]]).exited(0);
            assert_eq!(lines(named.text()), lines(ours.text()));
        }
        for (family, flag) in [("unix", "-x"), ("link", "-0")] {
            let (long, short) = (run(&["-a", "-f", family]), run(&["-a", flag]));
            assert_eq!(long.exited(0).text(), short.exited(0).text());
        }
    });
}

#[test]
fn nobody_is_looked_for_behind_the_kernels_own_sockets() {
    in_namespace(|| {
        let args = ["-a", "-p", "-n", "-f", "netlink"];
        let listed = run(&[&args[..], &["--format", "jsonl"]].concat()).exited(0);
        let sockets = listed.json_lines();
        let kernels = { sockets.iter() }.filter(|one| one["owners_status"] == "unheld");
        assert!(kernels.count() > 3, "{sockets:?}");
        for format in ["plain", "table"] {
            let ran = run(&[&args[..], &["--format", format]].concat()).exited(0);
            assert!(!ran.text().contains("unheld"), "{format}: {}", ran.text());
        }
    });
}

#[test]
fn tables_by_the_names_of_ss_hold_what_they_hold_there() {
    ss::beside_ss(|| {
        let _population = populate();
        for tables in [
            "unix",
            "unix_stream",
            "u_dgr",
            "unix_seqpacket",
            "unix_stream,unix_dgram",
            "packet",
            "raw",
            "raw,u_seq,packet",
            "all,!netlink,!tcp,!unix_dgram",
            "unix,packet,!u_str",
        ] {
            // Of packet sockets alone, which are never connected, ss shows none unless told to.
            let connected = !["packet", "packet_raw", "p_dgr"].contains(&tables);
            for states in ["-a", "-l", "-n"]
                .into_iter()
                .take(2 + usize::from(connected))
            {
                let args = [states, "-A", tables];
                let ours = run(&[&["-O"][..], &args].concat()).exited(0);
                let (ours, theirs) = (ours.text(), ss::text(&args));
                assert_eq!(lines(ours), lines(&theirs), "{args:?}");
                assert_eq!(heading(ours), heading(&theirs), "{args:?}");
            }
            let named = run(&["-a", "-A", tables]).exited(0);
            let called = run(&["-a", "--socket", tables]).exited(0);
            assert_eq!(lines(named.text()), lines(called.text()));
        }
        // Where packet sockets of one kind are asked for, ss lists both.
        for (tables, kinds) in [
            ("packet_raw", &["raw"][..]),
            ("p_dgr", &["dgram"]),
            ("packet,!p_raw", &["dgram"]),
            ("packet", &["dgram", "raw"]),
        ] {
            let found = run(&["-a", "--json", "-A", tables]).exited(0).json();
            let sockets = found["sockets"].as_array().unwrap().iter();
            let mut found: Vec<&str> = sockets.map(|s| s["kind"].as_str().unwrap()).collect();
            found.sort_unstable();
            assert_eq!(found, kinds, "{tables}");
        }
    });
}

/// What both collectors know of a socket.
fn known(socket: &Value) -> String {
    let unix = socket["proto"] == "unix";
    let mut known = vec![
        &socket["proto"],
        &socket["state"],
        &socket["inode"],
        &socket["kind"],
    ];
    match unix {
        true => known.push(&socket["local"]["path"]),
        false => known.extend([&socket["local"], &socket["uid"], &socket["recv_q"]]),
    }
    Value::from_iter(known.into_iter().cloned()).to_string()
}

#[test]
fn proc_tells_the_same_less_what_it_cannot_know() {
    in_namespace(|| {
        let _population = populate();
        let known_by = |collector| -> BTreeSet<String> {
            let ran = run_by(collector, &["-xa0", "--netlink", "--json"]).exited(0);
            let document = ran.json();
            let source = match collector {
                Collector::Netlink => "netlink",
                Collector::Proc => "proc",
            };
            for protocol in ["unix", "packet", "netlink"] {
                assert_eq!(document["collection"][protocol], source);
            }
            let told = ran
                .stderr
                .contains("peers, users and queues of unix sockets");
            assert_eq!(told, collector == Collector::Proc, "{}", ran.stderr);
            let sockets = document["sockets"].as_array().unwrap().iter();
            // Only /proc lists connections that nobody has accepted yet; how much waits for the
            // kernel's own socket depends on who asks.
            let listed = sockets.filter(|socket| {
                socket["inode"] != 0 && socket["local"]["protocol"] != "sock_diag"
            });
            listed.map(known).collect()
        };
        assert_eq!(known_by(Collector::Netlink), known_by(Collector::Proc));
    });
}

#[test]
fn raw_sockets_are_read_by_whichever_way_the_kernel_has() {
    in_namespace(|| {
        let _population = populate();
        let listed = run(&["-wa", "--json"]).exited(0).json();
        let by_proc = run_by(Collector::Proc, &["-wa", "--json"]).exited(0).json();
        let told = |document: &Value| -> Vec<(String, u64, String)> {
            let sockets = document["sockets"].as_array().unwrap().iter();
            let told = sockets.map(|socket| {
                let local = &socket["local"];
                let service = local["service"].as_str().unwrap().to_owned();
                let addr = local["addr"].as_str().unwrap().to_owned();
                (addr, local["port"].as_u64().unwrap(), service)
            });
            told.collect()
        };
        let expected = [("0.0.0.0", 1, "icmp"), ("::", 58, "ipv6-icmp")];
        let expected = expected.map(|(addr, port, name)| (addr.to_owned(), port, name.to_owned()));
        assert_eq!(told(&listed), expected);
        assert_eq!(told(&by_proc), expected);
        assert_eq!(listed["ephemeral"], Value::Null);
        // What is printed as a port can be asked for.
        for (filter, expected) in [
            ("sport = icmp", 1),
            ("src *:ipv6-icmp", 1),
            ("sport > 1", 1),
        ] {
            let found = run(&["-wa", "--json", filter]).exited(0).json();
            assert_eq!(told(&found).len(), expected, "{filter}");
        }
        let wrong = run(&["-wa", "sport = http"]).exited(2);
        assert!(
            wrong.stderr.contains("no such protocol of IP"),
            "{}",
            wrong.stderr
        );
        // They have no ports that a connect could draw.
        let report = run(&["ephemeral", "--json"]).exited(0).json();
        assert_eq!(report["status"], "ok");
    });
}

#[test]
fn a_recording_holds_them_and_a_redacted_one_no_names() {
    in_namespace(|| {
        let (_folder, path) = place(b"secret a\nsecret b");
        let _listener = UnixListener::bind(&path).unwrap();
        let _other = abstract_listener(b"secret c");
        let _population = populate();
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (plain, redacted) = (place("plain"), place("redacted"));
        run(&["record", &plain]).exited(0);
        run(&["record", "--redact", &redacted]).exited(0);
        let of = |from: &str, collector| {
            let ran = run_by(collector, &["--from", from, "-xa0", "--netlink", "--json"]);
            ran.exited(0).json()["sockets"].as_array().unwrap().clone()
        };
        for collector in Collector::BOTH {
            let (before, after) = (of(&plain, collector), of(&redacted, collector));
            assert_eq!(before.len(), after.len(), "{collector:?}");
            let names = |sockets: &[Value]| -> BTreeSet<String> {
                let names = sockets.iter().map(|socket| &socket["local"]["path"]);
                names.map(Value::to_string).collect()
            };
            assert_eq!(names(&before).len(), names(&after).len());
        }
        let by_both: [BTreeSet<String>; 2] = Collector::BOTH.map(|collector| {
            let sockets = of(&redacted, collector);
            sockets
                .iter()
                .map(|socket| socket["local"]["path"].to_string())
                .collect()
        });
        assert_eq!(by_both[0], by_both[1], "the same name, the same substitute");
        for file in ["diag/unix.nlmsg", "proc/net/unix"] {
            let read = |from: &str| fs::read(format!("{from}/{file}")).unwrap();
            let holds = |bytes: &[u8]| bytes.windows(6).any(|window| window == b"secret");
            assert!(holds(&read(&plain)) && !holds(&read(&redacted)), "{file}");
        }
    });
}

#[test]
fn damage_is_told_and_what_came_before_it_is_listed() {
    let row = |inode: u32| {
        let mut row = vec![1, 1, 10, 0];
        row.extend(inode.to_ne_bytes());
        row.extend([inode as u8, 0, 0, 0, 0, 0, 0, 0]);
        // A name that claims more than there is.
        row.extend(200u16.to_ne_bytes());
        row.extend([0, 0, b'/']);
        portstat::wire::netlink::framed(20, 2, 1, &row)
    };
    let end = portstat::wire::netlink::framed(DONE, 2, 1, &[0; 4]);
    let dump = [row(7), row(8), end].concat();
    for cut in 1..=dump.len() {
        let recording = Recording::empty().with("diag/unix.nlmsg", &dump[..cut]);
        let ran = run(&["--from", recording.path(), "-xlH"]);
        assert!(matches!(ran.code, 0 | 4), "{}", ran.stderr);
        assert_eq!(
            ran.stderr.is_empty(),
            cut == dump.len(),
            "{cut}: {}",
            ran.stderr
        );
        assert!(ran.text().lines().count() <= 2);
    }
    let short = portstat::wire::netlink::framed(20, 2, 1, &[1; 15]);
    let other = portstat::wire::netlink::framed(20, 2, 1, &[2; 40]);
    let dump = [short, other, dump].concat();
    let recording = Recording::empty().with("diag/unix.nlmsg", dump);
    let ran = run(&["--from", recording.path(), "-xlH"]).exited(0);
    assert_eq!(ran.text().lines().count(), 2);
    assert!(
        ran.stderr.contains("row of 15 bytes, less than 16 (2 such"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_family_that_is_not_listed_is_refused_with_those_that_are() {
    for (family, reason) in [("vsock", "not listed"), ("x25", "no family")] {
        let ran = run(&["-a", "-f", family]).exited(2);
        assert!(ran.stderr.contains(reason), "{}", ran.stderr);
        assert!(
            ran.stderr.contains("inet6, link, unix or netlink"),
            "{}",
            ran.stderr
        );
    }
}

/// Insists on the processes whose sockets a filter leaves of the recording, by either way.
#[track_caller]
fn check_left(filter: &str, expected: &[&str]) {
    for collector in Collector::BOTH {
        let from = ["--from", "fixtures/hosts/unix", "--json"];
        let ran = run_by(
            collector,
            &[&from[..], &["-xap0", "--netlink", filter]].concat(),
        );
        let document = ran.exited(0).json();
        let sockets = document["sockets"].as_array().unwrap();
        let left: BTreeSet<&str> = sockets.iter().flat_map(comms).collect();
        let expected = expected.iter().copied().collect();
        assert_eq!(left, expected, "{filter}, {collector:?}");
    }
}

#[test]
fn filters_pick_sockets_by_their_owners_and_none_by_ports() {
    check_left("comm = syslogd or pid = 12", &["syslogd", "udevd"]);
    check_left("comm = sniffer dev = lo", &["sniffer"]);
    check_left("inode = 32583378", &["bus-daemon"]);
    check_left("sport = 1 or src ::/0 or autobound", &[]);
    check_left("not sport >= 0 and ( pid = 10 or pid = 11 )", &["sniffer"]);
    check_left("dport = 812 or dst any pid = 12", &[]);
    // Of raw sockets the kernel takes the protocol's number for a port.
    let from = ["--from", "fixtures/hosts/unix", "-awpH"];
    let ran = run(&[&from[..], &["sport = 1 and src 0.0.0.0/0"]].concat()).exited(0);
    assert!(ran.text().contains("ping") && ran.text().lines().count() == 1);
}
