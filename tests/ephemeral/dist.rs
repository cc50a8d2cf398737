//! The ready-made files: what they run is accepted, and what they ask for is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::prometheus::families;
use crate::support::portstat::{self, Ran};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

#[track_caller]
fn file(name: &str) -> String {
    let path = root().join("dist").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn names() -> Vec<String> {
    fs::read_dir(root().join("dist"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// The value of a key of a unit, which may come several times.
fn settings<'u>(unit: &'u str, key: &str) -> Vec<&'u str> {
    unit.lines()
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix('='))
        .collect()
}

/// The portstat in the lines of a crontab, which make its folder first.
fn of_crontab(text: &str) -> Vec<Vec<String>> {
    let jobs = text.lines().filter(|line| line.starts_with('*'));
    jobs.map(|line| {
        let (folder, command) = line.split_once(" && ").unwrap();
        assert_eq!(words(folder)[6..], ["mkdir", "-p", "/var/lib/portstat"]);
        words(command)
    })
    .collect()
}

/// What a unit runs, if that is portstat.
fn of_unit(text: &str) -> Vec<Vec<String>> {
    let commands = settings(text, "ExecStart").into_iter().map(words);
    commands
        .filter(|words| words[0].ends_with("portstat"))
        .collect()
}

/// The strings in quotes.
fn quoted(text: &str) -> Vec<String> {
    let mut parts = text.split('"').skip(1);
    let mut found = Vec::new();
    while let Some(part) = parts.next() {
        found.push(part.to_owned());
        parts.next();
    }
    found
}

/// What the check command of Icinga runs, with every argument that may be given.
fn of_icinga(text: &str) -> Vec<Vec<String>> {
    let line = |key: &str| text.lines().find(|line| line.trim().starts_with(key));
    let mut command = quoted(line("command = [").unwrap());
    let mut lines = text.lines().map(str::trim);
    while let Some(argument) = lines.find(|line| line.starts_with("\"--")) {
        command.extend(quoted(argument));
        let value = lines.find(|line| line.starts_with("value = ")).unwrap();
        command.push(match &quoted(value)[0][..] {
            "$portstat_warn$" => "80".to_owned(),
            "$portstat_crit$" => "95".to_owned(),
            "$portstat_src$" => "127.0.0.1".to_owned(),
            "$portstat_dst$" => "127.0.0.1:5432".to_owned(),
            value => panic!("{value} is not known here"),
        });
    }
    vec![command]
}

/// Runs what a file would run, on a recording, with its own files in a folder of ours.
#[track_caller]
fn run(command: &[String], host: &str, folder: &TempDir) -> Ran {
    assert!(
        command[0] == "portstat" || command[0] == "/usr/bin/portstat",
        "{command:?}"
    );
    let mut args = command[1..].to_vec();
    for index in 0..args.len() {
        if args[index] == "--state-file" || args[index] == "--textfile" {
            let name = Path::new(&args[index + 1]).file_name().unwrap().to_owned();
            args[index + 1] = folder.path().join(name).to_str().unwrap().to_owned();
        }
    }
    let recording = root().join("fixtures/hosts").join(host);
    args.extend(["--from".to_owned(), recording.to_str().unwrap().to_owned()]);
    portstat::run(&args)
}

/// Insists that a file runs portstat, which accepts what it is told and says how it stands.
#[track_caller]
fn check_commands(commands: &[Vec<String>]) {
    assert!(!commands.is_empty());
    for command in commands {
        for (host, code) in [("busy-client", 2), ("web-server", 0)] {
            let folder = tempfile::tempdir().unwrap();
            let ran = run(command, host, &folder);
            assert_eq!(ran.code, code, "{command:?} on {host}: {}", ran.stderr);
            let has = |flag: &str| command.iter().any(|word| word == flag);
            let quiet = has("--textfile") || (code == 0 && has("--quiet"));
            assert_eq!(ran.stdout.is_empty(), quiet, "{command:?} on {host}");
        }
    }
}

#[test]
fn the_crontab_works() {
    let commands = of_crontab(&file("portstat.cron"));
    check_commands(&commands);
    // A percent sign ends the line for cron.
    assert!(!commands.concat().concat().contains('%'));
    assert!(commands.concat().contains(&"--quiet".to_owned()));
}

#[test]
fn the_services_work() {
    check_commands(&of_unit(&file("portstat-ephemeral.service")));
    check_commands(&of_unit(&file("portstat-textfile.service")));
}

#[test]
fn the_textfile_of_the_service_is_where_node_exporter_looks() {
    let commands = of_unit(&file("portstat-textfile.service"));
    let folder = tempfile::tempdir().unwrap();
    run(&commands[0], "busy-client", &folder);
    let text = fs::read_to_string(folder.path().join("portstat.prom")).unwrap();
    assert!(families(&text).contains_key("portstat_ephemeral_worst_ratio"));
    let unit = file("portstat-textfile.service");
    let writable = settings(&unit, "ReadWritePaths");
    let path = commands[0].last().unwrap();
    assert_eq!(
        Path::new(path).parent().unwrap().to_str(),
        Some(writable[0])
    );
}

#[test]
fn the_check_of_icinga_works() {
    let commands = of_icinga(&file("portstat-icinga2.conf"));
    assert!(commands[0].contains(&"--dst".to_owned()), "{commands:?}");
    // What is asked for of one destination is not what is worst on the machine.
    let folder = tempfile::tempdir().unwrap();
    let ran = run(&commands[0], "busy-client", &folder);
    assert!(ran.text().starts_with("PORTS "), "{}", ran.text());
    let everything: Vec<String> = commands[0]
        .iter()
        .take_while(|word| *word != "--src")
        .cloned()
        .collect();
    check_commands(&[everything]);
}

#[test]
fn a_unit_that_fails_or_is_timed_is_there() {
    let names: BTreeSet<String> = names().into_iter().collect();
    let mut checked = 0;
    for name in &names {
        if let Some(timed) = name.strip_suffix(".timer") {
            assert!(names.contains(&format!("{timed}.service")), "{name}");
            checked += 1;
        }
        for unit in settings(&file(name), "OnFailure") {
            let (template, _) = unit.split_once('@').unwrap();
            assert!(names.contains(&format!("{template}@.service")), "{unit}");
            checked += 1;
        }
    }
    assert_eq!(checked, 3);
}

#[test]
fn the_sandbox_lets_through_what_is_needed_and_no_more() {
    for name in ["portstat-ephemeral.service", "portstat-textfile.service"] {
        let unit = file(name);
        let only = |key: &str| {
            let values = settings(&unit, key);
            assert_eq!(values.len(), 1, "{name}: {key}");
            words(values[0])
        };
        assert!(only("RestrictAddressFamilies").contains(&"AF_NETLINK".to_owned()));
        assert_eq!(
            only("CapabilityBoundingSet"),
            ["CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"]
        );
        assert_eq!(only("ProcSubset"), ["all"]);
        assert_eq!(only("ProtectProc"), ["default"]);
        assert_eq!(only("PrivateNetwork"), ["no"]);
        for key in ["NoNewPrivileges", "ProtectHome", "MemoryDenyWriteExecute"] {
            assert_eq!(only(key), ["yes"], "{key}");
        }
        assert_eq!(only("ProtectSystem"), ["strict"]);
    }
}

#[test]
fn the_alerts_are_on_metrics_there_are() {
    let host = root().join("fixtures/hosts/busy-client");
    let args = ["ephemeral", "--format", "prometheus", "--from"];
    let ran = portstat::run(&[&args[..], &[host.to_str().unwrap()]].concat());
    let known = families(ran.text());
    let alerts = file("portstat-alerts.yml");
    let in_metric = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut used = BTreeSet::new();
    for word in alerts.split(|c| !in_metric(c)) {
        if word.starts_with("portstat_") {
            assert!(known.contains_key(word), "{word}");
            used.insert(word);
        }
    }
    assert_eq!(used.len(), 3, "{used:?}");
}

#[test]
fn every_file_is_explained() {
    let readme = file("README.md");
    for name in names().iter().filter(|name| *name != "README.md") {
        let (stem, suffix) = name.rsplit_once('.').unwrap();
        // A timer stands beside its service.
        let beside = suffix == "timer" && readme.contains(&format!("`{stem}.service`, `.timer`"));
        assert!(readme.contains(&format!("`{name}`")) || beside, "{name}");
    }
}
