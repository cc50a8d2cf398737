//! What may be meant by a first word that is neither a command nor a filter. Pure.

use std::net::IpAddr;

use clap::CommandFactory;

use super::args::Args;

/// Words of which this many letters are wrong are no longer near.
const MOST_WRONG: usize = 2;

/// What else to type, where words make no filter; `None` where nobody can tell.
/// `is_service` tells names of ports.
pub fn meant(words: &str, is_service: &dyn Fn(&str) -> bool) -> Option<String> {
    let mut words = words.split_ascii_whitespace();
    let first = words.next()?;
    if let Some(command) = command_near(first) {
        return Some(format!("did you mean `portstat {command}`?"));
    }
    let word = match first.to_ascii_lowercase().as_str() {
        "port" | "ports" | "lport" | "rport" => words.next()?,
        _ => first,
    };
    if let Some(flag) = flag_of(word) {
        return Some(format!("did you mean `portstat {flag}`?"));
    }
    if let Some(port) = port(word) {
        return Some(of_port(port));
    }
    let (addr, length) = word.split_once('/').unwrap_or((word, "0"));
    if addr.parse::<IpAddr>().is_ok() && length.parse::<u8>().is_ok() {
        return Some(format!(
            "did you mean `portstat dst {word}` or `portstat src {word}`?"
        ));
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !word.chars().all(is_name) || !word.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let process = format!("`portstat -ap comm = {word}` lists the sockets of a process");
    let why = format!(", `portstat why {word}` tells about a port");
    let why = if is_service(word) { &why } else { "" };
    Some(format!(
        "{process}{why}; a filter begins with a word such as sport, dst, state, comm or not"
    ))
}

fn of_port(port: &str) -> String {
    match port.parse::<u64>() {
        Ok(number) if number > u64::from(u16::MAX) => "ports end at 65535".to_owned(),
        _ => format!(
            "`portstat why {port}` tells who has a port, `portstat -ap 'sport = :{port}'` lists \
             its sockets"
        ),
    }
}

/// The port in `80`, `:80`, `*:80` and lsof's `tcp:80`.
fn port(word: &str) -> Option<&str> {
    let (before, port) = word.rsplit_once(':').unwrap_or(("", word));
    let is_before = ["", "*", "tcp", "udp"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(before));
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let is_named = word.contains(':')
        && port.starts_with(|c: char| c.is_ascii_alphabetic())
        && port
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (is_before && (is_number || is_named)).then_some(port)
}

/// Flags that some write as words.
fn flag_of(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "help" | "?" => "--help",
        "version" => "--version",
        "tcp" => "-t",
        "udp" => "-u",
        "unix" => "-x",
        "raw" => "-w",
        "all" => "-a",
        "listen" | "listening" | "listeners" => "-l",
        "list" | "ls" => "-a",
        "established" | "estab" => "state established",
        "time-wait" | "timewait" | "time_wait" => "state time-wait",
        "close-wait" | "close_wait" => "state close-wait",
        "syn-sent" | "syn_sent" => "state syn-sent",
        _ => return None,
    })
}

/// The command whose name is nearly this word.
fn command_near(word: &str) -> Option<String> {
    let command = Args::command();
    let names = command
        .get_subcommands()
        .map(|command| command.get_name().to_owned());
    let near = |name: &String| {
        let most = MOST_WRONG.min(name.len().saturating_sub(1) / 2);
        let is_beginning = word.len() >= 3 && name.starts_with(word);
        is_beginning || wrong_letters(word, name) <= most
    };
    names.into_iter().find(near)
}

/// How many letters are to be put in, left out or changed to make one word of the other.
fn wrong_letters(one: &str, other: &str) -> usize {
    let other = other.as_bytes();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    // No command is as long.
    for (index, letter) in one.bytes().take(32).enumerate() {
        let mut diagonal = index;
        row[0] = index + 1;
        for (place, wanted) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *wanted);
            diagonal = row[place + 1];
            row[place + 1] = changed.min(row[place] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(words: &str, expected: &str) {
        let said = meant(words, &|word| word == "ssh").unwrap_or_default();
        assert!(said.contains(expected), "{words}: {said}");
        assert_eq!(said.is_empty(), expected.is_empty(), "{words}: {said}");
    }

    #[test]
    fn first_words_have_a_meaning() {
        for word in [
            "8080",
            ":8080",
            "*:8080",
            "port 8080",
            "TCP:8080",
            "udp:8080",
        ] {
            check(word, "`portstat why 8080`");
            check(word, "'sport = :8080'");
        }
        check("tcp:http", "`portstat why http`");
        check(":99999", "ports end at 65535");
        check("nginx", "`portstat -ap comm = nginx`");
        check("ssh", "`portstat why ssh`");
        check("help", "`portstat --help`");
        check("ephemral", "`portstat ephemeral`");
        check("ephem --json", "`portstat ephemeral`");
        check("wy 80", "`portstat why`");
        check("recrod x", "`portstat record`");
        check("listen", "`portstat -l`");
        check("established", "`portstat state established`");
        check("10.0.0.0/8", "`portstat dst 10.0.0.0/8`");
        check("::1", "`portstat dst ::1`");
        for unclear in ["", ")", "= :80", "$(reboot)", "a;b", "\u{1b}[2J", "port"] {
            check(unclear, "");
        }
    }
}
