//! ss's filter language: text to expression to a verdict on a socket.
//!
//! ```text
//! query      = { "state" NAME | "exclude" NAME } [ expression ]
//! expression = conjunction { or conjunction }
//! conjunction = term { [ and ] term }
//! term       = not term | "(" expression ")" | test
//! test       = ("sport" | "dport") [OPERATOR] port | ("src" | "dst") [OPERATOR] address
//! ```
//!
//! A new kind of test is one variant of [`Test`], one arm in the parser and one in the evaluator.

mod address;
mod eval;
mod lex;
mod parse;

use std::net::IpAddr;

use crate::model::{Family, StateSet};

pub use parse::{FilterError, parse};

/// What is asked for: states, and a condition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// States named by `state` and `exclude`; `None` when neither was given.
    pub states: Option<StateSet>,
    /// The condition; `None` when every socket will do.
    pub condition: Option<Expression>,
}

/// A condition on a socket.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// All hold.
    And(Vec<Expression>),
    /// At least one holds.
    Or(Vec<Expression>),
    /// It does not hold.
    Not(Box<Expression>),
    /// A single test.
    Test(Test),
}

/// A test on one property of a socket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Test {
    /// `sport`, `dport`.
    Port {
        /// Of which end.
        end: End,
        /// How it compares.
        comparison: Comparison,
        /// With which port.
        port: u16,
    },
    /// `inet:` and `inet6:` before an address.
    Family(Family),
    /// `src`, `dst`.
    Address {
        /// Of which end.
        end: End,
        /// The addresses that pass; `None` for all.
        prefix: Option<Prefix>,
        /// The port that passes; `None` for all.
        port: Option<u16>,
    },
}

/// One end of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its own.
    Local,
    /// The other.
    Peer,
}

/// How two numbers compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`, `==`, `eq`.
    Equal,
    /// `!=`, `ne`, `neq`.
    NotEqual,
    /// `<`, `lt`.
    Less,
    /// `<=`, `le`, `leq`.
    LessOrEqual,
    /// `>`, `gt`.
    Greater,
    /// `>=`, `ge`, `geq`.
    GreaterOrEqual,
}

/// Addresses that begin alike. An IPv4 prefix also holds the v4-mapped forms of its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    addr: IpAddr,
    length: u8,
}

impl Prefix {
    /// A prefix; `None` when it is longer than the address.
    pub const fn new(addr: IpAddr, length: u8) -> Option<Prefix> {
        let most = match addr {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        if length <= most {
            Some(Prefix { addr, length })
        } else {
            None
        }
    }

    /// The address, of which only the first bits count.
    pub const fn addr(&self) -> IpAddr {
        self.addr
    }

    /// How many bits count.
    pub const fn length(&self) -> u8 {
        self.length
    }
}
