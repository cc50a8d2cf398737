//! Texts of `/proc/PID`.

use procfs::FromRead;
use procfs::ProcessCGroups;

/// The name in `/proc/PID/comm`: all but the newline that ends the file.
///
/// The name itself may hold newlines, so only the last one is cut.
pub fn comm(text: &[u8]) -> &[u8] {
    text.strip_suffix(b"\n").unwrap_or(text)
}

/// The name in `/proc/PID/stat`: between the first `(` and the *last* `)`, as the name may hold
/// either.
pub fn comm_of_stat(text: &[u8]) -> Option<&[u8]> {
    let open = text.iter().position(|&byte| byte == b'(')?;
    let close = text.iter().rposition(|&byte| byte == b')')?;
    text.get(open + 1..close)
}

/// The systemd unit in `/proc/PID/cgroup`: the innermost part of the path that names a service,
/// scope or the like. `None` outside of units and where the text makes no sense.
pub fn unit(text: &[u8]) -> Option<Vec<u8>> {
    let cgroups = ProcessCGroups::from_read(text).ok()?;
    let systemd = |controllers: &[String]| controllers.iter().any(|name| name == "name=systemd");
    // On a machine with both hierarchies systemd keeps units in its own.
    let cgroup = cgroups
        .into_iter()
        .filter(|cgroup| cgroup.controllers.is_empty() || systemd(&cgroup.controllers))
        .max_by_key(|cgroup| systemd(&cgroup.controllers))?;
    cgroup
        .pathname
        .rsplit('/')
        .find(|part| is_unit(part))
        // systemd puts `_` before names that the kernel would take for its own files.
        .map(|part| part.strip_prefix('_').unwrap_or(part).as_bytes().to_vec())
}

/// No file system has longer names, so no cgroup has.
const NAME_LIMIT: usize = 255;

fn is_unit(name: &str) -> bool {
    name.len() <= NAME_LIMIT
        && [".service", ".scope", ".socket", ".mount", ".swap"]
            .iter()
            .any(|suffix| name.len() > suffix.len() && name.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_brackets_and_newlines_stay_whole() {
        assert_eq!(comm_of_stat(b"7 (x) y (z)) S 1 7"), Some(&b"x) y (z)"[..]));
        assert_eq!(comm_of_stat(b"7 )x( S"), None);
        assert_eq!(comm(b"a\nb\n\n"), b"a\nb\n");
    }

    #[test]
    fn units_of_both_cgroup_versions() {
        for (text, unit_name) in [
            ("0::/system.slice/nginx.service\n", Some("nginx.service")),
            (
                "0::/user.slice/user-1000.slice/user@1000.service/app.slice/web.service\n",
                Some("web.service"),
            ),
            (
                "12:cpu:/x.service\n1:name=systemd:/system.slice/ssh.service\n0::/\n",
                Some("ssh.service"),
            ),
            (
                "0::/system.slice/docker-ab12.scope\n",
                Some("docker-ab12.scope"),
            ),
            ("0::/\n", None),
            ("0::/init.scope/.service\n", Some("init.scope")),
            ("nonsense", None),
            (&format!("0::/{}.service\n", "a".repeat(300)), None),
        ] {
            assert_eq!(
                unit(text.as_bytes()).as_deref(),
                unit_name.map(str::as_bytes),
                "{text}"
            );
        }
    }
}
