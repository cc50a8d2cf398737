//! Every command over every recording in `fixtures/hosts`, compared with what it printed when it
//! was last looked at: `fixtures/golden/HOST/NAME`.
//!
//! After a change that is meant: `PORTSTAT_BLESS=1 cargo test --test replay`, then read the diff.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The commands, and the file below the golden folder of a host that keeps what they print.
const COMMANDS: &[(&str, &[&str])] = &[
    ("overview", &[]),
    ("tlnp", &["-tlnp"]),
    ("tan", &["-tan"]),
    ("tuanpoe", &["-tuanpoe"]),
    ("tuanoemi", &["-tuanoemi", "--tos"]),
    ("json-details", &["-tuami", "--tos", "--json"]),
    ("csv-details", &["-tuami", "--format", "csv"]),
    ("tua", &["-tua"]),
    ("tulp-resolved", &["-tulpr"]),
    ("table", &["-tuapo", "--format", "table"]),
    (
        "table-colored",
        &["-tuape", "--format", "table", "--color", "always"],
    ),
    ("summary", &["-s"]),
    ("ephemeral", &["ephemeral"]),
    ("ephemeral-json", &["ephemeral", "--json"]),
    ("ephemeral-nagios", &["ephemeral", "--format", "nagios"]),
    (
        "ephemeral-prometheus",
        &["ephemeral", "--format", "prometheus"],
    ),
    ("json", &["-tuape", "--json"]),
    ("jsonl", &["-tuap", "--format", "jsonl"]),
    ("csv", &["-tuap", "--format", "csv"]),
    (
        "columns",
        &[
            "-tua",
            "--columns",
            "state,local,unit,exe,pid,class",
            "--sort",
            "-local_port",
        ],
    ),
    (
        "filter",
        &[
            "-tuan",
            "exclude",
            "time-wait",
            "dport",
            "=",
            ":80",
            "or",
            "src",
            "::/0",
        ],
    ),
];

/// Those that list sockets beyond TCP and UDP, over the one host that has any.
const BEYOND_IP: &[(&str, &[&str])] = &[
    ("beyond-ip-plain", &["-xw0pem", "--netlink"]),
    ("beyond-ip-numeric", &["-xw0anOem", "--netlink"]),
    (
        "beyond-ip-table",
        &["-xw0pea", "--netlink", "--format=table"],
    ),
    ("beyond-ip-json", &["-xw0peam", "--netlink", "--json"]),
    ("beyond-ip-csv", &["-xw0pea", "--netlink", "--format=csv"]),
    (
        "beyond-ip-columns",
        &[
            "-xa",
            "--columns=kind,path,process,peer_path,peer_process",
            "--sort=path",
        ],
    ),
    ("beyond-ip-summary", &["-sxw0", "--netlink"]),
];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn hosts() -> Vec<String> {
    let mut hosts: Vec<String> = fs::read_dir(fixtures().join("hosts"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    hosts.sort();
    hosts
}

fn portstat(from: &Path, arguments: &[&str], collector: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portstat"));
    command.arg("--from").arg(from).args(arguments);
    command
        .env_remove("PORTSTAT_COLLECTOR")
        .env_remove("PORTSTAT_OWNERS")
        .env_remove("NO_COLOR");
    if let Some(collector) = collector {
        command.env("PORTSTAT_COLLECTOR", collector);
    }
    command.output().unwrap()
}

fn told(output: &Output) -> String {
    format!(
        "{}--- stderr, exit {}\n{}",
        String::from_utf8(output.stdout.clone()).expect("UTF-8"),
        output.status.code().expect("an exit code"),
        String::from_utf8(output.stderr.clone()).expect("UTF-8"),
    )
}

#[track_caller]
fn check_golden(host: &str, name: &str, text: &str) {
    let file = fixtures().join("golden").join(host).join(name);
    if std::env::var_os("PORTSTAT_BLESS").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        return;
    }
    let expected =
        fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert_eq!(text, expected, "{host}: {name}");
}

#[test]
fn every_command_over_every_host() {
    let hosts = hosts();
    assert!(hosts.len() >= 6, "{hosts:?}");
    for host in &hosts {
        let from = fixtures().join("hosts").join(host);
        let beyond_ip = match &host[..] {
            "unix" => BEYOND_IP,
            _ => &[],
        };
        for (name, arguments) in COMMANDS.iter().chain(beyond_ip) {
            check_golden(host, name, &told(&portstat(&from, arguments, None)));
            let by_proc = portstat(&from, arguments, Some("proc"));
            check_golden(host, &format!("{name}.proc"), &told(&by_proc));
        }
    }
}

#[test]
fn a_dump_alone_lists_the_same_sockets() {
    let folder = fixtures().join("hosts/busy-client");
    let whole = portstat(&folder, &["-tanH"], None);
    let dump = portstat(&folder.join("diag/tcp.nlmsg"), &["-tanH"], None);
    assert_eq!(dump.stdout, whole.stdout);
    assert!(!whole.stdout.is_empty());
}

#[test]
fn a_bare_copy_of_proc_lists_what_proc_tells() {
    let folder = fixtures().join("hosts/web-server");
    let copy = portstat(&folder.join("proc"), &["-tanpH"], None);
    let recording = portstat(&folder, &["-tanpH"], Some("proc"));
    assert_eq!(copy.stdout, recording.stdout);
    assert!(String::from_utf8_lossy(&copy.stdout).contains("nginx"));
}

#[test]
fn a_recording_of_a_recording_is_the_same_again() {
    for host in hosts() {
        let from = fixtures().join("hosts").join(&host);
        let folder = tempfile::tempdir().unwrap();
        let again = folder.path().join("again");
        let recorded = portstat(&from, &["record", again.to_str().unwrap()], None);
        assert!(recorded.status.success(), "{}", told(&recorded));
        let beyond_ip = ["-xw0pema", "--netlink", "--json"];
        let mut commands = vec![&["-tuanpoe"][..], &["--json", "-tuap"], &["-s"]];
        commands.extend((host == "unix").then_some(&beyond_ip[..]));
        for arguments in commands {
            assert_eq!(
                told(&portstat(&again, arguments, None)),
                told(&portstat(&from, arguments, None)),
                "{host} {arguments:?}"
            );
        }
    }
}

/// A dump longer than one read of the file, in which a family ends in the middle.
#[test]
fn a_long_recording_loses_nothing_when_it_is_recorded_again() {
    use portstat::wire::netlink::framed;
    let row = |family: u8, port: u16, cookie: u32| {
        let mut row = [0; 72];
        (row[0], row[1]) = (family, 10);
        row[4..6].copy_from_slice(&port.to_be_bytes());
        row[44..48].copy_from_slice(&cookie.to_ne_bytes());
        framed(20, 2, 1, &row)
    };
    let mut dump = Vec::new();
    let mut cookie = 0;
    for (family, count) in [(2, 800), (10, 1200)] {
        for port in 1..=count {
            cookie += 1;
            dump.extend(row(family, port, cookie));
        }
        dump.extend(framed(3, 2, 1, &[0; 4]));
    }
    let folder = tempfile::tempdir().unwrap();
    let (first, again) = (folder.path().join("first"), folder.path().join("again"));
    fs::create_dir_all(first.join("diag")).unwrap();
    fs::write(first.join("diag/tcp.nlmsg"), &dump).unwrap();
    let recorded = portstat(&first, &["record", again.to_str().unwrap()], None);
    assert!(
        told(&recorded).starts_with("recorded 2000 sockets"),
        "{}",
        told(&recorded)
    );
    assert_eq!(fs::read(again.join("diag/tcp.nlmsg")).unwrap(), dump);
}

#[test]
fn a_redacted_recording_keeps_its_shape_and_nothing_else() {
    let from = fixtures().join("hosts/web-server");
    let folder = tempfile::tempdir().unwrap();
    let redacted = folder.path().join("redacted");
    let output = portstat(
        &from,
        &["record", "--redact", redacted.to_str().unwrap()],
        None,
    );
    assert!(output.status.success(), "{}", told(&output));
    let rows = |from: &Path| {
        let output = portstat(from, &["-tuanpH"], None);
        String::from_utf8(output.stdout).unwrap()
    };
    let (before, after) = (rows(&from), rows(&redacted));
    assert_eq!(before.lines().count(), after.lines().count());
    for secret in ["nginx", "curl", "web-server"] {
        assert!(!after.contains(secret), "{secret}");
        let found = Command::new("grep")
            .args(["-rl", secret])
            .arg(&redacted)
            .output()
            .unwrap();
        assert!(found.stdout.is_empty(), "{secret}: {found:?}");
    }
}
