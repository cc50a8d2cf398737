//! Random filters.

use std::fs;

use crate::support::population::Random;

/// What ss and portstat both understand, and mean the same by.
///
/// Left out is where ss contradicts the kernel: prefixes without length and addresses that begin
/// with zeros, which it finds in addresses of the other family, and `or` beside `and` without
/// parentheses, which it reads from left to right.
#[derive(Debug)]
pub struct Grammar<'a> {
    pub random: Random,
    /// Ports that sockets have.
    pub ports: &'a [u16],
    /// Names that TCP and UDP have for the same ports, as far as this machine knows them.
    pub services: Vec<&'static str>,
    /// Tests of other things than ends, each of which may be negated.
    pub others: &'a [&'a str],
    /// Tests that may not be.
    pub positive: &'a [&'a str],
}

impl<'a> Grammar<'a> {
    /// A grammar of ends alone.
    pub fn new(random: Random, ports: &'a [u16]) -> Grammar<'a> {
        let known = fs::read_to_string("/etc/services").unwrap_or_default();
        let is_known = |name: &&str| {
            let lines = known
                .lines()
                .filter(|line| line.split_whitespace().next() == Some(name));
            lines.count() == 2
        };
        Grammar {
            random,
            ports,
            services: ["domain", "https"].into_iter().filter(is_known).collect(),
            others: &[],
            positive: &[],
        }
    }

    /// A filter with all its words apart.
    pub fn filter(&mut self) -> String {
        let levels = 1 + self.random.below(4);
        self.expression(levels, true)
    }

    fn expression(&mut self, levels: usize, positive: bool) -> String {
        if levels == 0 {
            return self.test(positive);
        }
        match self.random.below(5) {
            0 => self.test(positive),
            1 => {
                let not = self.random.pick(&["not", "!"]);
                format!("{not} ( {} )", self.expression(levels - 1, false))
            }
            2 => {
                let not = self.random.pick(&["not", "!"]);
                format!("{not} {}", self.test(false))
            }
            3 => self.joined(&["and", "&", "&&", ""], levels, positive),
            _ => self.joined(&["or", "|", "||"], levels, positive),
        }
    }

    /// Two parts or three, all in parentheses.
    fn joined(&mut self, operators: &[&str], levels: usize, positive: bool) -> String {
        let mut text = format!("( {} )", self.expression(levels - 1, positive));
        for _ in 0..1 + self.random.below(2) {
            let operator = self.random.pick(operators);
            let part = self.expression(levels - 1, positive);
            text += &format!(" {operator} ( {part} )");
        }
        text
    }

    fn test(&mut self, positive: bool) -> String {
        let mut others = self.others.to_vec();
        if positive {
            others.extend(self.positive);
        }
        match self.random.below(6) {
            0 if !others.is_empty() => self.random.pick(&others).to_owned(),
            0..=2 => self.address_test(),
            _ => self.port_test(),
        }
    }

    fn port(&mut self) -> String {
        match self.random.below(8) {
            0 if self.services.is_empty() => self.random.pick(&["0x50", "0120"]).to_owned(),
            0 => self.random.pick(&self.services).to_owned(),
            1..=2 => self.random.below(65_536).to_string(),
            _ => self.random.pick(self.ports).to_string(),
        }
    }

    fn port_test(&mut self) -> String {
        let end = self.random.pick(&["sport", "dport"]);
        let operator = self.random.pick(&[
            "=", "==", "eq", "", "!=", "ne", "neq", "<", "lt", "<=", "le", "leq", ">", "gt", ">=",
            "ge", "geq",
        ]);
        let colon = self.random.pick(&[":", ""]);
        format!("{end} {operator} {colon}{}", self.port())
    }

    fn address_test(&mut self) -> String {
        let end = self.random.pick(&["src", "dst"]);
        let operator = self.random.pick(&["", "=", "==", "eq"]);
        let address = self.random.pick(&[
            "127.0.0.0/8",
            "127.0.0.0/23",
            "127.0.2.0/24",
            "127.0.0.1",
            "127/8",
            "127.0/16",
            "127.0.0.0/255.255.254.0",
            "[127.0.0.0/9]",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:127.0.0.0/104]",
            "[fe80::/10]",
            "any",
            "*",
            "",
        ]);
        match self.random.below(3) {
            0 => format!("{end} {operator} {address}:{}", self.port()),
            1 => format!("{end} {operator} {address}:*"),
            _ if address.is_empty() => format!("{end} {operator} *"),
            _ => format!("{end} {operator} {address}"),
        }
    }
}
