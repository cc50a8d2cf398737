//! The processes of a recording: those that hold sockets, those that may, and whom the first come
//! from.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::ffi::OsStrExt;

use super::Recording;
use crate::kernel::{Host, Recorder, Visibility, scan_holders};
use crate::model::{HiddenCause, Holder};
use crate::wire::process::{self, Stat};
use crate::wire::redact::Redactor;

/// What is kept of a process as it is.
const FILES: [&str; 5] = ["stat", "status", "comm", "cgroup", CMDLINE];
/// The one of them that may keep who reads it waiting.
const CMDLINE: &str = "cmdline";
/// What is kept of one that is a parent or leader and nothing else.
const LINEAGE: [&str; 2] = ["stat", "comm"];

/// What is known of who holds sockets.
pub(super) struct Held {
    /// How many processes hold some.
    pub(super) processes: u64,
    /// How many sockets they hold.
    pub(super) sockets: u64,
    /// Why others may hold more.
    pub(super) hidden: Option<HiddenCause>,
}

impl Recording<'_> {
    /// Every process that holds a socket, and those that may.
    pub(super) fn processes(&mut self) -> io::Result<Held> {
        let scan = match scan_holders(&self.host.path("proc"), self.host.is_recorded()) {
            Ok(scan) => scan,
            Err(error) => {
                self.left_out.push(format!("processes: {error}"));
                return Ok(Held {
                    processes: 0,
                    sockets: 0,
                    hidden: Some(HiddenCause::NotRecorded),
                });
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
        let unreadable = scan.unreadable.iter();
        for pid in unreadable.filter(|pid| !holders.contains_key(pid)) {
            self.process(*pid)?;
        }
        let recorded = |pid: &u32| holders.contains_key(pid) || scan.unreadable.contains(pid);
        let relatives: BTreeSet<u32> = holders
            .keys()
            .flat_map(|&pid| self.relatives(pid))
            .filter(|pid| !recorded(pid))
            .collect();
        for pid in relatives {
            self.relative(pid)?;
        }
        if let unasked @ 1.. = self.patience.unasked() {
            let what = format!("{CMDLINE} of {unasked} more processes: not asked for");
            self.left_out.push(what);
        }
        let hidden = match Visibility::of(self.host) {
            Visibility::Limited(cause) => Some(cause),
            Visibility::Full if scan.unreadable.is_empty() => None,
            Visibility::Full => Some(HiddenCause::Permission),
        };
        let inodes = holders.values().flatten().map(|(_, inode)| inode);
        let inodes: BTreeSet<u64> = inodes.copied().collect();
        Ok(Held {
            processes: holders.len() as u64,
            sockets: inodes.len() as u64,
            hidden,
        })
    }

    /// The parent of a process and the leaders of its group and session.
    fn relatives(&self, pid: u32) -> Vec<u32> {
        let text = self.host.read(&format!("proc/{pid}/stat"));
        let text = text.unwrap_or_default();
        let told = Stat::parse(&text).map(|stat| [stat.parent, stat.group, stat.session]);
        told.into_iter().flatten().filter(|&pid| pid != 0).collect()
    }

    fn process(&mut self, pid: u32) -> io::Result<()> {
        let base = format!("proc/{pid}");
        self.recorder.folder(&base)?;
        if let Some(redactor) = &mut self.redactor {
            redacted(self.host, self.recorder, redactor, pid)?;
            return redacted_unit(self.host, self.recorder, redactor, pid);
        }
        self.copies(pid, &FILES)?;
        if let Ok(exe) = std::fs::read_link(self.host.path(&format!("{base}/exe"))) {
            self.recorder
                .link(&format!("{base}/exe"), exe.as_os_str().as_bytes())?;
        }
        Ok(())
    }

    /// A process that is known to hold no socket; one that has ended leaves nothing behind.
    fn relative(&mut self, pid: u32) -> io::Result<()> {
        if self.host.read(&format!("proc/{pid}/stat")).is_err() {
            return Ok(());
        }
        self.recorder.folder(&format!("proc/{pid}/fd"))?;
        match &mut self.redactor {
            Some(redactor) => redacted(self.host, self.recorder, redactor, pid),
            None => self.copies(pid, &LINEAGE),
        }
    }

    fn copies(&mut self, pid: u32, files: &[&str]) -> io::Result<()> {
        for file in files {
            let name = format!("proc/{pid}/{file}");
            let text = if *file == CMDLINE && !self.host.is_recorded() {
                self.command_line(pid)
            } else {
                self.host.read(&name).ok()
            };
            // A process may end at any moment; what was read of it is kept.
            if let Some(text) = text {
                self.recorder.write(&name, &text)?;
            }
        }
        Ok(())
    }

    /// The command line of a process of now; one that is stuck in the kernel may not give it.
    fn command_line(&mut self, pid: u32) -> Option<Vec<u8>> {
        let name = format!("proc/{pid}/{CMDLINE}");
        let asks = move || Host::Live.read(&name).ok();
        let text = self.patience.ask(pid, asks).flatten();
        if self.patience.is_late(pid) {
            let moment = self.patience.moment().as_millis();
            self.left_out.push(format!(
                "proc/{pid}/{CMDLINE}: no answer within {moment} ms"
            ));
        }
        text
    }
}

/// The name of a process, replaced, and its lineage.
fn redacted(host: &Host, recorder: &Recorder, redactor: &mut Redactor, pid: u32) -> io::Result<()> {
    let comm = format!("proc/{pid}/comm");
    if let Ok(text) = host.read(&comm) {
        let name = redactor.name("process", process::comm(&text));
        recorder.write(&comm, format!("{name}\n").as_bytes())?;
    }
    let stat = format!("proc/{pid}/stat");
    if let Ok(text) = host.read(&stat)
        && let Some(text) = redactor.stat(pid, &text)
    {
        recorder.write(&stat, text.as_bytes())?;
    }
    Ok(())
}

/// The unit of a process, replaced.
fn redacted_unit(
    host: &Host,
    recorder: &Recorder,
    redactor: &mut Redactor,
    pid: u32,
) -> io::Result<()> {
    let cgroup = format!("proc/{pid}/cgroup");
    let text = host.read(&cgroup).ok();
    if let Some(unit) = text.and_then(|text| process::unit(&text)) {
        let unit = redactor.name("unit", &unit);
        recorder.write(&cgroup, format!("0::/{unit}.service\n").as_bytes())?;
    }
    Ok(())
}
