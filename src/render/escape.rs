//! Text from the system, made harmless. Process names, paths and interface names may hold
//! anything; nothing they hold may move a cursor, end a line or forge a field.

/// The text with control characters, quotes and backslashes escaped: `a\x1b[2J`.
///
/// Invalid UTF-8 and control characters become `\xNN`; characters that reorder or hide the text
/// around them become `\u{NNNN}`.
pub fn terminal(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len());
    push_terminal(&mut out, text);
    String::from_utf8_lossy(&out).into_owned()
}

/// A message of ours that quotes the system or the command line: lines stay lines, all other
/// control characters are escaped.
pub fn message(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\n' && (c.is_control() || is_deceptive(c)) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
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

/// Appends text in which these ASCII characters are escaped as well, as `\x3d`; where blanks are
/// among them, those that are not ASCII too.
pub(super) fn push_without(out: &mut Vec<u8>, text: &[u8], unwanted: &[u8]) {
    let is_plain = |byte: &u8| is_plain(*byte) && !unwanted.contains(byte);
    if text.iter().all(is_plain) {
        out.extend_from_slice(text);
        return;
    }
    let one_word = unwanted.contains(&b' ');
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => out.extend([b'\\', c as u8]),
                '\0'..='\x1f' | '\x7f' => push_hex(out, c as u8),
                c if c.is_ascii() && unwanted.contains(&(c as u8)) => push_hex(out, c as u8),
                c if is_deceptive(c) || (one_word && c.is_whitespace()) => {
                    out.extend(c.escape_unicode().to_string().bytes());
                }
                c => out.extend(c.encode_utf8(&mut [0; 4]).bytes()),
            }
        }
        chunk.invalid().iter().for_each(|&byte| push_hex(out, byte));
    }
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

const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

/// C1 controls, line and paragraph separators, and marks that are not seen or change the
/// direction of what follows.
const fn is_deceptive(c: char) -> bool {
    matches!(
        c,
        '\u{80}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

fn push_hex(out: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend([
        b'\\',
        b'x',
        DIGITS[usize::from(byte >> 4)],
        DIGITS[usize::from(byte & 15)],
    ]);
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
    fn messages_keep_their_lines_and_nothing_else() {
        assert_eq!(
            message("a\n  \x1b[2J\r\u{202e}b"),
            "a\n  \\u{1b}[2J\\r\\u{202e}b"
        );
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
