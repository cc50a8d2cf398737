//! Commands that are advised for another network namespace act there, and not where they are
//! pasted.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;

use nix::sys::socket::SockType;
use serde_json::Value;
use support::dial::{Source, await_row, dial};
use support::mounts::mount;
use support::namespace::{in_namespace, is_forbidden, skip};
use support::netns::{Room, empty_run, name_netns};
use support::portstat::{output, run};

/// The program that is tested.
const PORTSTAT: &str = env!("CARGO_BIN_EXE_portstat");
/// The port that somebody has in each namespace.
const PORT: u16 = 8080;
const FIRST_FREE_FOR_ALL: &str = "net.ipv4.ip_unprivileged_port_start";
const RESERVED: &str = "net.ipv4.ip_local_reserved_ports";
const RANGE: &str = "net.ipv4.ip_local_port_range";

/// Runs the test in a namespace where names may be given to others.
fn with_names(body: impl FnOnce()) {
    in_namespace(|| match empty_run() {
        Ok(()) => body(),
        Err(error) if is_forbidden(&error) => skip(&error),
        Err(error) => panic!("{error}"),
    });
}

/// Runs a command as it is pasted into a shell.
#[track_caller]
fn paste(command: &str) -> String {
    // As it is printed it asks first.
    let command = match command.strip_prefix("portstat ") {
        Some(arguments) if arguments.contains("K state") => format!("{PORTSTAT} {arguments} --yes"),
        _ => command.to_owned(),
    };
    let ran = output(Command::new("sh").args(["-ec", &command]));
    assert!(ran.status.success(), "{command}: {ran:?}");
    String::from_utf8(ran.stdout).unwrap().trim().to_owned()
}

/// What a setting is here.
fn here(name: &str) -> String {
    let path = format!("/proc/sys/{}", name.replace('.', "/"));
    fs::read_to_string(path).unwrap().trim().to_owned()
}

/// What a setting is in a namespace.
fn there(room: &Room, name: &str) -> String {
    paste(&format!("nsenter --net={} sysctl -n {name}", room.path()))
}

fn set_there(room: &Room, name: &str, value: &str) {
    let path = room.path();
    paste(&format!("nsenter --net={path} sysctl -w {name}='{value}'"));
}

/// The command among the fixes of the first answer.
#[track_caller]
fn fix(document: &Value, part: &str) -> String {
    let fixes = document["answers"][0]["blockers"][0]["fixes"].as_array();
    let commands = fixes
        .unwrap()
        .iter()
        .filter_map(|fix| fix["command"].as_str());
    let mut fitting = commands.filter(|command| command.contains(part));
    fitting
        .next()
        .unwrap_or_else(|| panic!("{document}"))
        .to_owned()
}

/// Insists that a fix for a namespace called so acts there alone.
#[track_caller]
fn check_why(called: &str, begins: &str, room: &Room) {
    let before = here(FIRST_FREE_FOR_ALL);
    set_there(room, FIRST_FREE_FOR_ALL, "1024");
    let args = ["-N", called, "why", "80", "--user", "4321"];
    let document = run(&[&args[..], &["--json"]].concat()).exited(1).json();
    let command = fix(&document, FIRST_FREE_FOR_ALL);
    assert!(command.starts_with(begins), "{command}");
    let told = run(&args).exited(1);
    assert!(
        told.text().contains(&format!("    {command}\n")),
        "{}",
        told.text()
    );
    paste(&command);
    assert_eq!(there(room, FIRST_FREE_FOR_ALL), "80", "{command}");
    assert_eq!(here(FIRST_FREE_FOR_ALL), before, "{command}");
}

#[test]
fn what_why_advises_acts_in_the_namespace_that_was_asked_about() {
    with_names(|| {
        let room = Room::listening("web", PORT);
        let file = room.path();
        for name in ["blue", "all", "-x", "it's"] {
            name_netns(name, &file).unwrap();
        }
        let odd = "/run/a b";
        fs::File::create(odd).unwrap();
        mount(&file, odd, "", libc::MS_BIND).unwrap();

        check_why("blue", "ip netns exec blue sysctl", &room);
        check_why("it's", r"ip netns exec 'it'\''s' sysctl", &room);
        check_why(
            "/run/netns/all",
            "nsenter --net=/run/netns/all sysctl",
            &room,
        );
        check_why("/run/netns/-x", "nsenter --net=/run/netns/-x sysctl", &room);
        check_why(odd, "nsenter --net='/run/a b' sysctl", &room);
        let by_process = format!("nsenter --net={file} sysctl");
        check_why(&file, &by_process, &room);
        check_why(&room.process.pid().to_string(), &by_process, &room);
    });
}

#[test]
fn where_one_is_already_commands_stay_as_they_are() {
    with_names(|| {
        name_netns("here", "/proc/self/ns/net").unwrap();
        let pid = std::process::id().to_string();
        for place in ["self", "here", &pid] {
            let args = ["-N", place, "why", "80", "--user", "4321", "--json"];
            let command = fix(&run(&args).exited(1).json(), FIRST_FREE_FOR_ALL);
            assert_eq!(command, format!("sysctl -w {FIRST_FREE_FOR_ALL}=80"));
        }
    });
}

#[test]
fn an_address_is_given_to_an_interface_of_the_namespace() {
    with_names(|| {
        let room = Room::listening("web", PORT);
        name_netns("blue", &room.path()).unwrap();
        let args = ["-N", "blue", "why", "10.9.8.7:81", "--json"];
        let command = fix(&run(&args).exited(1).json(), "ip addr add");
        paste(&command);
        run(&args).exited(0);
        run(&args[2..]).exited(1);
    });
}

#[test]
fn what_a_server_left_is_destroyed_in_the_namespace() {
    with_names(|| {
        let room = Room::listening("web", PORT);
        name_netns("blue", &room.path()).unwrap();
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 9000));
        // The same connection here and there.
        let leave = || {
            let listener = TcpListener::bind(at).unwrap();
            let from = SocketAddr::from((Ipv4Addr::LOCALHOST, 9001));
            let client = dial(SockType::Stream, Source::Exactly(from), at).unwrap();
            drop(listener.accept().unwrap());
            drop(client);
            await_row("TIME-WAIT", at);
        };
        leave();
        room.enter(leave);
        let args = ["-N", "blue", "why", "127.0.0.1:9000", "--json"];
        let command = fix(&run(&args).exited(1).json(), "state time-wait");
        paste(&command);
        run(&args).exited(0);
        run(&args[2..]).exited(1);
    });
}

#[test]
fn a_recording_tells_how_to_get_to_its_namespace() {
    with_names(|| {
        let room = Room::listening("web", PORT);
        name_netns("blue", &room.path()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for (called, begins) in [
            ("blue", "ip netns exec blue sysctl".to_owned()),
            (
                &room.path(),
                format!("nsenter --net={} sysctl", room.path()),
            ),
        ] {
            let recording = folder.path().join(begins.replace('/', "-"));
            let recording = recording.to_str().unwrap();
            run(&["-N", called, "record", recording]).exited(0);
            let args = ["--from", recording, "why", "80", "--user", "4321", "--json"];
            let command = fix(&run(&args).exited(1).json(), FIRST_FREE_FOR_ALL);
            assert!(command.starts_with(&begins), "{command}");
        }
    });
}

/// The command that reserves the ports of listeners in a namespace.
#[track_caller]
fn protect(document: &Value, room: &Room) -> String {
    let namespaces = document["netns"].as_array().unwrap();
    let of_room = namespaces.iter().find(|one| one["id"] == room.inode);
    let command = of_room.unwrap_or_else(|| panic!("{document}"))["protect"].as_str();
    command.unwrap_or_else(|| panic!("{document}")).to_owned()
}

/// Insists that ports are reserved in a namespace alone by what was advised for it.
#[track_caller]
fn check_protect(command: &str, begins: &str, room: &Room) {
    assert!(command.starts_with(begins), "{command}");
    paste(command);
    assert_eq!(there(room, RESERVED), PORT.to_string(), "{command}");
    assert_eq!(here(RESERVED), "", "{command}");
    set_there(room, RESERVED, "");
}

#[test]
fn what_ephemeral_advises_acts_in_the_namespace_of_the_pool() {
    with_names(|| {
        let rooms = ["web", "api"].map(|name| Room::listening(name, PORT));
        let [named, nameless] = &rooms;
        name_netns("blue", &named.path()).unwrap();
        for room in &rooms {
            set_there(room, RANGE, "8000 8100");
        }
        let by_process = format!("nsenter --net={} sysctl", nameless.path());

        let args = ["-N", "blue", "ephemeral", "--format", "json"];
        let command = protect(&run(&args).exited(0).json(), named);
        let told = run(&args[..3]).exited(0);
        assert!(
            told.text().contains(&format!("    {command}\n")),
            "{}",
            told.text()
        );
        assert!(!told.text().contains("sysctl.d"), "{}", told.text());
        check_protect(&command, "ip netns exec blue sysctl", named);

        let pid = nameless.process.pid().to_string();
        let args = ["-N", &pid, "ephemeral", "--format", "json"];
        let command = protect(&run(&args).exited(0).json(), nameless);
        check_protect(&command, &by_process, nameless);

        let everywhere = run(&["-N", "all", "ephemeral", "--format", "json"]);
        let document = everywhere.json();
        let command = protect(&document, named);
        check_protect(&command, "ip netns exec blue sysctl", named);
        let command = protect(&document, nameless);
        check_protect(&command, &by_process, nameless);
    });
}
