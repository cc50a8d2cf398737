//! `portstat record DIR`: saves what the collectors read, so that every command can be run on it
//! later with `--from DIR`.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::context::{Context, Error, Finish, RecordError};
use crate::cli::args::RecordArgs;
use crate::kernel::{Host, Meta, Recorder, Visibility, scan_holders};
use crate::model::{DetailSet, Family, HiddenCause, Holder, Protocol, StateSet, Table};
use crate::wire::inet_diag;
use crate::wire::netlink::{Message, Messages};
use crate::wire::passwd;
use crate::wire::process;
use crate::wire::redact::{Redactor, scrub_keys};

/// Files of `/proc/net` that hold no addresses, or such as are replaced line by line.
const COUNTERS: [&str; 5] = ["sockstat", "sockstat6", "snmp", "snmp6", "netstat"];
/// Files of `/proc/net` with addresses or paths that are not taken apart when redacting.
const OTHER_TABLES: [&str; 3] = ["raw", "raw6", "unix"];
/// What the analyses need to know of the kernel's settings.
const SYSCTLS: [&str; 14] = [
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
];

pub(super) fn run(context: &mut Context, args: &RecordArgs) -> Result<Finish, Error> {
    let failed = |error| RecordError::Write {
        dir: args.dir.clone(),
        error,
    };
    let mut recording = Recording {
        host: &context.host,
        recorder: Recorder::create(&args.dir).map_err(failed)?,
        redactor: args.redact.then(Redactor::default),
        left_out: Vec::new(),
        sockets: 0,
    };
    let taken_at = context.host.taken_at();
    let tables = recording.tables().map_err(failed)?;
    let dumps = recording.dumps().map_err(failed)?;
    if dumps + tables == 0 {
        return Err(RecordError::Nothing.into());
    }
    recording.settings().map_err(failed)?;
    let (processes, hidden) = recording.processes().map_err(failed)?;
    recording.names().map_err(failed)?;
    let Recording {
        recorder,
        redactor,
        left_out,
        sockets,
        ..
    } = recording;
    let meta = meta(&context.host, redactor, taken_at, hidden, left_out);
    recorder
        .write("meta.json", meta.to_json().as_bytes())
        .map_err(failed)?;
    for what in &meta.left_out {
        context.warn(format!("left out of the recording: {what}"));
    }
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "recorded {sockets} sockets and {processes} processes in {}",
        args.dir.display()
    )?;
    Ok(Finish::Done)
}

fn meta(
    host: &Host,
    mut redactor: Option<Redactor>,
    taken_at: Option<std::time::SystemTime>,
    hidden: Option<HiddenCause>,
    left_out: Vec<String>,
) -> Meta {
    let mut replaced = |kind: &str, text: String| match &mut redactor {
        Some(redactor) => redactor.name(kind, text.as_bytes()),
        None => text,
    };
    Meta {
        host: host.name().map(|name| replaced("host", name)),
        kernel: host.kernel_release(),
        taken_at,
        netns: host.netns(),
        interfaces: host
            .interface_names()
            .into_iter()
            .map(|(index, name)| match name.as_str() {
                // Everybody's loopback is lo.
                "lo" => (index, name),
                _ => (index, replaced("interface", name)),
            })
            .collect(),
        cgroups: host
            .cgroup_paths()
            .into_iter()
            .map(|(id, path)| {
                let path = String::from_utf8_lossy(&path).into_owned();
                (id, replaced("cgroup", path))
            })
            .collect(),
        hidden,
        left_out,
        unknown_schema: None,
    }
}

/// A recording under way.
struct Recording<'a> {
    host: &'a Host,
    recorder: Recorder,
    redactor: Option<Redactor>,
    left_out: Vec<String>,
    sockets: u64,
}

impl Recording<'_> {
    /// The raw messages of every protocol; returns how many dumps succeeded.
    fn dumps(&mut self) -> io::Result<usize> {
        let mut done = 0;
        for protocol in Protocol::ALL {
            let mut messages = Vec::new();
            for family in Family::ALL {
                let table = Table { protocol, family };
                match self.dump(table) {
                    Ok(chunks) => {
                        messages.extend(chunks);
                        done += 1;
                    }
                    Err(error) => self.left_out.push(format!("diag of {table}: {error}")),
                }
                // A recording answers with all it has of the protocol.
                if self.host.is_recorded() {
                    break;
                }
            }
            if !messages.is_empty() {
                self.recorder
                    .write(&format!("diag/{protocol}.nlmsg"), &messages)?;
            }
        }
        Ok(done)
    }

    fn dump(&mut self, table: Table) -> io::Result<Vec<u8>> {
        let request = inet_diag::dump_request(table, StateSet::ALL, DetailSet::ALL, &[]);
        let mut dump = self.host.dump(table.protocol, &request)?;
        let (mut all, mut chunk) = (Vec::new(), Vec::new());
        let mut done = false;
        let mut rows = 0;
        while (!done || dump.is_recorded()) && dump.next_chunk(&mut chunk)? {
            for framed in Messages::new(&chunk) {
                match framed.map(|framed| framed.message) {
                    Ok(Message::Row(_)) => rows += 1,
                    Ok(Message::Error(errno) | Message::Done(errno)) if errno < 0 => {
                        return Err(io::Error::from_raw_os_error(errno.saturating_neg()));
                    }
                    Ok(Message::Done(_)) => done = true,
                    Ok(_) => {}
                    Err(error) => {
                        return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                    }
                }
            }
            scrub_keys(&mut chunk);
            if let Some(redactor) = &mut self.redactor {
                redactor.chunk(&mut chunk);
            }
            all.extend_from_slice(&chunk);
        }
        self.sockets += rows;
        Ok(all)
    }

    /// The tables of `/proc/net`; returns how many there are.
    fn tables(&mut self) -> io::Result<usize> {
        let mut done = 0;
        for protocol in Protocol::ALL {
            for family in Family::ALL {
                let table = Table { protocol, family };
                let name = format!("proc/net/{}", table.proc_name());
                let Some(mut text) = self.read(&name) else {
                    continue;
                };
                if let Some(redactor) = &mut self.redactor {
                    let lines = text.split_inclusive(|&byte| byte == b'\n');
                    text = lines
                        .filter_map(|line| redactor.line(line, table))
                        .flatten()
                        .collect();
                }
                self.recorder.write(&name, &text)?;
                done += 1;
            }
        }
        for name in COUNTERS {
            self.copy(&format!("proc/net/{name}"))?;
        }
        for name in OTHER_TABLES {
            self.copy_unless_redacted(&format!("proc/net/{name}"))?;
        }
        Ok(done)
    }

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

    /// Every process that holds a socket, and those that may; returns how many of the first, and
    /// why the second cannot be told.
    fn processes(&mut self) -> io::Result<(usize, Option<HiddenCause>)> {
        let scan = match scan_holders(&self.host.path("proc"), self.host.is_recorded()) {
            Ok(scan) => scan,
            Err(error) => {
                self.left_out.push(format!("processes: {error}"));
                return Ok((0, Some(HiddenCause::NotRecorded)));
            }
        };
        let mut holders: BTreeMap<u32, Vec<(u32, u64)>> = BTreeMap::new();
        let own = std::process::id();
        let others = scan
            .holders
            .into_iter()
            .filter(|(_, holder)| holder.pid != own);
        for (inode, Holder { pid, fd }) in others {
            holders.entry(pid).or_default().push((fd, inode));
        }
        for (pid, sockets) in &holders {
            self.process(*pid)?;
            for (fd, inode) in sockets {
                let target = format!("socket:[{inode}]");
                self.recorder
                    .link(&format!("proc/{pid}/fd/{fd}"), target.as_bytes())?;
            }
        }
        // Without a folder `fd` they are known to be unreadable.
        for pid in scan
            .unreadable
            .iter()
            .filter(|pid| !holders.contains_key(pid))
        {
            self.process(*pid)?;
        }
        let hidden = match Visibility::of(self.host) {
            Visibility::Limited(cause) => Some(cause),
            Visibility::Full if scan.unreadable.is_empty() => None,
            Visibility::Full => Some(HiddenCause::Permission),
        };
        Ok((holders.len(), hidden))
    }

    fn process(&mut self, pid: u32) -> io::Result<()> {
        let base = format!("proc/{pid}");
        self.recorder.folder(&base)?;
        let exe = std::fs::read_link(self.host.path(&format!("{base}/exe"))).ok();
        let Some(redactor) = &mut self.redactor else {
            for file in ["stat", "status", "comm", "cgroup", "cmdline"] {
                // A process may end at any moment; what was read of it is kept.
                if let Ok(text) = self.host.read(&format!("{base}/{file}")) {
                    self.recorder.write(&format!("{base}/{file}"), &text)?;
                }
            }
            if let Some(exe) = exe {
                use std::os::unix::ffi::OsStrExt;
                self.recorder
                    .link(&format!("{base}/exe"), exe.as_os_str().as_bytes())?;
            }
            return Ok(());
        };
        if let Ok(text) = self.host.read(&format!("{base}/comm")) {
            let name = redactor.name("process", process::comm(&text));
            self.recorder
                .write(&format!("{base}/comm"), format!("{name}\n").as_bytes())?;
        }
        let unit = self
            .host
            .read(&format!("{base}/cgroup"))
            .ok()
            .and_then(|text| process::unit(&text));
        if let Some(unit) = unit {
            let unit = redactor.name("unit", &unit);
            self.recorder.write(
                &format!("{base}/cgroup"),
                format!("0::/{unit}.service\n").as_bytes(),
            )?;
        }
        Ok(())
    }

    /// Names of ports, users and hosts.
    fn names(&mut self) -> io::Result<()> {
        self.copy_unless_redacted("etc/services")?;
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

    fn copy(&mut self, name: &str) -> io::Result<()> {
        match self.read(name) {
            Some(text) => self.recorder.write(name, &text),
            None => Ok(()),
        }
    }

    fn copy_unless_redacted(&mut self, name: &str) -> io::Result<()> {
        if self.redactor.is_some() {
            self.left_out.push(format!("{name}: redacted"));
            return Ok(());
        }
        self.copy(name)
    }

    /// Reads a file; one that is not there is noted in `meta.json`.
    fn read(&mut self, name: &str) -> Option<Vec<u8>> {
        match self.host.read(name) {
            Ok(text) => Some(text),
            Err(error) => {
                self.left_out.push(format!("{name}: {error}"));
                None
            }
        }
    }
}
