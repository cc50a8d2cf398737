//! Numbers as C's printf writes them.

use super::super::address::push_number;

/// Appends thousandths as C's `%g` writes them: six digits that count, no zeros at the end.
pub(super) fn push_thousandths(out: &mut Vec<u8>, thousandths: u64) {
    // Up to six digits nothing is rounded.
    if thousandths >= 1_000_000 {
        return push_general(out, thousandths as f64 / 1000.0, 6);
    }
    push_number(out, thousandths / 1000);
    let rest = u32::try_from(thousandths % 1000).unwrap_or(0);
    if rest != 0 {
        let digits = [100, 10, 1].map(|unit| b'0' + u8::try_from(rest / unit % 10).unwrap_or(0));
        let length = 3 - digits
            .iter()
            .rev()
            .take_while(|&&digit| digit == b'0')
            .count();
        out.push(b'.');
        out.extend_from_slice(&digits[..length]);
    }
}

/// Appends a number as C's `%.*g` does: `digits` that count, no zeros at the end, an exponent
/// where it would be longer without.
pub(super) fn push_general(out: &mut Vec<u8>, number: f64, digits: usize) {
    if number == number.trunc() && number.abs() < 1000.0 {
        return push_number(out, number as i64);
    }
    let scientific = format!("{number:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| {
        let text = if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.')
        } else {
            text
        };
        text.to_owned()
    };
    let last = i32::try_from(digits).unwrap_or(i32::MAX);
    if exponent < -4 || exponent >= last {
        let sign = if exponent < 0 { '-' } else { '+' };
        out.extend(format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs()).bytes());
    } else {
        let decimals = usize::try_from(last - 1 - exponent).unwrap_or(0);
        out.extend(trimmed(&format!("{number:.decimals$}")).bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_general(number: f64, digits: usize, expected: &str) {
        let mut out = Vec::new();
        push_general(&mut out, number, digits);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    /// Expected values as printed by C's printf.
    #[test]
    fn numbers_are_those_of_printf() {
        check_general(739.0 / 256.0, 6, "2.88672");
        check_general(1.015_625, 6, "1.01562");
        check_general(1.0, 6, "1");
        check_general(1_234.567, 6, "1234.57");
        check_general(999_999.9, 6, "1e+06");
        check_general(12_345_678.0, 6, "1.23457e+07");
        check_general(62.415_238_095, 3, "62.4");
        check_general(999.999, 3, "1e+03");
        check_general(0.000_012, 6, "1.2e-05");
        check_general(178.0, 3, "178");
    }

    #[test]
    fn thousandths_lose_their_zeros() {
        let shown = |number| {
            let mut out = Vec::new();
            push_thousandths(&mut out, number);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(shown(42), "0.042");
        assert_eq!(shown(204_000), "204");
        assert_eq!(shown(20), "0.02");
        assert_eq!(shown(1_500), "1.5");
        assert_eq!(shown(999_999), "999.999");
        assert_eq!(shown(1_234_567), "1234.57");
        assert_eq!(shown(120_000_000), "120000");
    }
}
