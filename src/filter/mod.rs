//! ss's filter language: text to expression to a verdict on a socket.
//!
//! ```text
//! query      = { "state" NAME | "exclude" NAME } [ expression ]
//! expression = conjunction { or conjunction }
//! conjunction = term { [ and ] term }
//! term       = not term | "(" expression ")" | test
//! test       = ("sport" | "dport") [OPERATOR] port | ("src" | "dst") [OPERATOR] [family] address
//!            | ("uid" | "inode" | "pid") [OPERATOR] number | NAMED [OPERATOR] name | "autobound"
//! family     = "inet:" | "inet6:" | "unix:" | "link:" | "netlink:"
//! ```
//!
//! A new kind of test is one variant of [`Test`], one arm in the parser and one in the evaluator,
//! and a word on who can [judge](Judge) it: the kernel before it reports a socket, we when we have
//! it, or we once names and owners are known. What those before can tell is what is left of a condition
//! when all other tests are [unknown](Fate::Unknown).

mod error;
mod eval;
mod glob;
mod lex;
mod names;
mod parse;
mod tree;

use crate::model::StateSet;

pub use error::{FilterError, FilterLine};
pub use glob::{Glob, Naming};
#[cfg(test)]
pub(crate) use names::Known;
pub use names::Names;
pub use parse::{parse, words};
pub use tree::{Comparison, End, Expression, Fate, Judge, Prefix, Test};

/// What is asked for: states, and a condition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// States named by `state` and `exclude`; `None` when neither was given.
    pub states: Option<StateSet>,
    /// The condition; `None` when every socket will do.
    pub condition: Option<Expression>,
}

impl Query {
    /// Whether it has a test for which `wanted` holds.
    pub fn asks(&self, wanted: &dyn Fn(&Test) -> bool) -> bool {
        let condition = self.condition.as_ref();
        condition.is_some_and(|condition| condition.find(wanted).is_some())
    }
}
