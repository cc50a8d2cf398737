//! Lines as wide as the terminal.

use super::plain::width;

/// Text for people. Where there is no terminal nothing is broken: a line of a file or a mail is
/// looked for, and whoever shows it breaks it.
pub(super) struct Page<'o> {
    pub(super) out: &'o mut Vec<u8>,
    /// Columns of the terminal.
    width: usize,
}

impl<'o> Page<'o> {
    pub(super) fn new(out: &'o mut Vec<u8>, width: Option<u16>) -> Page<'o> {
        let width = width.map_or(usize::MAX, usize::from);
        Page { out, width }
    }

    /// Whether a line needs no breaking.
    pub(super) fn fits(&self, line: &str) -> bool {
        width(line.as_bytes()) <= self.width
    }

    /// Appends a line as it is: a command is copied, a row has its columns.
    pub(super) fn line(&mut self, line: &str) {
        self.out.extend_from_slice(line.trim_end().as_bytes());
        self.out.push(b'\n');
    }

    /// Appends words, broken between them, after something that takes `begun` columns; the other
    /// lines are indented by `hang`.
    pub(super) fn words(&mut self, begun: usize, text: &str, hang: usize) {
        let mut column = begun;
        for (index, word) in text.split(' ').enumerate() {
            let long = width(word.as_bytes());
            if index > 0 && column + 1 + long > self.width {
                self.out.push(b'\n');
                self.out.extend(std::iter::repeat_n(b' ', hang));
                column = hang;
            } else if index > 0 {
                self.out.push(b' ');
                column += 1;
            }
            self.out.extend_from_slice(word.as_bytes());
            column += long;
        }
        self.out.push(b'\n');
    }

    /// Appends words that begin with `indent`.
    pub(super) fn indented(&mut self, indent: &str, text: &str) {
        self.out.extend_from_slice(indent.as_bytes());
        self.words(indent.len(), text, indent.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(columns: Option<u16>, expected: &str) {
        let mut out = Vec::new();
        Page::new(&mut out, columns).indented("    ", "one two three");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn lines_are_broken_between_words_where_there_is_a_terminal() {
        check(None, "    one two three\n");
        check(Some(17), "    one two three\n");
        check(Some(16), "    one two\n    three\n");
        check(Some(1), "    one\n    two\n    three\n");
    }
}
