//! `portstat completions SHELL`.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::outcome::{Error, Finish};
use crate::cli::Args;
use crate::cli::args::ShellArg;

pub(super) fn run(shell: ShellArg) -> Result<Finish, Error> {
    let shell = match shell {
        ShellArg::Bash => Shell::Bash,
        ShellArg::Zsh => Shell::Zsh,
        ShellArg::Fish => Shell::Fish,
    };
    // `generate` panics when it cannot write, so it writes to memory.
    let mut script = Vec::new();
    generate(shell, &mut Args::command(), "portstat", &mut script);
    let mut out = io::stdout().lock();
    out.write_all(&script)?;
    out.flush()?;
    Ok(Finish::Done)
}
