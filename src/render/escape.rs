//! Text from the system, made harmless. Process names, paths and interface names may hold
//! anything; nothing they hold may move a cursor, end a line or forge a field.

pub(super) use crate::model::shown::push_shown as push_without;
pub use crate::model::shown::shown as terminal;
use crate::model::shown::{is_deceptive, is_plain, push_hex};

/// A message of ours that quotes the system or the command line: one line, whatever they hold, in
/// which control characters are escaped as in [`terminal`], and nothing of ours is.
pub fn message(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0'..='\x1f' | '\x7f' => push_hex(&mut out, c as u8),
            c if is_deceptive(c) => out.extend(c.escape_unicode().to_string().bytes()),
            c => out.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A message of several lines, each of which is like [`message`].
pub fn lines(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(message).collect();
    lines.join("\n")
}

/// Appends what [`terminal`] returns.
pub fn push_terminal(out: &mut Vec<u8>, text: &[u8]) {
    push_without(out, text, b"");
}

/// Appends text as one word of a line that is split on blanks, in which `name=value` and
/// `name:value` are fields: blanks and `=` are escaped too.
pub(super) fn push_word(out: &mut Vec<u8>, text: &[u8]) {
    push_without(out, text, b" =");
}

/// Appends a JSON string, quotes included. Invalid UTF-8 becomes `\xNN`, as text.
pub fn push_json(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    if text.iter().all(|&byte| is_plain(byte)) {
        out.extend_from_slice(text);
    } else {
        for chunk in text.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '"' | '\\' => out.extend([b'\\', c as u8]),
                    c if c.is_control() || is_deceptive(c) => {
                        for unit in c.encode_utf16(&mut [0; 2]) {
                            out.extend(format!("\\u{unit:04x}").bytes());
                        }
                    }
                    c => out.extend(c.encode_utf8(&mut [0; 4]).bytes()),
                }
            }
            for &byte in chunk.invalid() {
                // A backslash in JSON is itself escaped.
                out.push(b'\\');
                push_hex(out, byte);
            }
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn control_characters_quotes_and_backslashes() {
        assert_eq!(terminal(b"a\x1b[2J"), r"a\x1b[2J");
        assert_eq!(terminal(b"x\",pid=1\n"), r#"x\",pid=1\x0a"#);
        assert_eq!(terminal(br"a\b"), r"a\\b");
        assert_eq!(terminal(b"\xff\xc3"), r"\xff\xc3");
        assert_eq!(terminal("Müller 日本".as_bytes()), "Müller 日本");
        assert_eq!(terminal("\u{9b}2J\u{202e}".as_bytes()), r"\u{9b}2J\u{202e}");
    }

    #[test]
    fn a_word_stays_one_word() {
        let mut out = Vec::new();
        push_word(&mut out, "a b=c\u{a0}\u{3000}(d),\t".as_bytes());
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r"a\x20b\x3dc\u{a0}\u{3000}(d),\x09"
        );
    }

    #[test]
    fn a_message_is_one_line_unless_it_has_several_of_its_own() {
        let text = "a \"b\"\n  \x1b[2J\r\u{202e}b";
        assert_eq!(message(text), r#"a "b"\x0a  \x1b[2J\x0d\u{202e}b"#);
        assert_eq!(lines(text), "a \"b\"\n  \\x1b[2J\\x0d\\u{202e}b");
    }

    proptest! {
        #[test]
        fn nothing_escapes(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let shown = terminal(&text);
            prop_assert!(!shown.chars().any(|c| c.is_control() || is_deceptive(c)));
        }

        #[test]
        fn json_is_valid_and_means_the_text(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut out = Vec::new();
            push_json(&mut out, &text);
            let back: String = serde_json::from_slice(&out).unwrap();
            if let Ok(text) = std::str::from_utf8(&text) {
                prop_assert_eq!(back, text);
            }
        }
    }
}
