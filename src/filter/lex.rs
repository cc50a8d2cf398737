//! Words and operators of a filter.

/// A word of the filter and where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    /// Column of its first character, counted from 1.
    pub(super) column: usize,
}

/// Two-character operators, which win over their first character alone.
const PAIRS: [&str; 6] = ["==", "!=", "<=", ">=", "&&", "||"];

/// Splits a filter. Operators and parentheses need no white space around them.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut column = 1;
    while let Some(first) = rest.chars().next() {
        let length = if first.is_whitespace() {
            first.len_utf8()
        } else {
            let length = token_length(rest, first);
            tokens.push(Token {
                text: &rest[..length],
                column,
            });
            length
        };
        column += rest[..length].chars().count();
        rest = &rest[length..];
    }
    tokens
}

fn token_length(rest: &str, first: char) -> usize {
    if PAIRS.iter().any(|pair| rest.starts_with(pair)) {
        return 2;
    }
    if is_operator(first) {
        return first.len_utf8();
    }
    rest.find(|c: char| c.is_whitespace() || is_operator(c))
        .unwrap_or(rest.len())
}

const fn is_operator(c: char) -> bool {
    matches!(c, '(' | ')' | '!' | '=' | '<' | '>' | '&' | '|')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_operators_and_columns() {
        let found: Vec<_> = tokens("(sport>=:22) || !dst [::1]")
            .into_iter()
            .map(|token| (token.text, token.column))
            .collect();
        assert_eq!(
            found,
            [
                ("(", 1),
                ("sport", 2),
                (">=", 7),
                (":22", 9),
                (")", 12),
                ("||", 14),
                ("!", 17),
                ("dst", 18),
                ("[::1]", 22),
            ]
        );
    }
}
