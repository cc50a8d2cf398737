//! Texts of `/proc/PID`.

use procfs::FromRead;
use procfs::ProcessCGroups;

use crate::model::Condition;

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

/// Among the flags of a process: it runs what it was forked with. Source: `PF_FORKNOEXEC` of the
/// kernel's `linux/sched.h`, the same on every architecture since Linux 2.6.
const FORKED_WITHOUT_EXEC: u32 = 0x40;

/// What `/proc/PID/stat` tells, after proc_pid_stat(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat<'a> {
    /// Its name.
    pub comm: &'a [u8],
    /// Its state: `R`, `S`, `Z` …
    pub state: u8,
    /// Its parent; 0 where that is outside of our pid namespace.
    pub parent: u32,
    /// Its process group; 0 likewise.
    pub group: u32,
    /// Its session; 0 likewise.
    pub session: u32,
    /// Whether it has executed a program since it was forked, and is not what its parent was.
    pub has_executed: bool,
    /// How many threads it has; 0 when it has ended.
    pub threads: u32,
    /// When it started, in clock ticks since the machine did: of processes with one number no two
    /// have the same.
    pub started: u64,
}

impl<'a> Stat<'a> {
    /// Parses the text; `None` when it makes no sense, as of a process that is just being buried.
    pub fn parse(text: &'a [u8]) -> Option<Stat<'a>> {
        let comm = comm_of_stat(text)?;
        let close = text.iter().rposition(|&byte| byte == b')')?;
        let rest = std::str::from_utf8(text.get(close + 1..)?).ok()?;
        // The state is the third field.
        let fields: Vec<&str> = rest.split_ascii_whitespace().take(20).collect();
        let number = |field: usize| fields.get(field - 3)?.parse().ok();
        Some(Stat {
            comm,
            state: *fields.first()?.as_bytes().first()?,
            parent: number(4)?,
            group: number(5)?,
            session: number(6)?,
            has_executed: number(9)? & FORKED_WITHOUT_EXEC == 0,
            threads: number(20)?,
            started: fields.get(22 - 3)?.parse().ok()?,
        })
    }

    /// A text of the same process under another name, with 0 for all that is not told here.
    pub fn text(&self, pid: u32, name: &str) -> String {
        let Stat {
            parent,
            group,
            session,
            has_executed,
            threads,
            started,
            ..
        } = self;
        let flags = if *has_executed {
            0
        } else {
            FORKED_WITHOUT_EXEC
        };
        let state = char::from(self.state);
        format!(
            "{pid} ({name}) {state} {parent} {group} {session} 0 0 {flags} 0 0 0 0 0 0 0 0 0 0 \
             {threads} 0 {started}\n"
        )
    }

    /// Whether its first thread has ended. The others may go on, and its descriptors are theirs.
    pub fn leader_has_ended(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }

    /// What keeps it from ending when it is told to.
    pub const fn condition(&self) -> Condition {
        match self.state {
            b'T' => Condition::Stopped,
            b't' => Condition::Traced,
            b'D' => Condition::Uninterruptible,
            b'Z' | b'X' | b'x' => Condition::LeaderEnded,
            _ => Condition::Usual,
        }
    }

    /// Whether nothing is left of it but its number.
    pub fn has_ended(&self) -> bool {
        self.leader_has_ended() && self.threads <= 1
    }
}

/// The effective user in `/proc/PID/status`: the second number of `Uid`.
pub fn effective_user(text: &[u8]) -> Option<u32> {
    let mut lines = text.split(|&byte| byte == b'\n');
    let users = lines.find_map(|line| line.strip_prefix(b"Uid:"))?;
    let users = std::str::from_utf8(users).ok()?;
    users.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The words in `/proc/PID/cmdline`, each ended by a NUL byte. A program that gave itself a title
/// has a single one, and fills with NUL bytes what is left of the room.
pub fn command_line(text: &[u8]) -> Vec<Vec<u8>> {
    let end = text.iter().position(|&byte| byte == 0);
    let (title, rest) = text.split_at(end.unwrap_or(text.len()));
    if rest.iter().all(|&byte| byte == 0) {
        return match title {
            [] => Vec::new(),
            _ => vec![title.to_vec()],
        };
    }
    let words = text.strip_suffix(b"\0").unwrap_or(text);
    words.split(|&byte| byte == 0).map(<[u8]>::to_vec).collect()
}

/// Whether `/proc/PID/fdinfo/FD` says that exec closes the descriptor; `None` where it makes no
/// sense.
pub fn closes_on_exec(fdinfo: &[u8]) -> Option<bool> {
    let mut lines = fdinfo.split(|&byte| byte == b'\n');
    let flags = lines.find_map(|line| line.strip_prefix(b"flags:"))?;
    let flags = std::str::from_utf8(flags).ok()?.trim_ascii();
    let flags = libc::c_int::from_str_radix(flags, 8).ok()?;
    Some(flags & libc::O_CLOEXEC != 0)
}

/// The systemd unit in `/proc/PID/cgroup`: below the slices the first part of the path, which is
/// where systemd's own `cg_path_get_unit` looks; of a user's manager the first part below that.
/// What lies deeper was made by others: units of a container, or names that a service which may
/// make cgroups chose as it liked. `None` outside of units and where the text makes no sense.
pub fn unit(text: &[u8]) -> Option<Vec<u8>> {
    let (_, unit) = manager_and_unit(text)?;
    Some(unit?.into_bytes())
}

/// The user whose service manager the process runs under, by `/proc/PID/cgroup`. The system's own
/// manager does not know its units.
pub fn user_manager(text: &[u8]) -> Option<u32> {
    manager_and_unit(text)?.0
}

/// The uid of the user's manager, where it is one, and the unit.
fn manager_and_unit(text: &[u8]) -> Option<(Option<u32>, Option<String>)> {
    let cgroups = ProcessCGroups::from_read(text).ok()?;
    let systemd = |controllers: &[String]| controllers.iter().any(|name| name == "name=systemd");
    // On a machine with both hierarchies systemd keeps units in its own.
    let cgroup = cgroups
        .into_iter()
        .filter(|cgroup| cgroup.controllers.is_empty() || systemd(&cgroup.controllers))
        .max_by_key(|cgroup| systemd(&cgroup.controllers))?;
    let mut parts = cgroup.pathname.split('/').filter(|part| !part.is_empty());
    let mut next = || parts.find(|part| !part.ends_with(".slice"));
    let Some(first) = next() else {
        return Some((None, None));
    };
    match manager_of(first) {
        None => Some((None, unit_name(first))),
        // The manager itself is a service of the system's.
        Some(uid) => match next().and_then(unit_name) {
            None => Some((None, unit_name(first))),
            inner => Some((Some(uid), inner)),
        },
    }
}

/// The uid in `user@1000.service`.
fn manager_of(unit: &str) -> Option<u32> {
    let uid = unit.strip_prefix("user@")?.strip_suffix(".service")?;
    uid.parse().ok()
}

/// No file system has longer names, so no cgroup has.
const NAME_LIMIT: usize = 255;

/// The unit of a cgroup's name, where that is one that systemd gives: it takes no others.
fn unit_name(part: &str) -> Option<String> {
    // systemd puts `_` before names that the kernel would take for its own files.
    let name = part.strip_prefix('_').unwrap_or(part);
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    let is_unit = name.len() <= NAME_LIMIT
        && name.bytes().all(is_valid)
        && [".service", ".scope", ".socket", ".mount", ".swap"]
            .iter()
            .any(|suffix| name.len() > suffix.len() && name.ends_with(suffix));
    is_unit.then(|| name.to_owned())
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
    fn of_four_users_the_second_is_in_effect() {
        let text = b"Name:\tx\nUmask:\t0022\nUid:\t1000\t65534\t3\t4\nGid:\t5\t6\t7\t8\n";
        assert_eq!(effective_user(text), Some(65_534));
        for text in [
            &b""[..],
            b"Uid:\t1000\n",
            b"Uid:\t1\t-2\t3\t4\n",
            b"xUid:\t1\t2\n",
        ] {
            assert_eq!(effective_user(text), None);
        }
    }

    const STAT: &[u8] = b"7 (x) S 9) Z 4 5 6 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 3 0 123456 1 2\n";

    #[test]
    fn a_name_does_not_pass_for_other_fields() {
        let stat = Stat::parse(STAT).unwrap();
        assert_eq!(
            stat,
            Stat {
                comm: b"x) S 9",
                state: b'Z',
                parent: 4,
                group: 5,
                session: 6,
                has_executed: true,
                threads: 3,
                started: 123_456,
            }
        );
        assert!(stat.leader_has_ended() && !stat.has_ended());
    }

    #[test]
    fn no_part_of_a_stat_is_taken_for_a_whole_one() {
        let needed = STAT.len() - b"23456 1 2\n".len();
        for cut in 0..needed {
            assert_eq!(Stat::parse(&STAT[..cut]), None, "{cut}");
        }
        for text in [
            // As the kernel tells of one that is gone: no group, no session.
            &b"7 (x) X 0 -1 -1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 0 0 123456"[..],
            b"7 (x) S 4 5 6 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 \xff 0 123456",
            b"7 (x) S 4 5 99999999999 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456",
        ] {
            assert_eq!(Stat::parse(text), None);
        }
    }

    #[test]
    fn command_lines_keep_their_empty_words() {
        let words = |text: &[u8]| command_line(text).join(&b'|');
        assert_eq!(words(b"nginx\0-g\0\0x y\0"), b"nginx|-g||x y");
        assert_eq!(words(b"nginx: master process"), b"nginx: master process");
        assert_eq!(command_line(b""), Vec::<Vec<u8>>::new());
        assert_eq!(command_line(b"\0\0"), Vec::<Vec<u8>>::new());
        assert_eq!(
            words(b"nginx: worker process\0\0\0"),
            b"nginx: worker process"
        );
    }

    #[test]
    fn flags_of_descriptors_are_octal() {
        let closed = b"pos:\t0\nflags:\t02000002\nmnt_id:\t9\n";
        assert_eq!(closes_on_exec(closed), Some(true));
        assert_eq!(closes_on_exec(b"flags:\t02\n"), Some(false));
        for nonsense in [
            &b""[..],
            b"flags:",
            b"flags:\t9",
            b"flags:\t\xff",
            b"pos:\t0",
        ] {
            assert_eq!(closes_on_exec(nonsense), None);
        }
    }

    #[test]
    fn units_of_users_are_told_from_those_of_the_system() {
        let user = "0::/user.slice/user-1000.slice/user@1000.service";
        for (path, manager, unit_name) in [
            ("/app.slice/web.service", Some(1000), Some("web.service")),
            // Whoever makes a cgroup of that name in their own is nobody else.
            (
                "/app.slice/user@0.service/x.service",
                Some(1000),
                Some("user@0.service"),
            ),
            ("", None, Some("user@1000.service")),
            ("/init.scope", Some(1000), Some("init.scope")),
        ] {
            let text = format!("{user}{path}\n");
            assert_eq!(user_manager(text.as_bytes()), manager, "{path}");
            let unit = unit(text.as_bytes());
            assert_eq!(unit.as_deref(), unit_name.map(str::as_bytes), "{path}");
        }
        assert_eq!(user_manager(b"0::/system.slice/web.service\n"), None);
        assert_eq!(
            user_manager(b"0::/system.slice/user@x.service/y.service\n"),
            None
        );
        assert_eq!(user_manager(b"nonsense"), None);
    }

    #[test]
    fn units_in_a_container_are_not_the_machines() {
        let id = "ab12".repeat(16);
        let docker = format!("/system.slice/docker-{id}.scope");
        let pod = format!("/kubepods.slice/kubepods-pod1.slice/cri-containerd-{id}.scope");
        for (path, unit_name) in [
            (
                "/machine.slice/systemd-nspawn@box.service/payload/system.slice/nginx.service",
                Some("systemd-nspawn@box.service"),
            ),
            (
                &format!("{docker}/system.slice/nginx.service"),
                docker.strip_prefix("/system.slice/"),
            ),
            (
                &format!("{pod}/system.slice/nginx.service"),
                pod.rsplit('/').next(),
            ),
            ("/lxc.payload.box/system.slice/nginx.service", None),
            (&format!("/docker/{id}/system.slice/nginx.service"), None),
            (
                &format!("/kubepods/burstable/pod1/{id}/nginx.service"),
                None,
            ),
            // From outside of the namespace of cgroups.
            ("/../../system.slice/nginx.service", None),
        ] {
            let unit = unit(format!("0::{path}\n").as_bytes());
            assert_eq!(unit.as_deref(), unit_name.map(str::as_bytes), "{path}");
        }
    }

    #[test]
    fn what_systemd_names_no_unit_is_none() {
        for path in [
            "/system.slice/*.service",
            "/system.slice/a b.service",
            "/system.slice/$(reboot).service",
            "/system.slice/\u{fc}.service",
        ] {
            assert_eq!(unit(format!("0::{path}\n").as_bytes()), None, "{path}");
        }
        // Of a service that may make cgroups.
        let deeper = b"0::/system.slice/x.service/--host=evil.service\n";
        assert_eq!(unit(deeper).as_deref(), Some(&b"x.service"[..]));
        let escaped = br"0::/system.slice/dev-\x2d.mount";
        assert_eq!(unit(escaped).as_deref(), Some(&br"dev-\x2d.mount"[..]));
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
