//! Who is told, and when it is remembered that they were.

use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

use super::SCHEMA;
use super::memory::Memory;
use crate::cli::{EphemeralPlan, ReportFormat};
use crate::command::context::{Context, write_warning};
use crate::command::outcome::{Error, Finish};
use crate::render::ephemeral as report;
use crate::render::escape::{message, terminal};
use crate::render::{Collection, Document};

/// Says how it stands if that is due. A state file is kept up to date only with what was really
/// said: an alarm that could not be written is one more time due at the next run.
pub(super) fn tell(
    plan: &EphemeralPlan,
    status: &str,
    finish: Finish,
    say: impl FnOnce() -> Result<(), Error>,
) -> Result<Finish, Error> {
    let warn = |warning: &str| {
        if let Some(path) = &plan.state_file {
            let path = terminal(path.as_os_str().as_bytes());
            write_warning(&format!("state file {path}: {warning}"));
        }
    };
    let memory = plan.state_file.as_deref().map(Memory::open);
    let memory = memory.transpose().unwrap_or_else(|error| {
        warn(&error.to_string());
        None
    });
    let due = match &memory {
        Some(memory) => memory.speaks(status, plan.repeat),
        None => finish != Finish::Done || !plan.quiet,
    };
    if due {
        match say() {
            // The status is told all the same when nobody reads to the end.
            Err(error) if error.is_closed_pipe() => return Ok(finish),
            said => said?,
        }
    }
    if let Some(memory) = memory {
        if let Some(warning) = memory.warning {
            warn(warning);
        }
        if let Err(error) = memory.keep(status, due) {
            warn(&error.to_string());
        }
    }
    Ok(finish)
}

/// Says why nothing is known: to programs that read our output in their own format.
pub(super) fn tell_unknown(
    context: Option<&Context>,
    plan: &EphemeralPlan,
    error: &Error,
) -> Result<Finish, Error> {
    tell(plan, "unknown", Finish::Unknown, || {
        let reason = error.to_string();
        let mut out = Vec::new();
        match plan.report {
            Some(ReportFormat::Json) => {
                let document = match context {
                    Some(context) => context.document(SCHEMA),
                    None => Document {
                        schema: SCHEMA,
                        host: None,
                        taken_at: None,
                        collection: Collection::default(),
                    },
                };
                report::json_unknown(&mut out, &document, plan.thresholds, &reason);
            }
            Some(ReportFormat::Nagios) => report::nagios_unknown(&mut out, &message(&reason)),
            Some(ReportFormat::Human | ReportFormat::Prometheus) | None => {}
        }
        print(&out)?;
        writeln!(io::stderr(), "portstat: {}", error.message())?;
        Ok(())
    })
}

/// Writes to standard output, to the end.
pub(super) fn print(out: &[u8]) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(out)?;
    stdout.flush()?;
    Ok(())
}
