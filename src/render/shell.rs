//! Words of a command line, to be pasted into a shell. Names of units and paths may hold anything;
//! quoted they stay one word, and hold no byte that a terminal obeys.

/// The text as one word.
pub(super) fn word(text: &[u8]) -> String {
    let is_safe = |byte: &u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(byte);
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~');
    let quoted = |text: String| format!("'{}'", text.replace('\'', r"'\''"));
    match String::from_utf8(text.to_vec()) {
        Ok(text) if !text.is_empty() && text.bytes().all(|byte| is_safe(&byte)) => text,
        Ok(text) if text.bytes().all(|byte| is_plain(&byte)) => quoted(text),
        _ => {
            let mut word = "$'".to_owned();
            for byte in text {
                match byte {
                    b'\'' | b'\\' => word.extend(['\\', char::from(*byte)]),
                    byte if is_plain(byte) => word.push(char::from(*byte)),
                    // Three digits, so that none that follows belongs to it.
                    byte => word += &format!("\\{byte:03o}"),
                }
            }
            word + "'"
        }
    }
}

/// The text as one word of a command that every shell understands; `None` where only bash's `$'…'`
/// would do.
pub(super) fn portable(text: &[u8]) -> Option<String> {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~');
    text.iter().all(is_plain).then(|| word(text))
}

/// Words with blanks between them.
pub(super) fn words<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let words: Vec<String> = texts.into_iter().map(word).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    #[test]
    fn quotes_are_where_they_are_needed() {
        for (text, expected) in [
            (&b"nginx.service"[..], "nginx.service"),
            (b"/usr/sbin/nginx", "/usr/sbin/nginx"),
            (b"", "''"),
            (b"a b", "'a b'"),
            (b"$(reboot)", "'$(reboot)'"),
            (b"it's", r"'it'\''s'"),
            (b"-\\x2d", r"'-\x2d'"),
            (b"a\n1", r"$'a\0121'"),
            (b"\xff'\x1b", r"$'\377\'\033'"),
            ("ü".as_bytes(), r"$'\303\274'"),
        ] {
            assert_eq!(word(text), expected);
        }
        assert_eq!(words([&b"a"[..], b"b c"]), "a 'b c'");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn a_shell_reads_what_was_meant(text in proptest::collection::vec(1u8.., 0..20)) {
            let script = format!("printf %s {}", word(&text));
            prop_assert!(!script.chars().any(char::is_control));
            let Ok(output) = Command::new("bash").args(["-c", &script]).output() else {
                return Ok(());
            };
            prop_assert_eq!(output.stdout, text);
        }
    }
}
