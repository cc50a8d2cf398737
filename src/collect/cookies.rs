//! The cookies seen in a dump: which sockets have already been handed on.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

/// A sparse bit map over socket cookies.
///
/// The kernel numbers sockets one after another, so the cookies of a dump lie close together: a
/// million of them take some 250 KiB, where a plain set would take 16 MiB.
#[derive(Debug, Default)]
pub struct CookieSet {
    pages: HashMap<u64, u64, Secret>,
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

/// Two secrets of this run: without them nobody can choose cookies of a recording that collide.
#[derive(Clone, Copy, Debug)]
struct Secret {
    mask: u64,
    factor: u64,
}

impl Default for Secret {
    fn default() -> Secret {
        let random = || RandomState::new().build_hasher().finish();
        Secret {
            mask: random(),
            factor: random() | 1,
        }
    }
}

impl BuildHasher for Secret {
    type Hasher = Multiply;

    fn build_hasher(&self) -> Multiply {
        Multiply {
            secret: *self,
            sum: 0,
        }
    }
}

/// Two folded multiplications: SipHash would show, and after one alone every twentieth factor leaves
/// most buckets empty.
#[derive(Debug)]
struct Multiply {
    secret: Secret,
    sum: u64,
}

impl Hasher for Multiply {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        let Secret { mask, factor } = self.secret;
        let fold = |number: u64| {
            let product = u128::from(number ^ mask) * u128::from(factor);
            product as u64 ^ (product >> 64) as u64
        };
        self.sum = fold(fold(self.sum ^ number));
    }

    fn finish(&self) -> u64 {
        self.sum
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

    /// Pages that all fell into one bucket when the factor was the same in each run.
    #[test]
    fn nobody_can_choose_cookies_that_collide() {
        let pages = (0..1u64 << 13).map(|number| number << 45);
        let secret = Secret::default();
        let buckets: HashSet<u64> = pages
            .map(|page| secret.hash_one(page) & ((1 << 13) - 1))
            .collect();
        assert!(buckets.len() > 1 << 11, "{}", buckets.len());
        let other = Secret::default();
        assert_ne!(secret.hash_one(7u64), other.hash_one(7u64));
    }
}
