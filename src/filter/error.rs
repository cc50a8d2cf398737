//! What is said of a filter that makes no sense.

/// Characters of a long filter that an error shows.
const EXCERPT_LEN: usize = 60;

/// A filter that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "filter{}, column {column}: expected {expected}, found {found}{}\n{}",
    self.place(),
    self.reason(),
    self.excerpt()
)]
pub struct FilterError {
    /// The whole filter, or the line of its file.
    pub text: String,
    /// Which line of which file that is.
    pub line: Option<Box<FilterLine>>,
    /// Where it went wrong, counted in characters from 1.
    pub column: usize,
    /// What would have made sense.
    pub expected: String,
    /// What stands there.
    pub found: String,
    /// Why that will not do, where it is not plain to see.
    pub reason: Option<String>,
}

/// A line of a file with a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterLine {
    /// The file, as it is shown.
    pub file: String,
    /// Counted from 1.
    pub number: usize,
}

impl FilterError {
    /// Whether not even the first word begins a filter.
    pub fn is_no_filter(&self) -> bool {
        self.column == 1 && self.line.is_none() && self.expected == super::parse::TESTS
    }

    fn place(&self) -> String {
        match &self.line {
            Some(line) => format!(" in {}, line {}", line.file, line.number),
            None => String::new(),
        }
    }

    fn reason(&self) -> String {
        match &self.reason {
            Some(reason) => format!(" ({reason})"),
            None => String::new(),
        }
    }

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

/// A word in quotes, cut when it is longer than anybody would read.
pub(super) fn quoted(word: &str) -> String {
    match word.char_indices().nth(EXCERPT_LEN) {
        Some((end, _)) => format!("{:?}…", &word[..end]),
        None => format!("{word:?}"),
    }
}

/// The filter is shown again in an error, and may hold anything.
pub(super) fn printable(c: char) -> char {
    if c.is_control() { '?' } else { c }
}
