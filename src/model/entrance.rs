//! The way into a network namespace.

use std::path::PathBuf;

/// The way into a network namespace that is not that of whoever asks: commands that are to act
/// there have to take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entrance {
    /// What `ip netns` calls it: a file of `/run/netns`.
    Name(Vec<u8>),
    /// A file that it has anywhere else, such as `/proc/812/ns/net`.
    Path(PathBuf),
}
