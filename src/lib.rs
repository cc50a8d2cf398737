//! portstat answers what is on a Linux machine's ports: which sockets there are, who holds them,
//! which services they are, whether ports run short, and why a bind fails.
//!
//! # The map of the house
//!
//! Data goes one way, from the command line to standard output, and never back:
//!
//! ```text
//! argv → cli → collect ( kernel → wire ) → filter → join → analyze → render → stdout
//! ```
//!
//! | room | what happens there |
//! |---|---|
//! | [`model`] | values with meaning: socket, endpoint, port, state, owner, gap |
//! | [`wire`] | bytes and text of the kernel turned into the model, requests into bytes; pure |
//! | [`kernel`] | the only room that touches the system: netlink, `/proc`, names; live or recorded |
//! | [`collect`] | kernel and wire: netlink first, `/proc/net` where it does not serve |
//! | [`join`] | from inode to every holder, from port to service; pure |
//! | [`filter`] | ss's filter language: text to expression to a verdict; pure |
//! | [`analyze`] | groups, counts, ephemeral ports, bind and connect; pure |
//! | [`render`] | rows and findings written, one file a format; every text escaped |
//! | [`cli`] | what is accepted, and what it comes to in this environment |
//! | [`command`] | one file a command, each a recipe over the rooms above |
//!
//! Invariants:
//! - Nothing read from the system is trusted, and no input makes the program panic.
//! - What could not be seen is a [`model::Gap`] that is printed, never a silence.
//! - Plain, JSON lines and CSV need the same memory for ten sockets and for a million.
//! - `unsafe` stays in `kernel`. Who may import whom is checked by `tests/layering.rs`.

pub mod analyze;
pub mod cli;
pub mod collect;
pub mod command;
pub mod filter;
pub mod join;
pub mod kernel;
pub mod model;
pub mod render;
pub mod wire;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use cli::{Args, Command, Environment, Plan};
use command::{Error, Finish};
use render::ephemeral::nagios_unknown;
use render::escape::{lines, message};

/// What `ephemeral` and `why` end with when they cannot tell: a monitor takes 1 and 2 for alarms.
const UNKNOWN: u8 = 3;

/// Runs the command line `args`, of which the first is the program's own name.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let given: Vec<OsString> = args.into_iter().collect();
    let args = match Args::read(given.clone()) {
        Ok(args) => args,
        Err(error) => {
            if !error.use_stderr() {
                // Help and version.
                let printed = error.print().and_then(|()| std::io::stdout().flush());
                return exit_code(printed.map(|()| Finish::Done).map_err(Error::from), false);
            }
            let text = error.render().to_string();
            // There is nobody left to tell when stderr is closed.
            let _ = std::io::stderr().write_all(lines(&text).as_bytes());
            if !cli::means_ephemeral(given.clone()) {
                return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
            }
            let reason = text.lines().next().unwrap_or_default();
            tell_plugin(&given, reason.trim_start_matches("error: "));
            return ExitCode::from(UNKNOWN);
        }
    };
    let ephemeral = matches!(args.command, Some(Command::Ephemeral(_)));
    let plan = Plan::new(args, &Environment::current()).inspect_err(|error| {
        if ephemeral {
            tell_plugin(&given, &error.to_string());
        }
    });
    exit_code(plan.map_err(Error::from).and_then(command::run), ephemeral)
}

/// A plugin of Nagios says where its output is read what is wrong with its arguments; everybody
/// else reads it on stderr.
fn tell_plugin(args: &[OsString], reason: &str) {
    if cli::means_plugin(args) {
        let mut line = Vec::new();
        nagios_unknown(&mut line, &message(reason));
        let _ = std::io::stdout().write_all(&line);
    }
}

/// The exit code of a run, of `ephemeral` or another; says why it failed.
fn exit_code(outcome: Result<Finish, Error>, ephemeral: bool) -> ExitCode {
    match outcome {
        Ok(Finish::Done) => ExitCode::SUCCESS,
        Ok(Finish::NoMatch | Finish::Declined | Finish::Blocked | Finish::Warning) => {
            ExitCode::from(1)
        }
        Ok(Finish::Critical) => ExitCode::from(2),
        Ok(Finish::Unknown) => ExitCode::from(UNKNOWN),
        Ok(Finish::Refused) => ExitCode::from(4),
        Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "portstat: {}", error.message());
            ExitCode::from(if ephemeral {
                UNKNOWN
            } else {
                error.exit_code()
            })
        }
    }
}
