//! The manual, the README, the help and the completions say what the program does.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/names.rs"]
mod names;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Output};
use std::time::SystemTime;

use clap::{Arg, CommandFactory as _};
use names::NamesThat;
use portstat::analyze::why::Cause;
use portstat::cli::{Args, Environment, Plan};
use portstat::model::{Destruction, Errno, Fate, Gap, HiddenCause, Obstacle, Protocol, Row, State};
use portstat::render::{Column, JsonFields, json_row};
use portstat::wire::inet_diag;
use serde_json::Value;

const MANUAL: &str = "man/portstat.1";
const README: &str = "README.md";
const PROGRAM: &str = env!("CARGO_BIN_EXE_portstat");

type Words = BTreeSet<String>;

fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn run(args: &[&str]) -> Output {
    Command::new(PROGRAM)
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("PORTSTAT_COLLECTOR")
        .env_remove("PORTSTAT_OWNERS")
        .output()
        .unwrap()
}

/// What a run prints.
fn stdout(args: &[&str]) -> String {
    let output = run(args);
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn assert_same(what: &str, in_manual: &Words, in_program: &Words) {
    let lacks: Vec<_> = in_program.difference(in_manual).collect();
    let invents: Vec<_> = in_manual.difference(in_program).collect();
    assert!(
        lacks.is_empty() && invents.is_empty(),
        "{what}: {MANUAL} lacks {lacks:?} and invents {invents:?}"
    );
}

/// Lines of the manual.
struct Page(Vec<String>);

impl Page {
    fn read() -> Page {
        Page(text(MANUAL).lines().map(str::to_owned).collect())
    }

    /// The lines below a heading (`Sh`, `Ss`), up to the next one of its kind or above.
    fn below(&self, heading: &str, title: &str) -> Page {
        let ends = |line: &&String| {
            line.starts_with(".Sh ") || (heading == "Ss" && line.starts_with(".Ss "))
        };
        let lines: Vec<String> = self
            .0
            .iter()
            .skip_while(|line| **line != format!(".{heading} {title}"))
            .skip(1)
            .take_while(|line| !ends(line))
            .cloned()
            .collect();
        assert!(!lines.is_empty(), "{MANUAL} has no .{heading} {title}");
        Page(lines)
    }

    /// The lines that begin list items.
    fn items(&self) -> Page {
        let items = self.0.iter().filter(|line| line.starts_with(".It "));
        Page(items.cloned().collect())
    }

    /// What is marked up with a macro, such as `Fl`: the word after each of its calls.
    fn marked(&self, name: &str) -> Words {
        let mut marked = Words::new();
        for line in self.0.iter().filter_map(|line| line.strip_prefix('.')) {
            let mut words = line.split_ascii_whitespace();
            while let Some(word) = words.next() {
                if word == name {
                    marked.extend(words.next().map(|word| word.replace("\\&", "")));
                }
            }
        }
        marked
    }

    /// Flags as they are typed: `-t`, `--tcp`; of a bundle each.
    fn flags(&self) -> Words {
        let mut flags = Words::new();
        for word in self.marked("Fl") {
            match word.strip_prefix('-') {
                Some(long) => {
                    flags.insert(format!("--{long}"));
                }
                None => flags.extend(word.chars().map(|short| format!("-{short}"))),
            }
        }
        flags
    }
}

/// The definition of the command line, help and version included.
fn definition() -> clap::Command {
    let mut definition = Args::command();
    definition.build();
    definition
}

fn flags_of(arg: &Arg) -> Words {
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    short.into_iter().chain(long).collect()
}

fn flags(command: &clap::Command) -> Words {
    command.get_arguments().flat_map(flags_of).collect()
}

/// The command and its subcommands.
fn commands() -> Vec<clap::Command> {
    let top = definition();
    let below: Vec<_> = top.get_subcommands().cloned().collect();
    assert!(!below.is_empty());
    [top].into_iter().chain(below).collect()
}

#[test]
fn the_manual_has_every_flag_and_no_other() {
    let page = Page::read();
    let all: Words = commands().iter().flat_map(flags).collect();
    assert!(all.contains("--format") && all.contains("-t") && all.contains("--redact"));
    assert_same("flags", &page.flags(), &all);

    // Those of the listing at the top, but for the ones that only tell of the program.
    let synopsis = page.below("Sh", "SYNOPSIS").flags();
    let listing = flags(&definition()).into_iter();
    let missing: Vec<_> = listing
        .filter(|flag| !synopsis.contains(flag))
        .filter(|flag| !["-h", "--help", "-V", "--version"].contains(&&flag[..]))
        .filter(|flag| !flag.starts_with("--") || ["--tos"].contains(&&flag[..]))
        .collect();
    assert!(missing.is_empty(), "not in the synopsis: {missing:?}");

    let described = page.items().flags();
    let missing: Vec<_> = flags(&definition())
        .difference(&described)
        .cloned()
        .collect();
    assert!(missing.is_empty(), "not described in a list: {missing:?}");
}

#[test]
fn the_manual_has_every_command_with_its_own_flags() {
    let page = Page::read();
    let everywhere = flags(&definition());
    for command in definition().get_subcommands() {
        let section = page.below("Sh", "COMMANDS").below("Ss", command.get_name());
        assert!(section.marked("Cm").contains(command.get_name()));
        let told = section.flags();
        for flag in flags(command).difference(&everywhere) {
            assert!(told.contains(flag), "{}: {flag}", command.get_name());
        }
        let places = section.marked("Ar");
        for place in command.get_positionals() {
            assert!(places.contains(place.get_id().as_str()), "{place}");
        }
    }
}

#[test]
fn the_manual_has_every_value_that_can_be_chosen() {
    let marked = Page::read().marked("Cm");
    let mut values = 0;
    for command in commands() {
        let taking = command
            .get_arguments()
            .filter(|arg| arg.get_action().takes_values());
        for value in taking.flat_map(Arg::get_possible_values) {
            values += 1;
            assert!(marked.contains(value.get_name()), "{}", value.get_name());
        }
    }
    assert!(values > 10, "only {values} values found");
}

#[test]
fn the_manual_has_every_column() {
    let columns = Page::read().below("Sh", "COLUMNS").items().marked("Cm");
    let all = Column::all().map(|column| column.name().to_owned());
    assert_same("columns", &columns, &all.collect());
}

#[test]
fn manual_and_readme_have_every_exit_code() {
    let recording = "--from=fixtures/hosts/bound";
    let mut codes = Words::new();
    for args in [
        &["--version"][..],
        &["-q", "-tl", recording, "sport = :9"],
        &["--no-such-flag"],
        &["-t", "no filter"],
        &["-t", "--from=/dev/null/nowhere"],
        &["ephemeral", "--no-such-flag"],
    ] {
        codes.insert(run(args).status.code().unwrap().to_string());
    }
    assert_eq!(codes.len(), 5);
    let items = Page::read().below("Sh", "EXIT STATUS").items();
    assert_same("exit codes", &items.marked("It"), &codes);

    let readme = text(README);
    let (_, table) = readme.split_once("## Exit codes").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let told: Words = table
        .lines()
        .filter_map(|line| line.split('|').nth(1))
        .map(|cell| cell.trim().to_owned())
        .filter(|cell| cell.parse::<u8>().is_ok())
        .collect();
    assert_same("exit codes of the README", &told, &codes);
}

#[test]
fn every_word_of_the_filter_language_is_understood() {
    // A name that is none of the language.
    let names = NamesThat(|name| name == "a");
    let understood = |filter: String| portstat::filter::parse(&filter, &names).is_ok();
    let words = Page::read().below("Sh", "FILTER").marked("Cm");
    for word in &words {
        assert!(
            understood(format!("{word} established"))
                || understood(format!("state {word}"))
                || understood(format!("sport {word} 1"))
                || understood(format!("{word} = :1"))
                || understood(format!("sport = 1 {word} sport = 2"))
                || understood(format!("{word} sport = 1"))
                || understood(format!("{word} = a"))
                || understood(format!("{word} = 1"))
                || understood(format!("{word} = 0x1/0xff"))
                || understood(word.clone()),
            "{word}"
        );
    }
    for state in (1..=11)
        .map(State::from_kernel)
        .chain([State::BoundInactive])
    {
        let name = state.name().to_ascii_lowercase();
        assert!(words.contains(&name), "{name}");
        assert!(understood(format!("state {name}")), "{name}");
    }
}

#[test]
fn every_example_of_an_address_or_a_port_is_understood() {
    let names = NamesThat(|name| ["http", "https", "localhost"].contains(&name));
    let section = Page::read().below("Sh", "FILTER").0;
    let from = |item: &str| {
        let start = section.iter().position(|line| line == item).unwrap();
        let end = |line: &&String| !line.starts_with(".It ") && *line != ".El";
        let lines = section[start + 1..].iter().take_while(end);
        Page(lines.cloned().collect()).marked("Ql")
    };
    let (ports, addresses) = (from(".It Cm sport , Cm dport"), from(".It Cm src , Cm dst"));
    assert!(ports.len() >= 4 && addresses.len() >= 12, "{addresses:?}");
    let filters = ports
        .iter()
        .map(|port| format!("sport {port}"))
        .chain(addresses.iter().map(|address| match &address[..] {
            family @ ("inet:" | "inet6:") => format!("src {family}127.0.0.1"),
            address => format!("src {address}"),
        }));
    for filter in filters {
        let query = portstat::filter::parse(&filter, &names);
        assert!(query.is_ok(), "{filter}: {query:?}");
    }
}

/// The keys of objects that the manual must name. Those of `groups` are names of states.
fn keys(value: &Value, found: &mut Words) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                found.insert(key.clone());
                match &key[..] {
                    "groups" => {}
                    // Each congestion control has numbers of its own, and TCP's are columns.
                    "congestion_control" => drop(found.insert("kind".to_owned())),
                    "tcp_info" => found.extend(["congestion", "options"].map(str::to_owned)),
                    _ => keys(value, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

#[test]
fn the_manual_has_every_key_of_json() {
    let mut found = Words::new();
    for args in [
        [
            "-tanpeor",
            "-Nself",
            "--json",
            "--from=fixtures/hosts/shared",
        ],
        ["-tanim", "--tos", "--json", "--from=fixtures/hosts/shared"],
        ["-tanp", "-e", "--json", "--from=fixtures/hosts/busy-client"],
        ["-tan", "-s", "--json", "--from=fixtures/hosts/bound"],
        [
            "-xw0peam",
            "--netlink",
            "--json",
            "--from=fixtures/hosts/unix",
        ],
        // A copy of /proc has gaps.
        ["-tan", "-p", "--json", "--from=fixtures/hosts/shared/proc"],
    ] {
        keys(&serde_json::from_str(&stdout(&args)).unwrap(), &mut found);
    }
    // What `-E` adds to each line, as no recording ends.
    let mut bytes = [0; inet_diag::ROW_LEN];
    bytes[0] = 2;
    let socket = inet_diag::socket(&bytes, Protocol::Udp).unwrap();
    let destruction = Destruction {
        at: SystemTime::UNIX_EPOCH,
        last_state: None,
    };
    let mut line = Vec::new();
    let row = Row {
        destruction: Some(&destruction),
        ..Row::bare(&socket)
    };
    json_row(&mut line, &row, JsonFields::default());
    keys(&serde_json::from_slice(&line).unwrap(), &mut found);
    let told = Page::read().below("Ss", "JSON").marked("Va");
    assert_same("keys of JSON", &told, &found);
}

#[test]
fn the_manual_tells_what_may_become_of_a_socket_to_be_destroyed() {
    let section = Page::read().below("Ss", "Destroying sockets");
    let keys = ["destroyed", "error"].map(str::to_owned);
    assert_same("keys", &section.marked("Va"), &keys.into());
    let fates = [
        Fate::Gone,
        Fate::Refused(Obstacle::Kernel(Errno::NotPermitted)),
        Fate::Refused(Obstacle::Kernel(Errno::NotSupported)),
        Fate::Refused(Obstacle::Kernel(Errno::Invalid)),
        Fate::Refused(Obstacle::Bound),
        Fate::Refused(Obstacle::Hidden),
        Fate::Refused(Obstacle::NoCookie),
        Fate::Refused(Obstacle::NoNamespace),
    ];
    let told = section.items().marked("It");
    let told = told.into_iter().filter(|word| word != "Fl").collect();
    assert_same(
        "errors",
        &told,
        &fates.into_iter().flat_map(Fate::error).collect(),
    );
}

#[test]
fn the_manual_has_every_key_of_the_report_on_ephemeral_ports() {
    let report = run(&["ephemeral", "--json", "--from=fixtures/hosts/busy-client"]);
    let mut report: Value = serde_json::from_slice(&report.stdout).unwrap();
    report.as_object_mut().unwrap().remove("collection");
    let mut found = Words::new();
    keys(&report, &mut found);
    assert!(found.contains("free_max") && found.contains("seconds_to_full"));
    let mut told = Page::read().below("Ss", "ephemeral").marked("Va");
    // Without a report there is a reason; ports by listeners have their addresses.
    for key in ["collection", "reason", "addresses", "port"] {
        assert!(told.remove(key), "{key}");
    }
    assert_same("keys of the report", &told, &found);
}

#[test]
fn the_manual_has_every_key_of_the_answer_to_why() {
    let mut found = Words::new();
    for args in [
        ["why", "80", "--json", "--from=fixtures/hosts/web-server"],
        [
            "why",
            "40000",
            "--json",
            "--from=fixtures/hosts/busy-client",
        ],
    ] {
        let answer = run(&args);
        let mut answer: Value = serde_json::from_slice(&answer.stdout).unwrap();
        answer.as_object_mut().unwrap().remove("collection");
        // Sockets are those of a list.
        answer["port"]["listeners"] = Value::Null;
        for answer in answer["answers"].as_array_mut().unwrap() {
            for blocker in answer["blockers"].as_array_mut().unwrap() {
                blocker["socket"] = Value::Null;
            }
        }
        keys(&answer, &mut found);
    }
    assert!(found.contains("frees_in_ms") && found.contains("parent"));
    let section = Page::read().below("Ss", "why");
    let mut told = section.marked("Va");
    // What a probe found is told only where there was one.
    for key in ["collection", "foretold", "agrees"] {
        assert!(told.remove(key), "{key}");
    }
    assert_same("keys of the answer", &told, &found);
}

#[test]
fn the_manual_has_every_cause() {
    let section = Page::read().below("Ss", "why");
    let items = section.items().0.join(" ");
    for cause in Cause::ALL {
        let name = cause.name();
        let is_told = items.split([' ', ',']).any(|word| word == name);
        assert!(is_told, "{MANUAL} lacks: {name}");
    }
}

#[test]
fn the_manual_has_every_reason_for_hidden_owners() {
    let page = Page::read();
    let told = page.below("Sh", "DIAGNOSTICS").items().0.join("\n");
    let reasons = page.below("Ss", "JSON").marked("Ql");
    for cause in [
        HiddenCause::Permission,
        HiddenCause::Protected,
        HiddenCause::Hidepid,
        HiddenCause::PidNamespace,
        HiddenCause::Vanished,
        HiddenCause::NotRecorded,
        HiddenCause::NoProc,
    ] {
        let warning = Gap::Owners { count: 2, cause }.to_string();
        let (head, why) = warning.split_once(": ").unwrap();
        assert_eq!(head, "owners of 2 sockets are hidden");
        let (why, _) = why.split_once(" (").unwrap();
        assert!(told.contains(why), "{MANUAL} lacks: {why}");
        assert!(reasons.contains(cause.name()), "{}", cause.name());
    }
}

#[test]
fn the_manual_is_clean_mdoc() {
    let lint = Command::new("mandoc")
        .args(["-T", "lint", "-W", "warning", MANUAL])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    match lint {
        Ok(lint) => assert!(lint.status.success() && lint.stdout.is_empty(), "{lint:?}"),
        Err(error) if std::env::var_os("CI").is_some_and(|value| !value.is_empty()) => {
            panic!("mandoc: {error}, but CI is set")
        }
        Err(error) => {
            // Past the capture of output that passing tests are subject to.
            let _ = writeln!(
                io::stderr(),
                "SKIPPED: the_manual_is_clean_mdoc: mandoc: {error}"
            );
        }
    }
}

/// The simple commands of a shell text, quotes removed.
fn shell_commands(text: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '\\') => match characters.next() {
                None | Some('\n') => {}
                Some(escaped) => word.get_or_insert_default().push(escaped),
            },
            (None, '#') if word.is_none() => while characters.next_if(|&c| c != '\n').is_some() {},
            (None, ' ' | '\t' | '\n' | '|' | ';' | '&' | '<' | '>' | '(' | ')') => {
                if let Some(command) = commands.last_mut() {
                    command.extend(word.take());
                }
                if !matches!(c, ' ' | '\t') {
                    commands.push(Vec::new());
                }
            }
            (None, _) => word.get_or_insert_default().push(c),
        }
    }
    assert_eq!(quote, None, "open quote in {text:?}");
    if let Some(command) = commands.last_mut() {
        command.extend(word);
    }
    commands.retain(|command| !command.is_empty());
    commands
}

/// What portstat is given by the commands of a shell text that run it.
fn invocations(text: &str) -> Vec<Vec<String>> {
    let before = ["sudo", "if", "until", "while", "!", "do", "then", "else"];
    let mut found = Vec::new();
    for command in shell_commands(text) {
        let mut words = command.as_slice();
        while let Some((first, rest)) = words.split_first() {
            words = match first.as_str() {
                "portstat" => {
                    found.push(rest.to_vec());
                    break;
                }
                "ip" if rest.len() > 3 && rest[..2] == ["netns", "exec"] => &rest[3..],
                "cargo" if rest.first().is_some_and(|word| word == "run") => {
                    let own = rest.iter().position(|word| word == "--").unwrap();
                    found.push(rest[own + 1..].to_vec());
                    break;
                }
                word if before.contains(&word) || word.contains('=') => rest,
                _ => break,
            };
        }
    }
    found
}

/// Checks that the program would do it, short of looking at the machine.
#[track_caller]
fn check_invocation(args: &[String]) {
    let words = ["portstat".to_owned()].into_iter().chain(args.to_vec());
    let parsed =
        Args::read(words.map(OsString::from)).unwrap_or_else(|error| panic!("{args:?}: {error}"));
    let filter = parsed.list.filter.join(OsStr::new(" "));
    let filter = filter.to_str().unwrap();
    let plan = Plan::new(parsed, &Environment::default());
    assert!(plan.is_ok(), "{args:?}: {plan:?}");
    // The interval of -c is not yet taken off.
    let filter = filter.trim_start_matches(|c: char| c.is_ascii_digit());
    let query = portstat::filter::parse(filter, &NamesThat(|_| true));
    assert!(query.is_ok(), "{args:?}: {query:?}");
}

/// The line after its prompt; `None` of a line of output.
fn after_prompt(line: &str) -> Option<&str> {
    line.strip_prefix("$ ").or_else(|| line.strip_prefix("# "))
}

#[test]
fn examples_of_the_manual_work() {
    let page = Page::read();
    let mut count = 0;
    for line in &page.0 {
        let line = line.strip_prefix(".Dl ").unwrap_or(line).replace("\\&", "");
        for args in after_prompt(&line).map(invocations).unwrap_or_default() {
            count += 1;
            check_invocation(&args);
        }
    }
    assert!(count > 10, "only {count} examples found");
}

#[test]
fn examples_of_the_readme_work() {
    let readme = text(README);
    let mut found = Vec::new();
    // Every second part is a block of code.
    for block in readme.split("```").skip(1).step_by(2) {
        let (language, code) = block.split_once('\n').unwrap();
        match language {
            "sh" => found.extend(invocations(code)),
            "console" => {
                let typed = code.lines().filter_map(after_prompt);
                found.extend(typed.flat_map(invocations));
            }
            other => panic!("a block of {other:?}: use sh or console"),
        }
    }
    assert!(found.len() > 20, "only {} examples found", found.len());
    for args in &found {
        check_invocation(args);
    }
    // What everybody tries first, each on a line of its own.
    assert!(readme.contains("\ncargo run --release -- -tlnp\ncargo test\n"));
}

#[test]
fn links_of_the_readme_lead_somewhere() {
    let readme = text(README);
    let targets = readme.split("](").skip(1);
    for target in targets.filter_map(|rest| rest.split(')').next()) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(target);
        assert!(target.contains("://") || path.exists(), "{target}");
    }
}

#[test]
fn examples_of_the_help_work() {
    let mut count = 0;
    for mut command in commands() {
        let help = command.render_long_help().to_string();
        let Some((_, examples)) = help.split_once("Examples:\n") else {
            continue;
        };
        let (examples, _) = examples.split_once("\n\n").unwrap();
        for line in examples.lines() {
            // The explanation stands apart.
            let typed = line.trim_start().split("  ").next().unwrap();
            let found = invocations(typed);
            assert_eq!(found.len(), 1, "{line}");
            found.iter().for_each(|args| check_invocation(args));
            count += 1;
        }
    }
    assert!(count > 20, "only {count} examples found");
}

/// What bash offers in the place of the last word.
fn offered(script: &str, words: &[&str]) -> Vec<String> {
    let source = "compopt() { :; }; eval \"$0\"; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); \
                  _portstat portstat \"${@: -1}\" \"${@: -2:1}\"; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let mut command = Command::new("bash");
    command
        .args(["--norc", "-c", source, script, "portstat"])
        .args(words);
    let output = command.output().unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn bash_offers_the_values_that_there_are() {
    let script = stdout(&["completions", "bash"]);
    for (words, expected) in [
        (&["-tln", "--columns", "recv"][..], &["recv_q"][..]),
        (&["-t", "--sort", "send"], &["send_q"]),
        (
            &["-A", "unix_"],
            &["unix_stream", "unix_dgram", "unix_seqpacket"],
        ),
        (&["-f", "inet"], &["inet", "inet6"]),
        (&["-N", "a"], &["all"]),
        (&["-t", "state", "time"], &["time-wait"]),
        (&["-t", "spo"], &["sport"]),
        (&["why", "--proto", "t"], &["tcp"]),
        // A number is no file.
        (&["ephemeral", "--top", "1"], &["1"]),
    ] {
        assert_eq!(offered(&script, words), expected, "{words:?}");
    }
}

#[test]
fn completions_know_every_flag_and_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&["completions", shell]);
        let words: Vec<&str> = script
            .split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_')))
            .collect();
        for command in commands() {
            assert!(words.contains(&command.get_name()), "{shell}");
            for long in command.get_arguments().filter_map(Arg::get_long) {
                let known = match shell {
                    "fish" => words.windows(2).any(|pair| pair == ["-l", long]),
                    _ => words.contains(&format!("--{long}").as_str()),
                };
                assert!(known, "{shell}: --{long}");
            }
        }
    }
}
