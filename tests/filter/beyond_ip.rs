//! Ends of unix, packet and netlink sockets: beside ss, and what ss has no word for.

#![allow(unsafe_code)]

use std::collections::BTreeSet;
use std::ffi::{CString, OsStr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};

use ::portstat::filter::{Glob, Naming};
use nix::sys::socket::{
    AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, connect, socket, socketpair,
};
use tempfile::TempDir;

use crate::support::namespace::in_namespace;
use crate::support::population::Random;
use crate::support::portstat::{self, Collector, run, run_by, words};
use crate::support::ss::{self, beside_ss};

/// Unix sockets with and without names, kept as long as this.
struct Sockets {
    folder: TempDir,
    names: Vec<String>,
    _fds: Vec<OwnedFd>,
}

fn abstract_listener(name: &[u8]) -> UnixListener {
    UnixListener::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap()
}

fn populate() -> Sockets {
    let folder = tempfile::Builder::new().prefix("F").tempdir().unwrap();
    let mut fds: Vec<OwnedFd> = Vec::new();
    let mut names = Vec::new();
    for name in ["a", "ab.sock", "AB.sock", "b-1", "b-2", "b^x", "x]y"] {
        let path = folder.path().join(name);
        let listener = UnixListener::bind(&path).unwrap();
        fds.push(UnixStream::connect(&path).unwrap().into());
        fds.push(listener.accept().unwrap().0.into());
        fds.push(listener.into());
        names.push(path.to_str().unwrap().to_owned());
    }
    for name in ["one", "One", "t\0w\0o"] {
        fds.push(abstract_listener(name.as_bytes()).into());
        names.push(format!("@{}", name.replace('\0', "@")));
    }
    fds.push(UnixDatagram::unbound().unwrap().into());
    let pair = |kind| socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC).unwrap();
    let (left, right) = pair(SockType::SeqPacket);
    fds.extend([left, right]);
    Sockets {
        folder,
        names,
        _fds: fds,
    }
}

/// A pattern that is like a name, and may or may not be one of it.
fn pattern(random: &mut Random, names: &[String]) -> String {
    let mut pattern = String::new();
    for c in random.pick(&names.iter().collect::<Vec<_>>()).chars() {
        match random.below(24) {
            0 => pattern.push('?'),
            1 => pattern.push('*'),
            2 => pattern.extend(['[', c, ']']),
            3 => pattern += "[!a-f]",
            4 => pattern += "[^0-9]",
            5 => pattern += "[[:alnum:]_]",
            6 => pattern.extend(c.to_uppercase()),
            7 => {}
            _ => pattern.push(c),
        }
    }
    match random.below(4) {
        0 => "*".to_owned(),
        1 => format!("{pattern}*"),
        _ => pattern,
    }
}

fn test(random: &mut Random, names: &[String]) -> String {
    let operator = random.pick(&["", "=", "==", "eq"]);
    let prefix = random.pick(&["", "unix:"]);
    let test = match random.below(8) {
        // To ss the name of a peer is empty, whatever it is.
        0 => format!("dst {operator} {prefix}*"),
        _ => format!("src {operator} {prefix}{}", pattern(random, names)),
    };
    match random.below(3) {
        0 => format!("not {test}"),
        _ => test,
    }
}

/// The lines of a listing as words.
fn lines(text: &str) -> BTreeSet<Vec<String>> {
    text.lines().map(words).collect()
}

#[test]
fn random_patterns_let_pass_what_they_do_in_ss() {
    beside_ss(|| {
        let sockets = populate();
        let mut random = Random(21);
        let mut passed = 0;
        for _ in 0..300 {
            let mut filter = test(&mut random, &sockets.names);
            for _ in 0..random.below(3) {
                let operator = random.pick(&["and", "or", "&", "||"]);
                let next = test(&mut random, &sockets.names);
                filter = format!("( {filter} ) {operator} ( {next} )");
            }
            let args = words(&format!("-xanH {filter}"));
            let ours = run(&args).exited(0).quietly();
            let expected = ss::text(&args);
            assert_eq!(lines(ours.text()), lines(&expected), "{filter}");
            passed += expected.lines().count();
        }
        assert!(passed > 300, "{passed}");
        drop(sockets);
    });
}

#[test]
fn random_patterns_are_those_of_fnmatch() {
    // FNM_CASEFOLD of glibc.
    const CASEFOLD: i32 = 1 << 4;
    let mut random = Random(22);
    let pieces = [
        "*",
        "?",
        "a",
        "B",
        "[",
        "]",
        "[a-",
        "b]",
        "[!",
        "[^",
        "-",
        "\\",
        "[[:digit:]",
        "[[:al",
        "pha:]",
        ".",
        "/",
        "7",
        "[]a]",
        "^",
        "!",
        "[\\]",
        "[a\\-z]",
        "Z]",
    ];
    let letters = [
        "a", "A", "b", "z", "]", "[", "-", "7", "/", ".", "^", "!", "\\", "q",
    ];
    for _ in 0..200_000 {
        let mut text = |pieces: &[&str], most| -> String {
            let count = random.below(most);
            (0..count).map(|_| random.pick(pieces)).collect()
        };
        let (pattern, name) = (text(&pieces, 7), text(&letters, 5));
        let [c_pattern, c_name] = [&pattern, &name].map(|text| CString::new(&**text).unwrap());
        // SAFETY: Both are strings of C that outlive the call.
        let answer = unsafe { libc::fnmatch(c_pattern.as_ptr(), c_name.as_ptr(), CASEFOLD) };
        let glob = Glob::new(pattern.as_bytes(), Naming::Any);
        let expected = answer == 0 || pattern.eq_ignore_ascii_case(&name);
        assert_eq!(glob.matches(name.as_bytes()), expected, "{pattern} {name}");
    }
}

/// How many unix sockets a filter leaves, by either way.
#[track_caller]
fn check(filter: &str, expected: usize) {
    for collector in Collector::BOTH {
        let ran = run_by(collector, &["-xaH", filter]).exited(0);
        assert_eq!(
            ran.text().lines().count(),
            expected,
            "{filter} {collector:?}"
        );
    }
}

#[test]
fn any_name_can_be_written_as_it_is_printed() {
    in_namespace(|| {
        let folder = tempfile::tempdir().unwrap();
        std::env::set_current_dir(folder.path()).unwrap();
        let names: [&[u8]; 8] = [
            b"a b",
            b"n\nl\xff",
            b"st*r",
            b"[1]",
            br"back\slash",
            b"'\"q",
            b"(=!&|<>)",
            b"@path",
        ];
        let _sockets: Vec<UnixListener> = names
            .iter()
            .map(|name| UnixListener::bind(OsStr::from_bytes(name)).unwrap())
            .collect();
        let _abstract = abstract_listener(b"path");
        let _other = abstract_listener(b"a\xff \0b");
        let listed = run(&["-xlH", "--columns", "path"]).exited(0);
        let printed: Vec<&str> = listed.text().split_whitespace().collect();
        assert_eq!(printed.len(), 10, "{printed:?}");
        for name in printed {
            let quoted = format!("src \"unix:{name}\"");
            let ran = run(&["-xlH", "--columns", "path", &quoted]).exited(0);
            assert_eq!(ran.text().trim(), name, "{quoted}");
        }
        // In /proc they look the same.
        for name in ["@path", r"\x40path"] {
            let ran = run(&["-xlH", "src", name]).exited(0);
            assert_eq!(ran.text().lines().count(), 1, "{name}");
        }
        check("src ?path", 2);
        check(r"src 'a b' or src n\x0al\xff", 2);
        check(r"src unix:a\ b", 1);
    });
}

#[test]
fn arguments_are_bytes() {
    in_namespace(|| {
        let folder = tempfile::tempdir().unwrap();
        std::env::set_current_dir(folder.path()).unwrap();
        let _listener = UnixListener::bind(OsStr::from_bytes(b"x\xff\xe9y")).unwrap();
        let _other = UnixListener::bind("other").unwrap();
        let mut command = portstat::command(&["-xlH", "src"]);
        command.arg(OsStr::from_bytes(b"x\xff\xe9y"));
        let ran = portstat::finish(&mut command).exited(0);
        assert_eq!(ran.text().lines().count(), 1);
        // Between single quotes nothing stands for anything else.
        let mut command = portstat::command(&["-xlH", "src"]);
        command.arg(OsStr::from_bytes(b"'x\xff'"));
        let ran = portstat::finish(&mut command).exited(2);
        assert!(ran.stderr.contains(r"\xNN"), "{}", ran.stderr);
    });
}

#[test]
fn a_peer_is_known_by_its_name() {
    in_namespace(|| {
        let sockets = populate();
        let folder = sockets.folder.path().to_str().unwrap();
        let of = |filter: &str| {
            let ran = run(&["-xaH", "--columns", "state,path,peer_path", filter]).exited(0);
            let mut rows: Vec<_> = ran.quietly().text().lines().map(words).collect();
            rows.sort();
            rows
        };
        assert_eq!(
            of(&format!("dst {folder}/b-?")),
            ["1", "2"]
                .map(|number| ["ESTAB", "-", &format!("{folder}/b-{number}")].map(str::to_owned))
        );
        assert!(of(&format!("dst {folder}/c*")).is_empty());
        // Whoever has no peer has none with a name.
        let unnamed = of("dst unix: and src unix:");
        assert_eq!(unnamed.len(), 3, "{unnamed:?}");
        // ss prints no names of peers, and plain none either.
        let plain = run(&["-xaH", &format!("dst {folder}/b-1")]).exited(0);
        assert!(!plain.text().contains("b-1"), "{}", plain.text());
    });
}

#[test]
fn families_are_shown_that_the_filter_speaks_of() {
    in_namespace(|| {
        let sockets = populate();
        let path = &sockets.names[0];
        let _tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        for (args, expected) in [
            (vec!["-aH", &format!("src unix:{path}")], 2),
            (vec!["-lH", &format!("src unix:{path}")], 1),
            (vec!["-xlH", "src", path], 1),
            (vec!["-xtlH", "src", path], 1),
            (vec!["-xtlH", &format!("src {path} or src 127.0.0.1")], 2),
            (vec!["-lH", &format!("src unix:{path} or src 127.0.0.1")], 2),
            (vec!["-tlH", &format!("src unix:{path}")], 0),
            (vec!["-xlH", "src inet:127.0.0.1"], 0),
            (vec!["-tlH", "not src unix:*"], 1),
        ] {
            let ran = run(&args).exited(0);
            assert_eq!(ran.text().lines().count(), expected, "{args:?}");
        }
        for flags in ["-tl", "-l"] {
            let ran = run(&[flags, "src", "/run/x"]).exited(2);
            assert!(ran.stderr.contains("unix:/path"), "{}", ran.stderr);
        }
        // Nothing was asked of connections.
        assert_eq!(run(&["-q", "src", "unix:/no*"]).code, 1);
    });
}

/// Packet and netlink sockets.
fn links() -> Vec<OwnedFd> {
    let cloexec = SockFlag::SOCK_CLOEXEC;
    let mut fds = Vec::new();
    for (kind, protocol) in [
        (SockType::Raw, 0x0003),
        (SockType::Datagram, 0x0800),
        (SockType::Raw, 0x88cc),
    ] {
        let protocol = i32::from(u16::to_be(protocol));
        // SAFETY: socket takes numbers, and gives a descriptor that is ours.
        let fd =
            unsafe { libc::socket(libc::AF_PACKET, kind as i32 | libc::SOCK_CLOEXEC, protocol) };
        assert!(fd >= 0, "{}", std::io::Error::last_os_error());
        // SAFETY: It was just made, and nobody else has it.
        fds.push(unsafe { std::os::fd::FromRawFd::from_raw_fd(fd) });
    }
    bind_to_loopback(&fds[1]);
    let netlink =
        |protocol| socket(AddressFamily::Netlink, SockType::Raw, cloexec, protocol).unwrap();
    for (protocol, port) in [
        (SockProtocol::NetlinkRoute, 7001),
        (SockProtocol::NetlinkRoute, 7002),
        (SockProtocol::NetlinkUserSock, 7002),
        (SockProtocol::NetlinkGeneric, 4_294_963_200),
    ] {
        let fd = netlink(protocol);
        bind(fd.as_raw_fd(), &NetlinkAddr::new(port, 0)).unwrap();
        fds.push(fd);
    }
    let connected = netlink(SockProtocol::NetlinkUserSock);
    connect(connected.as_raw_fd(), &NetlinkAddr::new(7002, 0)).unwrap();
    fds.push(connected);
    fds
}

/// Binds a packet socket to the first interface.
fn bind_to_loopback(fd: &OwnedFd) {
    // SAFETY: Zeros are such an address.
    let mut addr: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    addr.sll_family = libc::AF_PACKET as u16;
    addr.sll_protocol = u16::to_be(0x0800);
    addr.sll_ifindex = 1;
    let length = u32::try_from(size_of_val(&addr)).unwrap();
    // SAFETY: The pointer is to an address of this length, which outlives the call.
    let bound = unsafe { libc::bind(fd.as_raw_fd(), (&raw const addr).cast(), length) };
    assert_eq!(bound, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn packet_and_netlink_sockets_as_in_ss() {
    beside_ss(|| {
        let _sockets = links();
        let mut passed = 0;
        for filter in [
            "-0 src link:*",
            "-0 src link:all",
            "-0 src link:ip",
            "-0 src link:IPv4:lo",
            "-0 src link::lo",
            "-0 src *:lo",
            "-0 src *:1",
            "-0 src ip:2",
            "-0 src LLDP",
            "-0 src 0x88cc",
            "-0 not src ip",
            "-0 sport = lo",
            "-0 sport = 1",
            "-0 sport != link:lo",
            "-0 dst *",
            "-0 dst ip",
            "src link:ip",
            "src netlink:rtnl:7001",
            "-f netlink src rtnl",
            "-f netlink src 0",
            "-f netlink src *:7002",
            "-f netlink src rtnl:7002",
            "-f netlink src usersock:7002",
            "-f netlink src genl:-4096",
            "-f netlink src rtnl:kernel",
            "-f netlink not src rtnl",
            "-f netlink sport = 7001",
            "-f netlink sport = kernel and src rtnl",
            "-f netlink sport >= 7001 and sport <= 7001",
            "-f netlink sport != netlink:7001 and src rtnl",
            "-f netlink dst *",
        ] {
            let args = words(&format!("-aOH {filter}"));
            // Each listing is made over a netlink socket of its own.
            let own = |line: &Vec<String>| !line.iter().any(|word| word.starts_with("tcpdiag:"));
            let ours = run(&args).exited(0);
            let expected = ss::text(&args);
            let of = |text: &str| lines(text).into_iter().filter(own).collect::<BTreeSet<_>>();
            let with_netid = of(ours.text());
            assert_eq!(with_netid, of(&expected), "{filter}");
            passed += with_netid.len();
        }
        assert!(passed > 30, "{passed}");
    });
}

#[test]
fn of_peers_ss_knows_nothing() {
    in_namespace(|| {
        let _sockets = links();
        let count = |args: &[&str]| run(args).exited(0).text().lines().count();
        // Only one is connected; ss finds them all, or none.
        assert_eq!(count(&["--netlink", "-aH", "dst usersock"]), 1);
        assert_eq!(count(&["--netlink", "-aH", "dst usersock:7002"]), 1);
        assert_eq!(count(&["--netlink", "-aH", "dport = 7002"]), 1);
        assert_eq!(count(&["--netlink", "-aH", "dst rtnl"]), 0);
        // The kernel's names will do as well.
        assert_eq!(count(&["--netlink", "-aH", "src route:7001"]), 1);
        assert_eq!(count(&["--netlink", "-H", "src netlink:route:7001"]), 1);
        assert_eq!(count(&["-H", "src netlink:route:7001"]), 1);
        assert_eq!(count(&["-H", "src link:ip:lo"]), 1);
    });
}

#[test]
fn what_makes_no_sense_is_told() {
    for (filter, expected) in [
        ("src link:nope", "no protocol of frames is called nope"),
        ("src link:ip:nope", "no such interface"),
        ("src netlink:nope", "no netlink protocol is called nope"),
        ("src netlink:rtnl:nope", "nope is no port id"),
        ("sport unix:7", "unix sockets have no ports"),
        ("sport > link:lo", "interfaces have no order"),
        ("src vsock:1", "expected"),
    ] {
        let ran = run(&["-a", filter]).exited(2);
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
}
