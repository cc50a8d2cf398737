//! `/etc/passwd` and `/etc/hosts` of a recording. On a live machine the C library is asked.

use std::net::IpAddr;

/// Users by uid, in the order of the file; lines that make no sense are passed over.
pub fn users(text: &[u8]) -> impl Iterator<Item = (u32, &str)> {
    lines(text).filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid = fields.nth(1)?.parse().ok()?;
        Some((uid, name))
    })
}

/// Addresses and their first name; lines that make no sense are passed over.
pub fn hosts(text: &[u8]) -> impl Iterator<Item = (IpAddr, &str)> {
    host_lines(text).filter_map(|(address, mut names)| Some((address, names.next()?)))
}

/// The addresses of a name, each told once.
pub fn addresses(text: &[u8], wanted: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for (address, mut names) in host_lines(text) {
        let is_it = names.any(|name| name.eq_ignore_ascii_case(wanted));
        if is_it && !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

/// Addresses, and their names.
fn host_lines(text: &[u8]) -> impl Iterator<Item = (IpAddr, impl Iterator<Item = &str>)> {
    lines(text).filter_map(|line| {
        let mut words = line.split('#').next()?.split_ascii_whitespace();
        Some((words.next()?.parse().ok()?, words))
    })
}

fn lines(text: &[u8]) -> impl Iterator<Item = &str> {
    text.split(|&byte| byte == b'\n')
        .filter_map(|line| std::str::from_utf8(line).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_hosts() {
        let users: Vec<_> = users(b"root:x:0:0::/:/bin/sh\nbad\nwww:x:33:33::/:").collect();
        assert_eq!(users, [(0, "root"), (33, "www")]);
        let hosts: Vec<_> = hosts(b"# c\n127.0.0.1 localhost lo\n::1 ip6-localhost #x\n").collect();
        assert_eq!(hosts[0], ("127.0.0.1".parse().unwrap(), "localhost"));
        assert_eq!(hosts[1].1, "ip6-localhost");
        let text = b"127.0.0.1 localhost lo\n::1 ip6 LO\n127.0.0.1 lo #x\n10.0.0.1 # lo\nx lo\n";
        let found = addresses(text, "lo");
        assert_eq!(
            found,
            ["127.0.0.1", "::1"].map(|text| text.parse::<IpAddr>().unwrap())
        );
        assert!(addresses(text, "x").is_empty());
    }
}
