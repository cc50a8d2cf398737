//! Command lines of programs that hold ports for containers.

use std::net::IpAddr;

use crate::model::{Endpoint, Published, Publisher};

/// What a command line says of the container it publishes a port for; `None` of all other
/// programs. Anybody may call a program so: it is a hint and no proof.
///
/// Source: `docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8080 -container-ip 172.17.0.2
/// -container-port 80`.
pub fn published(command_line: &[Vec<u8>]) -> Option<Published> {
    let (program, arguments) = command_line.split_first()?;
    let name = program.rsplit(|&byte| byte == b'/').next()?;
    let by = match name {
        b"docker-proxy" | b"rootlesskit-docker-proxy" => Publisher::DockerProxy,
        b"rootlesskit" => Publisher::RootlessKit,
        b"rootlessport" => Publisher::RootlessPort,
        b"slirp4netns" => Publisher::Slirp4netns,
        b"pasta" | b"pasta.avx2" => Publisher::Pasta,
        _ => return None,
    };
    let container = match by {
        Publisher::DockerProxy => container(arguments),
        _ => None,
    };
    Some(Published { by, container })
}

fn container(arguments: &[Vec<u8>]) -> Option<Endpoint> {
    let addr: IpAddr = value(arguments, "container-ip")?.parse().ok()?;
    let port = value(arguments, "container-port")?.parse().ok()?;
    Some(Endpoint { addr, port })
}

/// The value of `-name value`, `-name=value`, or either with two dashes.
fn value<'a>(arguments: &'a [Vec<u8>], name: &str) -> Option<&'a str> {
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let Ok(argument) = std::str::from_utf8(argument) else {
            continue;
        };
        let flag = argument.strip_prefix('-').unwrap_or(argument);
        let flag = flag.strip_prefix('-').unwrap_or(flag);
        match flag.strip_prefix(name) {
            Some("") => return std::str::from_utf8(arguments.next()?).ok(),
            Some(rest) if rest.starts_with('=') => return rest.get(1..),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(command_line: &str, by: Option<&str>, container: Option<&str>) {
        let words = command_line.split(' ').map(|word| word.as_bytes().to_vec());
        let found = published(&words.collect::<Vec<_>>());
        assert_eq!(found.map(|found| found.by.name()), by, "{command_line}");
        let end = found.and_then(|found| found.container);
        let end = end.map(|end| format!("{} {}", end.addr, end.port));
        assert_eq!(end.as_deref(), container, "{command_line}");
    }

    #[test]
    fn containers_are_found_behind_their_proxies() {
        check(
            "/usr/bin/docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8080 \
             -container-ip 172.17.0.2 -container-port 80 -use-listen-fd",
            Some("docker-proxy"),
            Some("172.17.0.2 80"),
        );
        check(
            "rootlesskit-docker-proxy --container-ip=fd00::2 --container-port=80",
            Some("docker-proxy"),
            Some("fd00::2 80"),
        );
        check("rootlessport", Some("rootlessport"), None);
        check("/usr/bin/pasta.avx2 -t 80", Some("pasta"), None);
        check("docker-proxy -container-ip", Some("docker-proxy"), None);
        check(
            "docker-proxy -container-ip x -container-port 80",
            Some("docker-proxy"),
            None,
        );
        check("nginx -container-ip 1.2.3.4 -container-port 1", None, None);
        check("", None, None);
        assert_eq!(published(&[]), None);
        assert_eq!(published(&[vec![0xff], vec![0xff]]), None);
    }
}
