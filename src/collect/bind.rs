//! What decides over a bind beside sockets: settings, rights, and the flags of those that hold
//! the port.

use std::io;

use super::addresses::has_ipv6;
use crate::kernel::{self, Host, Patience};
use crate::model::{Holder, Ipv6, SocketFlags};
use crate::wire::{sysctl, user_map};

/// No sysctl that is a number is longer.
const NUMBER_LIMIT: u64 = 64;
/// A map of users has 340 lines at most.
const MAP_LIMIT: u64 = 16 << 10;
/// `kernel.overflowuid` where it cannot be read.
const OVERFLOW_UID: u32 = 65_534;
/// Holders that are asked for a socket's flags, one after another, until one answers.
const MOST_ASKED: usize = 256;
/// What `ip_unprivileged_port_start` is where it cannot be set: before Linux 4.11.
const PRIVILEGED_PORTS: u32 = 1024;

/// What the settings say of bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BindSettings {
    /// Ports below need CAP_NET_BIND_SERVICE; `None` where that cannot be read.
    /// Source: `net.ipv4.ip_unprivileged_port_start`.
    pub unprivileged_port_start: Option<u32>,
    /// Whether any IPv4 address may be bound; `None` where that cannot be read.
    /// Source: `net.ipv4.ip_nonlocal_bind`.
    pub nonlocal_v4: Option<bool>,
    /// Whether any IPv6 address may be bound; `None` where that cannot be read.
    /// Source: `net.ipv6.ip_nonlocal_bind`.
    pub nonlocal_v6: Option<bool>,
    /// Whether bind of port 0 with SO_REUSEADDR shares ports when none is free; `None` where that
    /// cannot be read. Source: `net.ipv4.ip_autobind_reuse`.
    pub autobind_reuse: Option<bool>,
    /// Whether TCP sockets of all VRFs share their ports; `None` where that cannot be read.
    /// Source: `net.ipv4.tcp_l3mdev_accept`.
    pub shares_vrfs: Option<bool>,
    /// What IPV6_V6ONLY is where a program does not set it; `None` where that cannot be read.
    /// Source: `net.ipv6.bindv6only`.
    pub v6only: Option<bool>,
    /// How IPv6 stands. Source: `net.ipv6.conf.all.disable_ipv6`.
    pub ipv6: Ipv6,
}

/// Reads what the settings say of bind. One that this kernel does not have is what it was before
/// it could be set.
pub fn read_bind_settings(host: &Host) -> BindSettings {
    let read = |name, before| match number(host, name) {
        Ok(number) => Some(number),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !host.is_recorded() => {
            Some(before)
        }
        Err(_) => None,
    };
    let is_set = |name| read(name, 0).map(|number| number != 0);
    BindSettings {
        unprivileged_port_start: read("ipv4/ip_unprivileged_port_start", PRIVILEGED_PORTS),
        autobind_reuse: is_set("ipv4/ip_autobind_reuse"),
        nonlocal_v4: is_set("ipv4/ip_nonlocal_bind"),
        nonlocal_v6: is_set("ipv6/ip_nonlocal_bind"),
        shares_vrfs: is_set("ipv4/tcp_l3mdev_accept"),
        v6only: is_set("ipv6/bindv6only"),
        ipv6: if !has_ipv6(host) {
            Ipv6::Absent
        } else if is_ipv6_off(host, "all") {
            Ipv6::Disabled
        } else {
            // Where that cannot be read, addresses and routes tell.
            Ipv6::On
        },
    }
}

/// Whether IPv6 is known to be off on an interface; on all of them where that is `all`.
/// Source: `net.ipv6.conf.NAME.disable_ipv6`.
pub fn is_ipv6_off(host: &Host, interface: &str) -> bool {
    // As a folder of sysctls, so that it leads nowhere else.
    let is_name = !interface.contains('/') && !matches!(interface, "" | "." | "..");
    let name = format!("ipv6/conf/{interface}/disable_ipv6");
    is_name && matches!(number(host, &name), Ok(1..))
}

/// Whether the kernel lists TCP sockets that are bound and do not listen, as far as that can be
/// known: Linux does since 6.8, and some before it.
///
/// Its description of its own types has a name for their state, and a recording says what was found
/// there. Without either the release decides, where it is late enough.
pub fn lists_bound_sockets(host: &Host) -> bool {
    let told = match host {
        Host::Live | Host::Beside(_) | Host::Everywhere(_) => kernel::describes_bound_sockets(),
        Host::Recorded(recording) => recording.meta.lists_bound,
    };
    told.unwrap_or_else(|| {
        let release = host.kernel_release();
        release.is_some_and(|release| is_from_6_8_on(&release))
    })
}

fn is_from_6_8_on(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    let mut next = || numbers.next()?.parse::<u32>().ok();
    match (next(), next()) {
        (Some(major), Some(minor)) => (major, minor) >= (6, 8),
        _ => false,
    }
}

fn number(host: &Host, name: &str) -> io::Result<u32> {
    let text = host.read_within(&format!("proc/sys/net/{name}"), NUMBER_LIMIT)?;
    sysctl::number(&text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Whether a user has CAP_NET_BIND_SERVICE over the network namespace. Of this process that is
/// known; of others only that root has it, unless somebody took it away.
pub fn may_bind_low(host: &Host, uid: u32) -> Option<bool> {
    if host.is_here() && uid == kernel::own_uid() {
        return kernel::may_bind_low_ports();
    }
    (uid == 0).then_some(true)
}

/// The uid under which several users may appear: the kernel shows those of whom our user namespace
/// knows nothing as `kernel.overflowuid`. Of a recording it is not known, and taken not to be so.
pub fn anonymous_uid(host: &Host) -> Option<u32> {
    if host.is_recorded() {
        return None;
    }
    let read = |name| host.read_within(name, MAP_LIMIT).ok();
    let overflow = read("proc/sys/kernel/overflowuid").and_then(|text| sysctl::number(&text).ok());
    let map = read("proc/self/uid_map");
    let knows_all = map.is_some_and(|map| user_map::maps_every_user(&map));
    (!knows_all).then_some(overflow.unwrap_or(OVERFLOW_UID))
}

/// The flags of a socket that these hold: of the first one who may be asked. Nothing is known
/// where nobody may, and of a recording.
pub fn read_flags(
    host: &Host,
    patience: &mut Patience,
    inode: u64,
    holders: &[Holder],
) -> SocketFlags {
    if host.is_recorded() {
        return SocketFlags::default();
    }
    holders
        .iter()
        .take(MOST_ASKED)
        .find_map(|&holder| {
            let asks = move || kernel::socket_flags(holder, inode);
            patience.ask(holder.pid, asks).flatten()
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn recording(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("proc")).unwrap();
        for (name, text) in files {
            let path = folder.path().join("proc/sys/net").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let host = Host::recorded(folder.path()).unwrap();
        (folder, host)
    }

    #[test]
    fn settings_that_are_not_recorded_are_not_known() {
        let (_folder, host) = recording(&[]);
        let usual = BindSettings {
            unprivileged_port_start: None,
            nonlocal_v4: None,
            nonlocal_v6: None,
            autobind_reuse: None,
            shares_vrfs: None,
            v6only: None,
            ipv6: Ipv6::On,
        };
        assert_eq!(read_bind_settings(&host), usual);
        let (_folder, host) = recording(&[
            ("ipv4/ip_unprivileged_port_start", "x\n"),
            ("ipv4/ip_nonlocal_bind", "\n"),
        ]);
        assert_eq!(read_bind_settings(&host), usual);
    }

    #[test]
    fn settings_are_read() {
        let (_folder, host) = recording(&[
            ("ipv4/ip_unprivileged_port_start", "80\n"),
            ("ipv4/ip_nonlocal_bind", "1\n"),
            ("ipv6/ip_nonlocal_bind", "0\n"),
            ("ipv4/ip_autobind_reuse", "1\n"),
            ("ipv6/bindv6only", "1\n"),
            ("ipv6/conf/all/disable_ipv6", "1\n"),
        ]);
        assert_eq!(
            read_bind_settings(&host),
            BindSettings {
                unprivileged_port_start: Some(80),
                nonlocal_v4: Some(true),
                nonlocal_v6: Some(false),
                autobind_reuse: Some(true),
                shares_vrfs: None,
                v6only: Some(true),
                ipv6: Ipv6::Disabled,
            }
        );
    }

    #[test]
    fn ipv6_is_off_on_an_interface_where_that_is_said() {
        let (_folder, host) = recording(&[
            ("ipv6/conf/lo/disable_ipv6", "1\n"),
            ("ipv6/conf/eth0/disable_ipv6", "0\n"),
        ]);
        let off = ["lo", "eth0", "eth1", "../lo", "lo/.", "", ".."];
        assert_eq!(
            off.map(|name| is_ipv6_off(&host, name)).map(u8::from),
            [1, 0, 0, 0, 0, 0, 0]
        );
    }

    #[test]
    fn bound_sockets_are_listed_from_linux_6_8_on() {
        for (release, expected) in [
            ("6.8", true),
            ("6.8.0-31-generic", true),
            ("6.18.44-fc", true),
            ("7.0", true),
            ("6.7.12", false),
            ("5.15.0", false),
            ("6", false),
            ("", false),
            ("six.8", false),
        ] {
            assert_eq!(is_from_6_8_on(release), expected, "{release}");
        }
        // A recording that does not say of which kernel it is.
        let (_folder, host) = recording(&[]);
        assert!(!lists_bound_sockets(&host));
        // Here the kernel and the release agree, where neither was changed.
        assert_eq!(
            kernel::describes_bound_sockets().unwrap_or(true),
            lists_bound_sockets(&Host::Live)
        );
    }

    #[test]
    fn only_root_is_presumed_to_have_rights() {
        let (_folder, host) = recording(&[]);
        assert_eq!(may_bind_low(&host, 0), Some(true));
        assert_eq!(may_bind_low(&host, 1000), None);
    }
}
