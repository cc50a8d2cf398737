//! What a program asks of the kernel for a port.

/// A system call that takes a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `bind`, and what may be refused before it.
    Bind,
    /// `connect`.
    Connect,
}

impl Call {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Call::Bind => "bind",
            Call::Connect => "connect",
        }
    }
}
