//! Containers in `/proc/PID/cgroup`: their ids and names, as far as cgroups are named after them.
//!
//! | made by | part of the path |
//! |---|---|
//! | Docker, Podman, containerd, CRI-O under systemd | `docker-ID.scope`, `libpod-ID.scope`, `cri-containerd-ID.scope`, `crio-ID.scope` |
//! | the same without systemd, Kubernetes among them | `ID`, `kubepods-….slice:cri-containerd:ID` |
//! | systemd | `systemd-nspawn@NAME.service`, `machine.slice/machine-NAME.scope` |
//! | LXC, Incus | `lxc.payload.NAME`, `lxc/NAME` |

use procfs::FromRead;
use procfs::ProcessCGroups;

/// Length of an id, in hexadecimal digits.
const ID_LEN: usize = 64;

/// The containers that a process is in, the outermost first, each by its id or name. None where
/// the text makes no sense, and from within a container that does not see its own path.
pub fn containers(text: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for cgroup in ProcessCGroups::from_read(text).into_iter().flatten() {
        let mut parent = "";
        for part in cgroup.pathname.split('/') {
            // The same path stands in each hierarchy.
            found.extend(container(parent, part).filter(|name| !found.contains(name)));
            parent = part;
        }
    }
    found
}

fn container(parent: &str, part: &str) -> Option<Vec<u8>> {
    if let Some(id) = id(part.strip_suffix(".scope").unwrap_or(part)) {
        return Some(id.as_bytes().to_vec());
    }
    let unit = |start: &str, end: &str| part.strip_prefix(start)?.strip_suffix(end);
    let name = match parent {
        "lxc" => Some(part),
        "machine.slice" => unit("machine-", ".scope"),
        _ => part.strip_prefix("lxc.payload."),
    };
    let name = name.or_else(|| unit("systemd-nspawn@", ".service"))?;
    (!name.is_empty()).then(|| unescaped(name))
}

/// The id that a name ends with. A container's monitor runs beside it, in a cgroup of its own.
fn id(name: &str) -> Option<&str> {
    let (before, id) = name.split_at_checked(name.len().checked_sub(ID_LEN)?)?;
    let is_id = id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_apart = before.is_empty() || before.ends_with(['-', ':']);
    (is_id && is_apart && !before.ends_with("conmon-")).then_some(id)
}

/// A name without systemd's escapes, `\xNN`.
fn unescaped(name: &str) -> Vec<u8> {
    let mut parts = name.split("\\x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let byte = part.get(..2).map(|digits| u8::from_str_radix(digits, 16));
        match byte {
            Some(Ok(byte)) => {
                bytes.push(byte);
                bytes.extend_from_slice(&part.as_bytes()[2..]);
            }
            _ => bytes.extend_from_slice(format!("\\x{part}").as_bytes()),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(path: &str, expected: &[&str]) {
        let found = containers(format!("0::{path}\n").as_bytes());
        let found: Vec<&str> = found
            .iter()
            .map(|name| std::str::from_utf8(name).unwrap())
            .collect();
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn ids_and_names_of_every_maker() {
        let (a, b) = ("0a".repeat(32), "b1".repeat(32));
        for path in [
            format!("/system.slice/docker-{a}.scope"),
            format!("/docker/{a}"),
            format!("/machine.slice/libpod-{a}.scope/container"),
            format!("/kubepods.slice/kubepods-pod12_3.slice/cri-containerd-{a}.scope"),
            format!("/kubepods/besteffort/pod12-3/{a}"),
            format!("/kubepods.slice/crio-{a}.scope"),
            format!("/system.slice/kubepods-pod1.slice:cri-containerd:{a}"),
        ] {
            check(&path, &[&a]);
        }
        check(
            "/machine.slice/systemd-nspawn@web.service/payload",
            &["web"],
        );
        check("/machine.slice/machine-web\\x2d1.scope", &["web-1"]);
        check("/lxc.payload.db/init.scope", &["db"]);
        check("/lxc/db", &["db"]);
        let nested = format!("/docker/{a}/system.slice/docker-{b}.scope");
        check(&nested, &[&a, &b]);
    }

    #[test]
    fn what_is_no_container_has_no_name() {
        let id = "0a".repeat(32);
        for path in [
            "/",
            "/system.slice/nginx.service",
            "/lxc.payload.",
            "/machine.slice/machine-.scope",
            "/user.slice/machine-web.scope",
            &format!("/machine.slice/libpod-conmon-{id}.scope"),
            &format!("/x{id}"),
            &format!("/{}", &id[1..]),
        ] {
            check(path, &[]);
        }
        assert!(containers(b"nonsense").is_empty());
    }

    #[test]
    fn each_is_told_once_whatever_the_hierarchies() {
        let id = "0a".repeat(32);
        let text = format!("12:cpu:/docker/{id}\n1:name=systemd:/docker/{id}\n0::/\n");
        assert_eq!(containers(text.as_bytes()), [id.as_bytes()]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(path in "(/|lxc|[a-f0-9ü\\\\x@.-]|machine-){0,80}") {
            let _ = containers(format!("0::/{path}\n").as_bytes());
        }
    }
}
