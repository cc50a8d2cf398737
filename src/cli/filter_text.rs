//! The words of a filter, which are bytes, as text.

use std::ffi::OsString;

use super::usage::UsageError;
use crate::render::escape::terminal;

/// The words of a filter as text.
pub(super) fn filter_text(words: &[OsString]) -> Result<String, UsageError> {
    let word = |word: &OsString| {
        let bytes = word.as_encoded_bytes();
        text_of_filter(bytes).ok_or_else(|| UsageError::BytesInQuotes(terminal(bytes)))
    };
    let words: Result<Vec<String>, UsageError> = words.iter().map(word).collect();
    Ok(words?.join(" "))
}

/// A part of a filter as text, in which bytes that are none are written as a filter writes them.
/// `None` where there are such bytes and single quotes: between these nothing stands for anything
/// else.
pub fn text_of_filter(bytes: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if chunk.invalid().is_empty() {
            continue;
        }
        if bytes.contains(&b'\'') {
            return None;
        }
        let backslashes = text.len() - text.trim_end_matches('\\').len();
        if backslashes % 2 == 1 {
            // It would have left the byte as it is.
            text.pop();
        }
        for byte in chunk.invalid() {
            text += &format!("\\x{byte:02x}");
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_written_as_text() {
        let check = |bytes: &[u8], text: Option<&str>| {
            assert_eq!(text_of_filter(bytes).as_deref(), text);
        };
        check(b"src /a\xffb", Some(r"src /a\xffb"));
        check("src 'ü'".as_bytes(), Some("src 'ü'"));
        check(b"src \\\xff", Some(r"src \xff"));
        check(b"src \\\\\xff", Some(r"src \\\xff"));
        check(b"src '\xff'", None);
    }
}
