//! The end of a socket.

use std::time::SystemTime;

use super::State;

/// That a socket was destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destruction {
    /// When that was heard of, a moment after it happened: the kernel tells no time.
    pub at: SystemTime,
    /// The state in which the socket was last seen in its table; `None` when it never was, as it
    /// lived between two looks, or nobody looked.
    pub last_state: Option<State>,
}
