//! The filter of a run: the words of the command line, and what a file has more of it.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::outcome::Error;
use crate::cli::{ListPlan, text_of_filter};
use crate::filter::{FilterError, FilterLine};
use crate::kernel::read_input;
use crate::render::escape::terminal;

/// No filter that anybody writes is longer.
const LIMIT: u64 = 1 << 20;

/// A filter, of which the last lines may be those of a file.
pub(super) struct FilterText {
    /// All of it. Comments are blanks.
    pub(super) text: String,
    /// How many characters of it stand before the file's.
    before: usize,
    /// What the file is called.
    file: String,
}

impl FilterText {
    /// Reads the file, if there is one. That it holds no filter is a mistake: what made it may have
    /// failed, and all sockets are more than were meant.
    pub(super) fn read(plan: &ListPlan) -> Result<FilterText, Error> {
        let mut text = plan.filter.clone();
        let Some(path) = &plan.filter_file else {
            return Ok(FilterText {
                before: usize::MAX,
                file: String::new(),
                text,
            });
        };
        let file = shown(path);
        let unreadable = |reason| Error::FilterFile(file.clone(), reason);
        let bytes = read_input(path, LIMIT).map_err(|error| unreadable(error.to_string()))?;
        // Some editors begin a file with the mark of UTF-8.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        text.push('\n');
        let before = text.chars().count();
        for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
            if line.trim_ascii_start().starts_with(b"#") {
                text.push('\n');
                continue;
            }
            let Some(line) = text_of_filter(line) else {
                let reason = format!("line {number} is no UTF-8; expected \\xNN for such bytes");
                return Err(unreadable(reason));
            };
            text += &line;
            text.push('\n');
        }
        if text.chars().skip(before).all(char::is_whitespace) {
            return Err(Error::EmptyFilter(file));
        }
        // What is missing at the end is missing behind the last word.
        text.truncate(text.trim_end_matches('\n').len());
        Ok(FilterText { text, before, file })
    }

    /// A mistake, with the line and column of the file where it stands there.
    pub(super) fn placed(&self, error: FilterError) -> FilterError {
        let Some(at) = (error.column - 1).checked_sub(self.before) else {
            let text = error.text.chars().take(self.before.saturating_sub(1));
            return FilterError {
                text: text.collect(),
                ..error
            };
        };
        let mut start = 0;
        let lines: Vec<char> = self.text.chars().skip(self.before).collect();
        let mut line = &lines[..];
        let mut number = 1;
        while let Some(length) = line.iter().position(|c| *c == '\n')
            && at > start + length
            && line.len() > length + 1
        {
            start += length + 1;
            number += 1;
            line = &line[length + 1..];
        }
        let length = line.iter().position(|c| *c == '\n').unwrap_or(line.len());
        let shown = error.text.chars().skip(self.before + start).take(length);
        FilterError {
            text: shown.collect(),
            column: (at - start).min(length) + 1,
            line: Some(Box::new(FilterLine {
                file: self.file.clone(),
                number,
            })),
            ..error
        }
    }
}

/// What a file is called where a mistake in it is told.
fn shown(path: &Path) -> String {
    match path.as_os_str().as_bytes() {
        b"-" => "standard input".to_owned(),
        path => terminal(path),
    }
}
