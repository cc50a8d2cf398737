//! Text to expression.

mod address;
mod beyond_ip;
mod ends;
mod number;
mod owners;
mod sockets;
mod states;
#[cfg(test)]
mod tests;

use std::str::FromStr;

use super::error::{printable, quoted};
use super::lex::{Token, tokens};
use super::{Comparison, End, Expression, FilterError, Names, Query, Test};
use number::decimal;
use sockets::interfaces;

/// Deeper nesting is nobody's wish, and would cost stack.
const MOST_LEVELS: usize = 64;
/// Every socket may have to pass every test.
const MOST_TESTS: usize = 10_000;

/// What may stand where a condition begins.
pub(super) const TESTS: &str = "sport, dport, src, dst, dev, fwmark, cgroup, autobound, uid, user, inode, \
                     netns, pid, comm, unit, container, not or \"(\"";
/// The words among them.
const TEST_WORDS: &[&str] = &[
    "sport",
    "dport",
    "src",
    "dst",
    "dev",
    "fwmark",
    "cgroup",
    "autobound",
    "uid",
    "user",
    "inode",
    "netns",
    "pid",
    "comm",
    "unit",
    "container",
];
/// Words of states, which come before everything else.
const STATE_WORDS: &[&str] = &["state", "exclude", "excl"];
/// Words that join conditions; a name that is one of them stands in quotes.
const AND: &[&str] = &["and", "&", "&&"];
const OR: &[&str] = &["or", "|", "||"];
const NOT: &[&str] = &["not", "!"];

/// The words of the language that are the same on every machine, the names of states among them.
pub fn words() -> impl Iterator<Item = &'static str> {
    let lists = [STATE_WORDS, &states::STATES, TEST_WORDS, NOT, AND, OR];
    let is_word = |word: &&str| word.starts_with(|c: char| c.is_ascii_alphabetic());
    lists.into_iter().flatten().copied().filter(is_word)
}

/// Parses a filter, in which names stand for what `names` says.
pub fn parse(text: &str, names: &dyn Names) -> Result<Query, FilterError> {
    let mut parser = Parser {
        text,
        tokens: tokens(text).map_err(|column| unclosed(text, column))?,
        next: 0,
        levels: 0,
        tests: 0,
        names,
    };
    let states = parser.states()?;
    let condition = match parser.peek() {
        None => None,
        Some(_) => Some(parser.expression()?),
    };
    match parser.peek() {
        None => Ok(Query { states, condition }),
        Some(_) => Err(parser.error("and, or, or the end of the filter")),
    }
}

fn unclosed(text: &str, column: usize) -> FilterError {
    FilterError {
        text: text.chars().map(printable).collect(),
        line: None,
        column,
        expected: "a quote that is closed".to_owned(),
        found: "one that is not".to_owned(),
        reason: None,
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token<'a>>,
    next: usize,
    levels: usize,
    tests: usize,
    names: &'a dyn Names,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token<'_>> {
        self.tokens.get(self.next)
    }

    /// Whether the next token is one of `words`, in any case.
    fn sees(&self, words: &[&str]) -> bool {
        self.peek().is_some_and(|token| token.is_one_of(words))
    }

    /// Takes the next token when it is one of `words`, in any case.
    fn take(&mut self, words: &[&str]) -> bool {
        let taken = self.sees(words);
        self.next += usize::from(taken);
        taken
    }

    fn error(&self, expected: impl Into<String>) -> FilterError {
        let (column, found) = match self.peek() {
            Some(token) => (token.column, quoted(token.text)),
            None => (self.text.chars().count() + 1, "the end".to_owned()),
        };
        FilterError {
            text: self.text.chars().map(printable).collect(),
            line: None,
            column,
            expected: expected.into(),
            found,
            reason: None,
        }
    }

    /// Says of the next token why it will not do, if that is known.
    fn refused(&self, expected: impl Into<String>, reason: Option<String>) -> FilterError {
        FilterError {
            reason,
            ..self.error(expected)
        }
    }

    fn expression(&mut self) -> Result<Expression, FilterError> {
        let mut parts = vec![self.conjunction()?];
        while self.take(OR) {
            parts.push(self.conjunction()?);
        }
        Ok(joined(parts, Expression::Or))
    }

    fn conjunction(&mut self) -> Result<Expression, FilterError> {
        let mut parts = vec![self.term()?];
        loop {
            let spoken = self.take(AND);
            let ends = self.peek().is_none() || self.sees(&[")"]) || self.sees(OR);
            if ends && !spoken {
                return Ok(joined(parts, Expression::And));
            }
            let begins = [TEST_WORDS, STATE_WORDS, NOT, &["("]];
            if !spoken && !begins.iter().any(|words| self.sees(words)) {
                let reason = "a value is one word; one with blanks stands in quotes";
                return Err(self.refused(format!("and, or, {TESTS}"), Some(reason.to_owned())));
            }
            parts.push(self.term()?);
        }
    }

    fn term(&mut self) -> Result<Expression, FilterError> {
        self.levels += 1;
        if self.levels > MOST_LEVELS {
            return Err(self.error(format!("at most {MOST_LEVELS} levels of nesting")));
        }
        let term = if self.take(NOT) {
            Expression::Not(Box::new(self.term()?))
        } else if self.take(&["("]) {
            let inner = self.expression()?;
            if !self.take(&[")"]) {
                return Err(self.error("and, or, or \")\""));
            }
            inner
        } else {
            self.test()?
        };
        self.levels -= 1;
        Ok(term)
    }

    fn test(&mut self) -> Result<Expression, FilterError> {
        self.tests += 1;
        if self.tests > MOST_TESTS {
            return Err(self.error(format!("at most {MOST_TESTS} tests")));
        }
        let test = self.peek().and_then(Token::plain);
        let test = test.map(str::to_ascii_lowercase).unwrap_or_default();
        self.next += 1;
        match test.as_str() {
            "sport" => self.port_test(End::Local),
            "dport" => self.port_test(End::Peer),
            "src" => self.address_test(End::Local),
            "dst" => self.address_test(End::Peer),
            "autobound" => Ok(self.autobound()),
            "dev" => self.interface_test(),
            "fwmark" => self.mark_test(),
            "cgroup" => self.cgroup_test(),
            "uid" => self.uid_test(),
            "user" => self.user_test(),
            "inode" => self.inode_test(),
            "netns" => self.netns_test(),
            "pid" => self.pid_test(),
            "comm" => self.comm_test(),
            "unit" => self.unit_test(),
            "container" => self.container_test(),
            word if STATE_WORDS.contains(&word) => {
                self.next -= 1;
                let reason = "states come before everything else";
                Err(self.refused("a test", Some(reason.to_owned())))
            }
            _ => {
                self.next -= 1;
                Err(self.error(TESTS))
            }
        }
    }

    /// In each namespace the kernel chooses out of a range of its own.
    fn autobound(&self) -> Expression {
        let test = |(netns, range)| {
            let chosen = Expression::Test(Test::Autobound(range));
            match netns {
                Some(id) => Expression::And(vec![Test::Netns(id).into(), chosen]),
                None => chosen,
            }
        };
        let tests = self.names.ephemeral().into_iter().map(test);
        joined(tests.collect(), Expression::Or)
    }

    fn comparison(&mut self) -> Option<Comparison> {
        const WORDS: [(Comparison, &[&str]); 6] = [
            (Comparison::Equal, &["=", "==", "eq"]),
            (Comparison::NotEqual, &["!=", "ne", "neq"]),
            (Comparison::Less, &["<", "lt"]),
            (Comparison::LessOrEqual, &["<=", "le", "leq"]),
            (Comparison::Greater, &[">", "gt"]),
            (Comparison::GreaterOrEqual, &[">=", "ge", "geq"]),
        ];
        WORDS
            .into_iter()
            .find_map(|(comparison, words)| self.take(words).then_some(comparison))
    }

    /// Takes a test for equality: `read` tells the test from the word, or what is wrong with it.
    fn equality<T: Into<Expression>>(
        &mut self,
        what: &str,
        expected: &str,
        read: impl Fn(&Self, &[u8]) -> Result<T, String>,
    ) -> Result<Expression, FilterError> {
        let negated = self.negation(what)?;
        let test = match self.value().map(|value| read(self, value)) {
            Some(Ok(test)) => test,
            refused => return Err(self.refused(expected, refused.and_then(Result::err))),
        };
        self.next += 1;
        Ok(negated_if(negated, test.into()))
    }

    /// Takes a comparison with a number.
    fn ordering<N: FromStr>(
        &mut self,
        expected: &str,
        test: impl Fn(Comparison, N) -> Test,
    ) -> Result<Expression, FilterError> {
        let compared = self.comparison();
        let number = self
            .value()
            .and_then(|value| std::str::from_utf8(value).ok());
        let Some(number) = number.and_then(decimal) else {
            return Err(self.error(format!("{}{expected}", comparison_or(compared))));
        };
        self.next += 1;
        // What has no such number is not equal to any.
        Ok(match compared.unwrap_or(Comparison::Equal) {
            Comparison::NotEqual => {
                let equal = Expression::Test(test(Comparison::Equal, number));
                negated_if(true, equal)
            }
            comparison => Expression::Test(test(comparison, number)),
        })
    }

    /// What the next word says, unless it is one of the language.
    fn value(&self) -> Option<&[u8]> {
        const SIGNS: &[&str] = &["(", ")", "=", "==", "!=", "<", "<=", ">", ">="];
        let is_value = ![AND, OR, NOT, SIGNS]
            .into_iter()
            .any(|words| self.sees(words));
        self.peek().filter(|_| is_value).map(|token| &*token.value)
    }

    /// Takes an operator of what has no order, if there is one; whether it negates.
    fn negation(&mut self, what: &str) -> Result<bool, FilterError> {
        let before = self.next;
        match self.comparison() {
            None | Some(Comparison::Equal) => Ok(false),
            Some(Comparison::NotEqual) => Ok(true),
            Some(_) => {
                self.next = before;
                Err(self.error(format!("= or !=, as {what} have no order")))
            }
        }
    }
}

/// What else may stand before a value: an operator, unless there was one.
fn comparison_or(compared: Option<Comparison>) -> &'static str {
    match compared {
        Some(_) => "",
        None => "=, !=, <, <=, >, >= or ",
    }
}

/// The only part, or all of them in one expression.
fn joined(mut parts: Vec<Expression>, join: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            join(parts)
        }
    }
}

fn negated_if(negated: bool, expression: Expression) -> Expression {
    if negated {
        Expression::Not(Box::new(expression))
    } else {
        expression
    }
}
