//! `/etc/protocols`: names of the protocols of IP, after protocols(5).

/// The numbers and names of a file, in its order. What makes no sense is passed over.
pub fn parse(text: &[u8]) -> Vec<(u8, String)> {
    let lines = text.split(|&byte| byte == b'\n');
    lines.filter_map(protocol).collect()
}

fn protocol(line: &[u8]) -> Option<(u8, String)> {
    let line = line.split(|&byte| byte == b'#').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let name = words.next()?;
    Some((words.next()?.parse().ok()?, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_nonsense_are_passed_over() {
        let text = b"# IP\nip 0 IP # x\nicmp\t1\tICMP\nbig 256 BIG\n\xff 3\nospf 89\n";
        let named = |number: u8, name: &str| (number, name.to_owned());
        assert_eq!(
            parse(text),
            [named(0, "ip"), named(1, "icmp"), named(89, "ospf")]
        );
    }
}
