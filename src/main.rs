//! The `portstat` command: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    portstat::run(std::env::args_os())
}
