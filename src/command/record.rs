//! `portstat record DIR`: saves what the collectors read, so that every command can be run on it
//! later with `--from DIR`.

mod addresses;
mod processes;
mod sockets;

use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;

use super::context::Context;
use super::outcome::{Error, Finish, RecordError};
use crate::cli::args::RecordArgs;
use crate::collect::{Method, lists_bound_sockets};
use crate::kernel::{Host, Meta, Patience, Recorder};
use crate::model::{Entrance, HiddenCause, Table};
use crate::render::escape::terminal;
use crate::wire::passwd;
use crate::wire::redact::Redactor;

/// What the analyses need to know of the kernel's settings.
const SYSCTLS: [&str; 15] = [
    "ipv4/ip_local_port_range",
    "ipv4/ip_local_reserved_ports",
    "ipv4/ip_unprivileged_port_start",
    "ipv4/ip_nonlocal_bind",
    "ipv4/ip_autobind_reuse",
    "ipv4/tcp_tw_reuse",
    "ipv4/tcp_tw_reuse_delay",
    "ipv4/tcp_fin_timeout",
    "ipv4/tcp_max_tw_buckets",
    "ipv4/tcp_timestamps",
    "ipv4/tcp_fastopen",
    "ipv6/bindv6only",
    "ipv6/ip_nonlocal_bind",
    "ipv6/conf/all/disable_ipv6",
    "ipv6/conf/lo/disable_ipv6",
];

pub(super) fn run(context: &mut Context, args: &RecordArgs) -> Result<Finish, Error> {
    let failed = |error| RecordError::Write {
        dir: args.dir.clone(),
        error,
    };
    let recorder = Recorder::create(&args.dir).map_err(failed)?;
    let mut recording = Recording {
        host: &context.host,
        patience: Patience::default(),
        recorder: &recorder,
        redactor: args.redact.then(Redactor::default),
        left_out: Vec::new(),
        warnings: Vec::new(),
        method: context.method,
        dumped: Vec::new(),
        listed: Vec::new(),
    };
    let taken_at = context.host.taken_at();
    let tables = recording.tables().map_err(failed)?;
    let dumps = recording.dumps().map_err(failed)?;
    if dumps + tables == 0 {
        return Err(RecordError::Nothing.into());
    }
    recording.settings().map_err(failed)?;
    recording.addresses().map_err(failed)?;
    let processes::Held {
        processes,
        sockets: held,
        hidden,
    } = recording.processes().map_err(failed)?;
    recording.names().map_err(failed)?;
    let sockets = recording.sockets();
    let Recording {
        redactor,
        left_out,
        warnings,
        ..
    } = recording;
    let meta = meta(context, redactor, taken_at, hidden, left_out);
    recorder
        .write("meta.json", meta.to_json().as_bytes())
        .map_err(failed)?;
    for warning in warnings {
        context.warn(warning);
    }
    for what in &meta.left_out {
        context.warn(format!("left out of the recording: {what}"));
    }
    // Some of them may be nobody's, as in TIME-WAIT.
    let open = sockets.saturating_sub(held);
    if let Some(cause) = hidden.filter(|_| open > 0) {
        context.warn(format!(
            "owners of up to {} are hidden: {} ({})",
            counted(open, "socket", "sockets"),
            cause.words(),
            cause.remedy()
        ));
    }
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "recorded {} and {} in {}",
        counted(sockets, "socket", "sockets"),
        counted(processes, "process", "processes"),
        terminal(args.dir.as_os_str().as_bytes())
    )?;
    Ok(Finish::Done)
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn meta(
    context: &Context,
    mut redactor: Option<Redactor>,
    taken_at: Option<std::time::SystemTime>,
    hidden: Option<HiddenCause>,
    left_out: Vec<String>,
) -> Meta {
    let host = &context.host;
    let interfaces = host
        .interface_names()
        .into_iter()
        .map(|(index, name)| match &mut redactor {
            Some(redactor) => (index, redactor.interface(&name)),
            None => (index, name),
        })
        .collect();
    let mut replaced = |kind: &str, text: String| match &mut redactor {
        Some(redactor) => redactor.name(kind, text.as_bytes()),
        None => text,
    };
    Meta {
        host: host.name().map(|name| replaced("host", name)),
        kernel: host.kernel_release(),
        taken_at,
        netns: host.netns(),
        entrance: context.entrance.clone().map(|entrance| match entrance {
            Entrance::Name(name) => {
                let name = String::from_utf8_lossy(&name).into_owned();
                Entrance::Name(replaced("netns", name).into_bytes())
            }
            Entrance::Path(path) => {
                let path = path.to_string_lossy().into_owned();
                Entrance::Path(replaced("netns", path).into())
            }
        }),
        interfaces,
        cgroups: host
            .cgroup_paths()
            .into_iter()
            .map(|(id, path)| {
                let path = String::from_utf8_lossy(&path).into_owned();
                (id, replaced("cgroup", path))
            })
            .collect(),
        hidden,
        lists_bound: Some(lists_bound_sockets(host)),
        left_out,
        unknown_schema: None,
    }
}

/// A recording under way.
struct Recording<'a> {
    host: &'a Host,
    patience: Patience,
    recorder: &'a Recorder,
    redactor: Option<Redactor>,
    left_out: Vec<String>,
    warnings: Vec<String>,
    method: Method,
    /// Rows of the dumps and lines of the tables that were saved.
    dumped: Vec<(Table, u64)>,
    listed: Vec<(Table, u64)>,
}

impl Recording<'_> {
    fn settings(&mut self) -> io::Result<()> {
        for name in SYSCTLS {
            // Older kernels lack some, and say nothing by it.
            let name = format!("proc/sys/net/{name}");
            if let Ok(text) = self.host.read(&name) {
                self.recorder.write(&name, &text)?;
            }
        }
        Ok(())
    }

    /// Names of ports, users and hosts.
    fn names(&mut self) -> io::Result<()> {
        self.copy_unless_redacted("etc/services")?;
        self.copy_unless_redacted("etc/protocols")?;
        self.copy_unless_redacted("etc/hosts")?;
        let Some(redactor) = &mut self.redactor else {
            return self.copy("etc/passwd");
        };
        let Ok(text) = self.host.read("etc/passwd") else {
            return Ok(());
        };
        let mut users = String::new();
        for (uid, name) in passwd::users(&text) {
            let name = match uid {
                // Everybody's root is root.
                0 => "root".to_owned(),
                _ => redactor.name("user", name.as_bytes()),
            };
            users.push_str(&format!("{name}:x:{uid}:{uid}::/:\n"));
        }
        self.recorder.write("etc/passwd", users.as_bytes())
    }

    /// Copies a file, whatever its length; one that is not there is noted in `meta.json`.
    fn copy(&mut self, name: &str) -> io::Result<()> {
        let mut from = match self.host.open(name) {
            Ok(file) => file,
            Err(error) => {
                self.left_out.push(format!("{name}: {error}"));
                return Ok(());
            }
        };
        let mut file = self.recorder.file(name)?;
        let mut piece = vec![0; 64 << 10];
        loop {
            match from.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(length) => file.write_all(&piece[..length])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.left_out.push(format!("{name}: {error}"));
                    return self.recorder.remove(name);
                }
            }
        }
    }

    fn copy_unless_redacted(&mut self, name: &str) -> io::Result<()> {
        if self.redactor.is_some() {
            self.left_out.push(format!("{name}: redacted"));
            return Ok(());
        }
        self.copy(name)
    }
}
