//! What is asked of the processes that hold a socket.

use super::super::tree::Test;
use super::super::{Expression, FilterError};
use super::Parser;

impl Parser<'_> {
    /// What follows `pid`.
    pub(super) fn pid_test(&mut self) -> Result<Expression, FilterError> {
        self.ordering("the number of a process", |comparison, pid| Test::Pid {
            comparison,
            pid,
        })
    }

    /// What follows `comm`.
    pub(super) fn comm_test(&mut self) -> Result<Expression, FilterError> {
        self.named("the name of a process", Test::Comm)
    }

    /// What follows `unit`.
    pub(super) fn unit_test(&mut self) -> Result<Expression, FilterError> {
        self.named("the name of a systemd unit", Test::Unit)
    }

    /// What follows `container`.
    pub(super) fn container_test(&mut self) -> Result<Expression, FilterError> {
        self.named("the id or name of a container", Test::Container)
    }

    /// Whether there is such a thing is not asked: it may come, and in a recording be gone.
    fn named(
        &mut self,
        expected: &str,
        test: fn(Vec<u8>) -> Test,
    ) -> Result<Expression, FilterError> {
        self.equality("names", expected, |_, value| match value {
            [] => Err("nothing has an empty name".to_owned()),
            _ => Ok(test(value.to_vec())),
        })
    }
}
