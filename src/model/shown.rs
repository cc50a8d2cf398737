//! Text from the system, made harmless where it stands among words of ours. Names, paths and
//! addresses may hold anything; nothing they hold may move a cursor, end a line or forge a field.

/// The text with control characters, quotes and backslashes escaped: `a\x1b[2J`.
///
/// Invalid UTF-8 and control characters become `\xNN`; characters that reorder or hide the text
/// around them become `\u{NNNN}`.
pub fn shown(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len());
    push_shown(&mut out, text, b"");
    String::from_utf8_lossy(&out).into_owned()
}

/// Appends what [`shown`] returns, in which these ASCII characters are escaped as well, as `\x3d`;
/// where blanks are among them, those that are not ASCII too.
pub fn push_shown(out: &mut Vec<u8>, text: &[u8], unwanted: &[u8]) {
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

/// Whether a byte of ASCII needs no escape.
pub const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

/// C1 controls, line and paragraph separators, and marks that are not seen or change the
/// direction of what follows.
pub const fn is_deceptive(c: char) -> bool {
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

/// Appends a byte as `\xNN`.
pub fn push_hex(out: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend([
        b'\\',
        b'x',
        DIGITS[usize::from(byte >> 4)],
        DIGITS[usize::from(byte & 15)],
    ]);
}
