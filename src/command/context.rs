//! What every command works with.

use std::collections::HashSet;
use std::io::{self, Write};
use std::mem::{Discriminant, discriminant};

use crate::analyze::{EphemeralSettings, Reuse, Severity, TimeWaitReuse, Verdict};
use crate::collect::{Method, find_everywhere, namespaces};
use crate::join::Services;
use crate::kernel::{HolderMethod, Host};
use crate::model::{Entrance, Gap, PortSet, UnseenNamespaces};
use crate::render::escape::message;
use crate::render::{Document, verdict_warning};
use crate::wire::{services, sysctl};

/// What a listing leaves to be said.
pub(super) struct Remarks {
    /// What it lacks.
    pub(super) gaps: Vec<Gap>,
    /// How the ephemeral ports stand.
    pub(super) verdict: Option<Verdict>,
    /// Why owners were not found by BPF.
    pub(super) without_bpf: Option<String>,
}

/// What every command works with.
pub(super) struct Context {
    /// The machine, or a recording.
    pub(super) host: Host,
    /// By which way tables are read.
    pub(super) method: Method,
    /// By which way owners are found.
    pub(super) holder_method: HolderMethod,
    /// Whether somebody asked about network namespaces, so that rows tell theirs.
    pub(super) tells_netns: bool,
    /// How commands get to the network namespace that is looked at; `None` where whoever runs this
    /// is there.
    pub(super) entrance: Option<Entrance>,
    warned: Warned,
}

/// What was warned of in this run. Rounds see the same again, with other numbers and at other
/// places; that is nothing new.
#[derive(Default)]
pub(super) struct Warned {
    texts: HashSet<String>,
    gaps: HashSet<(Discriminant<Gap>, &'static str, String)>,
    ports: Option<Severity>,
}

impl Warned {
    fn is_new_text(&mut self, text: &str) -> bool {
        self.texts.insert(text.to_owned())
    }

    /// Warns of every gap, once of each kind.
    pub(super) fn warn_of_gaps(&mut self, gaps: &[Gap]) {
        for gap in gaps {
            if self.is_new_gap(gap) {
                write_warning(&gap.to_string());
            }
        }
    }

    fn is_new_gap(&mut self, gap: &Gap) -> bool {
        let about = match gap {
            Gap::Garbled { place, .. } => place.clone(),
            Gap::Owners { cause, .. } | Gap::MoreOwners { cause, .. } => cause.name().to_owned(),
            // The reason names the first of them, which is another when that has ended.
            Gap::Namespaces {
                why: UnseenNamespaces::Unread { .. },
                ..
            } => "unread".to_owned(),
            Gap::Namespaces { .. } | Gap::Untold { .. } => gap.reason(),
            Gap::Within { namespaces, .. } if namespaces.len() > 1 => gap.reason(),
            _ => gap.place().unwrap_or_default(),
        };
        self.gaps.insert((discriminant(gap), gap.what(), about))
    }

    /// Whether ports stand worse than ever said.
    fn is_new_severity(&mut self, severity: Severity) -> bool {
        let is_worse = Some(severity) > self.ports;
        if is_worse {
            self.ports = Some(severity);
        }
        is_worse
    }
}

impl Context {
    /// A run on this host.
    pub(super) fn new(host: Host, method: Method, holder_method: HolderMethod) -> Context {
        Context {
            entrance: host.recorded_entrance().cloned(),
            host,
            method,
            holder_method,
            tells_netns: false,
            warned: Warned::default(),
        }
    }

    /// Writes a warning to stderr, once a run.
    pub(super) fn warn(&mut self, warning: String) {
        if self.warned.is_new_text(&warning) {
            write_warning(&warning);
        }
    }

    /// Warns of every gap, once a run of each kind.
    pub(super) fn warn_of_gaps(&mut self, gaps: &[Gap]) {
        self.warned.warn_of_gaps(gaps);
    }

    /// Warns when ephemeral ports run short, and again when it gets worse.
    pub(super) fn warn_of_verdict(&mut self, verdict: &Verdict) {
        if let Some(warning) = verdict_warning(verdict)
            && self.warned.is_new_severity(verdict.severity)
        {
            write_warning(&warning);
        }
    }

    /// Says why owners were not found by BPF: to whoever asked for that, or for more words.
    pub(super) fn say_without_bpf(&mut self, reason: Option<&str>, verbose: bool) {
        if let Some(reason) = reason
            && (verbose || self.holder_method == HolderMethod::Bpf)
        {
            self.warn(format!("owners by /proc, not BPF: {reason}"));
        }
    }

    /// Names of ports; those that everybody knows on a machine without a file of its own.
    pub(super) fn services(&self) -> Services {
        let text = self.host.read("etc/services").unwrap_or_default();
        Services::new(services::parse(&text).services)
    }

    /// Why the kernel cannot be asked for ports by TCP fast open; `None` where it can.
    pub(super) fn without_fast_open(&self) -> Option<&'static str> {
        let text = self.host.read("proc/sys/net/ipv4/tcp_fastopen");
        let bits = text.ok().and_then(|text| sysctl::number(&text).ok());
        bits.is_some_and(|bits| bits & 1 == 0)
            .then_some("the first bit of net.ipv4.tcp_fastopen is off")
    }

    /// Whether the sockets are those of several network namespaces.
    pub(super) const fn is_everywhere(&self) -> bool {
        matches!(self.host, Host::Everywhere(_))
    }

    /// What a network namespace is called, where there are several.
    pub(super) fn namespace_label(&self, netns: u16) -> Option<Vec<u8>> {
        if !self.is_everywhere() {
            return None;
        }
        let namespaces = namespaces(&self.host);
        let namespace = namespaces.get(usize::from(netns))?;
        Some(namespace.label().into_owned())
    }

    /// Looks for network namespaces again, which come and go between two rounds.
    pub(super) fn begin_round(&mut self) {
        if self.is_everywhere()
            && let Ok(host) = find_everywhere()
        {
            self.host = host;
        }
    }

    /// The limits of the ephemeral ports; a gap where they cannot be read.
    pub(super) fn ephemeral_settings(&self) -> Result<EphemeralSettings, Gap> {
        self.ephemeral_settings_in(0)
    }

    /// The same, in the network namespace of a number.
    pub(super) fn ephemeral_settings_in(&self, netns: u16) -> Result<EphemeralSettings, Gap> {
        let name = "proc/sys/net/ipv4/ip_local_port_range";
        let unreadable = |reason: String| Gap::Unreadable {
            what: "ephemeral port range",
            place: name.to_owned(),
            reason,
        };
        let text = self
            .host
            .read_in(netns, name)
            .map_err(|error| unreadable(error.to_string()))?;
        let range = sysctl::port_range(&text).map_err(|error| unreadable(error.to_string()))?;
        let settings = |reserved| EphemeralSettings::new(range, reserved);
        let settings = match self.reserved_ports(netns) {
            Some(reserved) => settings(reserved),
            None => settings(PortSet::new()).without_reserved(),
        };
        Ok(settings.with_reuse(self.time_wait_reuse(netns)))
    }

    /// The ports that are reserved; `None` where that cannot be read, as of a recording that lacks
    /// the file. Kernels before 2.6.35 have none, and reserve nothing.
    fn reserved_ports(&self, netns: u16) -> Option<PortSet> {
        let name = "proc/sys/net/ipv4/ip_local_reserved_ports";
        match self.host.read_in(netns, name) {
            Ok(text) => sysctl::port_list(&text).ok(),
            Err(error) => {
                let is_absent = error.kind() == io::ErrorKind::NotFound && !self.host.is_recorded();
                is_absent.then(PortSet::new)
            }
        }
    }

    /// What becomes of TIME-WAIT; the kernel's defaults where a file is not there, as on kernels
    /// that lack the sysctl.
    fn time_wait_reuse(&self, netns: u16) -> TimeWaitReuse {
        let number = |name: &str| {
            let name = format!("proc/sys/net/ipv4/{name}");
            sysctl::number(&self.host.read_in(netns, &name).ok()?).ok()
        };
        let default = TimeWaitReuse::DEFAULT;
        TimeWaitReuse {
            reuse: number("tcp_tw_reuse")
                .and_then(Reuse::from_number)
                .unwrap_or(default.reuse),
            delay_ms: number("tcp_tw_reuse_delay").unwrap_or(default.delay_ms),
            timestamps: number("tcp_timestamps") != Some(0),
        }
    }

    /// A document about this host, its collection still to be filled in.
    pub(super) fn document(&self, schema: &'static str) -> Document {
        Document {
            schema,
            host: self.host.name(),
            taken_at: self.host.taken_at().map(crate::render::utc),
            collection: crate::render::Collection::default(),
        }
    }
}

/// Writes a warning to stderr.
pub(super) fn write_warning(warning: &str) {
    // There is nobody left to tell when stderr is closed.
    let _ = writeln!(io::stderr(), "portstat: {}", message(warning));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Family, HiddenCause, Protocol, Table};

    #[test]
    fn what_is_reserved_is_known_only_where_it_can_be_read() {
        let reserved = |text: Option<&str>| {
            let folder = tempfile::tempdir().unwrap();
            let settings = folder.path().join("proc/sys/net/ipv4");
            std::fs::create_dir_all(&settings).unwrap();
            std::fs::write(settings.join("ip_local_port_range"), "40000\t40019\n").unwrap();
            if let Some(text) = text {
                std::fs::write(settings.join("ip_local_reserved_ports"), text).unwrap();
            }
            let host = Host::recorded(folder.path()).unwrap();
            let context = Context::new(host, Method::Auto, HolderMethod::Auto);
            let settings = context.ephemeral_settings().unwrap();
            settings
                .knows_reserved()
                .then(|| settings.reserved_ports().ranges())
        };
        assert_eq!(
            reserved(Some("40003,9000-9001\n")).unwrap(),
            "9000-9001,40003"
        );
        assert_eq!(reserved(Some("\n")).unwrap(), "");
        assert_eq!(reserved(Some("no port\n")), None);
        assert_eq!(reserved(None), None);
    }

    #[test]
    fn other_numbers_are_no_new_warning() {
        let mut warned = Warned::default();
        let mut check = |gap: Gap, is_new: bool| {
            assert_eq!(warned.is_new_gap(&gap), is_new, "{gap}");
        };
        let owners = |count, cause| Gap::Owners { count, cause };
        let garbled = |place: &str, line: u64| Gap::Garbled {
            what: "sockets",
            place: place.to_owned(),
            first: format!("line {line}"),
            count: line,
            reason: format!("reason {line}"),
        };
        let tables = Family::IP.map(|family| Table {
            protocol: Protocol::Tcp,
            family,
        });
        let broken = |rows| Gap::Broken {
            tables: tables.to_vec(),
            rows,
            reason: "interrupted".to_owned(),
        };
        let unread = |table| Gap::Unread {
            table,
            reason: "no".to_owned(),
        };
        check(owners(3, HiddenCause::Permission), true);
        check(owners(4, HiddenCause::Permission), false);
        check(owners(4, HiddenCause::Vanished), true);
        check(garbled("proc/net/tcp", 3), true);
        check(garbled("proc/net/tcp", 5), false);
        check(garbled("proc/net/udp", 5), true);
        check(broken(100), true);
        check(broken(200), false);
        check(unread(tables[0]), true);
        check(unread(tables[1]), true);
        check(unread(tables[1]), false);
        check(Gap::Unresolved { count: 2 }, true);
        check(Gap::Unresolved { count: 7 }, false);
    }

    #[test]
    fn ports_are_warned_of_again_only_when_it_gets_worse() {
        let mut warned = Warned::default();
        for (severity, is_new) in [
            (Severity::Warning, true),
            (Severity::Warning, false),
            (Severity::Critical, true),
            (Severity::Warning, false),
            (Severity::Critical, false),
        ] {
            assert_eq!(warned.is_new_severity(severity), is_new, "{severity:?}");
        }
    }
}
