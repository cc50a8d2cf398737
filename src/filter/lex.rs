//! Words and operators of a filter.

use std::borrow::Cow;

/// A word of the filter and where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// As it is written.
    pub(super) text: &'a str,
    /// What it says: without quotes, and with what its backslashes stand for.
    pub(super) value: Cow<'a, [u8]>,
    /// Column of its first character, counted from 1.
    pub(super) column: usize,
}

impl<'a> Token<'a> {
    fn new(text: &'a str, column: usize) -> Token<'a> {
        let value = match text.as_bytes() {
            [b'\'', inner @ .., b'\''] => Cow::Borrowed(inner),
            [b'"', .., b'"'] => Cow::Owned(unescaped(&text[1..text.len() - 1])),
            _ if text.contains('\\') => Cow::Owned(unescaped(text)),
            _ => Cow::Borrowed(text.as_bytes()),
        };
        Token {
            text,
            value,
            column,
        }
    }

    /// The word, when it may be one of the language: in quotes, or with a backslash, it never is.
    pub(super) fn plain(&self) -> Option<&'a str> {
        let is_plain = !self.text.starts_with(['"', '\'']) && !self.text.contains('\\');
        is_plain.then_some(self.text)
    }

    /// Whether it is one of these words of the language, in any case.
    pub(super) fn is_one_of(&self, words: &[&str]) -> bool {
        self.plain()
            .is_some_and(|word| words.iter().any(|known| word.eq_ignore_ascii_case(known)))
    }

    /// What it says, when it is text.
    pub(super) fn word(&self) -> Option<&str> {
        std::str::from_utf8(&self.value).ok()
    }
}

/// Two-character operators, which win over their first character alone.
const PAIRS: [&str; 6] = ["==", "!=", "<=", ">=", "&&", "||"];

/// Splits a filter. Operators and parentheses need no white space around them. The error is the
/// column of a quote that is never closed.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, usize> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut column = 1;
    while let Some(first) = rest.chars().next() {
        let length = if first.is_whitespace() {
            first.len_utf8()
        } else {
            let length = token_length(rest, first).ok_or(column)?;
            tokens.push(Token::new(&rest[..length], column));
            length
        };
        column += rest[..length].chars().count();
        rest = &rest[length..];
    }
    Ok(tokens)
}

/// Length of the token that the text begins with; `None` when its quote is never closed.
fn token_length(rest: &str, first: char) -> Option<usize> {
    if PAIRS.iter().any(|pair| rest.starts_with(pair)) {
        return Some(2);
    }
    match first {
        '"' => Some(1 + end(&rest[1..], true, |c| c == '"')? + 1),
        '\'' => Some(1 + rest[1..].find('\'')? + 1),
        _ if is_operator(first) => Some(first.len_utf8()),
        _ => {
            let mut before = ' ';
            let ends = |c: char| {
                // In a pattern, `[!a]` is any byte but this.
                let negates = c == '!' && before == '[';
                before = c;
                c.is_whitespace() || (is_operator(c) && !negates)
            };
            Some(end(rest, false, ends).unwrap_or(rest.len()))
        }
    }
}

/// Where the first character is for which `ends` holds, those behind a backslash aside. Where a
/// last one `is_due`, the end of the text is none.
fn end(text: &str, is_due: bool, mut ends: impl FnMut(char) -> bool) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if !escaped && ends(c) {
            return Some(at);
        }
        escaped = !escaped && c == '\\';
    }
    (!is_due).then_some(text.len())
}

const fn is_operator(c: char) -> bool {
    matches!(c, '(' | ')' | '!' | '=' | '<' | '>' | '&' | '|')
}

/// What a text stands for in which names are written as portstat prints them: `\xNN` is a byte,
/// `\u{NNNN}` a character, and any other character behind a backslash itself.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        rest = match escape(behind) {
            Some((meant, length)) => {
                bytes.extend(meant);
                &behind[length..]
            }
            None => match behind.chars().next() {
                Some(c) => {
                    bytes.extend_from_slice(&behind.as_bytes()[..c.len_utf8()]);
                    &behind[c.len_utf8()..]
                }
                None => behind,
            },
        };
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// What `xNN` or `u{NNNN}` at the beginning of a text stands for, and its length.
fn escape(text: &str) -> Option<(Vec<u8>, usize)> {
    if let Some(digits) = text.strip_prefix('x').and_then(|rest| rest.get(..2)) {
        let byte = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let byte = byte.then(|| u8::from_str_radix(digits, 16).ok()).flatten();
        return Some((vec![byte?], 3));
    }
    let (digits, _) = text.strip_prefix("u{")?.split_once('}')?;
    let c = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
    Some((c.to_string().into_bytes(), digits.len() + 3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_operators_and_columns() {
        let found: Vec<_> = tokens("(sport>=:22) || !dst [::1]")
            .unwrap()
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

    #[test]
    fn a_pattern_may_say_what_is_not_meant() {
        let found = tokens("src!=/a[!b]*").unwrap();
        let found: Vec<&str> = found.into_iter().map(|token| token.text).collect();
        assert_eq!(found, ["src", "!=", "/a[!b]*"]);
    }

    #[track_caller]
    fn check_value(text: &str, value: &[u8]) {
        let found = tokens(text).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (&*found[0].value, found[0].plain()),
            (value, None),
            "{text}"
        );
    }

    #[test]
    fn quotes_and_backslashes_make_one_word_of_anything() {
        check_value(r#""tmux: server""#, b"tmux: server");
        check_value("'a \" \\ b'", b"a \" \\ b");
        check_value(r"tmux:\ server", b"tmux: server");
        check_value(
            r#""a\"b\\c\x1b[2J\u{9b}\u{202e}""#,
            "a\"b\\c\x1b[2J\u{9b}\u{202e}".as_bytes(),
        );
        check_value(r"\xff\xzz\x", b"\xffxzzx");
        check_value(r"\(a\=b\)", b"(a=b)");
        check_value("\"\"", b"");
        check_value("\\", b"");
        check_value(r"\u{110000}", b"u{110000}");
        check_value("'and'", b"and");
        assert_eq!(tokens("comm = \"a b"), Err(8));
        assert_eq!(tokens("comm = 'a"), Err(8));
        assert_eq!(tokens("\"a\\\""), Err(1));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\\\xu{}0-9a-f\"' ü]{0,12}") {
            let _ = tokens(&text);
        }
    }
}
