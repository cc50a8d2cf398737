//! Questions that portstat and the kernel both answer.

use std::net::SocketAddr;

use nix::errno::Errno;
use serde_json::Value;

use crate::answer::{Answer, array, only_answer};
use crate::support::portstat::{self, Ran};
use crate::support::rights::Rights;
use crate::wanted::Wanted;

/// What portstat says of a bind. The kernel says the same, and what somebody without rights over
/// the owners is told is not wrong either.
#[track_caller]
pub fn asked(wanted: &Wanted) -> Answer {
    asked_with(wanted, &[])
}

/// What portstat says of a bind, with more arguments.
#[track_caller]
pub fn asked_with(wanted: &Wanted, more: &[&str]) -> Answer {
    let mut args = vec!["why".to_owned()];
    args.extend(wanted.args());
    args.extend(more.iter().map(|&arg| arg.to_owned()));
    let ran = why(&args, Rights::Own);
    let answer = only_answer(&ran);
    let in_words = first_line(&args, &answer);
    assert!(
        in_words.starts_with(&verdict_line(wanted, &answer)),
        "{in_words}"
    );
    let hidden = why(&args, Rights::None);
    // Asked last, as a bind may change what the kernel says to the next.
    check_truth(wanted, &answer, Rights::Own);
    check_hidden(&answer, &only_answer(&hidden), &hidden);
    check_truth(wanted, &only_answer(&hidden), Rights::None);
    answer
}

/// What portstat says of a bind to somebody with fewer rights. The kernel says the same to them.
#[track_caller]
pub fn asked_by(rights: Rights, wanted: &Wanted) -> (Answer, Ran) {
    let mut args = vec!["why".to_owned()];
    args.extend(wanted.args());
    let ran = why(&args, rights);
    let answer = only_answer(&ran);
    check_truth(wanted, &answer, rights);
    (answer, ran)
}

/// Runs portstat, with `--json` beside the arguments.
#[track_caller]
pub fn why(args: &[String], rights: Rights) -> Ran {
    let mut command = portstat::command(args);
    portstat::finish(rights.apply(command.arg("--json")))
}

/// What a person reads first, which ends as the answer does.
#[track_caller]
pub fn first_line(args: &[String], answer: &Answer) -> String {
    let ran = portstat::run(args);
    let code = match &answer.verdict[..] {
        "free" => 0,
        "blocked" => 1,
        _ => 3,
    };
    let ran = ran.exited(code);
    assert!(!ran.stdout.contains(&0x1b), "{}", ran.text());
    let text = ran.text();
    let sockets = answer.blockers.iter().map(|blocker| &blocker.socket);
    for socket in sockets.filter(|socket| !socket.is_null()) {
        for owner in array(socket, "owners") {
            let name = format!("{}[{}]", owner["comm"].as_str().unwrap(), owner["pid"]);
            // Of many that are alike the first are named.
            let is_folded = text.contains(" more, fd ");
            assert!(text.contains(&name) || is_folded, "{name}: {text}");
        }
    }
    text.lines().next().unwrap_or_default().to_owned()
}

/// How the first line begins.
fn verdict_line(wanted: &Wanted, answer: &Answer) -> String {
    // The device of a link-local address stands apart.
    let asked = match wanted.address {
        SocketAddr::V4(address) => address.to_string(),
        SocketAddr::V6(address) => format!("[{}]:{}", address.ip(), address.port()),
    };
    let asked = format!("{asked}/{}", wanted.protocol());
    match &answer.verdict[..] {
        "unknown" => asked,
        verdict => format!("{asked} is {verdict}"),
    }
}

/// Insists that an answer is true, or differs from the truth in no more than was assumed.
#[track_caller]
fn check_truth(wanted: &Wanted, answer: &Answer, rights: Rights) {
    check_verdict(answer, rights.attempt(|| wanted.really()));
    if let Some(verdict) = &answer.with_reuse_address {
        let truth = rights.attempt(|| wanted.reuse_address().really());
        let expected = if truth.is_ok() { "free" } else { "blocked" };
        assert_eq!(verdict, expected, "{}", answer.document);
    }
}

/// Insists that the verdict is what the kernel says.
#[track_caller]
pub fn check_verdict(answer: &Answer, truth: Result<(), Errno>) {
    let said = (&answer.verdict[..], answer.errno.as_deref());
    let errno = truth.err().map(|errno| format!("{errno:?}"));
    let is_true = match &errno {
        None => said == ("free", None),
        Some(errno) => said == ("blocked", Some(errno)),
    };
    // Flags that nobody may read are taken to be as strict as can be. What is more in the way
    // than was assumed is told beside it.
    let is_cautious = !answer.exact
        && match said.0 {
            "unknown" => true,
            "blocked" => truth.is_ok() || answer.blockers.len() > 1,
            _ => false,
        };
    assert!(
        is_true || is_cautious,
        "the kernel says {truth:?}: {}",
        answer.document
    );
}

/// Insists that whoever may not see the owners is told so, and otherwise the same.
#[track_caller]
fn check_hidden(seen: &Answer, hidden: &Answer, ran: &Ran) {
    let mut any = false;
    for blocker in &hidden.blockers {
        if blocker.socket.is_null() {
            continue;
        }
        let status = blocker.socket["owners_status"].as_str().unwrap();
        assert!(
            matches!(status, "hidden" | "none" | "unheld"),
            "{}",
            hidden.document
        );
        any |= status == "hidden";
    }
    let owned = |answer: &Answer| {
        let owned = |socket: &Value| socket["owners_status"] == "known";
        answer.blockers.iter().any(|one| owned(&one.socket))
    };
    // A port that is privileged needs no owner to be told.
    if owned(seen) && hidden.blockers.iter().any(|one| !one.socket.is_null()) {
        assert!(any, "{}", hidden.document);
    }
    if any {
        assert!(ran.stderr.contains("hidden"), "{}", ran.stderr);
    }
}
