//! `portstat completions SHELL`.

use std::io::{self, Write};

use clap::builder::{PossibleValuesParser, ValueHint};
use clap::{Arg, Command, CommandFactory};
use clap_complete::{Shell, generate};

use super::outcome::{Error, Finish};
use crate::cli::args::ShellArg;
use crate::cli::{Args, FAMILIES, TABLES};
use crate::filter::words;
use crate::render::Column;

pub(super) fn run(shell: ShellArg) -> Result<Finish, Error> {
    let shell = match shell {
        ShellArg::Bash => Shell::Bash,
        ShellArg::Zsh => Shell::Zsh,
        ShellArg::Fish => Shell::Fish,
    };
    // `generate` panics when it cannot write, so it writes to memory.
    let mut script = Vec::new();
    generate(shell, &mut completed(), "portstat", &mut script);
    let mut out = io::stdout().lock();
    out.write_all(&script)?;
    out.flush()?;
    Ok(Finish::Done)
}

/// The command line, with the values that are the same on every machine: to be read it needs none,
/// as each value tells itself whether it is one.
fn completed() -> Command {
    let columns = || Column::all().map(Column::name);
    Args::command()
        .mut_arg("netns", |arg| one_of(arg, ["self", "all"]))
        .mut_arg("family", |arg| one_of(arg, FAMILIES))
        .mut_arg("query", |arg| one_of(arg, TABLES))
        .mut_arg("columns", |arg| one_of(arg, columns()))
        .mut_arg("sort", |arg| one_of(arg, columns()))
        .mut_arg("filter", |arg| one_of(arg, words()))
        .mut_args(no_file)
        .mut_subcommands(|command| command.mut_args(no_file))
}

fn one_of(arg: Arg, values: impl IntoIterator<Item = &'static str>) -> Arg {
    arg.value_parser(PossibleValuesParser::new(values))
}

/// What is a number, a name or an address is no file, which shells offer otherwise.
fn no_file(arg: Arg) -> Arg {
    let is_unknown = arg.get_value_hint() == ValueHint::Unknown;
    match is_unknown && arg.get_action().takes_values() && arg.get_possible_values().is_empty() {
        true => arg.value_hint(ValueHint::Other),
        false => arg,
    }
}
