//! The terminal: what standard output is, asked once at the start, and a question to whoever sits
//! there.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use rustix::termios::{QueueSelector, tcflush};

/// More than anybody answers.
const ANSWER_LEN: u64 = 4096;

/// Whether standard output is a terminal.
pub fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether somebody can be asked, who sees what was printed before: standard input, output and
/// error are terminals.
pub fn can_ask() -> bool {
    // Input last, as it comes with a buffer.
    io::stdout().is_terminal() && io::stderr().is_terminal() && io::stdin().is_terminal()
}

/// Columns of the terminal on standard output; `None` when it is none or does not tell.
pub fn width() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0).then_some(size.ws_col)
}

/// Asks a question on standard error. Only `y` and `yes` agree; the end of the input does not, nor
/// what was typed before the question stood there.
pub fn agrees(question: &str) -> io::Result<bool> {
    let stdin = io::stdin();
    // Where that cannot be thrown away, it counts.
    let _ = tcflush(&stdin, QueueSelector::IFlush);
    let mut stderr = io::stderr();
    stderr.write_all(question.as_bytes())?;
    stderr.flush()?;
    let mut answer = String::new();
    stdin.lock().take(ANSWER_LEN).read_line(&mut answer)?;
    if !answer.ends_with('\n') {
        // Nobody has ended the line of the question.
        writeln!(stderr)?;
    }
    let answer = answer.trim();
    Ok(["y", "yes"]
        .iter()
        .any(|yes| answer.eq_ignore_ascii_case(yes)))
}
