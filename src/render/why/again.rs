//! The same question, asked again: by root, or of the kernel.

use super::case::{Case, endpoint};
use crate::analyze::why::Operation;
use crate::model::Endpoint;
use crate::render::{entering, shell};

/// The command that asks again as root, for the same user. `None` where its interface has a name
/// that not every shell can be given, or where root is in another user namespace, in which users
/// have other numbers.
pub(super) fn again(case: &Case<'_>) -> Option<String> {
    let user = case.query().user;
    if case.report.root_is_outside || user.is_anonymous {
        return None;
    }
    let user = user.uid;
    let user = (user != 0).then(|| format!(" --user {user}"));
    let command = asking(case)?;
    Some(format!("sudo {command}{}", user.unwrap_or_default()))
}

/// The command that has the kernel say it, which only the user who is asked about may run.
pub(super) fn probing(case: &Case<'_>) -> Option<String> {
    let is_own = case.query().user.uid == case.report.reader;
    let command = asking(case).filter(|_| is_own)?;
    Some(format!("{command} --probe"))
}

/// The question as it was asked, of whoever runs the command.
fn asking(case: &Case<'_>) -> Option<String> {
    let query = case.query();
    let protocol = query.protocol;
    let mut command = entering::portstat(case.report.entrance.as_ref()) + " why";
    match query.operation {
        Operation::Bind => {
            let target = endpoint(&Endpoint {
                addr: query.addr?,
                port: query.port,
            });
            command += &format!(" {}", word(&format!("{target}/{protocol}")));
        }
        Operation::Connect {
            destination,
            binds_first,
        } => {
            let source = match (query.addr, query.port) {
                (Some(addr), 0) if !binds_first => format!(" {addr}"),
                (Some(addr), port) => format!(" {}", word(&endpoint(&Endpoint { addr, port }))),
                (None, 0) if !binds_first => String::new(),
                (None, port) => format!(" {port}"),
            };
            let destination = endpoint(&destination);
            let destination = word(&format!("{destination}/{protocol}"));
            command += &format!("{source} --connect {destination}");
        }
    }
    for (flag, is_set) in [
        (" --reuseaddr", query.reuse_address),
        (" --reuseport", query.reuse_port),
        (" --v6only", query.v6only),
        (" --free-bind", query.free_bind),
    ] {
        command += if is_set { flag } else { "" };
    }
    if let Some(device) = &case.report.device {
        command += &format!(" --dev={}", shell::portable(device.as_bytes())?);
    }
    Some(command)
}

/// Brackets are a pattern of file names, and to some shells an error where no file is called so.
fn word(text: &str) -> String {
    shell::word(text.as_bytes())
}
