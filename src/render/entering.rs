//! Commands that act in the network namespace that was asked about, and not in that of the shell
//! they are pasted into.

use std::os::unix::ffi::OsStrExt;

use super::shell;
use crate::model::Entrance;

/// Where `ip netns` keeps the named ones.
const NAMED: &str = "/run/netns";

/// The command as it acts there.
pub(super) fn within(entrance: Option<&Entrance>, command: &str) -> String {
    match entrance {
        None => command.to_owned(),
        Some(Entrance::Name(name)) => {
            format!("ip netns exec {} {command}", shell::word(name))
        }
        Some(Entrance::Path(path)) => {
            let path = shell::word(path.as_os_str().as_bytes());
            format!("nsenter --net={path} {command}")
        }
    }
}

/// The name of our own program, with the option by which it looks there.
pub(super) fn portstat(entrance: Option<&Entrance>) -> String {
    let place = match entrance {
        None => return "portstat".to_owned(),
        // It has words of its own, and no name may look like an option or a number of a process.
        Some(Entrance::Name(name)) if !is_name_alone(name) => {
            shell::word(&[NAMED.as_bytes(), b"/", name].concat())
        }
        Some(Entrance::Name(name)) => shell::word(name),
        Some(Entrance::Path(path)) => shell::word(path.as_os_str().as_bytes()),
    };
    format!("portstat -N {place}")
}

/// Whether `-N` takes the name for nothing else.
fn is_name_alone(name: &[u8]) -> bool {
    name.first().is_some_and(u8::is_ascii_alphabetic) && name != b"self" && name != b"all"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_are_one_word_each() {
        for (entrance, prefix, option) in [
            (None, "", ""),
            (Some(name("blue")), "ip netns exec blue ", " -N blue"),
            (Some(name("a b")), "ip netns exec 'a b' ", " -N 'a b'"),
            (
                Some(name("all")),
                "ip netns exec all ",
                " -N /run/netns/all",
            ),
            (Some(name("-x")), "ip netns exec -x ", " -N /run/netns/-x"),
            (
                Some(name("812")),
                "ip netns exec 812 ",
                " -N /run/netns/812",
            ),
            (
                Some(Entrance::Path("/proc/812/ns/net".into())),
                "nsenter --net=/proc/812/ns/net ",
                " -N /proc/812/ns/net",
            ),
            (
                Some(Entrance::Path("/tmp/$(reboot)".into())),
                "nsenter --net='/tmp/$(reboot)' ",
                " -N '/tmp/$(reboot)'",
            ),
        ] {
            let entrance = entrance.as_ref();
            let command = within(entrance, "sysctl -w a=1");
            assert_eq!(command, format!("{prefix}sysctl -w a=1"));
            assert_eq!(portstat(entrance), format!("portstat{option}"));
        }
    }

    fn name(name: &str) -> Entrance {
        Entrance::Name(name.as_bytes().to_vec())
    }
}
