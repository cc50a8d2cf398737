//! Numbers of a filter.

use std::str::FromStr;

/// A number as C writes it and ss reads it: hexadecimal behind `0x`, octal behind `0`.
pub(super) fn c_number<N: TryFrom<u64>>(text: &str) -> Option<N> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    let is_number = digits.starts_with(|c: char| c.is_digit(radix));
    let number = u64::from_str_radix(digits, radix).ok();
    number.filter(|_| is_number)?.try_into().ok()
}

/// A number in plain digits.
pub(super) fn decimal<N: FromStr>(text: &str) -> Option<N> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_c_writes_them() {
        for (text, number) in [
            ("0", Some(0)),
            ("80", Some(80)),
            ("0x50", Some(80)),
            ("0X50", Some(80)),
            ("0120", Some(80)),
            ("65535", Some(65535)),
            ("65536", None),
            ("080", None),
            ("0x", None),
            ("0x+1", None),
            ("+1", None),
            ("-1", None),
            ("1 ", None),
            ("", None),
            ("http", None),
        ] {
            assert_eq!(c_number::<u16>(text), number, "{text}");
        }
        assert_eq!(decimal("080"), Some(80u8));
        assert_eq!(decimal::<u8>("+1"), None);
        assert_eq!(decimal::<u8>(""), None);
    }
}
