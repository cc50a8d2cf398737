//! `/proc/PID/uid_map`: which users a user namespace knows.

/// Whether a user namespace knows every user. Source: `/proc/PID/uid_map`, lines of a first uid
/// inside, a first one outside, and how many follow.
pub fn maps_every_user(text: &[u8]) -> bool {
    let lines = std::str::from_utf8(text).unwrap_or_default().lines();
    let counts = lines.filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok());
    // The last number is no user's.
    counts.fold(0, u64::saturating_add) >= u64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_with_every_user_is_told_by_its_map() {
        for (map, every) in [
            ("         0          0 4294967295\n", true),
            ("0 0 2147483648\n2147483648 0 2147483647\n", true),
            ("0 1000 1\n", false),
            ("0 100000 65536\n", false),
            ("", false),
            ("0 0 x\n\u{fe} 0\n", false),
        ] {
            assert_eq!(maps_every_user(map.as_bytes()), every, "{map}");
        }
        assert!(!maps_every_user(b"\xff"));
    }
}
