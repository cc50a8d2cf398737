//! Ports and addresses of the two ends.

use std::str::from_utf8;

use super::super::tree::Test;
use super::super::{Comparison, End, Expression, FilterError, Prefix};
use super::address::{is_host, near_miss, prefix, split_port, wanted_prefix};
use super::beyond_ip::{ENDS, Word, of_family};
use super::number::c_number;
use super::{Parser, comparison_or, joined, negated_if};
use crate::model::Family;

impl Parser<'_> {
    /// What follows `sport` or `dport`.
    pub(super) fn port_test(&mut self, end: End) -> Result<Expression, FilterError> {
        let compared = self.comparison();
        let comparison = compared.unwrap_or(Comparison::Equal);
        let word = self.value();
        let test = match word.map(|word| self.compared_port(end, comparison, word)) {
            Some(Ok(test)) => test,
            refused => {
                let expected = format!(
                    "{}a port (0–65535) or the name of a service, such as :443",
                    comparison_or(compared)
                );
                return Err(self.refused(expected, refused.and_then(Result::err)));
            }
        };
        self.next += 1;
        Ok(test)
    }

    /// A comparison with `[FAMILY:]PORT`, `:PORT` or `*:PORT`.
    fn compared_port(
        &self,
        end: End,
        comparison: Comparison,
        value: &[u8],
    ) -> Result<Expression, String> {
        let word = Word::new(value);
        // Of unix sockets, which have none, the port of any other is meant.
        let family = word.beyond_ip(self.names.families());
        if let Some(family) =
            family.filter(|family| word.named.is_some() || *family != Family::Unix)
        {
            return self.port_beyond_ip(end, comparison, family, word.rest);
        }
        let port = from_utf8(word.rest).map_err(|_| "no such service".to_owned())?;
        let test = self.ip_port(end, comparison, port)?;
        Ok(match word.named {
            Some(family) => of_family(family, test),
            None => test,
        })
    }

    /// A comparison with `PORT`, `:PORT` or `*:PORT`.
    fn ip_port(&self, end: End, comparison: Comparison, word: &str) -> Result<Expression, String> {
        let word = word.strip_prefix("*:").unwrap_or(word);
        Ok(match (word.strip_prefix(':').unwrap_or(word), comparison) {
            // As in ss, the port of any socket; it has no order.
            ("*", Comparison::Equal) => Expression::constant(true),
            ("*", Comparison::NotEqual) => Expression::constant(false),
            (port, _) => Expression::Test(Test::Port {
                end,
                comparison,
                port: self.port(port)?,
            }),
        })
    }

    /// What follows `src` or `dst`.
    pub(super) fn address_test(&mut self, end: End) -> Result<Expression, FilterError> {
        let negated = self.negation("addresses")?;
        let test = match self.value().map(|value| self.address(end, value)) {
            Some(Ok(test)) => test,
            refused => {
                return Err(self.refused(ENDS, refused.and_then(Result::err).flatten()));
            }
        };
        self.next += 1;
        Ok(negated_if(negated, test))
    }

    /// A port; the error says what a name lacks.
    fn port(&self, text: &str) -> Result<u16, String> {
        match c_number(text) {
            Some(port) => Ok(port),
            // No service is called by a number alone.
            None if c_number::<u64>(text).is_some() => Err("ports end at 65535".to_owned()),
            None => self.names.port(text),
        }
    }

    /// `[FAMILY:]END`; the error says what a name lacks.
    fn address(&self, end: End, value: &[u8]) -> Result<Expression, Option<String>> {
        let word = Word::new(value);
        if let Some(family) = word.beyond_ip(self.names.families()) {
            return Ok(self.end_beyond_ip(end, family, word.rest)?);
        }
        let text = from_utf8(word.rest).map_err(|_| None)?;
        let test = self.endpoint(end, text)?;
        Ok(match word.named {
            Some(family) => of_family(family, test),
            None => test,
        })
    }

    /// `ADDR[/len][:PORT]`. As in ss, what stands behind the last colon is the port; where that
    /// leaves no address, as of `::1`, all of it is one.
    fn endpoint(&self, end: End, text: &str) -> Result<Expression, Option<String>> {
        let test = |prefix, port| Expression::Test(Test::Address { end, prefix, port });
        let split = split_port(text);
        if let Some((addr, port)) = &split
            && let Some(prefix) = wanted_prefix(addr)
            && let Ok(port) = self.wanted_port(*port)
        {
            return Ok(test(prefix, port));
        }
        if let Some(prefix) = prefix(text) {
            return Ok(test(Some(prefix), None));
        }
        let reason = || near_miss(text).map(str::to_owned);
        let host = split.filter(|(addr, _)| is_host(addr));
        let (host, port) = host.ok_or_else(reason)?;
        let port = self.wanted_port(port)?;
        let addresses = self.names.addresses(&host)?;
        let tests = addresses
            .into_iter()
            .map(|addr| test(Prefix::of(addr), port));
        Ok(joined(tests.collect(), Expression::Or))
    }

    /// A port, `None` for all, of what stands behind an address.
    fn wanted_port(&self, text: Option<&str>) -> Result<Option<u16>, String> {
        match text {
            None | Some("" | "*") => Ok(None),
            Some(port) => self.port(port).map(Some),
        }
    }
}
