//! The cookies seen in a dump: which sockets have already been handed on.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A sparse bit map over socket cookies.
///
/// The kernel numbers sockets one after another, so the cookies of a dump lie close together: a
/// million of them take some 250 KiB, where a plain set would take 16 MiB.
#[derive(Debug, Default)]
pub struct CookieSet {
    pages: HashMap<u64, u64, BuildHasherDefault<Multiply>>,
    /// The page that was used last: runs of a dump mostly stay on one.
    recent: (u64, u64),
}

impl CookieSet {
    /// Adds a cookie; `false` when it was there.
    pub fn insert(&mut self, cookie: u64) -> bool {
        let (page, bit) = (cookie >> 6, 1u64 << (cookie & 63));
        if page != self.recent.0 {
            let (old, bits) = self.recent;
            if bits != 0 {
                self.pages.insert(old, bits);
            }
            self.recent = (page, self.pages.get(&page).copied().unwrap_or(0));
        }
        let new = self.recent.1 & bit == 0;
        self.recent.1 |= bit;
        new
    }
}

/// A multiplicative hash: page numbers are no attacker's choice and SipHash would show.
#[derive(Debug, Default)]
struct Multiply(u64);

impl Hasher for Multiply {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 ^= self.0 >> 32;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    proptest! {
        #[test]
        fn behaves_as_a_set(cookies in proptest::collection::vec(0u64..500, 0..300)) {
            let mut ours = CookieSet::default();
            let mut plain = HashSet::new();
            for cookie in cookies {
                prop_assert_eq!(ours.insert(cookie), plain.insert(cookie));
            }
        }
    }

    #[test]
    fn the_largest_cookie_is_like_any_other() {
        let mut set = CookieSet::default();
        assert!(set.insert(u64::MAX) && set.insert(0) && !set.insert(u64::MAX));
    }
}
