//! Text to expression.

use super::address::{prefix, split_port, wanted_prefix};
use super::lex::{Token, tokens};
use super::{Comparison, End, Expression, Query, Test};
use crate::model::{Family, State, StateSet};

/// Deeper nesting is nobody's wish, and would cost stack.
const MOST_LEVELS: usize = 64;
/// Every socket may have to pass every test.
const MOST_TESTS: usize = 10_000;
/// Characters of a long filter that an error shows.
const EXCERPT_LEN: usize = 60;

/// A filter that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("filter, column {column}: expected {expected}, found {found}\n{}", self.excerpt())]
pub struct FilterError {
    /// The whole filter.
    pub text: String,
    /// Where it went wrong, counted in characters from 1.
    pub column: usize,
    /// What would have made sense.
    pub expected: String,
    /// What stands there.
    pub found: String,
}

impl FilterError {
    /// The filter around the mistake, and a mark below it.
    fn excerpt(&self) -> String {
        let before = self.column.saturating_sub(1);
        let length = self.text.chars().count();
        let start = before
            .saturating_sub(EXCERPT_LEN / 2)
            .min(length.saturating_sub(EXCERPT_LEN));
        let shown: String = self.text.chars().skip(start).take(EXCERPT_LEN).collect();
        let head = if start > 0 { "…" } else { "" };
        let tail = if length > start + EXCERPT_LEN {
            "…"
        } else {
            ""
        };
        let blanks = " ".repeat(head.chars().count() + before - start);
        format!("  {head}{shown}{tail}\n  {blanks}^")
    }
}

/// Parses a filter. `port_of` knows the ports of service names; it is asked only for names.
pub fn parse(text: &str, port_of: &dyn Fn(&str) -> Option<u16>) -> Result<Query, FilterError> {
    let mut parser = Parser {
        text,
        tokens: tokens(text),
        next: 0,
        levels: 0,
        tests: 0,
        port_of,
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

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token<'a>>,
    next: usize,
    levels: usize,
    tests: usize,
    port_of: &'a dyn Fn(&str) -> Option<u16>,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.tokens.get(self.next).map(|token| token.text)
    }

    /// Takes the next token when it is one of `words`, in any case.
    fn take(&mut self, words: &[&str]) -> bool {
        let taken = self
            .peek()
            .is_some_and(|token| words.iter().any(|word| token.eq_ignore_ascii_case(word)));
        self.next += usize::from(taken);
        taken
    }

    fn error(&self, expected: impl Into<String>) -> FilterError {
        let (column, found) = match self.tokens.get(self.next) {
            Some(token) => (token.column, quoted(token.text)),
            None => (self.text.chars().count() + 1, "the end".to_owned()),
        };
        FilterError {
            text: self.text.chars().map(printable).collect(),
            column,
            expected: expected.into(),
            found,
        }
    }

    fn states(&mut self) -> Result<Option<StateSet>, FilterError> {
        let mut states = None;
        loop {
            if self.take(&["state"]) {
                let named = self.state_name()?;
                states = Some(states.unwrap_or(StateSet::EMPTY).union(named));
            } else if self.take(&["exclude", "excl"]) {
                let named = self.state_name()?;
                states = Some(states.unwrap_or(StateSet::ALL).without(named));
            } else {
                return Ok(states);
            }
        }
    }

    fn state_name(&mut self) -> Result<StateSet, FilterError> {
        let named = self.peek().and_then(states_named);
        let Some(named) = named else {
            return Err(self.error(
                "a state (established, listening, time-wait, …, all, connected, synchronized, \
                 bucket, big)",
            ));
        };
        self.next += 1;
        Ok(named)
    }

    fn expression(&mut self) -> Result<Expression, FilterError> {
        let mut parts = vec![self.conjunction()?];
        while self.take(&["or", "|", "||"]) {
            parts.push(self.conjunction()?);
        }
        Ok(joined(parts, Expression::Or))
    }

    fn conjunction(&mut self) -> Result<Expression, FilterError> {
        let mut parts = vec![self.term()?];
        loop {
            let spoken = self.take(&["and", "&", "&&"]);
            let ends = match self.peek() {
                None | Some(")" | "|" | "||") => true,
                Some(word) => word.eq_ignore_ascii_case("or"),
            };
            if ends && !spoken {
                return Ok(joined(parts, Expression::And));
            }
            parts.push(self.term()?);
        }
    }

    fn term(&mut self) -> Result<Expression, FilterError> {
        self.levels += 1;
        if self.levels > MOST_LEVELS {
            return Err(self.error(format!("at most {MOST_LEVELS} levels of nesting")));
        }
        let term = if self.take(&["not", "!"]) {
            Expression::Not(Box::new(self.term()?))
        } else if self.take(&["("]) {
            let inner = self.expression()?;
            if !self.take(&[")"]) {
                return Err(self.error("\")\""));
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
        for (word, end) in [("sport", End::Local), ("dport", End::Peer)] {
            if self.take(&[word]) {
                return self.port_test(end);
            }
        }
        for (word, end) in [("src", End::Local), ("dst", End::Peer)] {
            if self.take(&[word]) {
                return self.address_test(end);
            }
        }
        Err(self.error("sport, dport, src, dst, not or \"(\""))
    }

    fn port_test(&mut self, end: End) -> Result<Expression, FilterError> {
        let compared = self.comparison();
        let port = self.peek().and_then(|text| {
            let text = text.strip_prefix("*:").unwrap_or(text);
            self.port(text.strip_prefix(':').unwrap_or(text))
        });
        let Some(port) = port else {
            let or = if compared.is_some() {
                ""
            } else {
                "=, !=, <, <=, >, >= or "
            };
            return Err(self.error(format!(
                "{or}a port (0–65535) or the name of a service, such as :443"
            )));
        };
        self.next += 1;
        Ok(Expression::Test(Test::Port {
            end,
            comparison: compared.unwrap_or(Comparison::Equal),
            port,
        }))
    }

    fn address_test(&mut self, end: End) -> Result<Expression, FilterError> {
        let before = self.next;
        let negated = match self.comparison() {
            None | Some(Comparison::Equal) => false,
            Some(Comparison::NotEqual) => true,
            Some(_) => {
                self.next = before;
                return Err(self.error("= or !=, as addresses have no order"));
            }
        };
        let Some(test) = self.peek().and_then(|text| self.address(end, text)) else {
            return Err(self.error(
                "an address in numbers (names of hosts are not looked up), such as 10.0.0.0/8, \
                 [::1]:443 or 127.0.0.1:http",
            ));
        };
        self.next += 1;
        Ok(if negated {
            Expression::Not(Box::new(test))
        } else {
            test
        })
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

    fn port(&self, text: &str) -> Option<u16> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            text.parse().ok()
        } else {
            (self.port_of)(text)
        }
    }

    /// `[FAM:]ADDR[/len][:PORT]`.
    fn address(&self, end: End, text: &str) -> Option<Expression> {
        let families = [("inet:", Family::V4), ("inet6:", Family::V6)];
        let named = families
            .into_iter()
            .find_map(|(name, family)| Some((text.strip_prefix(name)?, family)));
        if let Some((rest, family)) = named {
            let family = Expression::Test(Test::Family(family));
            let address = self.endpoint(end, rest)?;
            return Some(Expression::And(vec![family, address]));
        }
        self.endpoint(end, text)
    }

    /// `ADDR[/len][:PORT]`. As in ss, what stands behind the last colon is the port; where that
    /// leaves no address, as of `::1`, all of it is one.
    fn endpoint(&self, end: End, text: &str) -> Option<Expression> {
        if let Some((addr, port)) = split_port(text)
            && let Some(prefix) = wanted_prefix(&addr)
            && let Some(port) = self.wanted_port(port)
        {
            return Some(Expression::Test(Test::Address { end, prefix, port }));
        }
        Some(Expression::Test(Test::Address {
            end,
            prefix: Some(prefix(text)?),
            port: None,
        }))
    }

    /// A port, `None` for all, of what stands behind an address.
    fn wanted_port(&self, text: Option<&str>) -> Option<Option<u16>> {
        match text {
            None | Some("" | "*") => Some(None),
            Some(port) => Some(Some(self.port(port)?)),
        }
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

/// The states of a name: ss's long names, the names it prints, and its words for several.
fn states_named(name: &str) -> Option<StateSet> {
    let one = |state| StateSet::EMPTY.with(state);
    Some(match name.to_ascii_lowercase().as_str() {
        "all" => StateSet::ALL,
        "connected" => StateSet::CONNECTED,
        "synchronized" => StateSet::CONNECTED.without(one(State::SynSent)),
        "bucket" => StateSet::BUCKET,
        "big" => StateSet::ALL.without(StateSet::BUCKET),
        "established" | "estab" => one(State::Established),
        "syn-sent" => one(State::SynSent),
        "syn-recv" | "syn-rcv" => one(State::SynRecv),
        "fin-wait-1" => one(State::FinWait1),
        "fin-wait-2" => one(State::FinWait2),
        "time-wait" => one(State::TimeWait),
        "unconnected" | "unconn" => one(State::Close),
        // To the kernel a bound socket is a closed one.
        "close" | "closed" => StateSet::BOUND.with(State::Close),
        "close-wait" => one(State::CloseWait),
        "last-ack" => one(State::LastAck),
        "listening" | "listen" => one(State::Listen),
        "closing" => one(State::Closing),
        "bound" | "bound-inactive" => StateSet::BOUND,
        _ => return None,
    })
}

/// A word in quotes, cut when it is longer than anybody would read.
fn quoted(word: &str) -> String {
    match word.char_indices().nth(EXCERPT_LEN) {
        Some((end, _)) => format!("{:?}…", &word[..end]),
        None => format!("{word:?}"),
    }
}

/// The filter is shown again in an error, and may hold anything.
fn printable(c: char) -> char {
    if c.is_control() { '?' } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> Result<Query, FilterError> {
        parse(text, &|name| (name == "https").then_some(443))
    }

    #[track_caller]
    fn check_same(one: &str, other: &str) {
        let one = parsed(one).unwrap();
        assert!(one.condition.is_some());
        assert_eq!(one, parsed(other).unwrap());
    }

    #[track_caller]
    fn check_error(text: &str, column: usize, expected: &str) {
        let error = parsed(text).unwrap_err();
        assert_eq!(error.column, column, "{error}");
        assert!(error.expected.contains(expected), "{error}");
    }

    #[test]
    fn both_spellings_of_operators() {
        check_same("sport = :443", "sport eq 443");
        check_same("sport == https", "sport = :https");
        check_same("dport>=1024", "dport geq :1024");
        check_same("dport < 5 || sport > 6", "dport lt 5 or sport gt 6");
        check_same("! sport = 1 & dport != 2", "not sport = 1 and dport neq 2");
        check_same("src = 10.0.0.1", "src 10.0.0.1/32");
        check_same(
            "dst != [::1]:https",
            "not dst ne [::1]:443".trim_start_matches("not "),
        );
    }

    #[test]
    fn addresses_with_and_without_brackets() {
        check_same("dst [fe80::]/10", "dst fe80::/10");
        check_same("dst [fe80::]/10:https", "dst [fe80::]/10:443");
        check_same("src 10.0.0.0/8:443", "src = 10.0.0.0/8:https");
        check_same("src *:443", "src :443");
        check_same("dst *", "dst :*");
        check_error("dst [::1", 5, "an address");
        check_error("dst [::1]x", 5, "an address");
        check_error("dst /8", 5, "an address");
        for text in [
            "[]",
            "[]:1",
            "[*]:1",
            "[::1]:1:2",
            "[::1]80",
            "[10.0.0.1]0",
            "[::1/8]/8",
            "::1/8/8",
            "1.2.3.4.5",
        ] {
            check_error(&format!("dst {text} )"), 5, "an address");
        }
        check_error("dst 1.2.3.4/255.0.255.0", 5, "an address");
        check_error("dst 1.2.3.4/+8", 5, "an address");
        check_error("dst inet:inet:1.2.3.4", 5, "an address");
    }

    #[test]
    fn addresses_as_ss_reads_them() {
        check_same("sport :8080", "sport = :8080");
        check_same(
            "dport https and sport 8080",
            "dport = :443 and sport = :8080",
        );
        check_same("dst 127/8", "dst 127.0.0.0/8");
        check_same("dst 10.1/16:443", "dst 10.1.0.0/16:443");
        check_same("dst 127", "dst 127.0.0.0");
        check_same("dst 10.0.0.0/255.0.0.0", "dst 10.0.0.0/8");
        check_same("src ::1:445", "src [::1]:445");
        check_same("src [fe80::/10]:443", "src fe80::/10:443");
        check_same("src [fe80::]/10:443", "src fe80::/10:443");
        check_same("src [10.0.0.0/8]:443", "src 10.0.0.0/8:443");
        check_same("src ::ffff:10.0.0.1:https", "src [::ffff:10.0.0.1]:443");
        check_same("src 10.0.0.1:", "src 10.0.0.1:*");
        // What ss refuses, as it takes the last number for a port.
        check_same("src ::1", "src [::1]");
        check_same("src ::", "src [::]");
        check_same("src 1:2:3:4:5:6:7:8", "src [1:2:3:4:5:6:7:8]");
        check_same("src 1:2:3:4:5:6:7:8:443", "src [1:2:3:4:5:6:7:8]:443");
        check_same("src ::ffff:10.1.2.3", "src [::ffff:10.1.2.3]");
    }

    #[test]
    fn and_binds_closer_than_or_and_may_be_left_out() {
        check_same(
            "sport = 1 or sport = 2 dport = 3",
            "sport = 1 or ( sport = 2 and dport = 3 )",
        );
        check_same(
            "sport = 1 dport = 2 or dport = 3",
            "( sport = 1 && dport = 2 ) | dport = 3",
        );
    }

    #[test]
    fn states_add_up_and_exclusions_take_away() {
        let states = |text| parsed(text).unwrap().states.unwrap();
        assert!(states("state listening state time-wait").contains(State::TimeWait));
        let open = states("exclude time-wait exclude listening");
        assert!(!open.contains(State::TimeWait) && open.contains(State::Established));
        assert!(states("state BIG").contains(State::Listen));
        assert_eq!(parsed("").unwrap(), Query::default());
    }

    #[test]
    fn mistakes_name_their_column_and_what_was_expected() {
        check_error("sport = :http999", 9, "a port");
        check_error("sport nope", 7, "=, !=");
        check_error("sport", 6, "=, !=");
        check_error("src localhost", 5, "names of hosts are not looked up");
        check_error("src localhost:80", 5, "names of hosts are not looked up");
        check_error("state nope", 7, "a state");
        check_error("sport = :80 )", 13, "and, or");
        check_error("( sport = :80", 14, "\")\"");
        check_error("dst < 10.0.0.0/8", 5, "no order");
        check_error("dst 10.0.0.0/33", 5, "an address");
        check_error("why 8080", 1, "sport, dport");
        check_error("sport = 99999", 9, "a port");
        check_error("sport = :80 and", 16, "sport, dport");
        check_error(&"! ".repeat(100), 129, "64 levels");
        check_error(&"( ".repeat(100_000), 129, "64 levels");
        check_error("ü sport", 1, "sport");
    }

    #[test]
    fn a_long_chain_is_no_deep_one() {
        for (word, holds) in [("or", true), ("and", false), ("", false)] {
            let part = format!("sport = :1 {word} ");
            let chain = part.repeat(MOST_TESTS - 1) + "sport = :2";
            let condition = parsed(&chain).unwrap().condition.unwrap();
            let (Expression::And(parts) | Expression::Or(parts)) = &condition else {
                panic!("{word}: no chain")
            };
            assert_eq!(
                (parts.len(), matches!(condition, Expression::Or(_))),
                (MOST_TESTS, holds)
            );
            check_error(
                &(part.repeat(MOST_TESTS) + "sport = :2"),
                MOST_TESTS * part.len() + 1,
                "at most 10000 tests",
            );
        }
    }

    #[test]
    fn of_a_long_filter_the_place_of_the_mistake_is_shown() {
        let shown = |filter: &str| parsed(filter).unwrap_err().to_string();
        let chain = "sport = :1 or ".repeat(5000);
        assert_eq!(
            shown(&format!("{chain}nope or {chain}")),
            "filter, column 70001: expected sport, dport, src, dst, not or \"(\", found \"nope\"\n  \
             …r sport = :1 or sport = :1 or nope or sport = :1 or sport = …\n  \
             \u{20}                              ^"
        );
        assert_eq!(
            shown(&chain[..70_000 - 1]).lines().last(),
            Some(format!("  {}^", " ".repeat(61)).as_str())
        );
        let word = shown(&"x".repeat(70_000));
        assert!(word.len() < 300, "{word}");
        // What fits is shown whole.
        let short = "sport = :1 or nope";
        assert_eq!(
            shown(short).lines().skip(1).collect::<Vec<_>>(),
            [&format!("  {short}")[..], "                ^"]
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,80}") {
            let _ = parsed(&text).map_err(|error| error.to_string());
        }

        #[test]
        fn no_near_miss_makes_it_panic(
            words in proptest::collection::vec(
                "(sport|dst|state|all|=|!|\\(|\\)|and|or|:443|::1|10.0.0.0/8)", 0..12
            )
        ) {
            let _ = parsed(&words.join(" ")).map_err(|error| error.to_string());
        }
    }
}
